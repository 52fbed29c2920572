/** Every request, once: its method, the schema of its params and of its result. What comes in is checked against `params`, unknown
 *  keys allowed; what goes out has exactly the fields of `result`. */
import type { z } from "zod";
import { HooksListParams, HooksListResponse } from "../hooks.ts";
import { AccountReadParams, AccountReadResponse } from "./account-read.ts";
import {
  CommandApprovalParams,
  CommandApprovalResponse,
  FileChangeApprovalParams,
  FileChangeApprovalResponse,
  PermissionsApprovalParams,
  PermissionsApprovalResponse,
} from "./approval.ts";
import {
  CollaborationModeListParams,
  CollaborationModeListResponse,
  SkillsListParams,
  SkillsListResponse,
} from "./client-lists.ts";
import {
  CommandExecDoneResponse,
  CommandExecParams,
  CommandExecResizeParams,
  CommandExecResponse,
  CommandExecTerminateParams,
  CommandExecWriteParams,
} from "./command-exec.ts";
import {
  ConfigReadParams,
  ConfigReadResponse,
  ConfigRequirementsReadParams,
  ConfigRequirementsReadResponse,
} from "./config-read.ts";
import { ConfigBatchWriteParams, ConfigValueWriteParams, ConfigWriteResponse } from "./config-write.ts";
import { ExecRunsListParams, ExecRunsListResponse } from "./exec-runs-list.ts";
import { InitializeParams, InitializeResponse } from "./initialize.ts";
import { ItemsListParams, ItemsListResponse } from "./items-list.ts";
import {
  McpServerElicitationParams,
  McpServerElicitationResponse,
  McpServerStatusListParams,
  McpServerStatusListResponse,
} from "./mcp-servers.ts";
import { ModelListParams, ModelListResponse } from "./model-list.ts";
import {
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
import {
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
} from "./thread-lifecycle.ts";
import { ThreadListParams, ThreadListResponse } from "./thread-list.ts";
import { ThreadReadStateUpdateParams, ThreadReadStateUpdateResponse } from "./thread-read-state.ts";
import { ThreadReadParams, ThreadReadResponse } from "./thread-read.ts";
import { ThreadResumeParams, ThreadResumeResponse } from "./thread-resume.ts";
import { ThreadStartParams, ThreadStartResponse } from "./thread-start.ts";
import { TurnInterruptParams, TurnInterruptResponse } from "./turn-interrupt.ts";
import { TurnStartParams, TurnStartResponse } from "./turn-start.ts";
import { TurnSteerParams, TurnSteerResponse } from "./turn-steer.ts";
import { TurnsListParams, TurnsListResponse } from "./turns-list.ts";

/** Requests of clients. */
export const clientRequests = {
  initialize: { params: InitializeParams, result: InitializeResponse },
  "thread/start": { params: ThreadStartParams, result: ThreadStartResponse },
  "thread/resume": { params: ThreadResumeParams, result: ThreadResumeResponse },
  "thread/read": { params: ThreadReadParams, result: ThreadReadResponse },
  "thread/list": { params: ThreadListParams, result: ThreadListResponse },
  "thread/loaded/list": { params: ThreadLoadedListParams, result: ThreadLoadedListResponse },
  "thread/name/set": { params: ThreadNameSetParams, result: ThreadNameSetResponse },
  "thread/readState/update": { params: ThreadReadStateUpdateParams, result: ThreadReadStateUpdateResponse },
  "thread/archive": { params: ThreadArchiveParams, result: ThreadArchiveResponse },
  "thread/unarchive": { params: ThreadUnarchiveParams, result: ThreadUnarchiveResponse },
  "thread/delete": { params: ThreadDeleteParams, result: ThreadDeleteResponse },
  "thread/unsubscribe": { params: ThreadUnsubscribeParams, result: ThreadUnsubscribeResponse },
  "thread/fork": { params: ThreadForkParams, result: ThreadForkResponse },
  "thread/revert": { params: ThreadRevertParams, result: ThreadRevertResponse },
  "thread/compact/start": { params: ThreadCompactStartParams, result: ThreadCompactStartResponse },
  "thread/inject_items": { params: ThreadInjectItemsParams, result: ThreadInjectItemsResponse },
  "thread/shellCommand": { params: ThreadShellCommandParams, result: ThreadShellCommandResponse },
  "thread/turns/list": { params: TurnsListParams, result: TurnsListResponse },
  "thread/items/list": { params: ItemsListParams, result: ItemsListResponse },
  "turn/start": { params: TurnStartParams, result: TurnStartResponse },
  "turn/steer": { params: TurnSteerParams, result: TurnSteerResponse },
  "turn/interrupt": { params: TurnInterruptParams, result: TurnInterruptResponse },
  "turn/execRuns/list": { params: ExecRunsListParams, result: ExecRunsListResponse },
  "hooks/list": { params: HooksListParams, result: HooksListResponse },
  "config/read": { params: ConfigReadParams, result: ConfigReadResponse },
  "config/value/write": { params: ConfigValueWriteParams, result: ConfigWriteResponse },
  "config/batchWrite": { params: ConfigBatchWriteParams, result: ConfigWriteResponse },
  "configRequirements/read": { params: ConfigRequirementsReadParams, result: ConfigRequirementsReadResponse },
  "skills/list": { params: SkillsListParams, result: SkillsListResponse },
  "collaborationMode/list": { params: CollaborationModeListParams, result: CollaborationModeListResponse },
  "command/exec": { params: CommandExecParams, result: CommandExecResponse },
  "command/exec/write": { params: CommandExecWriteParams, result: CommandExecDoneResponse },
  "command/exec/resize": { params: CommandExecResizeParams, result: CommandExecDoneResponse },
  "command/exec/terminate": { params: CommandExecTerminateParams, result: CommandExecDoneResponse },
  "model/list": { params: ModelListParams, result: ModelListResponse },
  "mcpServerStatus/list": { params: McpServerStatusListParams, result: McpServerStatusListResponse },
  "account/read": { params: AccountReadParams, result: AccountReadResponse },
};
export type ClientRequestMethod = keyof typeof clientRequests;
export type ClientRequestParams<Method extends ClientRequestMethod> = z.infer<
  (typeof clientRequests)[Method]["params"]
>;
/** The same as a client may write it, with what it may leave out. */
export type ClientRequestInput<Method extends ClientRequestMethod> = z.input<(typeof clientRequests)[Method]["params"]>;
export type ClientRequestResult<Method extends ClientRequestMethod> = z.infer<
  (typeof clientRequests)[Method]["result"]
>;

/** Requests of the server. */
export const serverRequests = {
  "item/commandExecution/requestApproval": { params: CommandApprovalParams, result: CommandApprovalResponse },
  "item/fileChange/requestApproval": { params: FileChangeApprovalParams, result: FileChangeApprovalResponse },
  "item/permissions/requestApproval": { params: PermissionsApprovalParams, result: PermissionsApprovalResponse },
  "mcpServer/elicitation/request": { params: McpServerElicitationParams, result: McpServerElicitationResponse },
};
export type ServerRequestMethod = keyof typeof serverRequests;
export type ServerRequestParams<Method extends ServerRequestMethod> = z.infer<
  (typeof serverRequests)[Method]["params"]
>;
export type ServerRequestResult<Method extends ServerRequestMethod> = z.infer<
  (typeof serverRequests)[Method]["result"]
>;
