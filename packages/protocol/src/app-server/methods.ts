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
} from "./approval.ts";
import { ConfigBatchWriteParams, ConfigBatchWriteResponse } from "./config-write.ts";
import { ExecRunsListParams, ExecRunsListResponse } from "./exec-runs-list.ts";
import { InitializeParams, InitializeResponse } from "./initialize.ts";
import { ItemsListParams, ItemsListResponse } from "./items-list.ts";
import { ModelListParams, ModelListResponse } from "./model-list.ts";
import { ThreadListParams, ThreadListResponse } from "./thread-list.ts";
import { ThreadReadParams, ThreadReadResponse } from "./thread-read.ts";
import { ThreadResumeParams, ThreadResumeResponse } from "./thread-resume.ts";
import { ThreadStartParams, ThreadStartResponse } from "./thread-start.ts";
import { TurnInterruptParams, TurnInterruptResponse } from "./turn-interrupt.ts";
import { TurnStartParams, TurnStartResponse } from "./turn-start.ts";
import { TurnsListParams, TurnsListResponse } from "./turns-list.ts";

/** Requests of clients. */
export const clientRequests = {
  initialize: { params: InitializeParams, result: InitializeResponse },
  "thread/start": { params: ThreadStartParams, result: ThreadStartResponse },
  "thread/resume": { params: ThreadResumeParams, result: ThreadResumeResponse },
  "thread/read": { params: ThreadReadParams, result: ThreadReadResponse },
  "thread/list": { params: ThreadListParams, result: ThreadListResponse },
  "thread/turns/list": { params: TurnsListParams, result: TurnsListResponse },
  "thread/items/list": { params: ItemsListParams, result: ItemsListResponse },
  "turn/start": { params: TurnStartParams, result: TurnStartResponse },
  "turn/interrupt": { params: TurnInterruptParams, result: TurnInterruptResponse },
  "turn/execRuns/list": { params: ExecRunsListParams, result: ExecRunsListResponse },
  "hooks/list": { params: HooksListParams, result: HooksListResponse },
  "config/batchWrite": { params: ConfigBatchWriteParams, result: ConfigBatchWriteResponse },
  "model/list": { params: ModelListParams, result: ModelListResponse },
  "account/read": { params: AccountReadParams, result: AccountReadResponse },
};
export type ClientRequestMethod = keyof typeof clientRequests;
export type ClientRequestParams<Method extends ClientRequestMethod> = z.infer<
  (typeof clientRequests)[Method]["params"]
>;
export type ClientRequestResult<Method extends ClientRequestMethod> = z.infer<
  (typeof clientRequests)[Method]["result"]
>;

/** Requests of the server. */
export const serverRequests = {
  "item/commandExecution/requestApproval": { params: CommandApprovalParams, result: CommandApprovalResponse },
  "item/fileChange/requestApproval": { params: FileChangeApprovalParams, result: FileChangeApprovalResponse },
};
export type ServerRequestMethod = keyof typeof serverRequests;
export type ServerRequestParams<Method extends ServerRequestMethod> = z.infer<
  (typeof serverRequests)[Method]["params"]
>;
export type ServerRequestResult<Method extends ServerRequestMethod> = z.infer<
  (typeof serverRequests)[Method]["result"]
>;
