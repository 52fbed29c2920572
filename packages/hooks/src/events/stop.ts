/** Stop: the agent thinks that it is done; a hook may know better. A failed hook never keeps a turn alive: that would loop. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { combineTurnEnd, goOn, readTurnEnd } from "./turn-end.ts";

export const stop: DefinedEvent<"Stop"> = defineEvent({
  event: "Stop",
  matchValues: null,
  takesContext: false,
  plainText: "refused",
  read: readTurnEnd,
  refuse: goOn,
  refuseFailed: null,
  combine: combineTurnEnd,
});
