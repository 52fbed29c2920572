/** A real terminal: a pty whose other side the test holds, with a program that leads its session. */
import { startBroker } from "@sallyport/supervisor";
import type { Broker } from "@sallyport/supervisor";

const deadlineMs = 30_000;

export interface TerminalOptions {
  cwd: string;
  env: Record<string, string>;
  rows: number;
  columns: number;
}

export class Terminal {
  /** Everything that was printed, echoes included. */
  said = "";
  /** What a terminal types by itself when it is asked to: given what was printed, what it answers. */
  answers: ((said: string) => string) | null = null;
  readonly #decoder = new TextDecoder();
  #broker: Broker | null = null;
  #seen = 0;
  #onOutput: () => void = () => undefined;

  static async open(words: readonly [string, ...string[]], options: TerminalOptions): Promise<Terminal> {
    const terminal = new Terminal();
    const broker = await startBroker({
      stdio: ["ignore", "ignore", "inherit"],
      handlers: {
        onExec: () => undefined,
        onExecEnd: () => undefined,
        onOutput: (chunk) => terminal.#hear(chunk),
      },
    });
    terminal.#broker = broker;
    await broker.launch({
      mode: "plain",
      intercept: false,
      outerArgv: [],
      file: words[0],
      argv: [...words],
      env: Object.entries(options.env).map(([name, value]) => `${name}=${value}`),
      cwd: options.cwd,
      wall: null,
      pidNamespace: false,
      cgroup: null,
      pidsCgroup: null,
      terminal: false,
      pty: { rows: options.rows, columns: options.columns },
    });
    return terminal;
  }

  type(keys: string): void {
    this.#broker?.input(Buffer.from(keys));
  }

  resize(rows: number, columns: number): void {
    this.#broker?.resize(rows, columns);
  }

  /** Waits until `pattern` is in what was printed since the end of the last match; the text that matched. */
  async waitFor(pattern: RegExp): Promise<string> {
    const until = performance.now() + deadlineMs;
    for (;;) {
      const match = pattern.exec(this.said.slice(this.#seen));
      if (match !== null) {
        this.#seen += match.index + match[0].length;
        return match[0];
      }
      await this.#nextOutput(until, pattern);
    }
  }

  /** The exit status, when the program and its whole tree have ended. */
  async end(): Promise<number | null> {
    const timer = setTimeout(() => this.#broker?.terminate(0), deadlineMs);
    const result = await this.#broker?.finished;
    clearTimeout(timer);
    return result?.exitCode ?? null;
  }

  /** Ends the whole tree at once. */
  async close(): Promise<void> {
    this.#broker?.terminate(0);
    await this.#broker?.finished.catch(() => undefined);
  }

  async #nextOutput(until: number, pattern: RegExp): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = (): void =>
      reject(
        new Error(
          `${String(pattern)} did not come; after ${JSON.stringify(this.said.slice(0, this.#seen))} there is ${JSON.stringify(this.said.slice(this.#seen))}`,
        ),
      );
    const timer = setTimeout(late, until - performance.now());
    this.#onOutput = resolve;
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #hear(chunk: Buffer): void {
    const text = this.#decoder.decode(chunk, { stream: true });
    this.said += text;
    const answers = this.answers?.(text) ?? "";
    if (answers !== "") this.type(answers);
    this.#onOutput();
  }
}
