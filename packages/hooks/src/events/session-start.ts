/** SessionStart: what the model should know from the beginning, or a reason not to begin. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { completed, contextsOf, firstStop, stopped, withContext } from "./event-rules.ts";

export const sessionStart: DefinedEvent<"SessionStart"> = defineEvent({
  event: "SessionStart",
  scope: "thread",
  matchValues: ({ source }) => [source],
  takesContext: true,
  plainText: "context",
  read: ({ continue: goesOn = true, stopReason = null, hookSpecificOutput }) =>
    withContext(hookSpecificOutput?.additionalContext, goesOn ? completed() : stopped(stopReason)),
  refuse: null,
  refuseFailed: (problem) => ({ stop: { reason: problem } }),
  // The context stays although a hook stops: the session is there, only this turn is refused, and this event does not fire again.
  combine: (judged, spill) => ({ contexts: contextsOf("SessionStart", judged, spill), stop: firstStop(judged) }),
});
