/** PostModelRequest: told after every request to the model of a turn; nothing that it prints is read. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";

export const postModelRequest: DefinedEvent<"PostModelRequest"> = defineEvent({
  event: "PostModelRequest",
  matchValues: null,
  takesContext: false,
  plainText: "ignored",
  read: null,
  refuse: null,
  refuseFailed: null,
  combine: () => ({}),
});
