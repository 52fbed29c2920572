/** Whether something that needs a person's word may happen. */
import type { ApprovalPolicy } from "@sallyport/protocol";
import type { ApprovalQuestion, ApprovalResult } from "../session/approvals.ts";
import type { TurnContext } from "./turn-context.ts";

export interface PermissionQuestion {
  question: ApprovalQuestion;
  /** What acceptForSession holds for. */
  rememberAs: string;
  /** As PermissionRequest hooks see it. */
  toolName: string;
  toolInput: Record<string, unknown>;
}

/** Aborting `signal` takes the question back. A `cancel` also interrupts the turn. */
export async function askPermission(
  context: TurnContext,
  { question, rememberAs, toolName, toolInput }: PermissionQuestion,
  signal: AbortSignal,
): Promise<ApprovalResult> {
  const { approvals, settings } = context;
  if (approvals.isRemembered(rememberAs)) return { kind: "allow", by: "the user, for this session" };
  if (!mayAsk(settings.approvalPolicy)) return refusal("the approval policy is never to ask");
  const hooks = await context.hooks.fire("PermissionRequest", { tool_name: toolName, tool_input: toolInput }, signal);
  if (hooks.decision?.behavior === "allow") return { kind: "allow", by: `a hook (run ${hooks.decision.runId})` };
  if (hooks.decision?.behavior === "deny") return refusal(hooks.decision.message);
  if (!context.canAsk) return refusal("nobody is there to ask");
  const result = await approvals.ask(question, rememberAs, signal);
  if (result.kind === "deny" && result.decision === "cancel") context.interrupt();
  return result;
}

function mayAsk(policy: ApprovalPolicy): boolean {
  return typeof policy === "string" ? policy !== "never" : policy.granular.rules !== false;
}

function refusal(reason: string): ApprovalResult {
  return { kind: "deny", reason, decision: "decline" };
}
