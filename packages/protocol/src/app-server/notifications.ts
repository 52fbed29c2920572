/** What the server tells without being asked. In the order of a turn:
 *
 *     thread/status/changed active, turn/started
 *       hook/started, hook/completed ...                       (UserPromptSubmit)
 *       item/started, item/completed                           (the user's message)
 *       item/started, item/.../delta ..., item/completed       (each message, command and patch; hooks around them)
 *     thread/status/changed idle, turn/completed */
import { z } from "zod";
import { HookRunNotification } from "../hooks.ts";
import { CommandExecOutputDeltaNotification } from "./command-exec.ts";
import { RequestId } from "./json-rpc.ts";
import { McpServerStatusUpdatedNotification } from "./mcp-servers.ts";
import { ThreadIdNotification, ThreadNameUpdatedNotification } from "./thread-lifecycle.ts";
import { ThreadReadStateChangedNotification } from "./thread-read-state.ts";
import { ThreadItem } from "./thread-item.ts";
import { Thread, ThreadStatus } from "./thread.ts";
import { ExecRun, Turn, TurnError } from "./turn.ts";

export const ThreadStartedNotification = z.strictObject({ thread: Thread });
export type ThreadStartedNotification = z.infer<typeof ThreadStartedNotification>;

export const ThreadStatusChangedNotification = z.strictObject({ threadId: z.uuid(), status: ThreadStatus });
export type ThreadStatusChangedNotification = z.infer<typeof ThreadStatusChangedNotification>;

export const TokenUsageBreakdown = z.strictObject({
  totalTokens: z.int(),
  inputTokens: z.int(),
  cachedInputTokens: z.int(),
  cacheWriteInputTokens: z.int(),
  outputTokens: z.int(),
  reasoningOutputTokens: z.int(),
});
export type TokenUsageBreakdown = z.infer<typeof TokenUsageBreakdown>;

/** `total` grows over the thread; `last` is the last answer of the model. */
export const ThreadTokenUsage = z.strictObject({
  total: TokenUsageBreakdown,
  last: TokenUsageBreakdown,
  modelContextWindow: z.int().nullable(),
});
export type ThreadTokenUsage = z.infer<typeof ThreadTokenUsage>;

const inTurn = { threadId: z.uuid(), turnId: z.string() };
const inItem = { ...inTurn, itemId: z.string() };

export const ThreadTokenUsageUpdatedNotification = z.strictObject({ ...inTurn, tokenUsage: ThreadTokenUsage });
export type ThreadTokenUsageUpdatedNotification = z.infer<typeof ThreadTokenUsageUpdatedNotification>;

/** Params of `turn/started` and `turn/completed`. */
export const TurnNotification = z.strictObject({ threadId: z.uuid(), turn: Turn });
export type TurnNotification = z.infer<typeof TurnNotification>;

export const ItemStartedNotification = z.strictObject({ ...inTurn, item: ThreadItem, startedAtMs: z.int() });
export type ItemStartedNotification = z.infer<typeof ItemStartedNotification>;

export const ItemCompletedNotification = z.strictObject({
  ...inTurn,
  item: ThreadItem,
  completedAtMs: z.int(),
  contentTokenCount: z.int().nullable(),
});
export type ItemCompletedNotification = z.infer<typeof ItemCompletedNotification>;

export const AgentMessageDeltaNotification = z.strictObject({ ...inItem, delta: z.string() });
export type AgentMessageDeltaNotification = z.infer<typeof AgentMessageDeltaNotification>;

/** `byteOffset` is where `delta` begins in the command's whole output, in bytes. Every byte is in exactly one delta, in order. Bytes
 *  that are not UTF-8 show as U+FFFD in `delta` and are counted as they came. Ours. */
export const CommandOutputDeltaNotification = z.strictObject({
  ...inItem,
  delta: z.string(),
  byteOffset: z.int().nonnegative(),
});
export type CommandOutputDeltaNotification = z.infer<typeof CommandOutputDeltaNotification>;

export const ReasoningSummaryPartAddedNotification = z.strictObject({ ...inItem, summaryIndex: z.int() });
export type ReasoningSummaryPartAddedNotification = z.infer<typeof ReasoningSummaryPartAddedNotification>;

export const ReasoningSummaryTextDeltaNotification = z.strictObject({
  ...inItem,
  summaryIndex: z.int(),
  delta: z.string(),
});
export type ReasoningSummaryTextDeltaNotification = z.infer<typeof ReasoningSummaryTextDeltaNotification>;

export const ReasoningTextDeltaNotification = z.strictObject({ ...inItem, contentIndex: z.int(), delta: z.string() });
export type ReasoningTextDeltaNotification = z.infer<typeof ReasoningTextDeltaNotification>;

/** Params of `exec/decided` and `exec/completed`: a program of a command. Ours, and only for clients that asked. */
export const ExecRunNotification = z.strictObject({ ...inTurn, run: ExecRun });
export type ExecRunNotification = z.infer<typeof ExecRunNotification>;

/** Of the whole turn so far, in git's form. */
export const TurnDiffUpdatedNotification = z.strictObject({ ...inTurn, diff: z.string() });
export type TurnDiffUpdatedNotification = z.infer<typeof TurnDiffUpdatedNotification>;

export const TurnPlanStep = z.strictObject({
  step: z.string(),
  status: z.enum(["pending", "inProgress", "completed"]),
});
export type TurnPlanStep = z.infer<typeof TurnPlanStep>;

export const TurnPlanUpdatedNotification = z.strictObject({
  ...inTurn,
  explanation: z.string().nullable(),
  plan: z.array(TurnPlanStep),
});
export type TurnPlanUpdatedNotification = z.infer<typeof TurnPlanUpdatedNotification>;

/** Params of `error`: an attempt failed. With `willRetry` the turn goes on. */
export const ErrorNotification = z.strictObject({ ...inTurn, error: TurnError, willRetry: z.boolean() });
export type ErrorNotification = z.infer<typeof ErrorNotification>;

export const WarningNotification = z.strictObject({ threadId: z.uuid().nullable(), message: z.string() });
export type WarningNotification = z.infer<typeof WarningNotification>;

/** A question of the server was answered, here or by another client. */
export const ServerRequestResolvedNotification = z.strictObject({ threadId: z.uuid(), requestId: RequestId });
export type ServerRequestResolvedNotification = z.infer<typeof ServerRequestResolvedNotification>;

/** Every notification: its method and the schema of its params. */
export const serverNotifications = {
  "thread/started": ThreadStartedNotification,
  "thread/status/changed": ThreadStatusChangedNotification,
  "thread/name/updated": ThreadNameUpdatedNotification,
  "thread/readState/changed": ThreadReadStateChangedNotification,
  "thread/archived": ThreadIdNotification,
  "thread/unarchived": ThreadIdNotification,
  "thread/deleted": ThreadIdNotification,
  "thread/closed": ThreadIdNotification,
  "thread/reverted": ThreadIdNotification,
  "thread/tokenUsage/updated": ThreadTokenUsageUpdatedNotification,
  "turn/started": TurnNotification,
  "turn/completed": TurnNotification,
  "turn/diff/updated": TurnDiffUpdatedNotification,
  "turn/plan/updated": TurnPlanUpdatedNotification,
  "item/started": ItemStartedNotification,
  "item/completed": ItemCompletedNotification,
  "item/agentMessage/delta": AgentMessageDeltaNotification,
  "item/commandExecution/outputDelta": CommandOutputDeltaNotification,
  "item/reasoning/summaryPartAdded": ReasoningSummaryPartAddedNotification,
  "item/reasoning/summaryTextDelta": ReasoningSummaryTextDeltaNotification,
  "item/reasoning/textDelta": ReasoningTextDeltaNotification,
  "command/exec/outputDelta": CommandExecOutputDeltaNotification,
  "hook/started": HookRunNotification,
  "hook/completed": HookRunNotification,
  "exec/decided": ExecRunNotification,
  "exec/completed": ExecRunNotification,
  "mcpServer/startupStatus/updated": McpServerStatusUpdatedNotification,
  "serverRequest/resolved": ServerRequestResolvedNotification,
  error: ErrorNotification,
  warning: WarningNotification,
};
export type ServerNotificationMethod = keyof typeof serverNotifications;

/** A notification as code hands it on; the connection adds `emittedAtMs`. */
export type ServerNotification = {
  [Method in ServerNotificationMethod]: {
    method: Method;
    params: z.infer<(typeof serverNotifications)[Method]>;
  };
}[ServerNotificationMethod];
