/** The server: connections on one side, threads on the other. Transports hand it connections; it knows nothing of bytes.
 *
 *     client            Connection        AppServer              core
 *       | turn/start -----> | request() ----> | startTurn() -------> | stored
 *       | <---- {turn} ---- |                 |                      |
 *       | <- turn/started - | <-- notify() -- | <------ event ------ | stored, then told
 *       | <- requestApproval| <-- request() - | <----- request ----- |
 *       | answer ---------> | response() ---> | answerApproval() --> |                       */
import type { Threads, ThreadStore } from "@sallyport/core";
import { Connection } from "./connection.ts";
import type { Answer, RequestHandler, Room, Write } from "./connection.ts";
import { IdleThreads, usualUnloadAfterMs } from "./idle-threads.ts";
import { initializeResponse, readInitialize } from "./initialize.ts";
import type { ClientMessage } from "./message.ts";
import type { MethodContext } from "./methods/method-context.ts";
import { RpcError, rpcCodes } from "./rpc-error.ts";
import { readAnswer } from "./read-decision.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface AppServerOptions {
  /** Sallyport's home, absolute. */
  home: string;
  /** Rejects where the home can't be trusted. Asked before anything of it is read; `initialize` is answered without. */
  checkHome(): Promise<void>;
  /** Where threads are started that name no folder. */
  cwd: string;
  env: NodeJS.ProcessEnv;
  version: string;
  /** How long a thread that nobody watches stays loaded. Default 60 s. */
  unloadAfterMs?: number;
  /** How long a question waits for an answer. Default 300 s. */
  answerWithinMs?: number;
  /** In place of /etc/sallyport. */
  systemFolder?: string;
  /** For people: one line on what a client cannot be told. */
  log(line: string): void;
}

/** Opened with the first request that needs it: answering `initialize` needs no store. */
interface Core {
  threads: Threads;
  store: ThreadStore;
}

export class AppServer implements RequestHandler {
  readonly #options: AppServerOptions;
  readonly #subscriptions: Subscriptions;
  #core: Promise<Core> | null = null;
  #idleThreads: IdleThreads | null = null;
  #homeChecked: Promise<void> | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: AppServerOptions) {
    this.#options = options;
    this.#subscriptions = new Subscriptions((threadId, error) => this.#threadFailed(threadId, error));
  }

  /** `write` takes one message, without a line end. `room`: what prints without an end waits for it. */
  connect(write: Write, room: Room | null = null): Connection {
    const connection = new Connection(write, this, room);
    this.#subscriptions.add(connection);
    return connection;
  }

  async request(connection: Connection, method: string, params: unknown): Promise<Answer> {
    if (method === "initialize") return this.#initialize(connection, params);
    const { isClientMethod } = await import("./params.ts");
    if (!isClientMethod(method) || method === "initialize")
      throw new RpcError(rpcCodes.methodNotFound, `Unknown method ${JSON.stringify(method)}`, { method });
    if (connection.handshake === null) throw new RpcError(rpcCodes.invalidRequest, "Not initialized");
    if (this.#closing !== null) throw new RpcError(rpcCodes.invalidRequest, "The server is shutting down");
    await this.#checkHome();
    const { callMethod } = await import("./methods/index.ts");
    return await callMethod(method, params, this.#contextFor(connection));
  }

  response(connection: Connection, message: Extract<ClientMessage, { kind: "response" }>): void {
    const session = this.#subscriptions.askedBy(message.id);
    // Answered already, taken back, or never asked: the first answer counts, and nobody has to be told of the others.
    const question = session?.waitingApprovals.find(({ requestId }) => requestId === message.id);
    if (session === null || question === undefined) return;
    // The attack: ids are counted up, so a client that was not asked, or never made its handshake, answers what another one is asked.
    if (!this.#subscriptions.isAsked(connection, session.id, question)) return;
    const decision = readAnswer(question.method, message.result);
    if (decision !== null) {
      session.answerApproval(message.id, decision);
    } else {
      // Fails closed because what was asked for waits: an answer that is none refuses.
      const why =
        message.error === undefined ? "the client's decision is not known" : "the client answered with an error";
      session.failApproval(message.id, why);
    }
  }

  closed(connection: Connection): void {
    this.#subscriptions.remove(connection);
  }

  /** Interrupts running turns, fires SessionEnd on every loaded thread, closes the store. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#core === null) return;
    // What could not be opened needs no closing; whoever asked for it was told.
    const core = await this.#core.catch(() => null);
    if (core === null) return;
    this.#idleThreads?.stop();
    try {
      await core.threads.closeAll();
    } finally {
      await core.store.close();
    }
  }

  #initialize(connection: Connection, params: unknown): Answer {
    const handshake = readInitialize(params);
    connection.handshake = handshake;
    const { home, version } = this.#options;
    // The schemas and the core take longer than this answer: they are loaded while the client reads it.
    const afterwards = (): void => {
      // Only a head start: where it fails, the request that needs it fails too, and says so.
      import("./methods/index.ts").catch(() => {});
    };
    return { result: initializeResponse(handshake, { home, version }), afterwards };
  }

  #contextFor(connection: Connection): MethodContext {
    const { home, cwd, env, version } = this.#options;
    return {
      connection,
      subscriptions: this.#subscriptions,
      home,
      cwd,
      env,
      version,
      core: () => this.#openCore(),
    };
  }

  /** Fails closed because the home's rules decide what leaves the sandbox: a home that is refused answers no request. */
  #checkHome(): Promise<void> {
    this.#homeChecked ??= this.#options.checkHome().catch((error: unknown) => {
      this.#homeChecked = null; // the next request may find it mended
      throw error;
    });
    return this.#homeChecked;
  }

  #openCore(): Promise<Core> {
    this.#core ??= this.#makeCore();
    return this.#core;
  }

  async #makeCore(): Promise<Core> {
    const { openEphemeralThreadStore, openThreads, openThreadStore } = await import("@sallyport/core");
    const { home, env, version, answerWithinMs, systemFolder } = this.#options;
    try {
      const store = openThreadStore(home);
      const threads = openThreads({
        home,
        store,
        openEphemeralStore: openEphemeralThreadStore,
        env,
        cliVersion: version,
        canAsk: true,
        ...(answerWithinMs === undefined ? {} : { answerWithinMs }),
        ...(systemFolder === undefined ? {} : { systemFolder }),
      });
      const unloadAfterMs = this.#options.unloadAfterMs ?? usualUnloadAfterMs;
      const log = (line: string): void => this.#options.log(line);
      this.#idleThreads = new IdleThreads({ threads, subscriptions: this.#subscriptions, unloadAfterMs, log });
      return { threads, store };
    } catch (error) {
      this.#core = null; // the next request may find the disk writable again
      throw error;
    }
  }

  /** What happened could not be stored, so nobody was told of it; the thread is let go, and its last turn reads as interrupted. */
  #threadFailed(threadId: string, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#options.log(`thread ${threadId} was closed: ${text}`);
    const message = `The thread was closed: ${text}`;
    this.#subscriptions.toAll({ method: "warning", params: { threadId, message } });
    this.#subscriptions.forget(threadId);
    this.#core
      ?.then(({ threads }) => threads.close(threadId))
      .catch((failure: unknown) => this.#options.log(`closing thread ${threadId} failed: ${String(failure)}`));
  }
}
