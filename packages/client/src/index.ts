/** The public surface of @sallyport/client: a typed client of the App Server. */
export { AppServerClient } from "./app-server-client.ts";
export type { ClientOptions, NotificationParams, QuestionHandler } from "./app-server-client.ts";
export { connectAppServer, spawnAppServer } from "./connect.ts";
export { ConnectionClosed, RequestRefused } from "./errors.ts";
export type { MessageTransport, TransportHandlers } from "./message-transport.ts";
export type { SpawnOptions } from "./stdio-transport.ts";
export { ThreadPicture } from "./thread-picture.ts";
