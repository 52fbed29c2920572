/** The public surface of @sallyport/app-server: the server, its connections, and the transport over stdin and stdout. */
export { AppServer } from "./app-server.ts";
export type { AppServerOptions } from "./app-server.ts";
export { Connection } from "./connection.ts";
export type { Write } from "./connection.ts";
export { RpcError } from "./rpc-error.ts";
export { serveStdio } from "./stdio.ts";
export type { StdioOptions } from "./stdio.ts";
