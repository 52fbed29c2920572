/** A server of one's own: a child process that reads messages from stdin and writes them to stdout, a line each. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { MessageTransport, TransportHandlers } from "./message-transport.ts";

export interface SpawnOptions {
  /** Default `sallyport`, looked up on the PATH. */
  command?: string;
  /** Default `["app-server"]`. */
  args?: readonly string[];
  cwd?: string;
  /** Default: this process's own. */
  env?: NodeJS.ProcessEnv;
  /** Gets what the server writes to stderr. Default: it goes to this process's stderr. */
  onLog?(text: string): void;
}

/** The server ends by itself when stdin ends: it interrupts turns and runs SessionEnd hooks first. Then it is killed. */
const graceMs = 10_000;

export function spawnTransport(options: SpawnOptions): MessageTransport {
  return new StdioTransport(options);
}

class StdioTransport implements MessageTransport {
  readonly #child: ChildProcess;
  readonly #command: string;
  readonly #ended = Promise.withResolvers<void>();
  readonly #options: SpawnOptions;
  #partial: string[] = [];

  constructor(options: SpawnOptions) {
    const { command = "sallyport", args = ["app-server"], cwd, env } = options;
    this.#command = command;
    this.#options = options;
    const stderr = options.onLog === undefined ? "inherit" : "pipe";
    this.#child = spawn(command, args, { cwd, env, stdio: ["pipe", "pipe", stderr] });
  }

  start(handlers: TransportHandlers): void {
    const child = this.#child;
    let failure: string | null = null;
    child.once("error", (error) => {
      failure = `${JSON.stringify(this.#command)} could not be started: ${error.message}`;
      // Without a process there is no event "close".
      if (child.pid === undefined) this.#end(handlers, failure);
    });
    // Told by "close", and not at all where we ended it.
    child.stdin?.on("error", () => {});
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#read(text, handlers));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#options.onLog?.(text));
    child.once("close", (code, signal) => {
      const how = signal === null ? `with status ${code}` : `by ${signal}`;
      this.#end(handlers, failure ?? `${JSON.stringify(this.#command)} ended ${how}`);
    });
  }

  send(text: string): void {
    this.#child.stdin?.write(`${text}\n`);
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  #end(handlers: TransportHandlers, reason: string): void {
    this.#ended.resolve();
    handlers.closed(reason);
  }

  /** Pieces are joined once per line: a long line in many pieces costs no more than its length. */
  #read(text: string, handlers: TransportHandlers): void {
    const lines = text.split("\n");
    const rest = lines.pop() ?? "";
    for (const line of lines) {
      const whole = this.#partial.length === 0 ? line : [...this.#partial, line].join("");
      this.#partial = [];
      if (whole !== "") handlers.message(whole);
    }
    if (rest !== "") this.#partial.push(rest);
  }
}
