/** `thread/start`: a new thread, which the connection is then subscribed to. `thread/started` follows the answer. */
import { z } from "zod";
import { ApprovalPolicy, ApprovalsReviewer, ReasoningEffort, SandboxMode, SandboxPolicy } from "./settings.ts";
import { Thread, ThreadHistoryMode } from "./thread.ts";

/** What a thread may be started and resumed with. `config` has dotted or nested keys of the configuration. */
export const threadOverrides = {
  model: z.string().nullish(),
  modelProvider: z.string().nullish(),
  cwd: z.string().nullish(),
  runtimeWorkspaceRoots: z.array(z.string()).nullish(),
  approvalPolicy: ApprovalPolicy.nullish(),
  approvalsReviewer: ApprovalsReviewer.nullish(),
  sandbox: SandboxMode.nullish(),
  config: z.record(z.string(), z.json()).nullish(),
  baseInstructions: z.string().nullish(),
  developerInstructions: z.string().nullish(),
};

export const ThreadStartParams = z.looseObject({
  ...threadOverrides,
  ephemeral: z.boolean().nullish(),
  historyMode: ThreadHistoryMode.nullish(),
  sessionStartSource: z.enum(["startup", "clear"]).nullish(),
  threadSource: z.string().nullish(),
  serviceName: z.string().nullish(),
});
export type ThreadStartParams = z.infer<typeof ThreadStartParams>;

/** The thread and what holds for its next turn. */
export const threadSession = {
  thread: Thread,
  model: z.string(),
  modelProvider: z.string(),
  serviceTier: z.string().nullable(),
  disabledPluginIds: z.array(z.string()),
  cwd: z.string(),
  runtimeWorkspaceRoots: z.array(z.string()),
  instructionSources: z.array(z.string()),
  approvalPolicy: ApprovalPolicy,
  approvalsReviewer: ApprovalsReviewer,
  sandbox: SandboxPolicy,
  activePermissionProfile: z.null(),
  reasoningEffort: ReasoningEffort.nullable(),
  multiAgentMode: z.literal("explicitRequestOnly"),
};

export const ThreadStartResponse = z.strictObject(threadSession);
export type ThreadStartResponse = z.infer<typeof ThreadStartResponse>;
