/** The public surface of @sallyport/app-server: the server, its connections, and the transports. */
export { AppServer } from "./app-server.ts";
export type { AppServerOptions } from "./app-server.ts";
export { Connection } from "./connection.ts";
export type { Write } from "./connection.ts";
export { RpcError } from "./rpc-error.ts";
export { serveStdio } from "./stdio.ts";
export type { StdioOptions } from "./stdio.ts";
export {
  ownToken,
  parseTokenHash,
  readSharedSecret,
  readTokenFile,
  signedTokenAuth,
  tokenAuth,
} from "./transports/bearer-auth.ts";
export type { BearerAuth, SignedTokenOptions } from "./transports/bearer-auth.ts";
export { isLoopback, parseListenAddress } from "./transports/listen-address.ts";
export type { ListenAddress } from "./transports/listen-address.ts";
export { serve } from "./transports/serve.ts";
export type { ServeOptions } from "./transports/serve.ts";
