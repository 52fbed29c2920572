/** The two ways in which a request fails. */

/** The server refused: `code` is a number of JSON-RPC, `data.path` names a wrong parameter, `data.code` is Sallyport's own code. */
export class RequestRefused extends Error {
  override readonly name = "RequestRefused";
  readonly method: string;
  readonly code: number;
  readonly data: unknown;

  constructor(method: string, { code, message, data }: { code: number; message: string; data?: unknown }) {
    super(`${method} was refused: ${message}`);
    this.method = method;
    this.code = code;
    this.data = data;
  }
}

/** There is no connection, or none any more. Whether a request that waited took effect is not known: resume the thread and look. */
export class ConnectionClosed extends Error {
  override readonly name = "ConnectionClosed";
}
