/** HTTP in front of WebSocket, on TCP or a unix socket. Everything that may not come in is turned away before it is a client.
 *
 *      Origin given                 403          a browser's page, whatever it says
 *      /readyz, /healthz            200          without a token
 *      other requests               400
 *      upgrade without the token    401
 *      upgrade, on any path         101          a client */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocketServer } from "ws";
import type { AppServer } from "../app-server.ts";
import type { BearerAuth } from "./bearer-auth.ts";
import { formatAddress, refused } from "./listen-address.ts";
import type { ListenAddress } from "./listen-address.ts";
import { maxMessageBytes, serveSocketClient } from "./socket-client.ts";
import type { SocketClient } from "./socket-client.ts";
import { listenOnPath } from "./unix-socket.ts";

export interface SocketServerOptions {
  address: Extract<ListenAddress, { kind: "unix" | "ws" }>;
  /** Null: everybody may come in who reaches the socket. */
  auth: BearerAuth | null;
  log: (line: string) => void;
}

export interface SocketServer {
  /** As a client names it, with the port that was chosen. */
  address: string;
  /** No more clients. Resolves when what was asked is answered. */
  stopAccepting(): Promise<void>;
  /** Resolves when every client is gone, or has been cut off. */
  close(): Promise<void>;
}

/** The attack: connections that never say anything, or never end saying it. */
const headersTimeoutMs = 10_000;
const maxConnections = 2048;
const keepAliveMs = 60_000;
/** For clients to take their leave. */
const goodbyeMs = 1000;

/** Not imported: an import reads every export, and `node:http` has WebSocket of the browsers among them, which takes 50 ms to load. */
const { createServer } = process.getBuiltinModule("node:http");

const healthPaths: ReadonlySet<string> = new Set(["/readyz", "/healthz"]);

/** Throws `LISTEN_REFUSED`. */
export async function listenForClients(appServer: AppServer, options: SocketServerOptions): Promise<SocketServer> {
  const { address, auth, log } = options;
  const server = createServer({ headersTimeout: headersTimeoutMs, requestTimeout: headersTimeoutMs, keepAlive: true });
  server.maxConnections = maxConnections;
  let webSockets: Promise<WebSocketServer> | undefined;
  const clients = new Set<SocketClient>();
  const sockets = new Set<Duplex>();
  let isAccepting = true;
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.setKeepAlive(true, keepAliveMs);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("request", answerPlainRequest);
  server.on("clientError", (_error, socket) => socket.destroy());
  server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on("error", () => {}); // the WebSocket tells of it, where there is one already
    if (request.headers.origin !== undefined) return turnAway(stream, 403, "Forbidden", "");
    const why = auth?.(request.headers.authorization) ?? null;
    if (why !== null) return turnAway(stream, 401, "Unauthorized", why);
    webSockets ??= loadWebSockets();
    void webSockets.then((loaded) => {
      if (!isAccepting) return turnAway(stream, 503, "Service Unavailable", "the server ends");
      loaded.handleUpgrade(request, stream, head, (socket) => {
        const client: SocketClient = serveSocketClient(appServer, {
          socket,
          stream,
          log,
          onEnd: () => clients.delete(client),
        });
        clients.add(client);
      });
    });
  });
  await listen(server, address);
  // While the first client is on its way, which is told the address first.
  setImmediate(() => {
    webSockets ??= loadWebSockets();
  });
  return {
    address: nameOf(server, address),
    async stopAccepting() {
      isAccepting = false;
      server.close();
      await Promise.all([...clients].map((client) => client.answered()));
    },
    async close() {
      isAccepting = false;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const client of clients) client.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        for (const client of clients) client.terminate();
        for (const socket of sockets) socket.destroy();
      }, goodbyeMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

async function loadWebSockets(): Promise<WebSocketServer> {
  const { WebSocketServer: Loaded } = await import("ws");
  return new Loaded({ noServer: true, maxPayload: maxMessageBytes, perMessageDeflate: false, clientTracking: false });
}

async function listen(server: Server, address: SocketServerOptions["address"]): Promise<void> {
  if (address.kind === "unix") return await listenOnPath(server, address.path);
  const { host, port } = address;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(refused(formatAddress(host, port), error.message, error)));
    server.listen({ host, port }, resolve);
  });
}

function nameOf(server: Server, address: SocketServerOptions["address"]): string {
  if (address.kind === "unix") return `unix://${address.path}`;
  const { port } = server.address() as AddressInfo;
  return formatAddress(address.host, port);
}

function answerPlainRequest(request: IncomingMessage, response: ServerResponse): void {
  const { method = "", headers } = request;
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  const answer = (status: number, text: string, more: Record<string, string> = {}): void => {
    response
      .writeHead(status, { "content-length": Buffer.byteLength(text), ...more })
      .end(method === "HEAD" ? "" : text);
  };
  if (headers.origin !== undefined) answer(403, "");
  else if (!healthPaths.has(path)) answer(400, "Connection header did not include 'upgrade'");
  else if (method === "GET" || method === "HEAD") answer(200, "");
  else answer(405, "", { allow: "GET,HEAD" });
}

function turnAway(stream: Duplex, status: number, name: string, text: string): void {
  const length = Buffer.byteLength(text);
  const head = [
    `HTTP/1.1 ${status} ${name}`,
    "connection: close",
    "content-type: text/plain",
    `content-length: ${length}`,
  ];
  // The attack: whoever has no token keeps refused connections open, until nobody else can connect.
  stream.once("finish", () => stream.destroy());
  stream.end(`${head.join("\r\n")}\r\n\r\n${text}`);
}
