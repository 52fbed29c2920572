/** `sallyport hooks run EVENT`: really runs the hooks of this folder for one event, and shows input, output, summary and verdict. */
import { explainEvent } from "@sallyport/hooks";
import type { ExplainedHook } from "@sallyport/hooks";
import { signalNumber } from "@sallyport/supervisor";
import { displayText } from "./display-text.ts";
import { loadHooks, readInput, requireEvent } from "./hooks-place.ts";
import type { HooksPlaceOptions } from "./hooks-place.ts";
import { sampleInput } from "./hooks-sample.ts";
import { tryHooks } from "./hooks-try.ts";
import type { Tried, TriedRun } from "./hooks-try.ts";
import { complain, lookOf, paint, write } from "./terminal.ts";
import type { Look, Style } from "./terminal.ts";

export interface HooksRunOptions extends HooksPlaceOptions {
  input?: string;
  json?: boolean;
}

const runFailedStatus = 1;
const hookObjectedStatus = 2;

export async function runHooksRun(eventName: string, options: HooksRunOptions): Promise<number> {
  const event = requireEvent(eventName);
  const place = loadHooks(options);
  const input = sampleInput(event, place.cwd, options.input === undefined ? {} : readInput(options.input));
  const explained = explainEvent(place.found.handlers, event, { input });
  const notRun = explained.hooks.filter(({ runs }) => runs === "no");
  const tried = await tryHooks(place, event, input, place.found.handlers);
  if (options.json === true) {
    const skipped = notRun.map(({ handler, why }) => ({ key: handler.key, why }));
    write(`${JSON.stringify({ event, input, ...tried, skipped }, null, 2)}\n`, 1);
  } else {
    for (const { path, message } of place.found.errors) complain(`${path}: ${message}`);
    show(input, tried, notRun);
  }
  return statusOf(tried);
}

function statusOf({ runs, interruptedBy }: Tried): number {
  if (interruptedBy !== null) return 128 + signalNumber(interruptedBy);
  if (runs.some(({ summary }) => summary.status === "failed")) return runFailedStatus;
  const objected = runs.some(({ summary }) => summary.status === "blocked" || summary.status === "stopped");
  return objected ? hookObjectedStatus : 0;
}

const styles: Partial<Record<string, Style>> = {
  completed: "green",
  failed: "red",
  blocked: "yellow",
  stopped: "yellow",
};

function show(input: object, tried: Tried, notRun: readonly ExplainedHook[]): void {
  const look = lookOf(process.stdout, process.env);
  const lines = [paint("input", "bold", look), `  ${displayText(JSON.stringify(input))}`];
  for (const run of tried.runs) lines.push(...formatTriedRun(run, look));
  if (tried.runs.length === 0) lines.push("no hook ran");
  for (const { handler, why } of notRun)
    lines.push(`${paint("not run", "dim", look)}  ${displayText(handler.key)}`, `  ${displayText(why)}`);
  lines.push(paint("verdict", "bold", look), ...formatVerdict(tried.verdict));
  if (tried.folder !== null) lines.push(`long outputs are in ${displayText(tried.folder)}`);
  write(`${lines.join("\n")}\n`, 1);
}

export function formatTriedRun({ hook, summary, exitCode, signal, stdout, stderr }: TriedRun, look: Look): string[] {
  const { status, durationMs, executionMode, failure, entries } = summary;
  const end = signal ?? (exitCode === null ? null : `exit ${exitCode}`);
  const details = [end, `${durationMs ?? 0} ms`, failure ?? null, executionMode === "async" ? "async" : null];
  return [
    `${paint(status, styles[status] ?? "cyan", look)}  ${paint(displayText(hook), "bold", look)}`,
    `  ${details.filter((detail) => detail !== null).join(", ")}`,
    ...formatOutput("stdout", stdout),
    ...formatOutput("stderr", stderr),
    ...entries.flatMap(({ kind, text }) => formatOutput(kind, text)),
  ];
}

const shownLines = 20;
const shownLineLength = 2000;

function formatOutput(name: string, text: string): string[] {
  if (text === "") return [];
  const lines = text.trimEnd().split("\n");
  const shown = lines.slice(0, shownLines).map((line) => {
    if (line.length <= shownLineLength) return displayText(line);
    return `${displayText(line.slice(0, shownLineLength))} (${line.length - shownLineLength} characters more)`;
  });
  if (lines.length > shownLines) shown.push(`(${lines.length - shownLines} lines more; --json has all)`);
  return shown.map((line, at) => (at === 0 ? `  ${name}: ${line}` : `  ${" ".repeat(name.length)}  ${line}`));
}

/** What the turn would do; what is empty is left out. */
function formatVerdict(verdict: object): string[] {
  const fields = Object.entries(verdict).filter(
    ([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  if (fields.length === 0) return ["  nothing: the turn goes on as it would without hooks"];
  return fields.map(([name, value]) => `  ${name}: ${displayText(JSON.stringify(value))}`);
}
