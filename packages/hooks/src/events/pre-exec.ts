/** PreExec, ours: decides on one program start. Rules and hooks decide together, and the most restrictive wins; whether a hook may
 *  escalate at all is the configuration's word, not this file's. */
import { defineEvent } from "./define-event.ts";
import type { DefinedEvent } from "./define-event.ts";
import type { JudgedRun } from "./definition.ts";
import { completed, given } from "./event-rules.ts";
import type { Effect, Meaning } from "./event-rules.ts";
import { programNames } from "./program-names.ts";
import { unsupportedUniversal } from "./unsupported.ts";

/** The most restrictive first. */
const strictness = ["deny", "ask", "run", "escalate"] as const;

export const preExec: DefinedEvent<"PreExec"> = defineEvent({
  event: "PreExec",
  matchValues: ({ file }) => programNames(file),
  takesContext: false,
  plainText: "ignored",
  read: (output) => {
    const unsupported = unsupportedUniversal(output);
    if (unsupported !== null) return unsupported;
    const { permissionDecision: decision, permissionDecisionReason } = output.hookSpecificOutput ?? {};
    const reason = given(permissionDecisionReason);
    if (decision == null) {
      if (permissionDecisionReason == null) return completed();
      return { invalid: '"permissionDecisionReason" without "permissionDecision", expected both' };
    }
    // A deny without a reason still denies: a guard's mistake must not let a program run.
    if (decision === "deny") return deny(reason ?? "A PreExec hook denied this");
    return completed(reason === null ? [] : [{ kind: "feedback", text: reason }], { permission: { decision, reason } });
  },
  refuse: deny,
  refuseFailed: (problem, onError) => ({ permission: { decision: onError, reason: problem } }),
  combine: (judged) => ({ permission: strictest(judged) }),
});

function deny(reason: string): Meaning {
  const permission = { decision: "deny", reason } as const;
  return { status: "blocked", entries: [{ kind: "feedback", text: reason }], effect: { permission } };
}

function strictest(judged: readonly JudgedRun<Effect>[]) {
  for (const decision of strictness) {
    const run = judged.find(({ effect }) => effect.permission?.decision === decision);
    if (run !== undefined) return { decision, reason: run.effect.permission?.reason ?? null, runId: run.runId };
  }
  return null;
}
