/** PreCompact: may stop the turn before its history is summarised. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { completed, firstStop, stopped } from "./event-rules.ts";

export const preCompact: DefinedEvent<"PreCompact"> = defineEvent({
  event: "PreCompact",
  matchValues: ({ trigger }) => [trigger],
  takesContext: false,
  plainText: "ignored",
  read: ({ continue: goesOn = true, stopReason }) =>
    goesOn ? completed() : stopped(stopReason ?? "A PreCompact hook stopped here"),
  refuse: null,
  refuseFailed: (problem) => ({ stop: { reason: problem } }),
  combine: (judged) => ({ stop: firstStop(judged) }),
});
