/** A server in a process of its own, which a test can kill, and its clients. Started as a program, this file is that server. */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { AppServer } from "../../src/app-server.ts";
import { parseListenAddress } from "../../src/transports/listen-address.ts";
import { serve } from "../../src/transports/serve.ts";
import { MessageBox } from "./message-box.ts";
import type { Message } from "./server.ts";
import { SocketTestClient } from "./socket-place.ts";

export interface ServerSetup {
  home: string;
  project: string;
  listen: "stdio" | "unix";
  answerWithinMs?: number;
}

/** What both kinds of clients can do. */
export interface RemoteClient {
  readonly messages: Message[];
  ask(method: string, params?: unknown): Promise<Message>;
  answer(id: Message["id"], result: object): void;
  next(holds: (message: Message) => boolean): Promise<Message>;
}

if (import.meta.main) await runServer();

async function runServer(): Promise<void> {
  const { home, project, listen, answerWithinMs } = JSON.parse(process.argv[2] ?? "") as ServerSetup;
  const log = (line: string): void => console.error(line);
  const server = new AppServer({
    home,
    checkHome: () => Promise.resolve(),
    cwd: project,
    env: process.env,
    version: "0.0.0-test",
    ...(answerWithinMs === undefined ? {} : { answerWithinMs }),
    log,
  });
  const address = parseListenAddress(listen === "stdio" ? "stdio://" : `unix://${socketOf(home)}`, home);
  const stop = new AbortController();
  process.once("SIGTERM", () => stop.abort());
  await serve(server, {
    addresses: [address],
    auth: null,
    input: process.stdin,
    output: process.stdout,
    log,
    onListening: (place) => log(`listening on ${place}`),
    signal: stop.signal,
  });
  process.exit(0);
}

function socketOf(home: string): string {
  return `${home}.sock`;
}

export class KillableServer {
  readonly #setup: ServerSetup;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #closed: Promise<void>;
  readonly #ready: Promise<void>;

  constructor(setup: ServerSetup) {
    this.#setup = setup;
    const words = ["--conditions=sallyport-source", import.meta.filename, JSON.stringify(setup)];
    const child = spawn(process.execPath, words);
    this.#child = child;
    this.#closed = new Promise((resolve) => child.once("close", () => resolve()));
    let complaints = "";
    this.#ready = new Promise((resolve, reject) => {
      child.stderr.on("data", (chunk: Buffer) => {
        complaints += chunk.toString();
        if (complaints.includes("listening on ")) resolve();
      });
      child.once("close", () => reject(new Error(`the server ended: ${complaints}`)));
    });
    this.#ready.catch(() => {}); // whoever waits for it hears of that
    after(() => this.end("SIGKILL"));
  }

  /** On stdio there can be one. */
  async client(): Promise<RemoteClient> {
    const client = this.#setup.listen === "stdio" ? new StdioTestClient(this.#child) : await this.#socketClient();
    await client.ask("initialize", { clientInfo: { name: "test", version: "1" } });
    return client;
  }

  async #socketClient(): Promise<RemoteClient> {
    await this.#ready;
    const client = await SocketTestClient.open(`ws+unix:${socketOf(this.#setup.home)}:/`);
    return Object.assign(client, {
      answer: (id: Message["id"], result: object) => client.socket.send(JSON.stringify({ id, result })),
    });
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#child.kill(signal);
    await this.#closed;
  }
}

class StdioTestClient implements RemoteClient {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #box = new MessageBox();
  #lastId = 0;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => this.#box.add(JSON.parse(line) as Message));
  }

  get messages(): Message[] {
    return this.#box.messages;
  }

  async ask(method: string, params?: unknown): Promise<Message> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#child.stdin.write(`${JSON.stringify({ id, method, params })}\n`);
    return await this.next((message) => message.id === id && message.method === undefined);
  }

  answer(id: Message["id"], result: object): void {
    this.#child.stdin.write(`${JSON.stringify({ id, result })}\n`);
  }

  next(holds: (message: Message) => boolean): Promise<Message> {
    return this.#box.next(holds);
  }
}
