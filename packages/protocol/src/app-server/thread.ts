/** A thread: a conversation that can be resumed. */
import { z } from "zod";
import { ReasoningEffort } from "./settings.ts";
import { Turn } from "./turn.ts";

export const ThreadActiveFlag = z.enum(["waitingOnApproval", "waitingOnUserInput"]);
export type ThreadActiveFlag = z.infer<typeof ThreadActiveFlag>;

export const ThreadStatus = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("notLoaded") }),
  z.strictObject({ type: z.literal("idle") }),
  z.strictObject({ type: z.literal("systemError") }),
  z.strictObject({ type: z.literal("active"), activeFlags: z.array(ThreadActiveFlag) }),
]);
export type ThreadStatus = z.infer<typeof ThreadStatus>;

/** Threads that clients make through the App Server are `vscode`, as the peer's are; `sallyport exec` makes `exec`. */
export const ThreadSource = z.enum(["cli", "vscode", "exec", "appServer", "unknown"]);
export type ThreadSource = z.infer<typeof ThreadSource>;

export const GitInfo = z.strictObject({
  sha: z.string().nullable(),
  branch: z.string().nullable(),
  originUrl: z.string().nullable(),
});
export type GitInfo = z.infer<typeof GitInfo>;

/** `legacy` clients read a thread whole, `paginated` ones page through it. Both work on every thread. */
export const ThreadHistoryMode = z.enum(["paginated", "legacy"]);
export type ThreadHistoryMode = z.infer<typeof ThreadHistoryMode>;

/** Times are Unix seconds. `turns` is filled by resume, and by read when it was asked for. `path` is the JSON-lines mirror,
 *  null for an ephemeral thread. */
export const Thread = z.strictObject({
  id: z.uuid(),
  sessionId: z.uuid(),
  forkedFromId: z.uuid().nullable(),
  parentThreadId: z.uuid().nullable(),
  preview: z.string(),
  ephemeral: z.boolean(),
  historyMode: ThreadHistoryMode,
  modelProvider: z.string(),
  model: z.string().nullable(),
  reasoningEffort: ReasoningEffort.nullable(),
  createdAt: z.int(),
  updatedAt: z.int(),
  recencyAt: z.int(),
  status: ThreadStatus,
  path: z.string().nullable(),
  cwd: z.string(),
  cliVersion: z.string(),
  originator: z.string().nullable(),
  source: ThreadSource,
  threadSource: z.string().nullable(),
  projectId: z.string().nullable(),
  canAcceptDirectInput: z.boolean().nullable(),
  gitInfo: GitInfo.nullable(),
  name: z.string().nullable(),
  turns: z.array(Turn),
});
export type Thread = z.infer<typeof Thread>;
