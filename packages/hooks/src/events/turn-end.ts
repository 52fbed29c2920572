/** What Stop and SubagentStop share: a hook may make the agent go on, or end the turn whatever other hooks say. */
import type { HookOutputs } from "@sallyport/protocol";
import type { HookRefusal, HookStop } from "../types.ts";
import type { JudgedRun, Spill } from "./definition.ts";
import { blocked, blockWithoutReason, completed, firstStop, given, refusalsOf, stopped } from "./event-rules.ts";
import type { Effect, Meaning } from "./event-rules.ts";

export function readTurnEnd(output: HookOutputs["Stop"]): Meaning | { invalid: string } {
  const { continue: goesOn = true, stopReason = null, decision, reason } = output;
  if (!goesOn) return stopped(stopReason);
  const invalid = blockWithoutReason(output);
  if (invalid !== null) return invalid;
  return decision === "block" ? goOn(given(reason) ?? "") : completed();
}

export function goOn(reason: string): Meaning {
  return { ...blocked(reason), continuation: true };
}

export function combineTurnEnd(
  judged: readonly JudgedRun<Effect>[],
  spill: Spill,
): { stop: HookStop | null; continuation: HookRefusal[] } {
  const stop = firstStop(judged);
  if (stop !== null) return { stop, continuation: [] };
  return {
    stop,
    continuation: refusalsOf(judged).map(({ reason, runId }) => ({ reason: spill(reason, null), runId })),
  };
}
