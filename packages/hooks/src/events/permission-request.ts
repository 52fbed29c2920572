/** PermissionRequest: answers an approval in the user's place. Without an answer the user is asked. */
import type { HookOutcomes } from "../types.ts";
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { blocked, completed, given, refusalsOf } from "./event-rules.ts";
import { toolNames } from "./tool-names.ts";
import { unsupportedUniversal } from "./unsupported.ts";

type Decision = HookOutcomes["PermissionRequest"]["decision"];

export const permissionRequest: DefinedEvent<"PermissionRequest"> = defineEvent({
  event: "PermissionRequest",
  matchValues: ({ tool_name }) => toolNames(tool_name),
  takesContext: false,
  plainText: "ignored",
  read: (output) => {
    const unsupported = unsupportedUniversal(output);
    if (unsupported !== null) return unsupported;
    const decision = output.hookSpecificOutput?.decision;
    if (decision == null) return completed();
    if (decision.updatedInput != null)
      return { invalid: '"updatedInput", which this event can\'t change, expected nothing' };
    if (decision.updatedPermissions != null)
      return { invalid: '"updatedPermissions", which hooks can\'t change, expected nothing' };
    if (decision.interrupt === true)
      return { invalid: '"interrupt": true, which this event can\'t do, expected false or nothing' };
    if (decision.behavior === "allow") return completed([], { allow: true });
    return blocked(given(decision.message) ?? "A PermissionRequest hook denied this");
  },
  refuse: blocked,
  refuseFailed: (problem, onError) => (onError === "deny" ? { refusal: problem } : { ask: problem }),
  combine: (judged) => ({ decision: decide(judged) }),
});

function decide(judged: Parameters<typeof refusalsOf>[0]): Decision {
  const denial = refusalsOf(judged)[0];
  if (denial !== undefined) return { behavior: "deny", message: denial.reason, runId: denial.runId };
  // A guard that failed wants the user to see this, so another hook's consent does not count.
  if (judged.some(({ effect }) => effect.ask !== undefined)) return null;
  const consent = judged.find(({ effect }) => effect.allow === true);
  return consent === undefined ? null : { behavior: "allow", runId: consent.runId };
}
