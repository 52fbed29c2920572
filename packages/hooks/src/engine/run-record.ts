/** The record of one run: how it begins, how it ends, and how the wire shows it. */
import type { HookEventName, HookEventWireName, HookHandlerType, HookRunSummary } from "@sallyport/protocol";
import { v7 as uuidv7 } from "uuid";
import type { RunVerdict } from "../events/definition.ts";
import type { ConfiguredHandler, HookRun } from "../types.ts";

export function beginRun(
  handler: ConfiguredHandler,
  executionMode: HookRun["executionMode"],
  scope: HookRun["scope"],
): HookRun {
  const handlerType: HookHandlerType = handler.action.type;
  return {
    id: uuidv7(),
    hookKey: handler.key,
    event: handler.event,
    handlerType,
    executionMode,
    scope,
    sourcePath: handler.sourcePath,
    source: handler.source,
    displayOrder: handler.displayOrder,
    status: "running",
    statusMessage: handler.statusMessage,
    startedAtMs: Date.now(),
    completedAtMs: null,
    durationMs: null,
    entries: [],
  };
}

/** A new record: the one that was announced as started stays as it was. */
export function completeRun(run: HookRun, verdict: Omit<RunVerdict<unknown>, "effect">, durationMs: number): HookRun {
  return {
    ...run,
    status: verdict.status,
    entries: verdict.entries,
    completedAtMs: Math.max(Date.now(), run.startedAtMs), // a clock that was set back
    durationMs,
    ...(verdict.failure !== undefined && { failure: verdict.failure }),
    ...(verdict.continuation !== undefined && { continuation: verdict.continuation }),
  };
}

/** What a run ends as that was announced and never began. */
export const interrupted: Omit<RunVerdict<unknown>, "effect"> = {
  status: "stopped",
  entries: [{ kind: "error", text: "interrupted" }],
};

/** SessionStart is sessionStart on the wire. */
export function hookEventWireName(event: HookEventName): HookEventWireName {
  return (event.charAt(0).toLowerCase() + event.slice(1)) as HookEventWireName; // the two enums differ in nothing else
}

/** The run as clients see it: times in whole seconds. */
export function toHookRunSummary(run: HookRun): HookRunSummary {
  const { event, startedAtMs, completedAtMs, ...same } = run;
  return {
    ...same,
    eventName: hookEventWireName(event),
    startedAt: Math.floor(startedAtMs / 1000),
    completedAt: completedAtMs === null ? null : Math.floor(completedAtMs / 1000),
  };
}
