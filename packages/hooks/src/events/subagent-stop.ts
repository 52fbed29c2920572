/** SubagentStop: as Stop, for a subagent. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { combineTurnEnd, goOn, readTurnEnd } from "./turn-end.ts";

export const subagentStop: DefinedEvent<"SubagentStop"> = defineEvent({
  event: "SubagentStop",
  matchValues: ({ agent_type }) => [agent_type],
  takesContext: false,
  plainText: "refused",
  read: readTurnEnd,
  refuse: goOn,
  refuseFailed: null,
  combine: combineTurnEnd,
});
