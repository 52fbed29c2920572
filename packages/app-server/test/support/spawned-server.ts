/** A `sallyport app-server` of its own, the built one, and the client at the other end of its stdin and stdout. */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { executable } from "../../../cli/test/sallyport.ts";
import type { Message } from "./server.ts";

const deadlineMs = 90_000;

export class SpawnedServer {
  readonly child: ChildProcessWithoutNullStreams;
  readonly messages: Message[] = [];
  /** Lines of stdout that are no messages. */
  readonly noise: string[] = [];
  readonly ended: Promise<{ status: number | null; signal: NodeJS.Signals | null }>;
  stderr = "";
  readonly #wakes = new Set<() => void>();
  #lastId = 0;

  constructor({ home, project }: { home: string; project: string }, words: readonly string[] = []) {
    const { NODE_OPTIONS: _, ...env } = process.env;
    this.child = spawn(executable, ["app-server", ...words], { cwd: project, env: { ...env, SALLYPORT_HOME: home } });
    after(() => this.child.kill("SIGKILL"));
    this.child.stdin.on("error", () => {}); // told by its end
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.ended = new Promise((resolve) => this.child.once("close", (status, signal) => resolve({ status, signal })));
    void this.ended.then(() => this.#wake());
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      try {
        this.messages.push(JSON.parse(line) as Message);
      } catch {
        this.noise.push(line);
      }
      this.#wake();
    });
  }

  static async initialized(
    place: { home: string; project: string },
    words: readonly string[] = [],
  ): Promise<SpawnedServer> {
    const server = new SpawnedServer(place, words);
    await server.ask("initialize", { clientInfo: { name: "test", version: "1" }, capabilities: {} });
    return server;
  }

  send(message: object): void {
    this.child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  /** The answer, be it a result or an error. */
  async ask(method: string, params?: unknown): Promise<Message> {
    this.#lastId += 1;
    const id = `ask ${this.#lastId}`;
    this.send({ id, method, params });
    return await this.next((message) => message.id === id && message.method === undefined);
  }

  /** The first message that holds, whether it came already or not. */
  async next(holds: (message: Message) => boolean): Promise<Message> {
    let seen = 0;
    return await this.#found(() => {
      // Each message is looked at once, so that thousands can come.
      for (; seen < this.messages.length; seen += 1) {
        const message = this.messages[seen];
        if (message !== undefined && holds(message)) return message;
      }
      return null;
    });
  }

  /** What stderr says; it is read apart from stdout, so it may come later than an answer. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    return await this.#found(() => pattern.exec(this.stderr));
  }

  async #found<Value>(look: () => Value | null): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    const wake = (): void => {
      const found = look();
      if (found !== null) resolve(found);
      const { exitCode, signalCode } = this.child;
      if (exitCode !== null || signalCode !== null)
        reject(new Error(`the server ended (${exitCode ?? signalCode}): ${this.stderr}`));
    };
    const timer = setTimeout(() => reject(new Error(`nothing of the kind came in time; ${this.stderr}`)), deadlineMs);
    this.#wakes.add(wake);
    wake();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#wakes.delete(wake);
    }
  }

  #wake(): void {
    for (const wake of this.#wakes) wake();
  }
}
