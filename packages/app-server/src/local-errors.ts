/** Local errors become errors of the wire, by their code. What is in neither list is the server's own trouble. */
import { isSallyportError } from "@sallyport/supervisor";
import { RpcError, rpcCodes } from "./rpc-error.ts";

/** Local codes whose cause is a value of the request. */
const badParams: ReadonlySet<string> = new Set([
  "CONFIG_INVALID",
  "CONFIG_EDIT_REFUSED",
  "CURSOR_INVALID",
  "INPUT_REFUSED",
  "MODEL_NOT_CONFIGURED",
  "MODEL_KEY_MISSING",
  "PROVIDER_UNKNOWN",
  "SCRIPT_INVALID",
  "TURN_NOT_FOUND",
]);
/** Local codes that mean that the protocol was not kept, or that the thread is not there. */
const badRequests: ReadonlySet<string> = new Set([
  "APPROVAL_UNKNOWN",
  "READ_STATE_CHANGED",
  "THREAD_CLOSED",
  "THREAD_HAS_WRITER",
  "THREAD_NOT_FOUND",
  "THREAD_NOT_HELD",
  "TURN_ACTIVE",
  "TURN_MISMATCH",
]);

export function toRpcError(error: unknown): RpcError {
  if (!isSallyportError(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return new RpcError(rpcCodes.internalError, `The server failed: ${message}`);
  }
  const code = badParams.has(error.code)
    ? rpcCodes.invalidParams
    : badRequests.has(error.code)
      ? rpcCodes.invalidRequest
      : rpcCodes.internalError;
  return new RpcError(code, error.message, { ...error.data, code: error.code });
}
