/** Interrupt: the user stopped a turn and waits for it to end; a hook may only say something. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { completed } from "./event-rules.ts";

export const interrupt: DefinedEvent<"Interrupt"> = defineEvent({
  event: "Interrupt",
  isBrief: true,
  matchValues: null,
  takesContext: false,
  plainText: "refused",
  read: () => completed(),
  refuse: null,
  refuseFailed: null,
  combine: () => ({}),
});
