/** One connection to an App Server: requests with their answers, notifications, and the server's questions.
 *
 *      request()  ->  server        answered in whatever order
 *      on()       <-  server        notifications, in order
 *      handle()   <-> server        questions: the first client that answers decides */
import type {
  ClientRequestInput,
  ClientRequestMethod,
  ClientRequestResult,
  InitializeResponse,
  RequestId,
  ServerNotification,
  ServerNotificationMethod,
  ServerRequestMethod,
  ServerRequestParams,
  ServerRequestResult,
} from "@sallyport/protocol";
import { ConnectionClosed, RequestRefused } from "./errors.ts";
import type { MessageTransport } from "./message-transport.ts";

export type NotificationParams<Method extends ServerNotificationMethod> = Extract<
  ServerNotification,
  { method: Method }
>["params"];

/** Answers one question of the server. `signal` is aborted when it was answered elsewhere, taken back, or the connection ended; the
 *  answer is then not sent. */
export type QuestionHandler<Method extends ServerRequestMethod> = (
  params: ServerRequestParams<Method>,
  signal: AbortSignal,
) => Promise<ServerRequestResult<Method>>;

export interface ClientOptions {
  /** Told to the server; `name` becomes the originator of the threads. */
  clientInfo: { name: string; version: string; title?: string };
  /** Notifications that are not wanted, by their exact names. */
  withoutNotifications?: readonly string[];
  /** Hear of programs (`exec/decided`, `exec/completed`) and get `Turn.execRuns`. Default false. */
  execRuns?: boolean;
  /** Something that this client did that the server cannot be told of: a handler that threw. Default: thrown where nothing catches it. */
  onError?(error: unknown): void;
}

interface Waiting {
  method: string;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

type Listener = (notification: ServerNotification) => void;
type AnyHandler = (params: unknown, signal: AbortSignal) => Promise<unknown>;

export class AppServerClient {
  /** What the server said of itself. */
  readonly server: InitializeResponse;
  /** Resolves, with the reason, when the connection is over, however that came. */
  readonly closed: Promise<string>;
  readonly #link: Link;

  private constructor(link: Link, server: InitializeResponse) {
    this.#link = link;
    this.server = server;
    this.closed = link.closed;
  }

  /** Makes the handshake. Throws what `request()` throws. */
  static async open(transport: MessageTransport, options: ClientOptions): Promise<AppServerClient> {
    const link = new Link(transport, (error) => {
      if (options.onError === undefined) throwLater(error);
      else options.onError(error);
    });
    const { clientInfo, withoutNotifications = [], execRuns = false } = options;
    try {
      const server = await link.request("initialize", {
        clientInfo,
        capabilities: {
          experimentalApi: true,
          optOutNotificationMethods: [...withoutNotifications],
          extensions: execRuns ? { sallyport: { execRuns: true } } : {},
        },
      });
      link.notify("initialized");
      return new AppServerClient(link, server as InitializeResponse);
    } catch (error) {
      await transport.close();
      throw error;
    }
  }

  /** Throws `RequestRefused` where the server refuses, `ConnectionClosed` where the connection ends first. `onResult` is called before
   *  any later message is handed out; the promise is resolved a moment after, when notifications may have come already. */
  async request<Method extends ClientRequestMethod>(
    method: Method,
    params: ClientRequestInput<Method>,
    onResult?: (result: ClientRequestResult<Method>) => void,
  ): Promise<ClientRequestResult<Method>> {
    const handOut = (result: unknown): void => onResult?.(result as ClientRequestResult<Method>);
    return (await this.#link.request(method, params, handOut)) as ClientRequestResult<Method>;
  }

  /** Returns what ends it. Listeners are called in the order of the notifications, each before anything that the server sent later. */
  on<Method extends ServerNotificationMethod>(
    method: Method,
    listener: (params: NotificationParams<Method>) => void,
  ): () => void {
    return this.onAny((notification) => {
      if (notification.method === method) listener(notification.params as NotificationParams<Method>);
    });
  }

  /** Every notification, those of newer servers too. */
  onAny(listener: (notification: ServerNotification) => void): () => void {
    return this.#link.listen(listener);
  }

  /** Takes questions of one kind from now on, in place of an earlier handler. A question without a handler is left to other clients;
   *  nobody's answer within the server's limit is a no. Returns what ends it. */
  handle<Method extends ServerRequestMethod>(method: Method, handler: QuestionHandler<Method>): () => void {
    return this.#link.handle(method, handler as AnyHandler);
  }

  /** Ends the connection; a server that was started for it ends too. */
  async close(): Promise<void> {
    await this.#link.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Where nobody takes an error it must not be lost, nor end the connection. */
function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

class Link {
  readonly closed: Promise<string>;
  readonly #transport: MessageTransport;
  readonly #onError: (error: unknown) => void;
  readonly #waiting = new Map<RequestId, Waiting>();
  readonly #listeners = new Set<Listener>();
  readonly #handlers = new Map<string, AnyHandler>();
  readonly #questions = new Map<RequestId, AbortController>();
  #lastId = 0;
  #closedWhy: string | null = null;

  constructor(transport: MessageTransport, onError: (error: unknown) => void) {
    this.#transport = transport;
    this.#onError = onError;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.closed = promise;
    transport.start({
      message: (text) => this.#receive(text),
      closed: (reason) => {
        this.#closedWhy = reason;
        for (const waiting of this.#waiting.values()) {
          waiting.reject(new ConnectionClosed(`${waiting.method}: ${reason}`));
        }
        this.#waiting.clear();
        for (const question of this.#questions.values()) question.abort();
        resolve(reason);
      },
    });
  }

  request(method: string, params: unknown, onResult?: (result: unknown) => void): Promise<unknown> {
    if (this.#closedWhy !== null) return Promise.reject(new ConnectionClosed(`${method}: ${this.#closedWhy}`));
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const handOut = (result: unknown): void => {
      resolve(result);
      onResult?.(result);
    };
    this.#waiting.set(id, { method, resolve: handOut, reject });
    this.#send({ id, method, params });
    return promise;
  }

  notify(method: string): void {
    this.#send({ method });
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  handle(method: string, handler: AnyHandler): () => void {
    this.#handlers.set(method, handler);
    return () => {
      if (this.#handlers.get(method) === handler) this.#handlers.delete(method);
    };
  }

  async close(): Promise<void> {
    await this.#transport.close();
    await this.closed;
  }

  #send(message: object): void {
    if (this.#closedWhy === null) this.#transport.send(JSON.stringify(message));
  }

  #receive(text: string): void {
    const message = readMessage(text);
    if (message === null) {
      this.#onError(new Error(`the server sent what is no message: ${JSON.stringify(text.slice(0, 200))}`));
    } else if (message.method === undefined) this.#answered(message);
    else if (message.id === undefined) this.#tell(message as ServerNotification & Message);
    else void this.#answer(message.id, message.method, message.params);
  }

  #answered({ id, result, error }: Message): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || waiting === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new RequestRefused(waiting.method, error));
  }

  #tell(notification: ServerNotification): void {
    if (notification.method === "serverRequest/resolved") this.#questions.get(notification.params.requestId)?.abort();
    for (const listener of this.#listeners) {
      try {
        listener(notification);
      } catch (error) {
        this.#onError(error); // one listener's fault is not the others'
      }
    }
  }

  async #answer(id: RequestId, method: string, params: unknown): Promise<void> {
    const handler = this.#handlers.get(method);
    // The same question comes again after a resume.
    if (handler === undefined || this.#questions.has(id)) return;
    const question = new AbortController();
    this.#questions.set(id, question);
    try {
      const result = await handler(params, question.signal);
      if (!question.signal.aborted) this.#send({ id, result });
    } catch (error) {
      // The server takes an error for a no, as it must: something waits for the answer.
      if (question.signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#send({ id, error: { code: -32_603, message: why } });
      this.#onError(error);
    } finally {
      this.#questions.delete(id);
    }
  }
}

interface Message {
  id?: RequestId;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: { code: number; message: string; data?: unknown };
}

function readMessage(text: string): Message | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
