/** Codex's App Server as a child process: JSON-RPC, one message a line. */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const requestDeadlineMs = 30_000;

/** The peer's words are only compared, never obeyed, so their shape is not checked. */
export type Json = ReturnType<typeof JSON.parse>;

export interface Notification {
  method: string;
  params: Json;
}

export class CodexServer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #pending = new Map<number, { resolve: (result: Json) => void; reject: (error: Error) => void }>();
  readonly #waiting = new Set<() => void>();
  #sent = 0;
  version = "";
  /** Since the last `forget()`. */
  notifications: Notification[] = [];
  /** Answers what the server asks, such as approvals. */
  onRequest: (method: string, params: Json) => Json = () => ({ decision: "cancel" });

  /** `folder` holds the installed peer; `scratch` becomes its home. */
  static async start(folder: string, scratch: string, modelUrl: string, home: string): Promise<CodexServer> {
    mkdirSync(home, { recursive: true });
    writeFileSync(
      join(home, "config.toml"),
      `model = "scripted"
model_provider = "scripted"
[model_providers.scripted]
name = "scripted"
base_url = ${JSON.stringify(modelUrl)}
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
`,
    );
    const env = { PATH: process.env["PATH"], HOME: scratch, CODEX_HOME: home, TMPDIR: scratch };
    const child = spawn(join(folder, "node_modules/.bin/codex"), ["app-server"], { cwd: scratch, env });
    const server = new CodexServer(child);
    const { userAgent } = await server.request("initialize", {
      clientInfo: { name: "conformance", version: "1" },
      capabilities: { experimentalApi: true },
    });
    server.version = /[\d.]+/.exec(userAgent)?.[0] ?? "";
    server.#send({ method: "initialized" });
    return server;
  }

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stderr.resume();
    createInterface({ input: child.stdout }).on("line", (line) => this.#receive(JSON.parse(line)));
    child.once("exit", () => {
      for (const { reject } of this.#pending.values()) reject(new Error("the peer ended"));
    });
  }

  async request(method: string, params: Json): Promise<Json> {
    const id = (this.#sent += 1);
    const answer = new Promise<Json>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#send({ id, method, params });
    return await answer;
  }

  /** The first notification since `forget()` that fits, now or later. */
  async notified(fits: (notification: Notification) => boolean, deadlineMs = requestDeadlineMs): Promise<Notification> {
    const giveUpAtMs = Date.now() + deadlineMs;
    for (;;) {
      const found = this.notifications.find(fits);
      if (found !== undefined) return found;
      if (Date.now() > giveUpAtMs) {
        throw new Error(`no such notification among ${this.notifications.map(({ method }) => method).join(", ")}`);
      }
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        setTimeout(resolve, giveUpAtMs - Date.now() + 1).unref();
      });
    }
  }

  forget(): void {
    this.notifications = [];
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
    clearTimeout(killer);
  }

  #receive(message: Json): void {
    if (message.method === undefined) {
      const pending = this.#pending.get(message.id);
      this.#pending.delete(message.id);
      if (message.error === undefined) pending?.resolve(message.result);
      else pending?.reject(new Error(`${message.error.code}: ${message.error.message}`));
      return;
    }
    if (message.id === undefined) this.notifications.push({ method: message.method, params: message.params });
    else {
      this.notifications.push({ method: message.method, params: message.params });
      this.#send({ id: message.id, result: this.onRequest(message.method, message.params) });
    }
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #send(message: Json): void {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
  }
}
