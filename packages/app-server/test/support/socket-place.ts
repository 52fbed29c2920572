/** A server that listens on sockets of its own, and raw and well-behaved clients of it. */
import assert from "node:assert/strict";
import { request } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { after } from "node:test";
import { WebSocket } from "ws";
import type { BearerAuth } from "../../src/transports/bearer-auth.ts";
import { listenForClients } from "../../src/transports/socket-server.ts";
import type { SocketServer } from "../../src/transports/socket-server.ts";
import type { AppServer } from "../../src/app-server.ts";
import type { Message } from "./server.ts";
import { ServerPlace } from "./server.ts";

const deadlineMs = 60_000;

export type Kind = "ws" | "unix";

export class SocketPlace extends ServerPlace {
  readonly logged: string[] = [];

  async listen(
    kind: Kind,
    { auth = null, server = this.server() }: { auth?: BearerAuth | null; server?: AppServer } = {},
  ) {
    const address =
      kind === "ws"
        ? ({ kind, host: "127.0.0.1", port: 0 } as const)
        : ({ kind, path: join(this.base, `${Math.random()}.sock`) } as const);
    const listening = await listenForClients(server, { address, auth, log: (line) => this.logged.push(line) });
    after(() => listening.close());
    return listening;
  }
}

/** What `ws` and node:http take. */
export function urlOf({ address }: SocketServer, path = "/"): string {
  return address.startsWith("unix://") ? `ws+unix:${address.slice("unix://".length)}:${path}` : `${address}${path}`;
}

export class SocketTestClient {
  readonly socket: WebSocket;
  readonly messages: Message[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #wakes = new Set<() => void>();
  #lastId = 0;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, { headers, perMessageDeflate: false });
    this.socket.on("error", () => {}); // told by "close"
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.socket.on("message", (data: Buffer) => {
      this.messages.push(JSON.parse(data.toString()) as Message);
      for (const wake of this.#wakes) wake();
    });
    after(() => this.socket.terminate());
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<SocketTestClient> {
    const client = new SocketTestClient(url, headers);
    await new Promise<void>((resolve, reject) => {
      client.socket.once("open", resolve);
      client.socket.once("error", reject);
    });
    return client;
  }

  static async initialized(url: string): Promise<SocketTestClient> {
    const client = await SocketTestClient.open(url);
    await client.ask("initialize", { clientInfo: { name: "test", version: "1" } });
    return client;
  }

  async ask(method: string, params?: unknown): Promise<Message> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.socket.send(JSON.stringify({ id, method, params }));
    return await this.next((message) => message.id === id && message.method === undefined);
  }

  /** How many answers with these ids came, once all did. */
  async answersFrom(first: number, count: number): Promise<number> {
    let answered = 0;
    const isOne = ({ id, method }: Message): boolean =>
      typeof id === "number" && id >= first && id < first + count && method === undefined;
    await this.next((message) => isOne(message) && ++answered === count);
    return answered;
  }

  async next(holds: (message: Message) => boolean): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    let seen = 0;
    const wake = (): void => {
      // Each message is looked at once, so that thousands can come.
      for (; seen < this.messages.length; seen += 1) {
        const message = this.messages[seen];
        if (message !== undefined && holds(message)) resolve(message);
      }
    };
    const timer = setTimeout(() => reject(new Error("nothing of the kind came in time")), deadlineMs);
    this.#wakes.add(wake);
    wake();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#wakes.delete(wake);
    }
  }
}

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export async function ask(
  { address }: SocketServer,
  { path = "/", method = "GET", headers = {} }: { path?: string; method?: string; headers?: Record<string, string> },
): Promise<HttpAnswer> {
  const where = address.startsWith("unix://")
    ? { socketPath: address.slice("unix://".length), path }
    : { host: "127.0.0.1", port: new URL(address).port, path };
  return await new Promise((resolve, reject) => {
    const sent = request({ ...where, method, headers, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on("upgrade", (_response, socket) => {
      socket.destroy();
      assert.fail("upgraded");
    });
    sent.on("error", reject);
    sent.end();
  });
}
