/** `sallyport hooks list`: what is configured, what is active, and why the rest is not. */
import { describeAction, listHooks } from "@sallyport/hooks";
import type { ConfiguredHandler } from "@sallyport/hooks";
import type { HooksListResponse } from "@sallyport/protocol";
import { displayText } from "./display-text.ts";
import { loadHooks } from "./hooks-place.ts";
import type { HooksPlaceOptions } from "./hooks-place.ts";
import { complain, lookOf, paint, write } from "./terminal.ts";
import type { Look } from "./terminal.ts";

export interface HooksListOptions extends HooksPlaceOptions {
  json?: boolean;
}

export function runHooksList(options: HooksListOptions): number {
  const { cwd, found } = loadHooks(options);
  const entry = listHooks(found, cwd);
  if (options.json === true) {
    const response: HooksListResponse = { data: [entry] };
    write(`${JSON.stringify(response, null, 2)}\n`, 1);
    return 0;
  }
  const look = lookOf(process.stdout, process.env);
  for (const { path, message } of entry.errors) complain(`${path}: ${message}`);
  for (const warning of entry.warnings) complain(warning);
  const lines = found.handlers.flatMap((handler, index) =>
    formatHook(handler, entry.hooks[index]?.skipped ?? null, look),
  );
  write(
    `${[...lines, summary(found.handlers.length, entry.hooks.filter(({ skipped }) => skipped === null).length)].join("\n")}\n`,
    1,
  );
  return 0;
}

const eventWidth = 18;
const stateWidth = 10;

/** What it does stands alone on its line, because it is what has to be read before it is trusted. */
function formatHook(handler: ConfiguredHandler, skipped: string | null, look: Look): string[] {
  const state = skipped === null ? paint("active", "green", look) : paint("skipped", "yellow", look);
  const gap = " ".repeat(stateWidth - (skipped === null ? "active" : "skipped").length);
  const matcher = handler.matcherText === null ? "" : displayText(handler.matcherText);
  const indent = " ".repeat(stateWidth);
  const first = `${state}${gap}${handler.event.padEnd(eventWidth)}${matcher}`.trimEnd();
  const action = `${indent}${paint(displayText(describeAction(handler)), "bold", look)}`;
  const key = `${indent}${paint(displayText(handler.key), "dim", look)}`;
  return [first, action, key, ...(skipped === null ? [] : [`${indent}${skippedText(handler, skipped)}`])];
}

function skippedText({ trustStatus }: ConfiguredHandler, skipped: string): string {
  const todo =
    trustStatus === "untrusted" || trustStatus === "modified" ? ": read it, then sallyport hooks trust KEY" : "";
  return `${displayText(skipped)}${skipped === "it is disabled" ? ": sallyport hooks enable KEY" : todo}`;
}

function summary(count: number, active: number): string {
  return count === 0 ? "no hooks" : `${count} ${count === 1 ? "hook" : "hooks"}, ${active} active`;
}
