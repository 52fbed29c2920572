/** `turn/start`: gives the thread an input. The answer is the turn as it begins; `turn/completed` is the last word on it. */
import { z } from "zod";
import { ApprovalPolicy, ApprovalsReviewer, ReasoningEffort, ReasoningSummary, SandboxPolicy } from "./settings.ts";
import { Turn } from "./turn.ts";
import { UserInput } from "./user-input.ts";

/** What is given here besides `input`, `clientUserMessageId` and `outputSchema` stays for later turns. */
export const TurnStartParams = z.looseObject({
  threadId: z.string(),
  input: z.array(UserInput),
  clientUserMessageId: z.string().nullish(),
  cwd: z.string().nullish(),
  runtimeWorkspaceRoots: z.array(z.string()).nullish(),
  approvalPolicy: ApprovalPolicy.nullish(),
  approvalsReviewer: ApprovalsReviewer.nullish(),
  sandboxPolicy: SandboxPolicy.nullish(),
  model: z.string().nullish(),
  effort: ReasoningEffort.nullish(),
  summary: ReasoningSummary.nullish(),
  /** JSON Schema that the last message of this turn has to meet. */
  outputSchema: z.json().nullish(),
});
export type TurnStartParams = z.infer<typeof TurnStartParams>;

export const TurnStartResponse = z.strictObject({ turn: Turn });
export type TurnStartResponse = z.infer<typeof TurnStartResponse>;
