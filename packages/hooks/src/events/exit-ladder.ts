/** What the end of a run means, for every event: one ladder, with the event's own rules where they differ.
 *
 *      cancelled                            stopped, "interrupted"
 *      not started, not available           failed
 *      timed out, ended by a signal         failed
 *      exit 0, or answered                  what it printed, read by the event
 *      exit 2 with a reason on stderr       the event's refusal, where it has one; failed where it has none
 *      any other exit                       failed
 *
 *  A failed run never refuses anything by itself: the turn goes on, unless the handler's `onError` says that a guard which failed
 *  means asking or refusing. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { HookEventName, HookFailure, HookOutputEntry, HookOutputs } from "@sallyport/protocol";
import { unended } from "../handlers/handler-context.ts";
import type { ConfiguredHandler, HandlerResult } from "../types.ts";
import type { RunPlace, RunVerdict } from "./definition.ts";
import { completed, withContext } from "./event-rules.ts";
import type { Effect, EventRules, Meaning } from "./event-rules.ts";
import { cutMark, parseOutput, trimWhiteSpace } from "./output-parser.ts";

const maxTailBytes = 4096;
const maxLabelLength = 80;
/** Names of programs that the broker tells. */
const namedAtMost = 16;

interface Failed {
  failure: HookFailure;
  /** One line, without anything that the hook printed: the model gets to see it where a failed guard refuses. */
  problem: string;
  /** What the hook printed, and what is wrong with it; for people only. */
  details?: string;
  /** What was said before it turned out to be wrong. */
  entries?: HookOutputEntry[];
}

/** Changes nothing and never throws. */
export function judgeRun<Event extends HookEventName>(
  rules: EventRules<Event>,
  handler: ConfiguredHandler,
  result: HandlerResult,
  place: RunPlace | undefined,
): RunVerdict<Effect> {
  const warnings = leftBehindWarnings(result);
  const meaning = ladder[result.outcome]({ rules, handler, result, place });
  if (meaning === "cancelled") {
    const entries: HookOutputEntry[] = [...warnings, { kind: "error", text: "interrupted" }];
    return { status: "stopped", entries, effect: effectOfFailure(rules, handler, "was interrupted") };
  }
  if (!("failure" in meaning)) return { ...meaning, entries: [...warnings, ...meaning.entries] };
  const { failure, problem, details = "", entries = [] } = meaning;
  const text = `Hook ${labelOf(handler)} ${problem}${details}`;
  return {
    status: "failed",
    failure,
    entries: [...warnings, ...entries, { kind: "error", text }],
    effect: effectOfFailure(rules, handler, problem),
  };
}

function effectOfFailure<Event extends HookEventName>(
  { refuseFailed }: EventRules<Event>,
  { onError, statusMessage, key }: ConfiguredHandler,
  problem: string,
): Effect {
  // Fails open unless told otherwise. An event that guards nothing has nothing to refuse.
  if (onError === "allow" || refuseFailed === null) return {};
  // Not by its command, which may hold a password: the model gets to see this.
  return refuseFailed(`Hook ${quoted(statusMessage ?? key)} ${problem}`, onError);
}

interface Ended<Event extends HookEventName> {
  rules: EventRules<Event>;
  handler: ConfiguredHandler;
  result: HandlerResult;
  place: RunPlace | undefined;
}

type Rung = <Event extends HookEventName>(ended: Ended<Event>) => Meaning | Failed | "cancelled";

const ladder: Record<HandlerResult["outcome"], Rung> = {
  cancelled: () => "cancelled",
  notAvailable: ({ result: { problem } }) => ({
    failure: "notAvailable",
    problem: `is not available: ${problem ?? "no reason given"}`,
  }),
  notStarted: ({ result: { problem, startFailure } }) => ({
    failure: startFailure === "notFound" || startFailure === "notExecutable" ? startFailure : "notAvailable",
    problem: `could not be started: ${problem ?? "no reason given"}`,
  }),
  timedOut: ({ handler, result: { stdout, stderr } }) => ({
    failure: "timeout",
    problem: `did not end within ${handler.timeoutMs / 1000} s and was ended`,
    details: tail("Output until then", stdout) + tail("stderr", stderr),
  }),
  signaled: ({ result: { signal, problem, stderr } }) => ({
    failure: "signal",
    problem: `was ended by ${signal ?? "a signal"}`,
    details: (problem === null ? "" : `: ${problem}`) + tail("stderr", stderr),
  }),
  answered: ({ rules, result }) => {
    if (result.problem === null) return readOutput(rules, result);
    return { failure: "exit", problem: "failed", details: `: ${result.problem}${tail("stderr", result.stderr)}` };
  },
  exited: (ended) => (ended.result.exitCode === 0 ? readOutput(ended.rules, ended.result) : meaningOfExit(ended)),
};

function readOutput<Event extends HookEventName>(
  rules: EventRules<Event>,
  { stdout }: HandlerResult,
): Meaning | Failed {
  if (rules.read === null) return completed();
  const parsed = parseOutput(rules.event, stdout);
  if (parsed.kind === "nothing") return completed();
  if (parsed.kind === "invalid") return badOutput(rules.event, parsed.problem);
  if (parsed.kind === "object") return readObject(rules.event, rules.read, parsed.output);
  if (rules.plainText === "ignored") return completed();
  if (rules.plainText === "context") return withContext(parsed.text, completed());
  return badOutput(rules.event, `text, expected a JSON object or nothing${tail("Output", stdout)}`);
}

function badOutput(event: HookEventName, what: string): Failed {
  return { failure: "badOutput", problem: `printed output that ${event} does not read`, details: `: ${what}` };
}

function readObject<Event extends HookEventName>(
  event: Event,
  read: NonNullable<EventRules<Event>["read"]>,
  output: HookOutputs[Event],
): Meaning | Failed {
  const { systemMessage } = output as { systemMessage?: string | null }; // every event that reads output has it
  const warnings: HookOutputEntry[] = systemMessage == null ? [] : [{ kind: "warning", text: systemMessage }];
  const meaning = read(output);
  if ("invalid" in meaning) return { ...badOutput(event, meaning.invalid), entries: warnings };
  return { ...meaning, entries: [...warnings, ...meaning.entries] };
}

function meaningOfExit<Event extends HookEventName>({ rules, handler, result, place }: Ended<Event>): Meaning | Failed {
  const { exitCode, stderr } = result;
  const { action } = handler;
  const code = exitCode ?? -1;
  const details = tail("stderr", stderr);
  const isShell = action.type === "command" && action.args === null;
  if (isShell && code === 127)
    return { failure: "notFound", problem: "exited 127: the shell could not find a program", details };
  if (isShell && code === 126)
    return { failure: "notExecutable", problem: "exited 126: the shell could not execute a program", details };
  const expected = rules.refuse === null ? "0" : "0 or 2";
  if (code !== 2 || rules.refuse === null)
    return { failure: "exit", problem: `exited ${code}, expected ${expected}`, details };
  const reason = trimWhiteSpace(stderr.bytes.toString("utf8"));
  if (reason === "") return { failure: "exit", problem: "exited 2 without a reason on stderr" };
  if (action.type === "command" && saysScriptIsMissing(reason, [action.command, ...(action.args ?? [])], place)) {
    return { failure: "notFound", problem: "exited 2: its script is not there", details };
  }
  return rules.refuse(reason + cutMark(stderr));
}

/** What interpreters that exit 2 print when the script they were given is missing. The shell's name may be a path and its message
 *  may carry a line number. */
const missingScript = [
  /^(?:\S*\/)?(?:sh|dash|ash|ksh): (?:\d+: )?(?:cannot open|can't open) '?(?<script>[^'\n]+?)'?(?:: No such file(?: or directory)?)?$/,
  /^\S*python[\d.]*: can't open file '(?<script>[^'\n]+)': \[Errno 2\] No such file or directory$/,
  /^Can't open perl script "(?<script>[^"\n]+)": No such file or directory$/,
];

/** A hook that refuses exits 2, and so do some interpreters whose script is gone; such a hook is broken and has refused nothing.
 *
 *  The attack: a guard that prints only what it was asked about, and a command that reads like such a message, which would turn the
 *  guard's refusal into a failure that lets the command run. So the message must be all that was printed, name a file that the
 *  configured command names, and be true: that file must really not be there. In doubt it stays a refusal. */
function saysScriptIsMissing(reason: string, words: readonly string[], place: RunPlace | undefined): boolean {
  const script = missingScript
    .map((pattern) => pattern.exec(reason)?.groups?.["script"])
    .find((name) => name !== undefined);
  if (script === undefined || place === undefined) return false;
  const file = resolve(place.cwd, script);
  const named = words.flatMap((word) => word.split(/[\s'"]+/)).map((word) => resolve(place.cwd, expand(word, place)));
  return named.includes(file) && !existsSync(file);
}

/** As a shell does in the plain cases: `~/guard.py`, `$CLAUDE_PROJECT_DIR/guard.py`. */
function expand(word: string, { env, projectDir }: RunPlace): string {
  const known: NodeJS.ProcessEnv = { ...env, CLAUDE_PROJECT_DIR: projectDir, SALLYPORT_PROJECT_DIR: projectDir };
  return word
    .replace(/^~(?=\/)/, "$$HOME")
    .replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => known[braced ?? bare ?? ""] ?? "");
}

function leftBehindWarnings({ leftBehind }: HandlerResult): HookOutputEntry[] {
  const names = leftBehind.filter((name) => name !== unended);
  const count =
    names.length === 1 ? "1 program" : `${names.length} programs${names.length < namedAtMost ? "" : " or more"}`;
  const texts = names.length === 0 ? [] : [`Ended ${count} that the hook left running: ${names.join(", ")}`];
  if (names.length < leftBehind.length) texts.push("The hook left programs running that could not be ended");
  return texts.map((text) => ({ kind: "warning", text }));
}

/** The last 4 KiB: what went wrong is said at the end. */
function tail(name: string, stream: HandlerResult["stderr"]): string {
  const kept = stream.bytes.subarray(-maxTailBytes);
  const text = trimWhiteSpace(kept.toString("utf8"));
  if (text === "") return "";
  const size = stream.totalBytes > kept.length ? ` (the end of ${stream.bytes.length} bytes)` : "";
  return `\n${name}${size}: ${text}${cutMark(stream)}`;
}

/** What people know the hook by, in quotes and on one line. */
function labelOf({ action }: ConfiguredHandler): string {
  return quoted(labelOfAction(action));
}

function quoted(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return JSON.stringify(line.length <= maxLabelLength ? line : `${line.slice(0, maxLabelLength - 3)}...`);
}

function labelOfAction(action: ConfiguredHandler["action"]): string {
  if (action.type === "command") return [action.command, ...(action.args ?? [])].join(" ");
  if (action.type === "http") return action.url;
  if (action.type === "module") return action.name;
  return action.type === "mcpTool" ? `${action.server}/${action.tool}` : action.type;
}
