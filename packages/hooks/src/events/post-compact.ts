/** PostCompact: may stop the turn after its history was summarised. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { completed, firstStop, stopped } from "./event-rules.ts";

export const postCompact: DefinedEvent<"PostCompact"> = defineEvent({
  event: "PostCompact",
  matchValues: ({ trigger }) => [trigger],
  takesContext: false,
  plainText: "ignored",
  read: ({ continue: goesOn = true, stopReason }) =>
    goesOn ? completed() : stopped(stopReason ?? "A PostCompact hook stopped here"),
  refuse: null,
  // The history is replaced already: there is nothing left to guard.
  refuseFailed: null,
  combine: (judged) => ({ stop: firstStop(judged) }),
});
