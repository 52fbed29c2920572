/** SubagentStart: what a subagent should know from the beginning. It can't be stopped here: `continue: false` is read and ignored. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { completed, contextsOf, withContext } from "./event-rules.ts";

export const subagentStart: DefinedEvent<"SubagentStart"> = defineEvent({
  event: "SubagentStart",
  scope: "thread",
  matchValues: ({ agent_type }) => [agent_type],
  takesContext: true,
  plainText: "context",
  read: ({ hookSpecificOutput }) => withContext(hookSpecificOutput?.additionalContext, completed()),
  refuse: null,
  refuseFailed: null,
  combine: (judged, spill) => ({ contexts: contextsOf("SubagentStart", judged, spill) }),
});
