/** Params against the schema of their method. */
import { clientRequests } from "@sallyport/protocol";
import type { ClientRequestMethod, ClientRequestParams } from "@sallyport/protocol";
import { RpcError, rpcCodes } from "./rpc-error.ts";

/** Methods that may be called without params. */
const emptyParams: ReadonlySet<string> = new Set([
  "thread/start",
  "thread/list",
  "hooks/list",
  "model/list",
  "account/read",
  "config/read",
  "configRequirements/read",
  "skills/list",
  "collaborationMode/list",
]);

/** Throws an error that names the field. Unknown keys are left out or kept as the schema says, never refused. */
export function readParams<Method extends ClientRequestMethod>(
  method: Method,
  params: unknown,
): ClientRequestParams<Method> {
  const given = params ?? (emptyParams.has(method) ? {} : undefined);
  if (given === undefined)
    throw new RpcError(rpcCodes.invalidParams, `Missing params of ${method}: expected an object`, { path: "" });
  const parsed = clientRequests[method].params.safeParse(given);
  if (parsed.success) return parsed.data as ClientRequestParams<Method>; // by the schema of this very method
  const [issue] = parsed.error.issues;
  const path = (issue?.path ?? []).join(".");
  const where = path === "" ? "params" : `params.${path}`;
  throw new RpcError(rpcCodes.invalidParams, `Invalid ${where} of ${method}: ${issue?.message ?? "not as expected"}`, {
    path,
  });
}

export function isClientMethod(method: string): method is ClientRequestMethod {
  return Object.hasOwn(clientRequests, method);
}
