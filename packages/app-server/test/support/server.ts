/** An App Server on a home of its own, and clients that hold every message against the published schemas. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { clientRequests, serverNotifications, serverRequests } from "@sallyport/protocol";
import type { ClientRequestMethod, Thread, Turn } from "@sallyport/protocol";
import { AppServer } from "../../src/app-server.ts";
import type { Connection } from "../../src/connection.ts";
import { readMessage } from "../../src/message.ts";
import { peerSchemas } from "./peer-schemas.ts";

/** As `JSON.parse()` gives it: each test knows the shape that it asked for; the schemas were held against it before. */
export type Parsed = ReturnType<typeof JSON.parse>;

export interface Message {
  id?: number | string;
  method?: string;
  params?: Parsed;
  result?: Parsed;
  error?: { code: number; message: string; data?: Parsed };
}

const deadlineMs = 60_000;

export class ServerPlace {
  readonly base: string = mkdtempSync(join(tmpdir(), "sallyport-server-"));
  readonly home: string = join(this.base, "home");
  readonly project: string = join(this.base, "project");
  readonly #servers: AppServer[] = [];
  #scripts = 0;

  constructor({ config = "" }: { config?: string } = {}) {
    mkdirSync(this.home, { mode: 0o700 });
    mkdirSync(this.project);
    if (config !== "") writeFileSync(join(this.home, "config.toml"), config, { mode: 0o600 });
    after(async () => {
      for (const server of this.#servers) await server.close();
      rmSync(this.base, { recursive: true, force: true });
    });
  }

  /** What to give as `model`. */
  script(answers: readonly object[]): string {
    this.#scripts += 1;
    const file = join(this.base, `script-${this.#scripts}.jsonl`);
    writeFileSync(file, answers.map((answer) => JSON.stringify(answer)).join("\n"));
    return `scripted:${file}`;
  }

  server({ unloadAfterMs = 60_000, ...more }: { unloadAfterMs?: number; systemFolder?: string } = {}): AppServer {
    const server = new AppServer({
      home: this.home,
      checkHome: () => Promise.resolve(),
      cwd: this.project,
      env: process.env,
      version: "0.0.0-test",
      unloadAfterMs,
      ...more,
      log: () => {},
    });
    this.#servers.push(server);
    return server;
  }
}

export class TestClient {
  readonly messages: Message[] = [];
  readonly connection: Connection;
  readonly #methods = new Map<number | string, string>();
  readonly #wakes = new Set<() => void>();
  #lastId = 0;

  /** `onMessage` is called while the server tells of it: what it does comes before anything else happens. */
  constructor(server: AppServer, onMessage: (message: Message) => void = () => {}) {
    this.connection = server.connect((text) => {
      const message = JSON.parse(text) as Message;
      this.#check(message);
      this.messages.push(message);
      onMessage(message);
      for (const wake of this.#wakes) wake();
    });
  }

  static async initialized(server: AppServer, capabilities: object = {}): Promise<TestClient> {
    const client = new TestClient(server);
    await client.call("initialize", { clientInfo: { name: "test", version: "1" }, capabilities });
    return client;
  }

  send(message: object): void {
    const read = readMessage(JSON.stringify(message));
    assert.ok(read !== null);
    this.connection.receive(read);
  }

  /** The answer, be it a result or an error. */
  async ask(method: string, params?: unknown): Promise<Message> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#methods.set(id, method);
    this.send({ id, method, ...(params === undefined ? {} : { params }) });
    return await this.next((message) => message.id === id && message.method === undefined);
  }

  async call(method: ClientRequestMethod, params?: unknown): Promise<Parsed> {
    const { result, error } = await this.ask(method, params);
    assert.equal(error, undefined);
    return result;
  }

  /** The first message that holds, whether it came already or not. */
  async next(holds: (message: Message) => boolean): Promise<Message> {
    const found = this.messages.find(holds);
    if (found !== undefined) return found;
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const seen = this.messages.map(({ id, method }) => method ?? `answer ${id}`).join(", ");
        reject(new Error(`nothing of the kind came within ${deadlineMs} ms: ${seen}`));
      }, deadlineMs);
      const wake = (): void => {
        const last = this.messages.at(-1);
        if (last === undefined || !holds(last)) return;
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve(last);
      };
      this.#wakes.add(wake);
    });
  }

  notifications(threadId: string): string[] {
    return this.messages
      .filter(({ method, params }) => method !== undefined && (params.threadId ?? params.thread?.id) === threadId)
      .map(({ method }) => method ?? "");
  }

  async startThread(model: string, params: object = {}): Promise<Thread> {
    const { thread } = await this.call("thread/start", { model, ...params });
    return thread as Thread;
  }

  /** The turn as `turn/completed` has it. */
  async runTurn(threadId: string, text = "go"): Promise<Turn> {
    const { turn } = await this.call("turn/start", { threadId, input: [{ type: "text", text }] });
    return await this.turnCompleted(turn.id as string);
  }

  async turnCompleted(turnId: string): Promise<Turn> {
    const { params } = await this.next(
      ({ method, params: { turn } = {} }) => method === "turn/completed" && turn.id === turnId,
    );
    return params.turn as Turn;
  }

  #check(message: Message): void {
    const { id, method, params, result, error } = message;
    const asked = method === undefined && id !== undefined ? this.#methods.get(id) : undefined;
    assert.equal(peersObjection(message, asked), null);
    if (id === undefined) {
      assert.ok(method !== undefined && Object.hasOwn(serverNotifications, method), `unknown notification ${method}`);
      serverNotifications[method as keyof typeof serverNotifications].parse(params);
      assert.deepEqual(Object.keys(message).sort(), ["emittedAtMs", "method", "params"]);
    } else if (method !== undefined) {
      assert.ok(Object.hasOwn(serverRequests, method), `unknown request ${method}`);
      serverRequests[method as keyof typeof serverRequests].params.parse(params);
    } else if (error === undefined) {
      if (asked !== undefined) clientRequests[asked as ClientRequestMethod].result.parse(result);
    }
  }
}

const peer = peerSchemas();

/** What the peer's own schema says against a message of the server, where the peer is installed. */
function peersObjection({ id, method, params, result, error }: Message, asked: string | undefined): string | null {
  if (peer === null) return null;
  if (method === undefined) return asked === undefined || error !== undefined ? null : peer.result(asked, result);
  return id === undefined ? peer.notification({ method, params }) : peer.request({ id, method, params });
}
