/** The public surface of @sallyport/core: threads and their turns, and the store behind them. */
export { openThreads } from "./session/threads.ts";
export type {
  ForkThreadOptions,
  OpenThreadOptions,
  StartThreadOptions,
  Threads,
  ThreadsOptions,
} from "./session/threads.ts";
export type { SessionListener, StartTurnOptions, ThreadSession } from "./session/thread-session.ts";
export type { ApprovalDecision, ApprovalQuestion, ApprovalRequest } from "./session/approvals.ts";
export type { ThreadEvent } from "./session/thread-log.ts";
export type { SessionSettings, SettingsOverrides } from "./session/session-settings.ts";
export { runStandaloneCommand } from "./tools/standalone-command.ts";
export type { CommandControl, CommandSize, StandaloneCommandOptions } from "./tools/standalone-command.ts";
export { McpServer } from "./mcp/server-connection.ts";
export type { McpServerOptions, McpServerState, McpToolInfo } from "./mcp/server-connection.ts";
export { disabledMcpServers, readMcpServers } from "./mcp/server-settings.ts";
export type { McpServerSettings } from "./mcp/server-settings.ts";
export { readModelSettings } from "./models/provider-config.ts";
export type { ModelSettings, ProviderSettings } from "./models/provider-config.ts";
export { openEphemeralThreadStore, openThreadStore, toExecRun, toItemEntry, toThread, toTurn } from "./store/index.ts";
export type {
  CommitResult,
  EventPage,
  ItemListQuery,
  ItemRecord,
  JsonValue,
  NewThread,
  Page,
  PageQuery,
  StoreChange,
  StoredApproval,
  StoredEvent,
  StoredExecRun,
  StoredMessage,
  StoredThread,
  StoredTurn,
  ThreadCommit,
  ThreadListQuery,
  ThreadPatch,
  ThreadSnapshot,
  ThreadStore,
  TurnListQuery,
  TurnMessages,
  TurnRecord,
} from "./store/index.ts";
