/** `sallyport hooks explain EVENT`: which hooks would run for this input and why, and which not. Nothing is run. */
import { describeAction, explainEvent } from "@sallyport/hooks";
import type { ExplainedHook } from "@sallyport/hooks";
import { displayText } from "./display-text.ts";
import { loadHooks, readInput, requireEvent } from "./hooks-place.ts";
import type { HooksPlaceOptions } from "./hooks-place.ts";
import { lookOf, paint, write } from "./terminal.ts";
import type { Look, Style } from "./terminal.ts";
import { usageError } from "./usage-error.ts";

export interface HooksExplainOptions extends HooksPlaceOptions {
  input?: string;
  tool?: string[];
  json?: boolean;
}

const toolEvents = ["PreToolUse", "PermissionRequest", "PostToolUse"];

export function runHooksExplain(eventName: string, options: HooksExplainOptions): number {
  const event = requireEvent(eventName);
  const { input, tool } = options;
  if (input !== undefined && tool !== undefined)
    throw usageError("Both --input and --tool are given, expected one", "hooks");
  if (tool !== undefined && !toolEvents.includes(event)) {
    throw usageError(`${event} is about no tool, expected --input FILE, or one of ${toolEvents.join(", ")}`, "hooks");
  }
  const { found } = loadHooks(options);
  const given = input !== undefined ? { input: readInput(input) } : tool !== undefined ? { tools: tool } : null;
  const { values, hooks } = explainEvent(found.handlers, event, given);
  if (options.json === true) {
    const rows = hooks.map(({ handler, runs, why }) => ({ key: handler.key, matcher: handler.matcherText, runs, why }));
    write(`${JSON.stringify({ event, values, hooks: rows }, null, 2)}\n`, 1);
    return 0;
  }
  const look = lookOf(process.stdout, process.env);
  const head = values === null ? event : `${event} for ${values.map((value) => displayText(value)).join(", ")}`;
  const lines = hooks.length === 0 ? ["no hooks"] : hooks.flatMap((hook) => formatExplained(hook, look));
  write(`${[head, ...lines].join("\n")}\n`, 1);
  return 0;
}

const styles: Record<ExplainedHook["runs"], Style> = { yes: "green", no: "yellow", depends: "cyan" };
const words: Record<ExplainedHook["runs"], string> = { yes: "runs", no: "does not run", depends: "may run" };
const width = 14;

function formatExplained({ handler, runs, why }: ExplainedHook, look: Look): string[] {
  const indent = " ".repeat(width + 2);
  return [
    `  ${paint(words[runs], styles[runs], look)}${" ".repeat(width - words[runs].length)}${displayText(describeAction(handler))}`,
    `${indent}${paint(displayText(handler.key), "dim", look)}`,
    `${indent}${displayText(why)}`,
  ];
}
