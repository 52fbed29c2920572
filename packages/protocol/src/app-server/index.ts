/** The App Server's wire: envelope, methods, notifications and the shapes in them. */
export {
  JsonRpcError,
  JsonRpcErrorBody,
  JsonRpcNotification,
  JsonRpcRequest,
  JsonRpcResponse,
  RequestId,
  rpcErrorCodes,
} from "./json-rpc.ts";
export type { RpcErrorCode } from "./json-rpc.ts";
export { InitializeParams, InitializeResponse } from "./initialize.ts";
export {
  ApprovalPolicy,
  ApprovalsReviewer,
  ReasoningEffort,
  ReasoningSummary,
  SandboxMode,
  SandboxPolicy,
  SortDirection,
} from "./settings.ts";
export { TextElement, UserInput } from "./user-input.ts";
export {
  AgentMessageItem,
  CommandAction,
  CommandExecutionItem,
  ContextCompactionItem,
  FileChangeItem,
  FileUpdateChange,
  ReasoningItem,
  ThreadItem,
  McpToolCallItem,
  McpToolCallResult,
  ToolItemStatus,
  UserMessageItem,
} from "./thread-item.ts";
export {
  BlockedInput,
  CodexErrorInfo,
  ExecRun,
  Turn,
  TurnError,
  TurnItemsView,
  TurnStatus,
  UntakenInput,
} from "./turn.ts";
export { GitInfo, Thread, ThreadActiveFlag, ThreadHistoryMode, ThreadSource, ThreadStatus } from "./thread.ts";
export {
  AgentMessageDeltaNotification,
  CommandOutputDeltaNotification,
  ErrorNotification,
  ExecRunNotification,
  ItemCompletedNotification,
  ItemStartedNotification,
  ReasoningSummaryPartAddedNotification,
  ReasoningSummaryTextDeltaNotification,
  ReasoningTextDeltaNotification,
  ServerRequestResolvedNotification,
  ThreadStartedNotification,
  ThreadStatusChangedNotification,
  ThreadTokenUsage,
  ThreadTokenUsageUpdatedNotification,
  TokenUsageBreakdown,
  TurnDiffUpdatedNotification,
  TurnNotification,
  TurnPlanStep,
  TurnPlanUpdatedNotification,
  WarningNotification,
  serverNotifications,
} from "./notifications.ts";
export type { ServerNotification, ServerNotificationMethod } from "./notifications.ts";
export { ThreadStartParams, ThreadStartResponse } from "./thread-start.ts";
export { ThreadResumeParams, ThreadResumeResponse } from "./thread-resume.ts";
export { ThreadReadParams, ThreadReadResponse } from "./thread-read.ts";
export { ThreadListParams, ThreadListResponse, ThreadSortKey } from "./thread-list.ts";
export {
  ThreadCompactStartParams,
  ThreadCompactStartResponse,
  ThreadForkParams,
  ThreadForkResponse,
  ThreadInjectItemsParams,
  ThreadInjectItemsResponse,
  ThreadRevertParams,
  ThreadRevertResponse,
  ThreadShellCommandParams,
  ThreadShellCommandResponse,
} from "./thread-history.ts";
export {
  ThreadArchiveParams,
  ThreadArchiveResponse,
  ThreadDeleteParams,
  ThreadDeleteResponse,
  ThreadLoadedListParams,
  ThreadLoadedListResponse,
  ThreadNameSetParams,
  ThreadNameSetResponse,
  ThreadUnarchiveParams,
  ThreadUnarchiveResponse,
  ThreadUnsubscribeParams,
  ThreadUnsubscribeResponse,
  ThreadIdNotification,
  ThreadNameUpdatedNotification,
} from "./thread-lifecycle.ts";
export {
  ThreadReadState,
  ThreadReadStateChangedNotification,
  ThreadReadStateOperation,
  ThreadReadStateUpdateParams,
  ThreadReadStateUpdateResponse,
  ThreadUnreadPosition,
} from "./thread-read-state.ts";
export { TurnSteerParams, TurnSteerResponse } from "./turn-steer.ts";
export { TurnsListParams, TurnsListResponse } from "./turns-list.ts";
export { ItemsListEntry, ItemsListParams, ItemsListResponse } from "./items-list.ts";
export { ExecRunsListParams, ExecRunsListResponse } from "./exec-runs-list.ts";
export { TurnStartParams, TurnStartResponse } from "./turn-start.ts";
export { TurnInterruptParams, TurnInterruptResponse } from "./turn-interrupt.ts";
export {
  CommandApprovalDecision,
  CommandApprovalParams,
  CommandApprovalResponse,
  FileChangeApprovalDecision,
  FileChangeApprovalParams,
  FileChangeApprovalResponse,
  PermissionsApprovalParams,
  PermissionsApprovalResponse,
} from "./approval.ts";
export { ConfigBatchWriteParams, ConfigEdit, ConfigValueWriteParams, ConfigWriteResponse } from "./config-write.ts";
export {
  ConfigLayerMetadata,
  ConfigLayerSource,
  ConfigReadLayer,
  ConfigReadParams,
  ConfigReadResponse,
  ConfigRequirementsReadParams,
  ConfigRequirementsReadResponse,
} from "./config-read.ts";
export {
  CollaborationModeListParams,
  CollaborationModeListResponse,
  SkillsListParams,
  SkillsListResponse,
} from "./client-lists.ts";
export {
  CommandExecDoneResponse,
  CommandExecOutputDeltaNotification,
  CommandExecParams,
  CommandExecResizeParams,
  CommandExecResponse,
  CommandExecTerminalSize,
  CommandExecTerminateParams,
  CommandExecWriteParams,
} from "./command-exec.ts";
export {
  McpServerElicitationParams,
  McpServerElicitationResponse,
  McpServerStatus,
  McpServerStatusListParams,
  McpServerStatusListResponse,
  McpServerStatusUpdatedNotification,
  McpTool,
} from "./mcp-servers.ts";
export { Model, ModelListParams, ModelListResponse } from "./model-list.ts";
export { AccountReadParams, AccountReadResponse } from "./account-read.ts";
export { clientRequests, serverRequests } from "./methods.ts";
export type {
  ClientRequestInput,
  ClientRequestMethod,
  ClientRequestParams,
  ClientRequestResult,
  ServerRequestMethod,
  ServerRequestParams,
  ServerRequestResult,
} from "./methods.ts";
export { appServerJsonSchemas } from "./json-schemas.ts";
