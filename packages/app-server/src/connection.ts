/** One client: its handshake, what it wants to hear, and the messages to it. Knows nothing of threads.
 *
 *     client  initialize ->           all other requests are refused before
 *             <- {userAgent, ...}
 *             initialized ->          expected, not waited for
 *             request ->   <- response, in whatever order they are ready
 *             <- notification, <- request of the server; response -> */
import type { RequestId, ServerNotification } from "@sallyport/protocol";
import type { ClientMessage } from "./message.ts";
import { RpcError, rpcCodes } from "./rpc-error.ts";

/** Takes one message, without a line end. The transport bounds what waits for a client that does not read. */
export type Write = (text: string) => void;

/** Resolves when what waits for the client has become little, or the client is gone. */
export type Room = () => Promise<void>;

interface ClientInfo {
  name: string;
  version: string;
  title: string | null;
}

/** What a client said of itself. `asksPerson`: it shows a person what only a person may answer; `execRuns`: it wants to hear of
 *  programs. */
export interface Handshake {
  client: ClientInfo;
  optOut: ReadonlySet<string>;
  asksPerson: boolean;
  execRuns: boolean;
}

export interface RequestHandler {
  /** The result of a request. What it throws becomes the error of the answer. */
  request(connection: Connection, method: string, params: unknown): Promise<Answer>;
  /** An answer to a request of the server. */
  response(connection: Connection, message: Extract<ClientMessage, { kind: "response" }>): void;
  /** The connection is over. */
  closed(connection: Connection): void;
}

/** `afterwards` runs when the answer is written: notifications that must not come before it. */
export interface Answer {
  result: unknown;
  afterwards?: () => void;
}

/** Requests that wait for their answer at one time; more are refused, so that a client cannot fill the memory. */
const maxOpenRequests = 512;

export class Connection {
  readonly #write: Write;
  readonly #handler: RequestHandler;
  #handshake: Handshake | null = null;
  readonly #open = new Set<Promise<void>>();
  #isClosed = false;
  readonly #room: Room | null;
  readonly #endings = new Set<() => void>();
  #hasEnded = false;

  constructor(write: Write, handler: RequestHandler, room: Room | null = null) {
    this.#write = write;
    this.#handler = handler;
    this.#room = room;
  }

  get handshake(): Handshake | null {
    return this.#handshake;
  }

  set handshake(handshake: Handshake) {
    if (this.#handshake !== null) throw new RpcError(rpcCodes.invalidRequest, "Already initialized");
    this.#handshake = handshake;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  receive(message: ClientMessage): void {
    if (this.#isClosed) return;
    if (message.kind === "request") this.#accept(message);
    else if (message.kind === "response") this.#handler.response(this, message);
  }

  notify(notification: ServerNotification): void {
    if (this.#handshake === null || this.#handshake.optOut.has(notification.method)) return;
    const isOurs = notification.method === "exec/decided" || notification.method === "exec/completed";
    if (isOurs && !this.#handshake.execRuns) return;
    this.#send({ ...notification, emittedAtMs: Date.now() });
  }

  /** Asks the client. Its answer comes through `RequestHandler.response()`. */
  request(id: RequestId, method: string, params: unknown): void {
    this.#send({ id, method, params });
  }

  /** Resolves when there is room for more: for what may print without an end. */
  async room(): Promise<void> {
    if (!this.#hasEnded) await this.#room?.();
  }

  /** `ended` runs when the client says nothing more, at once where that is so already; the function takes it back. */
  onEnd(ended: () => void): () => void {
    if (this.#hasEnded) ended();
    else this.#endings.add(ended);
    return () => this.#endings.delete(ended);
  }

  /** The client's input has ended: what runs only for it ends, and then its requests can be answered. */
  end(): void {
    this.#hasEnded = true;
    for (const ended of this.#endings) ended();
    this.#endings.clear();
  }

  /** Resolves when every request that was received has its answer. */
  async answered(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.end();
    this.#handler.closed(this);
  }

  #accept(request: Extract<ClientMessage, { kind: "request" }>): void {
    if (this.#open.size >= maxOpenRequests) {
      this.#refuse(request.id, new RpcError(rpcCodes.overloaded, "Server overloaded; retry later."));
      return;
    }
    const answered = this.#answer(request).finally(() => this.#open.delete(answered));
    this.#open.add(answered);
  }

  /** Never rejects. */
  async #answer({ id, method, params }: Extract<ClientMessage, { kind: "request" }>): Promise<void> {
    try {
      const { result, afterwards } = await this.#handler.request(this, method, params);
      this.#send({ id, result });
      afterwards?.();
    } catch (error) {
      // Loaded only now: what knows the local errors takes longer to load than `initialize` to answer.
      this.#refuse(id, error instanceof RpcError ? error : (await import("./local-errors.ts")).toRpcError(error));
    }
  }

  #refuse(id: RequestId, { code, message, data }: RpcError): void {
    this.#send({ id, error: { code, message, ...(data === undefined ? {} : { data }) } });
  }

  #send(message: object): void {
    if (!this.#isClosed) this.#write(JSON.stringify(message));
  }
}
