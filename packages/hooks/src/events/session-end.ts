/** SessionEnd: a last chance to tidy up. Nothing that is said here can change anything, so nothing is read. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";

export const sessionEnd: DefinedEvent<"SessionEnd"> = defineEvent({
  event: "SessionEnd",
  scope: "thread",
  isBrief: true,
  // Nobody is left to hear of an async run, and MCP servers are on their way out.
  canRunAsync: false,
  handlerTypes: ["command", "http", "module"],
  matchValues: ({ reason }) => [reason],
  takesContext: false,
  plainText: "ignored",
  read: null,
  refuse: null,
  refuseFailed: null,
  combine: () => ({}),
});
