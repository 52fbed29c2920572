/** The App Server's protocol. Written by `sallyport app-server generate-ts`. */

export type ApprovalPolicy =
  | ("untrusted" | "on-request" | "never")
  | {
      granular: {
        sandbox_approval?: boolean;
        rules?: boolean;
        skill_approval?: boolean;
        request_permissions?: boolean;
        mcp_elicitations?: boolean;
      };
    };
export type ApprovalsReviewer = "user" | "auto_review" | "guardian_subagent";
export type UserInput =
  | {
      type: "text";
      text: string;
      text_elements?: TextElement[];
    }
  | {
      type: "image";
      url?: string;
      fileId?: string;
      detail?: "auto" | "low" | "high" | "original";
    }
  | {
      type: "localImage";
      path: string;
      detail?: "auto" | "low" | "high" | "original";
    }
  | {
      type: "audio";
      url?: string;
      fileId?: string;
    }
  | {
      type: "localAudio";
      path: string;
    }
  | {
      type: "skill";
      name: string;
      path: string;
    }
  | {
      type: "mention";
      name: string;
      path: string;
    };
export type SandboxMode = "read-only" | "workspace-write" | "danger-full-access";
export type Schema3 =
  | string
  | number
  | boolean
  | null
  | Schema3[]
  | {
      [k: string]: Schema3;
    };
export type ThreadHistoryMode = "paginated" | "legacy";
export type ReasoningEffort = string;
export type ThreadStatus =
  | {
      type: "notLoaded";
    }
  | {
      type: "idle";
    }
  | {
      type: "systemError";
    }
  | {
      type: "active";
      activeFlags: ThreadActiveFlag[];
    };
export type ThreadActiveFlag = "waitingOnApproval" | "waitingOnUserInput";
export type ThreadSource = "cli" | "vscode" | "exec" | "appServer" | "unknown";
export type ThreadItem =
  | UserMessageItem
  | AgentMessageItem
  | ReasoningItem
  | CommandExecutionItem
  | FileChangeItem
  | McpToolCallItem
  | ContextCompactionItem;
export type ToolItemStatus = "inProgress" | "completed" | "failed" | "declined";
export type CommandAction =
  | {
      type: "read";
      command: string;
      name: string;
      path: string;
    }
  | {
      type: "listFiles";
      command: string;
      path: string | null;
    }
  | {
      type: "search";
      command: string;
      query: string | null;
      path: string | null;
    }
  | {
      type: "unknown";
      command: string;
    };
export type TurnItemsView = "notLoaded" | "summary" | "full";
export type TurnStatus = "inProgress" | "completed" | "interrupted" | "failed";
export type CodexErrorInfo =
  | (
      | "contextWindowExceeded"
      | "usageLimitExceeded"
      | "rateLimitExceeded"
      | "serverOverloaded"
      | "modelNotFound"
      | "unauthorized"
      | "badRequest"
      | "internalServerError"
      | "sandboxError"
      | "cyberPolicy"
      | "tooManyDenials"
      | "other"
    )
  | {
      httpConnectionFailed: {
        httpStatusCode: number | null;
      };
    }
  | {
      responseStreamConnectionFailed: {
        httpStatusCode: number | null;
      };
    }
  | {
      responseStreamDisconnected: {
        httpStatusCode: number | null;
      };
    }
  | {
      responseTooManyFailedAttempts: {
        httpStatusCode: number | null;
      };
    };
export type HookEventWireName =
  | "preModelRequest"
  | "postModelRequest"
  | "preToolUse"
  | "permissionRequest"
  | "postToolUse"
  | "preCompact"
  | "postCompact"
  | "sessionStart"
  | "sessionEnd"
  | "userPromptSubmit"
  | "subagentStart"
  | "subagentStop"
  | "stop"
  | "interrupt"
  | "preExec"
  | "postExec";
export type HookHandlerType = "command" | "mcpTool" | "prompt" | "agent" | "http" | "module";
export type HookExecutionMode = "sync" | "async";
export type HookScope = "thread" | "turn";
export type HookSource =
  | "system"
  | "user"
  | "project"
  | "mdm"
  | "sessionFlags"
  | "plugin"
  | "cloudRequirements"
  | "cloudManagedConfig"
  | "legacyManagedConfigFile"
  | "legacyManagedConfigMdm"
  | "unknown";
export type HookRunStatus = "running" | "completed" | "failed" | "blocked" | "stopped";
export type HookOutputEntryKind = "warning" | "stop" | "feedback" | "context" | "error";
export type HookFailure = "notFound" | "notExecutable" | "timeout" | "signal" | "badOutput" | "exit" | "notAvailable";
export type SandboxPolicy =
  | {
      type: "dangerFullAccess";
    }
  | {
      type: "readOnly";
      networkAccess?: boolean;
    }
  | {
      type: "workspaceWrite";
      writableRoots?: string[];
      networkAccess?: boolean;
      excludeTmpdirEnvVar?: boolean;
      excludeSlashTmp?: boolean;
    }
  | {
      type: "externalSandbox";
      networkAccess?: "restricted" | "enabled";
    };
export type SortDirection = "asc" | "desc";
export type ThreadUnreadPosition =
  | {
      type: "threadStart";
    }
  | {
      type: "turn";
      turnId: string;
    };
export type ThreadSortKey = "created_at" | "updated_at" | "recency_at" | "section_position";
export type Schema4 =
  | string
  | number
  | boolean
  | null
  | Schema4[]
  | {
      [k: string]: Schema4;
    };
export type ReasoningSummary = "auto" | "concise" | "detailed" | "none";
export type Schema5 =
  | string
  | number
  | boolean
  | null
  | Schema5[]
  | {
      [k: string]: Schema5;
    };
export type HookTrustStatus = "managed" | "untrusted" | "trusted" | "modified";
export type Schema1 =
  | string
  | number
  | boolean
  | null
  | Schema1[]
  | {
      [k: string]: Schema1;
    };
export type ConfigLayerSource =
  | {
      type: "system";
      file: string;
    }
  | {
      type: "user";
      file: string;
      profile: null;
    }
  | {
      type: "project";
      dotCodexFolder: string;
    }
  | {
      type: "sessionFlags";
    }
  | {
      type: "legacyManagedConfigTomlFromFile";
      file: string;
    };
export type Schema0 =
  | string
  | number
  | boolean
  | null
  | Schema0[]
  | {
      [k: string]: Schema0;
    };
export type Schema2 =
  | string
  | number
  | boolean
  | null
  | Schema2[]
  | {
      [k: string]: Schema2;
    };
export type CommandApprovalDecision =
  | ("accept" | "acceptForSession" | "decline" | "cancel")
  | {
      acceptWithExecpolicyAmendment: {
        execpolicy_amendment: string[];
        [k: string]: unknown;
      };
    };
export type FileChangeApprovalDecision = "accept" | "acceptForSession" | "decline" | "cancel";
export type HookEventName =
  | "PreModelRequest"
  | "PostModelRequest"
  | "PreToolUse"
  | "PermissionRequest"
  | "PostToolUse"
  | "PreCompact"
  | "PostCompact"
  | "SessionStart"
  | "SessionEnd"
  | "UserPromptSubmit"
  | "SubagentStart"
  | "SubagentStop"
  | "Stop"
  | "Interrupt"
  | "PreExec"
  | "PostExec";
export type RequestId = string | number;

export interface AccountReadParams {
  refreshToken?: boolean | null;
  [k: string]: unknown;
}
export interface AccountReadResponse {
  account: null;
  requiresOpenaiAuth: false;
}
export interface AgentMessageDeltaNotification {
  threadId: string;
  turnId: string;
  itemId: string;
  delta: string;
}
export interface AgentMessageItem {
  type: "agentMessage";
  id: string;
  startedAtMs?: number;
  completedAtMs?: number;
  text: string;
  phase: ("commentary" | "partial_answer" | "final_answer") | null;
}
export interface BlockedInput {
  content: UserInput[];
  hookRunId: string;
}
export interface TextElement {
  byteRange: {
    start: number;
    end: number;
  };
  placeholder?: string | null;
}
export interface ClientRequests {
  initialize: {
    params: InitializeParams;
    result: InitializeResponse;
  };
  "thread/start": {
    params: ThreadStartParams;
    result: ThreadStartResponse;
  };
  "thread/resume": {
    params: ThreadResumeParams;
    result: ThreadResumeResponse;
  };
  "thread/read": {
    params: ThreadReadParams;
    result: ThreadReadResponse;
  };
  "thread/list": {
    params: ThreadListParams;
    result: ThreadListResponse;
  };
  "thread/loaded/list": {
    params: ThreadLoadedListParams;
    result: ThreadLoadedListResponse;
  };
  "thread/name/set": {
    params: ThreadNameSetParams;
    result: ThreadArchiveResponse;
  };
  "thread/readState/update": {
    params: ThreadReadStateUpdateParams;
    result: ThreadReadStateUpdateResponse;
  };
  "thread/archive": {
    params: ThreadArchiveParams;
    result: ThreadArchiveResponse;
  };
  "thread/unarchive": {
    params: ThreadUnarchiveParams;
    result: ThreadUnarchiveResponse;
  };
  "thread/delete": {
    params: ThreadDeleteParams;
    result: ThreadArchiveResponse;
  };
  "thread/unsubscribe": {
    params: ThreadUnsubscribeParams;
    result: ThreadUnsubscribeResponse;
  };
  "thread/fork": {
    params: ThreadForkParams;
    result: ThreadForkResponse;
  };
  "thread/revert": {
    params: ThreadRevertParams;
    result: ThreadRevertResponse;
  };
  "thread/compact/start": {
    params: ThreadCompactStartParams;
    result: ThreadCompactStartResponse;
  };
  "thread/inject_items": {
    params: ThreadInjectItemsParams;
    result: ThreadCompactStartResponse;
  };
  "thread/shellCommand": {
    params: ThreadShellCommandParams;
    result: ThreadCompactStartResponse;
  };
  "thread/turns/list": {
    params: TurnsListParams;
    result: TurnsListResponse;
  };
  "thread/items/list": {
    params: ItemsListParams;
    result: ItemsListResponse;
  };
  "turn/start": {
    params: TurnStartParams;
    result: TurnStartResponse;
  };
  "turn/steer": {
    params: TurnSteerParams;
    result: TurnSteerResponse;
  };
  "turn/interrupt": {
    params: TurnInterruptParams;
    result: TurnInterruptResponse;
  };
  "turn/execRuns/list": {
    params: ExecRunsListParams;
    result: ExecRunsListResponse;
  };
  "hooks/list": {
    params: HooksListParams;
    result: HooksListResponse;
  };
  "config/read": {
    params: ConfigReadParams;
    result: ConfigReadResponse;
  };
  "config/value/write": {
    params: ConfigValueWriteParams;
    result: ConfigWriteResponse;
  };
  "config/batchWrite": {
    params: ConfigBatchWriteParams;
    result: ConfigWriteResponse;
  };
  "configRequirements/read": {
    params: ConfigRequirementsReadParams;
    result: ConfigRequirementsReadResponse;
  };
  "skills/list": {
    params: SkillsListParams;
    result: SkillsListResponse;
  };
  "collaborationMode/list": {
    params: CollaborationModeListParams;
    result: CollaborationModeListResponse;
  };
  "command/exec": {
    params: CommandExecParams;
    result: CommandExecResponse;
  };
  "command/exec/write": {
    params: CommandExecWriteParams;
    result: CommandExecDoneResponse;
  };
  "command/exec/resize": {
    params: CommandExecResizeParams;
    result: CommandExecDoneResponse;
  };
  "command/exec/terminate": {
    params: CommandExecTerminateParams;
    result: CommandExecDoneResponse;
  };
  "model/list": {
    params: ModelListParams;
    result: ModelListResponse;
  };
  "mcpServerStatus/list": {
    params: McpServerStatusListParams;
    result: McpServerStatusListResponse;
  };
  "account/read": {
    params: AccountReadParams;
    result: AccountReadResponse;
  };
}
export interface InitializeParams {
  clientInfo: {
    name: string;
    version: string;
    title?: string | null;
    [k: string]: unknown;
  };
  capabilities?: {
    experimentalApi?: boolean;
    requiredHumanApproval?: boolean;
    optOutNotificationMethods?: string[] | null;
    extensions?: {
      sallyport?: {
        execRuns?: boolean;
        [k: string]: unknown;
      } | null;
      [k: string]: unknown;
    } | null;
    [k: string]: unknown;
  } | null;
  [k: string]: unknown;
}
export interface InitializeResponse {
  userAgent: string;
  codexHome: string;
  platformFamily: "unix" | "windows";
  platformOs: string;
}
export interface ThreadStartParams {
  model?: string | null;
  modelProvider?: string | null;
  cwd?: string | null;
  runtimeWorkspaceRoots?: string[] | null;
  approvalPolicy?: ApprovalPolicy | null;
  approvalsReviewer?: ApprovalsReviewer | null;
  sandbox?: SandboxMode | null;
  config?: {
    [k: string]: Schema3;
  } | null;
  baseInstructions?: string | null;
  developerInstructions?: string | null;
  ephemeral?: boolean | null;
  historyMode?: ThreadHistoryMode | null;
  sessionStartSource?: ("startup" | "clear") | null;
  threadSource?: string | null;
  serviceName?: string | null;
  [k: string]: unknown;
}
export interface ThreadStartResponse {
  thread: Thread;
  model: string;
  modelProvider: string;
  serviceTier: string | null;
  disabledPluginIds: string[];
  cwd: string;
  runtimeWorkspaceRoots: string[];
  instructionSources: string[];
  approvalPolicy: ApprovalPolicy;
  approvalsReviewer: ApprovalsReviewer;
  sandbox: SandboxPolicy;
  activePermissionProfile: null;
  reasoningEffort: ReasoningEffort | null;
  multiAgentMode: "explicitRequestOnly";
}
export interface Thread {
  id: string;
  sessionId: string;
  forkedFromId: string | null;
  parentThreadId: string | null;
  preview: string;
  ephemeral: boolean;
  historyMode: ThreadHistoryMode;
  modelProvider: string;
  model: string | null;
  reasoningEffort: ReasoningEffort | null;
  createdAt: number;
  updatedAt: number;
  recencyAt: number;
  status: ThreadStatus;
  path: string | null;
  cwd: string;
  cliVersion: string;
  originator: string | null;
  source: ThreadSource;
  threadSource: string | null;
  projectId: string | null;
  canAcceptDirectInput: boolean | null;
  gitInfo: GitInfo | null;
  name: string | null;
  turns: Turn[];
}
export interface GitInfo {
  sha: string | null;
  branch: string | null;
  originUrl: string | null;
}
export interface Turn {
  id: string;
  rootTurnId: string | null;
  items: ThreadItem[];
  itemsView: TurnItemsView;
  status: TurnStatus;
  error: TurnError | null;
  startedAt: number | null;
  completedAt: number | null;
  durationMs: number | null;
  hookRuns: HookRunSummary[];
  blockedInput?: BlockedInput;
  untakenInput?: UntakenInput[];
  execRuns?: ExecRun[];
}
export interface UserMessageItem {
  type: "userMessage";
  id: string;
  startedAtMs?: number;
  completedAtMs?: number;
  clientId: string | null;
  content: UserInput[];
}
export interface ReasoningItem {
  type: "reasoning";
  id: string;
  startedAtMs?: number;
  completedAtMs?: number;
  summary: string[];
  content: string[];
}
export interface CommandExecutionItem {
  type: "commandExecution";
  id: string;
  startedAtMs?: number;
  completedAtMs?: number;
  command: string;
  cwd: string;
  processId: string | null;
  source: "agent" | "userShell" | "unifiedExecStartup" | "unifiedExecInteraction";
  status: ToolItemStatus;
  declinedBy?: {
    hookRunId: string;
  };
  interrupted?: true;
  commandActions: CommandAction[];
  aggregatedOutput: string | null;
  exitCode: number | null;
  durationMs: number | null;
}
export interface FileChangeItem {
  type: "fileChange";
  id: string;
  startedAtMs?: number;
  completedAtMs?: number;
  changes: FileUpdateChange[];
  status: ToolItemStatus;
  declinedBy?: {
    hookRunId: string;
  };
  interrupted?: true;
}
export interface FileUpdateChange {
  path: string;
  kind:
    | {
        type: "add";
      }
    | {
        type: "delete";
      }
    | {
        type: "update";
        move_path: string | null;
      };
  diff: string;
}
export interface McpToolCallItem {
  type: "mcpToolCall";
  id: string;
  startedAtMs?: number;
  completedAtMs?: number;
  server: string;
  tool: string;
  status: "inProgress" | "completed" | "failed";
  declinedBy?: {
    hookRunId: string;
  };
  interrupted?: true;
  arguments: unknown;
  appContext: null;
  mcpAppUi: null;
  pluginId: null;
  readOnlyHint: boolean | null;
  result: McpToolCallResult | null;
  error: {
    message: string;
  } | null;
  durationMs: number | null;
}
export interface McpToolCallResult {
  content: {
    [k: string]: unknown;
  }[];
  structuredContent: unknown;
  _meta: unknown;
}
export interface ContextCompactionItem {
  type: "contextCompaction";
  id: string;
  startedAtMs?: number;
  completedAtMs?: number;
}
export interface TurnError {
  message: string;
  codexErrorInfo: CodexErrorInfo | null;
  additionalDetails: string | null;
}
export interface HookRunSummary {
  id: string;
  hookKey: string;
  eventName: HookEventWireName;
  handlerType: HookHandlerType;
  executionMode: HookExecutionMode;
  scope: HookScope;
  sourcePath: string;
  source: HookSource;
  displayOrder: number;
  status: HookRunStatus;
  statusMessage: string | null;
  startedAt: number;
  completedAt: number | null;
  durationMs: number | null;
  entries: HookOutputEntry[];
  failure?: HookFailure;
  continuation?: boolean;
}
export interface HookOutputEntry {
  kind: HookOutputEntryKind;
  text: string;
}
export interface UntakenInput {
  content: UserInput[];
  clientId: string | null;
}
export interface ExecRun {
  id: string;
  itemId: string;
  parentId: string | null;
  file:
    | string
    | {
        base64: string;
      };
  argv: (
    | string
    | {
        base64: string;
      }
  )[];
  cwd:
    | string
    | {
        base64: string;
      };
  decision: "run" | "escalate" | "deny";
  reason: {
    kind: "rule" | "hook" | "approval" | "default" | "launcher" | "identity";
    text: string;
  };
  startedAtMs: number;
  completedAtMs: number | null;
  exitCode: number | null;
  signal: string | null;
}
export interface ThreadResumeParams {
  threadId: string;
  model?: string | null;
  modelProvider?: string | null;
  cwd?: string | null;
  runtimeWorkspaceRoots?: string[] | null;
  approvalPolicy?: ApprovalPolicy | null;
  approvalsReviewer?: ApprovalsReviewer | null;
  sandbox?: SandboxMode | null;
  config?: {
    [k: string]: Schema3;
  } | null;
  baseInstructions?: string | null;
  developerInstructions?: string | null;
  excludeTurns?: boolean | null;
  initialTurnsPage?: {
    limit?: number | null;
    sortDirection?: SortDirection | null;
    itemsView?: TurnItemsView | null;
    [k: string]: unknown;
  } | null;
  [k: string]: unknown;
}
export interface ThreadResumeResponse {
  thread: Thread;
  model: string;
  modelProvider: string;
  serviceTier: string | null;
  disabledPluginIds: string[];
  cwd: string;
  runtimeWorkspaceRoots: string[];
  instructionSources: string[];
  approvalPolicy: ApprovalPolicy;
  approvalsReviewer: ApprovalsReviewer;
  sandbox: SandboxPolicy;
  activePermissionProfile: null;
  reasoningEffort: ReasoningEffort | null;
  multiAgentMode: "explicitRequestOnly";
  collaborationMode: null;
  initialTurnsPage: {
    data: Turn[];
    nextCursor: string | null;
    backwardsCursor: string | null;
  } | null;
  turnsBackwardsCursor: string | null;
  itemsBackwardsCursor: string | null;
}
export interface ThreadReadParams {
  threadId: string;
  includeTurns?: boolean | null;
  [k: string]: unknown;
}
export interface ThreadReadResponse {
  thread: Thread;
  readState: ThreadReadState | null;
}
export interface ThreadReadState {
  firstUnread: ThreadUnreadPosition | null;
  revision: string;
}
export interface ThreadListParams {
  cursor?: string | null;
  limit?: number | null;
  sortDirection?: SortDirection | null;
  sortKey?: ThreadSortKey | null;
  modelProviders?: string[] | null;
  sourceKinds?: string[] | null;
  archived?: boolean | null;
  cwd?: (string | string[]) | null;
  searchTerm?: string | null;
  parentThreadId?: string | null;
  [k: string]: unknown;
}
export interface ThreadListResponse {
  data: Thread[];
  nextCursor: string | null;
  backwardsCursor: string | null;
  readStates: {
    [k: string]: ThreadReadState;
  };
}
export interface ThreadLoadedListParams {
  cursor?: string | null;
  limit?: number | null;
  [k: string]: unknown;
}
export interface ThreadLoadedListResponse {
  data: string[];
  nextCursor: string | null;
}
export interface ThreadNameSetParams {
  threadId: string;
  name: string;
  [k: string]: unknown;
}
export interface ThreadArchiveResponse {}
export interface ThreadReadStateUpdateParams {
  threadId: string;
  operation: ThreadReadStateOperation;
  expectedRevision: string;
  [k: string]: unknown;
}
export interface ThreadReadStateOperation {
  type: "read" | "unread";
  [k: string]: unknown;
}
export interface ThreadReadStateUpdateResponse {
  readState: ThreadReadState;
}
export interface ThreadArchiveParams {
  threadId: string;
  [k: string]: unknown;
}
export interface ThreadUnarchiveParams {
  threadId: string;
  [k: string]: unknown;
}
export interface ThreadUnarchiveResponse {
  thread: Thread;
}
export interface ThreadDeleteParams {
  threadId: string;
  [k: string]: unknown;
}
export interface ThreadUnsubscribeParams {
  threadId: string;
  [k: string]: unknown;
}
export interface ThreadUnsubscribeResponse {
  status: "unsubscribed" | "notSubscribed" | "notLoaded";
}
export interface ThreadForkParams {
  threadId: string;
  model?: string | null;
  modelProvider?: string | null;
  cwd?: string | null;
  runtimeWorkspaceRoots?: string[] | null;
  approvalPolicy?: ApprovalPolicy | null;
  approvalsReviewer?: ApprovalsReviewer | null;
  sandbox?: SandboxMode | null;
  config?: {
    [k: string]: Schema3;
  } | null;
  baseInstructions?: string | null;
  developerInstructions?: string | null;
  lastTurnId?: string | null;
  beforeTurnId?: string | null;
  ephemeral?: boolean | null;
  excludeTurns?: boolean | null;
  threadSource?: string | null;
  [k: string]: unknown;
}
export interface ThreadForkResponse {
  thread: Thread;
  model: string;
  modelProvider: string;
  serviceTier: string | null;
  disabledPluginIds: string[];
  cwd: string;
  runtimeWorkspaceRoots: string[];
  instructionSources: string[];
  approvalPolicy: ApprovalPolicy;
  approvalsReviewer: ApprovalsReviewer;
  sandbox: SandboxPolicy;
  activePermissionProfile: null;
  reasoningEffort: ReasoningEffort | null;
  multiAgentMode: "explicitRequestOnly";
}
export interface ThreadRevertParams {
  threadId: string;
  beforeTurnId: string;
  [k: string]: unknown;
}
export interface ThreadRevertResponse {
  thread: Thread;
  turnsBackwardsCursor: string | null;
  itemsBackwardsCursor: string | null;
}
export interface ThreadCompactStartParams {
  threadId: string;
  [k: string]: unknown;
}
export interface ThreadCompactStartResponse {}
export interface ThreadInjectItemsParams {
  threadId: string;
  items: Schema4[];
  [k: string]: unknown;
}
export interface ThreadShellCommandParams {
  threadId: string;
  command: string;
  timeoutMs?: number | null;
  [k: string]: unknown;
}
export interface TurnsListParams {
  threadId: string;
  cursor?: string | null;
  limit?: number | null;
  sortDirection?: SortDirection | null;
  itemsView?: TurnItemsView | null;
  [k: string]: unknown;
}
export interface TurnsListResponse {
  data: Turn[];
  nextCursor: string | null;
  backwardsCursor: string | null;
}
export interface ItemsListParams {
  threadId: string;
  turnId?: string | null;
  cursor?: string | null;
  limit?: number | null;
  sortDirection?: SortDirection | null;
  [k: string]: unknown;
}
export interface ItemsListResponse {
  data: ItemsListEntry[];
  nextCursor: string | null;
  backwardsCursor: string | null;
}
export interface ItemsListEntry {
  turnId: string;
  item: ThreadItem;
  startedAtMs: number | null;
  completedAtMs: number | null;
}
export interface TurnStartParams {
  threadId: string;
  input: UserInput[];
  clientUserMessageId?: string | null;
  cwd?: string | null;
  runtimeWorkspaceRoots?: string[] | null;
  approvalPolicy?: ApprovalPolicy | null;
  approvalsReviewer?: ApprovalsReviewer | null;
  sandboxPolicy?: SandboxPolicy | null;
  model?: string | null;
  effort?: ReasoningEffort | null;
  summary?: ReasoningSummary | null;
  outputSchema?: Schema5 | null;
  [k: string]: unknown;
}
export interface TurnStartResponse {
  turn: Turn;
}
export interface TurnSteerParams {
  threadId: string;
  input: UserInput[];
  expectedTurnId: string;
  clientUserMessageId?: string | null;
  [k: string]: unknown;
}
export interface TurnSteerResponse {
  turnId: string;
}
export interface TurnInterruptParams {
  threadId: string;
  turnId: string;
  [k: string]: unknown;
}
export interface TurnInterruptResponse {}
export interface ExecRunsListParams {
  threadId: string;
  turnId: string;
  cursor?: string | null;
  limit?: number | null;
  sortDirection?: SortDirection | null;
  [k: string]: unknown;
}
export interface ExecRunsListResponse {
  data: ExecRun[];
  nextCursor: string | null;
  backwardsCursor: string | null;
}
export interface HooksListParams {
  cwds?: string[] | null;
  threadId?: string | null;
  [k: string]: unknown;
}
export interface HooksListResponse {
  data: HooksListEntry[];
}
export interface HooksListEntry {
  cwd: string;
  hooks: HookMetadata[];
  warnings: string[];
  errors: {
    path: string;
    message: string;
  }[];
}
export interface HookMetadata {
  key: string;
  eventName: HookEventWireName;
  handlerType: HookHandlerType;
  command?: string;
  async?: boolean;
  server?: string;
  tool?: string;
  url?: string;
  matcher: string | null;
  timeoutSec: number;
  statusMessage: string | null;
  additionalContextLimit: number | null;
  sourcePath: string;
  source: HookSource;
  pluginId: string | null;
  environmentId: string | null;
  displayOrder: number;
  enabled: boolean;
  isManaged: boolean;
  currentHash: string;
  trustStatus: HookTrustStatus;
  skipped: string | null;
}
export interface ConfigReadParams {
  includeLayers?: boolean | null;
  cwd?: string | null;
  [k: string]: unknown;
}
export interface ConfigReadResponse {
  config: {
    [k: string]: Schema1;
  };
  origins: {
    [k: string]: ConfigLayerMetadata;
  };
  layers: ConfigReadLayer[] | null;
}
export interface ConfigLayerMetadata {
  name: ConfigLayerSource;
  version: string;
}
export interface ConfigReadLayer {
  name: ConfigLayerSource;
  version: string;
  config: {
    [k: string]: Schema1;
  };
  disabledReason: string | null;
}
export interface ConfigValueWriteParams {
  keyPath: string;
  value: Schema0;
  mergeStrategy: "replace" | "upsert";
  filePath?: string | null;
  expectedVersion?: string | null;
  [k: string]: unknown;
}
export interface ConfigWriteResponse {
  status: "ok" | "okOverridden";
  version: string;
  filePath: string;
  overriddenMetadata: {
    message: string;
    overridingLayer: ConfigLayerMetadata;
    effectiveValue: Schema2;
  } | null;
}
export interface ConfigBatchWriteParams {
  edits: ConfigEdit[];
  filePath?: string | null;
  expectedVersion?: string | null;
  reloadUserConfig?: boolean | null;
  [k: string]: unknown;
}
export interface ConfigEdit {
  keyPath: string;
  value: Schema0;
  mergeStrategy: "replace" | "upsert";
  [k: string]: unknown;
}
export interface ConfigRequirementsReadParams {
  [k: string]: unknown;
}
export interface ConfigRequirementsReadResponse {
  supportsIndependentSpeedModes: boolean | null;
  requirements: {
    allowManagedHooksOnly: boolean | null;
    allowedApprovalPolicies: null;
    allowedSandboxModes: null;
  } | null;
}
export interface SkillsListParams {
  cwds?: string[] | null;
  forceReload?: boolean | null;
  [k: string]: unknown;
}
export interface SkillsListResponse {
  data: {
    cwd: string;
    /**
     * @maxItems 0
     */
    skills: never[];
    /**
     * @maxItems 0
     */
    errors: never[];
  }[];
}
export interface CollaborationModeListParams {
  [k: string]: unknown;
}
export interface CollaborationModeListResponse {
  data: {
    name: string;
    mode: "default";
    model: string | null;
    reasoning_effort: ReasoningEffort | null;
  }[];
}
export interface CommandExecParams {
  command: string[];
  processId?: string | null;
  tty?: boolean | null;
  streamStdin?: boolean | null;
  streamStdoutStderr?: boolean | null;
  outputBytesCap?: number | null;
  disableOutputCap?: boolean | null;
  timeoutMs?: number | null;
  disableTimeout?: boolean | null;
  cwd?: string | null;
  env?: {
    [k: string]: string | null;
  } | null;
  size?: CommandExecTerminalSize | null;
  sandboxPolicy?: SandboxPolicy | null;
  permissionProfile?: string | null;
  [k: string]: unknown;
}
export interface CommandExecTerminalSize {
  rows: number;
  cols: number;
  [k: string]: unknown;
}
export interface CommandExecResponse {
  exitCode: number;
  stdout: string;
  stderr: string;
}
export interface CommandExecWriteParams {
  processId: string;
  deltaBase64?: string | null;
  closeStdin?: boolean | null;
  [k: string]: unknown;
}
export interface CommandExecDoneResponse {}
export interface CommandExecResizeParams {
  processId: string;
  size: CommandExecTerminalSize;
  [k: string]: unknown;
}
export interface CommandExecTerminateParams {
  processId: string;
  [k: string]: unknown;
}
export interface ModelListParams {
  cursor?: string | null;
  limit?: number | null;
  includeHidden?: boolean | null;
  [k: string]: unknown;
}
export interface ModelListResponse {
  data: Model[];
  nextCursor: string | null;
}
export interface Model {
  id: string;
  model: string;
  displayName: string;
  description: string;
  hidden: boolean;
  isDefault: boolean;
  supportedReasoningEfforts: {
    reasoningEffort: ReasoningEffort;
    description: string;
  }[];
  defaultReasoningEffort: ReasoningEffort;
  inputModalities: ("text" | "image")[];
}
export interface McpServerStatusListParams {
  cursor?: string | null;
  limit?: number | null;
  detail?: ("full" | "toolsAndAuthOnly") | null;
  threadId?: string | null;
  serverName?: string | null;
  [k: string]: unknown;
}
export interface McpServerStatusListResponse {
  data: McpServerStatus[];
  nextCursor: string | null;
}
export interface McpServerStatus {
  name: string;
  runtimeStatus:
    ("notStarted" | "starting" | "connected" | "authenticationRequired" | "failed" | "cancelled" | "disabled") | null;
  pluginId: null;
  httpOrigin: string | null;
  serverInfo: {
    name: string;
    title: string | null;
    version: string;
    description: null;
    icons: null;
    websiteUrl: null;
  } | null;
  serverCapabilities: unknown;
  toolListMeta: null;
  tools: {
    [k: string]: McpTool;
  };
  toolsError: string | null;
  resources: {
    [k: string]: unknown;
  }[];
  resourceTemplates: {
    [k: string]: unknown;
  }[];
  authStatus: "unknown" | "unsupported" | "notLoggedIn" | "bearerToken" | "oAuth";
}
export interface McpTool {
  name: string;
  inputSchema: unknown;
  [k: string]: unknown;
}
export interface CommandApprovalParams {
  kind: "command" | "humanCommand";
  threadId: string;
  turnId: string;
  itemId: string;
  approvalId: string | null;
  startedAtMs: number;
  environmentId: string | null;
  reason: string | null;
  command: string;
  cwd: string;
  commandActions: CommandAction[];
  proposedExecpolicyAmendment: string[] | null;
  availableDecisions: CommandApprovalDecision[];
}
export interface CommandApprovalResponse {
  decision: CommandApprovalDecision;
  [k: string]: unknown;
}
export interface CommandExecOutputDeltaNotification {
  processId: string;
  stream: "stdout" | "stderr";
  deltaBase64: string;
  capReached: boolean;
}
export interface CommandOutputDeltaNotification {
  threadId: string;
  turnId: string;
  itemId: string;
  delta: string;
  byteOffset: number;
}
export interface ErrorNotification {
  threadId: string;
  turnId: string;
  error: TurnError;
  willRetry: boolean;
}
export interface ExecRunNotification {
  threadId: string;
  turnId: string;
  run: ExecRun;
}
export interface FileChangeApprovalParams {
  threadId: string;
  turnId: string;
  itemId: string;
  startedAtMs: number;
  reason: string | null;
  grantRoot: string | null;
}
export interface FileChangeApprovalResponse {
  decision: FileChangeApprovalDecision;
  [k: string]: unknown;
}
export interface HookRunNotification {
  threadId: string;
  turnId: string | null;
  run: HookRunSummary;
}
export interface ItemCompletedNotification {
  threadId: string;
  turnId: string;
  item: ThreadItem;
  completedAtMs: number;
  contentTokenCount: number | null;
}
export interface ItemStartedNotification {
  threadId: string;
  turnId: string;
  item: ThreadItem;
  startedAtMs: number;
}
export interface JsonRpcError {
  id: RequestId | null;
  error: JsonRpcErrorBody;
}
export interface JsonRpcErrorBody {
  code: number;
  message: string;
  data?: unknown;
}
export interface JsonRpcNotification {
  method: string;
  params?: unknown;
  [k: string]: unknown;
}
export interface JsonRpcRequest {
  id: RequestId;
  method: string;
  params?: unknown;
  [k: string]: unknown;
}
export interface JsonRpcResponse {
  id: RequestId;
  result: unknown;
}
export interface McpServerElicitationParams {
  threadId: string;
  turnId: string | null;
  serverName: string;
  mode: "form";
  _meta: {
    codex_approval_kind: "mcp_tool_call";
    persist: ("session" | "always")[];
    tool_name: string;
    tool_description?: string;
    tool_params: unknown;
    tool_params_display: unknown[];
  };
  message: string;
  requestedSchema: {
    type: "object";
    properties: {};
  };
}
export interface McpServerElicitationResponse {
  action: "accept" | "decline" | "cancel";
  content?: unknown;
  _meta?: unknown;
  [k: string]: unknown;
}
export interface McpServerStatusUpdatedNotification {
  threadId: string | null;
  name: string;
  status: "starting" | "ready" | "failed" | "cancelled";
  error: string | null;
  failureReason: "reauthenticationRequired" | null;
}
export interface PermissionsApprovalParams {
  threadId: string;
  turnId: string;
  itemId: string;
  environmentId: string | null;
  startedAtMs: number;
  cwd: string;
  reason: string | null;
  permissions: {
    network: {
      enabled: boolean;
    } | null;
    fileSystem: {
      read: string[];
      write: string[];
      entries: {
        path: {
          type: "path";
          path: string;
        };
        access: "read" | "write";
      }[];
    } | null;
  };
}
export interface PermissionsApprovalResponse {
  permissions: {
    network?: {
      enabled?: boolean | null;
      [k: string]: unknown;
    } | null;
    fileSystem?: {
      read?: string[] | null;
      write?: string[] | null;
      entries?:
        | {
            path: {
              type: "path";
              path: string;
            };
            access: "read" | "write";
          }[]
        | null;
      [k: string]: unknown;
    } | null;
    [k: string]: unknown;
  };
  scope?: "turn" | "session";
  [k: string]: unknown;
}
export interface ReasoningSummaryPartAddedNotification {
  threadId: string;
  turnId: string;
  itemId: string;
  summaryIndex: number;
}
export interface ReasoningSummaryTextDeltaNotification {
  threadId: string;
  turnId: string;
  itemId: string;
  summaryIndex: number;
  delta: string;
}
export interface ReasoningTextDeltaNotification {
  threadId: string;
  turnId: string;
  itemId: string;
  contentIndex: number;
  delta: string;
}
export interface ServerNotifications {
  "thread/started": ThreadStartedNotification;
  "thread/status/changed": ThreadStatusChangedNotification;
  "thread/name/updated": ThreadNameUpdatedNotification;
  "thread/readState/changed": ThreadReadStateChangedNotification;
  "thread/archived": ThreadIdNotification;
  "thread/unarchived": ThreadIdNotification;
  "thread/deleted": ThreadIdNotification;
  "thread/closed": ThreadIdNotification;
  "thread/reverted": ThreadIdNotification;
  "thread/tokenUsage/updated": ThreadTokenUsageUpdatedNotification;
  "turn/started": TurnNotification;
  "turn/completed": TurnNotification;
  "turn/diff/updated": TurnDiffUpdatedNotification;
  "turn/plan/updated": TurnPlanUpdatedNotification;
  "item/started": ItemStartedNotification;
  "item/completed": ItemCompletedNotification;
  "item/agentMessage/delta": AgentMessageDeltaNotification;
  "item/commandExecution/outputDelta": CommandOutputDeltaNotification;
  "item/reasoning/summaryPartAdded": ReasoningSummaryPartAddedNotification;
  "item/reasoning/summaryTextDelta": ReasoningSummaryTextDeltaNotification;
  "item/reasoning/textDelta": ReasoningTextDeltaNotification;
  "command/exec/outputDelta": CommandExecOutputDeltaNotification;
  "hook/started": HookRunNotification;
  "hook/completed": HookRunNotification;
  "exec/decided": ExecRunNotification;
  "exec/completed": ExecRunNotification;
  "mcpServer/startupStatus/updated": McpServerStatusUpdatedNotification;
  "serverRequest/resolved": ServerRequestResolvedNotification;
  error: ErrorNotification;
  warning: WarningNotification;
}
export interface ThreadStartedNotification {
  thread: Thread;
}
export interface ThreadStatusChangedNotification {
  threadId: string;
  status: ThreadStatus;
}
export interface ThreadNameUpdatedNotification {
  threadId: string;
  threadName: string | null;
}
export interface ThreadReadStateChangedNotification {
  threadId: string;
  readState: ThreadReadState;
}
export interface ThreadIdNotification {
  threadId: string;
}
export interface ThreadTokenUsageUpdatedNotification {
  threadId: string;
  turnId: string;
  tokenUsage: ThreadTokenUsage;
}
export interface ThreadTokenUsage {
  total: TokenUsageBreakdown;
  last: TokenUsageBreakdown;
  modelContextWindow: number | null;
}
export interface TokenUsageBreakdown {
  totalTokens: number;
  inputTokens: number;
  cachedInputTokens: number;
  cacheWriteInputTokens: number;
  outputTokens: number;
  reasoningOutputTokens: number;
}
export interface TurnNotification {
  threadId: string;
  turn: Turn;
}
export interface TurnDiffUpdatedNotification {
  threadId: string;
  turnId: string;
  diff: string;
}
export interface TurnPlanUpdatedNotification {
  threadId: string;
  turnId: string;
  explanation: string | null;
  plan: TurnPlanStep[];
}
export interface TurnPlanStep {
  step: string;
  status: "pending" | "inProgress" | "completed";
}
export interface ServerRequestResolvedNotification {
  threadId: string;
  requestId: RequestId;
}
export interface WarningNotification {
  threadId: string | null;
  message: string;
}
export interface ServerRequests {
  "item/commandExecution/requestApproval": {
    params: CommandApprovalParams;
    result: CommandApprovalResponse;
  };
  "item/fileChange/requestApproval": {
    params: FileChangeApprovalParams;
    result: FileChangeApprovalResponse;
  };
  "item/permissions/requestApproval": {
    params: PermissionsApprovalParams;
    result: PermissionsApprovalResponse;
  };
  "mcpServer/elicitation/request": {
    params: McpServerElicitationParams;
    result: McpServerElicitationResponse;
  };
}
