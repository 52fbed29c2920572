/** PostExec, ours: told when a program ended; nothing that it prints is read. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { programNames } from "./program-names.ts";

export const postExec: DefinedEvent<"PostExec"> = defineEvent({
  event: "PostExec",
  matchValues: ({ file }) => programNames(file),
  takesContext: false,
  plainText: "ignored",
  read: null,
  refuse: null,
  refuseFailed: null,
  combine: () => ({}),
});
