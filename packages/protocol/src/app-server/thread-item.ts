/** What a turn consists of, as clients see it: flat objects told apart by `type`. There is no item for hooks: what hooks did
 *  is in `Turn.hookRuns`. Item ids are the model's call id for tools, its item id for messages, a fresh UUID for user messages. */
import { z } from "zod";
import { UserInput } from "./user-input.ts";

/** Integer milliseconds since the epoch; an item without `completedAtMs` still runs. */
const lifecycle = { id: z.string(), startedAtMs: z.int().optional(), completedAtMs: z.int().optional() };

export const UserMessageItem = z.strictObject({
  type: z.literal("userMessage"),
  ...lifecycle,
  /** The `clientUserMessageId` that came with the input. */
  clientId: z.string().nullable(),
  content: z.array(UserInput),
});
export type UserMessageItem = z.infer<typeof UserMessageItem>;

export const AgentMessageItem = z.strictObject({
  type: z.literal("agentMessage"),
  ...lifecycle,
  text: z.string(),
  phase: z.enum(["commentary", "partial_answer", "final_answer"]).nullable(),
});
export type AgentMessageItem = z.infer<typeof AgentMessageItem>;

export const ReasoningItem = z.strictObject({
  type: z.literal("reasoning"),
  ...lifecycle,
  summary: z.array(z.string()),
  content: z.array(z.string()),
});
export type ReasoningItem = z.infer<typeof ReasoningItem>;

/** A guess at what a command is for; only for display, never for a decision. */
export const CommandAction = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("read"), command: z.string(), name: z.string(), path: z.string() }),
  z.strictObject({ type: z.literal("listFiles"), command: z.string(), path: z.string().nullable() }),
  z.strictObject({
    type: z.literal("search"),
    command: z.string(),
    query: z.string().nullable(),
    path: z.string().nullable(),
  }),
  z.strictObject({ type: z.literal("unknown"), command: z.string() }),
]);
export type CommandAction = z.infer<typeof CommandAction>;

export const ToolItemStatus = z.enum(["inProgress", "completed", "failed", "declined"]);
export type ToolItemStatus = z.infer<typeof ToolItemStatus>;

/** `declined` and `interrupted` below are ours; clients of the peer ignore them. */
const toolOutcome = {
  status: ToolItemStatus,
  /** The hook that refused the call; the run's entries have the reason. Only with the status `declined`. */
  declinedBy: z.strictObject({ hookRunId: z.uuid() }).optional(),
  /** It was cut short by an interrupt or by the server's end. Its status is then `failed`: the peer has no word for it. */
  interrupted: z.literal(true).optional(),
};

export const CommandExecutionItem = z.strictObject({
  type: z.literal("commandExecution"),
  ...lifecycle,
  /** One line for display, such as `/bin/bash -lc 'echo hi'`. */
  command: z.string(),
  cwd: z.string(),
  processId: z.string().nullable(),
  source: z.enum(["agent", "userShell", "unifiedExecStartup", "unifiedExecInteraction"]),
  ...toolOutcome,
  commandActions: z.array(CommandAction),
  /** stdout and stderr as they came, mixed; null until there is some. */
  aggregatedOutput: z.string().nullable(),
  exitCode: z.int().nullable(),
  durationMs: z.int().nullable(),
});
export type CommandExecutionItem = z.infer<typeof CommandExecutionItem>;

/** For `add`, `diff` is the new content itself; else a unified diff. */
export const FileUpdateChange = z.strictObject({
  path: z.string(),
  kind: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("add") }),
    z.strictObject({ type: z.literal("delete") }),
    z.strictObject({ type: z.literal("update"), move_path: z.string().nullable() }),
  ]),
  diff: z.string(),
});
export type FileUpdateChange = z.infer<typeof FileUpdateChange>;

export const FileChangeItem = z.strictObject({
  type: z.literal("fileChange"),
  ...lifecycle,
  changes: z.array(FileUpdateChange),
  ...toolOutcome,
});
export type FileChangeItem = z.infer<typeof FileChangeItem>;

const McpContent = z.record(z.string(), z.unknown());

/** What a tool gave. `content` has the server's own parts, of which only `type` is sure. */
export const McpToolCallResult = z.strictObject({
  content: z.array(McpContent),
  structuredContent: z.unknown(),
  _meta: z.unknown(),
});
export type McpToolCallResult = z.infer<typeof McpToolCallResult>;

/** A result that is marked as an error is a `failed` item with `result` set and `error` null. */
export const McpToolCallItem = z.strictObject({
  type: z.literal("mcpToolCall"),
  ...lifecycle,
  server: z.string(),
  tool: z.string(),
  ...toolOutcome,
  /** The peer has no word for a call that was declined: its status is `failed`, and `error` says why. */
  status: z.enum(["inProgress", "completed", "failed"]),
  arguments: z.unknown(),
  appContext: z.null(),
  mcpAppUi: z.null(),
  pluginId: z.null(),
  readOnlyHint: z.boolean().nullable(),
  result: McpToolCallResult.nullable(),
  error: z.strictObject({ message: z.string() }).nullable(),
  durationMs: z.int().nullable(),
});
export type McpToolCallItem = z.infer<typeof McpToolCallItem>;

/** The model's input was summarised here, or will be: it has completed when the summary stands. */
export const ContextCompactionItem = z.strictObject({ type: z.literal("contextCompaction"), ...lifecycle });
export type ContextCompactionItem = z.infer<typeof ContextCompactionItem>;

export const ThreadItem = z.discriminatedUnion("type", [
  UserMessageItem,
  AgentMessageItem,
  ReasoningItem,
  CommandExecutionItem,
  FileChangeItem,
  McpToolCallItem,
  ContextCompactionItem,
]);
export type ThreadItem = z.infer<typeof ThreadItem>;
