/** `sallyport hooks doctor`: which events have hooks that would run; with `--prove`, runs each of them once with a harmless input and
 *  shows what really ran. */
import { describeAction, explainEvent } from "@sallyport/hooks";
import type { ConfiguredHandler } from "@sallyport/hooks";
import { HookEventName } from "@sallyport/protocol";
import { hasBroker, signalNumber } from "@sallyport/supervisor";
import { displayText } from "./display-text.ts";
import { loadHooks } from "./hooks-place.ts";
import type { HooksPlace, HooksPlaceOptions } from "./hooks-place.ts";
import { formatTriedRun } from "./hooks-run.ts";
import { sampleInput } from "./hooks-sample.ts";
import { tryHooks } from "./hooks-try.ts";
import type { TriedRun } from "./hooks-try.ts";
import { complain, lookOf, paint, write } from "./terminal.ts";

export interface HooksDoctorOptions extends HooksPlaceOptions {
  prove?: boolean;
  json?: boolean;
}

/** `ran`: its program, call or function was really reached. `unproven`: no harmless input is known that its matcher takes. */
type Standing = "active" | "skipped" | "ran" | "failed" | "unproven";

interface Row {
  key: string;
  event: HookEventName;
  hook: string;
  standing: Standing;
  /** Why it is skipped or unproven. */
  why: string | null;
  run: TriedRun | null;
}

const problemStatus = 1;

export async function runHooksDoctor(options: HooksDoctorOptions): Promise<number> {
  const place = loadHooks(options);
  const { handlers, warnings, errors } = place.found;
  const rows: Row[] = [];
  const proof: Proof = { interruptedBy: null, folders: [] };
  for (const event of HookEventName.options) {
    const ofEvent = handlers.filter((handler) => handler.event === event);
    rows.push(...(options.prove === true ? await prove(place, event, ofEvent, proof) : ofEvent.map(rowOf)));
  }
  const trouble = errors.length > 0 || rows.some(({ standing }) => standing === "failed" || standing === "unproven");
  if (options.json === true) {
    const messages = [
      ...errors.map(({ path, message }) => `${path}: ${message}`),
      ...warnings.map(({ message }) => message),
    ];
    write(`${JSON.stringify({ broker: hasBroker(), hooks: rows, messages }, null, 2)}\n`, 1);
  } else {
    for (const { path, message } of errors) complain(`${path}: ${message}`);
    show(rows, options.prove === true, proof);
  }
  if (proof.interruptedBy !== null) return 128 + signalNumber(proof.interruptedBy);
  return trouble ? problemStatus : 0;
}

function rowOf(handler: ConfiguredHandler): Row {
  const { key, event } = handler;
  const skipped = handler.recheck === undefined ? handler.skipped : handler.recheck();
  return {
    key,
    event,
    hook: describeAction(handler),
    standing: skipped === null ? "active" : "skipped",
    why: skipped,
    run: null,
  };
}

/** What is to be known beside the rows. */
interface Proof {
  /** From then on nothing more is run. */
  interruptedBy: NodeJS.Signals | null;
  /** Where outputs are that did not fit. */
  folders: string[];
}

/** Each active handler runs once, with the first input that its matcher takes. */
async function prove(
  place: HooksPlace,
  event: HookEventName,
  handlers: readonly ConfiguredHandler[],
  proof: Proof,
): Promise<Row[]> {
  const rows = new Map(handlers.map((handler) => [handler.key, rowOf(handler)]));
  let waiting = handlers.filter(({ key }) => rows.get(key)?.standing === "active");
  for (const given of inputsFor(event, waiting)) {
    if (proof.interruptedBy !== null) break;
    const input = sampleInput(event, place.cwd, given);
    const taken = explainEvent(waiting, event, { input }).hooks.flatMap(({ handler, runs }) =>
      runs === "yes" ? [handler] : [],
    );
    if (taken.length === 0) continue;
    waiting = waiting.filter((handler) => !taken.includes(handler));
    const { runs, interruptedBy, folder } = await tryHooks(place, event, input, taken);
    proof.interruptedBy = interruptedBy;
    if (folder !== null) proof.folders.push(folder);
    for (const run of runs) {
      const row = rows.get(run.summary.hookKey);
      if (row !== undefined) Object.assign(row, { standing: standingOf(run), run });
    }
  }
  for (const { key, matcherText } of waiting) {
    const unknown = `no harmless input is known that ${JSON.stringify(matcherText)} takes; try sallyport hooks run ${event} --input FILE`;
    const why = proof.interruptedBy === null ? unknown : "interrupted before it was its turn";
    Object.assign(rows.get(key) ?? {}, { standing: "unproven", why });
  }
  return [...rows.values()];
}

/** A hook that objects has run as well as one that does not. */
function standingOf({ outcome, summary }: TriedRun): Standing {
  const reached = outcome === "exited" || outcome === "answered";
  return reached && summary.status !== "failed" ? "ran" : "failed";
}

/** The usual input first; then one for each name in the matchers. */
function inputsFor(event: HookEventName, handlers: readonly ConfiguredHandler[]): Record<string, unknown>[] {
  const names = new Set(handlers.flatMap(({ matcherText }) => matcherText?.match(/[\w./-]+/g) ?? []));
  return [{}, ...[...names].flatMap((name) => inputsWith[event]?.(name) ?? [])];
}

type InputFor = (name: string) => Record<string, unknown>[];

const forTool: InputFor = (name) => [{ tool_name: name, tool_input: {} }];
const forTrigger: InputFor = (name) => (["manual", "auto"].includes(name) ? [{ trigger: name }] : []);
const forAgent: InputFor = (name) => [{ agent_type: name }];
const forProgram: InputFor = (name) => [{ file: name.startsWith("/") ? name : `/usr/bin/${name}`, argv: [name] }];
const sources = ["startup", "resume", "clear", "fork", "compact"];

/** Events with matchers, and inputs that a name in a matcher may take. */
const inputsWith: Partial<Record<HookEventName, InputFor>> = {
  PreToolUse: forTool,
  PermissionRequest: forTool,
  PostToolUse: forTool,
  SessionStart: (name) => (sources.includes(name) ? [{ source: name }] : []),
  PreCompact: forTrigger,
  PostCompact: forTrigger,
  SubagentStart: forAgent,
  SubagentStop: forAgent,
  PreExec: forProgram,
  PostExec: forProgram,
};

const colours = { active: "green", ran: "green", failed: "red", skipped: "yellow", unproven: "yellow" } as const;

function show(rows: readonly Row[], proved: boolean, { folders }: Proof): void {
  const look = lookOf(process.stdout, process.env);
  const lines = hasBroker() ? [] : ["no broker here: what leaves a hook's process group is not ended with the hook"];
  for (const { key, event, hook, standing, why, run } of rows) {
    lines.push(`${paint(standing, colours[standing], look)}  ${event}  ${displayText(key)}`);
    if (run !== null) lines.push(...formatTriedRun(run, look).map((line) => `  ${line}`));
    else lines.push(`  ${displayText(hook)}`);
    if (why !== null) lines.push(`  ${displayText(why)}`);
  }
  for (const folder of folders) lines.push(`long outputs are in ${displayText(folder)}`);
  const count = (standing: Standing): number => rows.filter((row) => row.standing === standing).length;
  const counted = proved ? (["ran", "failed", "unproven", "skipped"] as const) : (["active", "skipped"] as const);
  lines.push(rows.length === 0 ? "no hooks" : counted.map((standing) => `${count(standing)} ${standing}`).join(", "));
  if (!proved && count("active") > 0)
    lines.push("nothing was run; sallyport hooks doctor --prove runs each active hook once");
  write(`${lines.join("\n")}\n`, 1);
}
