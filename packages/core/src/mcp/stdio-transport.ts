/** A server's standard streams as a transport of the SDK: one JSON message a line. The process is the supervisor's, so that everything
 *  which the server starts ends with it; the SDK's own transport ends the one process that it knows. */
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { startPlainProgram } from "@sallyport/supervisor";
import type { PlainProgram } from "@sallyport/supervisor";

/** The attack: a server writes without a line end until our memory is full. */
const longestMessageBytes = 16 * 1024 * 1024;
/** The attack: a server asks without end and does not read our answers, which then wait in our memory. */
const mostUnreadBytes = 32 * 1024 * 1024;
const mostBadLines = 100;
const keptStderrBytes = 4096;
const graceMs = 2000;

export interface StdioServerOptions {
  file: string;
  argv: string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
  parse(value: unknown): JSONRPCMessage | null;
}

export class StdioServerTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #options: StdioServerOptions;
  #program: PlainProgram | null = null;
  #ended: Promise<void> = Promise.resolve();
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #badLines = 0;
  #stderr = "";
  #closed = false;
  /** Why it was ended, or how it ended; null while it runs. */
  ending: string | null = null;

  constructor(options: StdioServerOptions) {
    this.#options = options;
  }

  /** The last words on stderr. */
  get stderr(): string {
    return this.#stderr.trim();
  }

  async start(): Promise<void> {
    const { file, argv, env, cwd } = this.#options;
    const program = await startPlainProgram({
      file,
      argv,
      env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      cwd,
      lingerMs: 0,
      onLingering: () => {},
    });
    this.#program = program;
    // A pipe that breaks says no more than that the program has ended, which `finished` tells.
    for (const stream of [program.stdin, program.stdout, program.stderr]) stream.on("error", () => {});
    program.stdout.on("data", (chunk: Buffer) => this.#take(chunk));
    program.stderr.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString("utf8")).slice(-keptStderrBytes);
    });
    this.#ended = program.finished.then(
      ({ exitCode, signal }) => this.#end(signal === null ? `it exited with ${exitCode}` : `it was ended by ${signal}`),
      (error: unknown) => this.#end(error instanceof Error ? error.message : String(error)),
    );
    if (this.#closed) program.terminate(graceMs); // closed while it was being started
  }

  send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#program?.stdin;
    if (this.#closed || stdin === undefined) {
      return Promise.reject(new Error(`the server is not there: ${this.ending ?? "it was ended"}`));
    }
    stdin.write(`${JSON.stringify(message)}\n`);
    if (stdin.writableLength > mostUnreadBytes) this.#abandon("it does not read what it is sent");
    return Promise.resolve();
  }

  /** Resolves when the server and all that it has started have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#program?.stdin.end();
    this.#program?.terminate(graceMs);
    await this.#ended;
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const line = Buffer.concat([...this.#waiting, rest.subarray(0, end)]).toString("utf8");
      this.#waiting = [];
      this.#waitingBytes = 0;
      rest = rest.subarray(end + 1);
      this.#takeLine(line);
    }
    if (rest.length === 0) return;
    this.#waiting.push(rest);
    this.#waitingBytes += rest.length;
    if (this.#waitingBytes > longestMessageBytes)
      this.#abandon(`it sent more than ${longestMessageBytes} bytes in one message`);
  }

  #takeLine(line: string): void {
    if (this.#closed || line.trim() === "") return;
    const message = this.#options.parse(parseJson(line));
    if (message !== null) {
      this.onmessage?.(message);
      return;
    }
    this.#badLines += 1;
    this.onerror?.(new Error("a line on its stdout is no message"));
    if (this.#badLines > mostBadLines) this.#abandon(`it printed more than ${mostBadLines} lines that are no messages`);
  }

  #abandon(why: string): void {
    if (this.#closed) return;
    this.ending = why;
    this.#waiting = [];
    this.#closed = true;
    this.#program?.stdout.removeAllListeners("data").resume();
    this.#program?.terminate(0);
  }

  #end(how: string): void {
    this.#closed = true;
    this.ending ??= how;
    this.onclose?.();
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // no message
  }
}
