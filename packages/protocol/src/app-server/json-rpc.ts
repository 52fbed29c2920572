/** The envelope: JSON-RPC 2.0 without the `jsonrpc` key, one message a line or a frame. Kinds are told apart by their fields.
 *
 *     client  {id, method, params}    ->  server      request
 *     client  <-  {id, result}            server      response, or {id, error}
 *     client  <-  {method, params, emittedAtMs}       notification
 *     client  <-  {id, method, params}    server      request of the server; the client responds */
import { z } from "zod";

/** Echoed as it was sent. A fraction or null is no id: such a message gets no answer. */
export const RequestId = z.union([z.string(), z.int()]);
export type RequestId = z.infer<typeof RequestId>;

/** A newer peer may add fields, so envelopes are loose. `params` is checked by the method's own schema. */
export const JsonRpcRequest = z.looseObject({ id: RequestId, method: z.string(), params: z.unknown().optional() });
export type JsonRpcRequest = z.infer<typeof JsonRpcRequest>;

/** What a client sends without an id. */
export const JsonRpcNotification = z.looseObject({ method: z.string(), params: z.unknown().optional() });
export type JsonRpcNotification = z.infer<typeof JsonRpcNotification>;

/** `message` says what failed; `data.path` names the parameter where one is wrong. */
export const JsonRpcErrorBody = z.strictObject({ code: z.int(), message: z.string(), data: z.unknown().optional() });
export type JsonRpcErrorBody = z.infer<typeof JsonRpcErrorBody>;

/** `id` is null only where the message's own could not be read. */
export const JsonRpcError = z.strictObject({ id: RequestId.nullable(), error: JsonRpcErrorBody });
export type JsonRpcError = z.infer<typeof JsonRpcError>;

export const JsonRpcResponse = z.strictObject({ id: RequestId, result: z.unknown() });
export type JsonRpcResponse = z.infer<typeof JsonRpcResponse>;

/** The one table of numbers. The peer uses -32600 for nearly everything; its clients treat the first three alike. */
export const rpcErrorCodes = {
  /** The protocol was not kept: not initialized, wrong turn, a thread that is not there. */
  invalidRequest: -32600,
  methodNotFound: -32601,
  /** A parameter is missing, has the wrong type or an impossible value. */
  invalidParams: -32602,
  internalError: -32603,
  /** Too many requests wait; try again later. */
  overloaded: -32001,
} as const;
export type RpcErrorCode = (typeof rpcErrorCodes)[keyof typeof rpcErrorCodes];
