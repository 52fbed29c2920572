/** PreToolUse: lets a tool call through, refuses it, or gives it another input. */
import type { HookOutputs } from "@sallyport/protocol";
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import { blocked, blockWithoutReason, completed, contextsOf, given, refusalsOf, withContext } from "./event-rules.ts";
import type { Meaning } from "./event-rules.ts";
import { toolNames } from "./tool-names.ts";
import { unsupportedUniversal } from "./unsupported.ts";

type Output = HookOutputs["PreToolUse"];
type Specific = NonNullable<Output["hookSpecificOutput"]>;

export const preToolUse: DefinedEvent<"PreToolUse"> = defineEvent({
  event: "PreToolUse",
  matchValues: ({ tool_name }) => toolNames(tool_name),
  takesContext: true,
  plainText: "ignored",
  read: (output) => {
    const specific = output.hookSpecificOutput ?? null;
    const meaning = unsupportedUniversal(output) ?? (saysPermission(specific) ? permission(specific) : legacy(output));
    return "invalid" in meaning ? meaning : withContext(specific?.additionalContext, meaning);
  },
  refuse: blocked,
  refuseFailed: (problem, onError) => (onError === "deny" ? { refusal: problem } : { ask: problem }),
  combine: (judged, spill) => {
    const deny = refusalsOf(judged)[0] ?? null;
    const asking = judged.find(({ effect }) => effect.ask !== undefined);
    return {
      contexts: contextsOf("PreToolUse", judged, spill),
      deny,
      ask:
        deny !== null || asking?.effect.ask === undefined ? null : { reason: asking.effect.ask, runId: asking.runId },
      // The last in configured order, whichever hook was the last to end.
      updatedInput:
        deny === null
          ? judged.findLast(({ effect }) => effect.updatedInput !== undefined)?.effect.updatedInput
          : undefined,
    };
  },
});

/** Any of the three makes the older `decision` beside it meaningless. */
function saysPermission(specific: Specific | null): specific is Specific {
  return (
    specific?.permissionDecision != null || specific?.permissionDecisionReason != null || specific?.updatedInput != null
  );
}

function permission({
  permissionDecision,
  permissionDecisionReason,
  updatedInput,
}: Specific): Meaning | { invalid: string } {
  const reason = given(permissionDecisionReason);
  if (updatedInput != null && permissionDecision !== "allow") {
    return { invalid: '"updatedInput" without "permissionDecision": "allow", expected both' };
  }
  if (permissionDecision === "allow") {
    if (updatedInput != null) return completed([], { updatedInput });
    return { invalid: '"permissionDecision": "allow" without "updatedInput", expected both or neither' };
  }
  if (permissionDecision === "deny") {
    if (reason !== null) return blocked(reason);
    return { invalid: '"permissionDecision": "deny" without a "permissionDecisionReason", expected one' };
  }
  if (permissionDecision === "ask") {
    return { invalid: '"permissionDecision": "ask", expected "deny", or "allow" with "updatedInput"' };
  }
  return { invalid: '"permissionDecisionReason" without "permissionDecision", expected both' };
}

function legacy(output: Output): Meaning | { invalid: string } {
  const { decision, reason } = output;
  if (decision === "approve") return { invalid: '"decision": "approve", expected "block" or nothing' };
  if (decision !== "block")
    return reason == null ? completed() : { invalid: '"reason" without "decision", expected both' };
  return blockWithoutReason(output) ?? blocked(given(reason) ?? "");
}
