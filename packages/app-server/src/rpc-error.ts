/** Errors that cross the wire. */

/** The one table of numbers is `rpcErrorCodes` of the protocol; a pin holds the two together, because loading the schemas takes
 *  longer than answering `initialize`. */
export const rpcCodes = {
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  overloaded: -32001,
} as const;

export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.data = data;
  }
}
