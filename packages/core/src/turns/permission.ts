/** Whether something that needs a person's word may happen. */
import type { ApprovalPolicy } from "@sallyport/protocol";
import { isForPerson } from "../session/approvals.ts";
import type { ApprovalQuestion, ApprovalResult, ApprovalScope } from "../session/approvals.ts";
import type { TurnContext } from "./turn-context.ts";

export interface PermissionQuestion {
  question: ApprovalQuestion;
  scope: ApprovalScope;
  /** Who wants to know: a rule about one program, the policy or a hook about the whole action, the model for more permissions, or
   *  what a tool of an MCP server may do. */
  askedBy: "rule" | "action" | "permissions" | "mcp";
  /** As PermissionRequest hooks see it. */
  toolName: string;
  toolInput: Record<string, unknown>;
  /** The item whose work begins with the answer; null: none, or one that runs. */
  waitingItemId: string | null;
  /** Of the program of a running command that it is about; null: it is about something that has not begun. */
  programIdentity: string | null;
  /** The id under which an earlier server has asked it, after its hooks had nothing to say; null: it is new. */
  askedBefore: string | null;
}

/** Aborting `signal` takes the question back. A `cancel` also interrupts the turn. */
export async function askPermission(
  context: TurnContext,
  { askedBy, toolName, toolInput, ...asked }: PermissionQuestion,
  signal: AbortSignal,
): Promise<ApprovalResult> {
  const { approvals, settings, turnId, progress } = context;
  const { scope, askedBefore } = asked;
  if (approvals.isRemembered(scope)) return { kind: "allow", by: "the user, for this session" };
  if (!mayAsk(settings.approvalPolicy, askedBy)) return refusal("the approval policy is never to ask");
  const input = { tool_name: toolName, tool_input: toolInput };
  const wantsPerson = isForPerson(asked.question);
  const hooks = askedBefore === null ? await context.hooks.fire("PermissionRequest", input, signal) : null;
  // No hook is a person; its no counts all the same.
  if (hooks?.decision?.behavior === "allow" && !wantsPerson)
    return { kind: "allow", by: `a hook (run ${hooks.decision.runId})` };
  if (hooks?.decision?.behavior === "deny") return refusal(hooks.decision.message);
  if (!context.canAsk) return refusal("nobody is there to ask");
  if (wantsPerson && askedBefore === null && !approvals.reachesPerson)
    return refusal(
      "a managed rule wants a person's own word, and no client that is here shows questions to one (requiredHumanApproval)",
    );
  const result = await approvals.ask({ ...asked, turnId, progress }, signal);
  if (result.kind === "deny" && result.decision === "cancel") context.interrupt();
  return result;
}

/** A granular policy says for each kind of question whether it is asked; what it does not name is. */
function mayAsk(policy: ApprovalPolicy, askedBy: PermissionQuestion["askedBy"]): boolean {
  if (typeof policy === "string") return policy !== "never";
  const { rules, sandbox_approval: actions, request_permissions: permissions, mcp_elicitations: mcp } = policy.granular;
  return { rule: rules, action: actions, permissions, mcp }[askedBy] !== false;
}

function refusal(reason: string): ApprovalResult {
  return { kind: "deny", reason, decision: "decline" };
}
