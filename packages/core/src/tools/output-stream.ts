/** What a command prints, on its way to clients: collected for 20 ms, then stored and announced as one delta. Every byte is in
 *  exactly one delta, in order; a command that prints faster than that can be stored waits. */
import { unfinishedBytes } from "./output-limits.ts";

const batchMs = 20;
const largestBatch = 256 * 1024;

export interface OutputDelta {
  delta: string;
  /** Where it begins in the whole output, in bytes. */
  byteOffset: number;
}

export class OutputStream {
  readonly #send: (delta: OutputDelta) => Promise<void>;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #sentBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(send: (delta: OutputDelta) => Promise<void>) {
    this.#send = send;
  }

  /** The promise, where there is one, resolves when there is room again. */
  add(chunk: Buffer): void | Promise<void> {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes >= largestBatch) return this.#flush("whole characters");
    this.#timer ??= setTimeout(() => void this.#flush("whole characters").catch(() => {}), batchMs);
    return undefined;
  }

  /** Sends what is left, also a character that broke off. Rejects when a delta could not be stored. */
  async close(): Promise<void> {
    await this.#flush("everything");
  }

  #flush(what: "whole characters" | "everything"): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const bytes = Buffer.concat(this.#waiting);
    const held = what === "everything" ? 0 : unfinishedBytes(bytes);
    const now = bytes.subarray(0, bytes.length - held);
    this.#waiting = held === 0 ? [] : [bytes.subarray(bytes.length - held)];
    this.#waitingBytes = held;
    if (now.length === 0) return this.#sending;
    const delta = { delta: now.toString("utf8"), byteOffset: this.#sentBytes };
    this.#sentBytes += now.length;
    this.#sending = this.#sending.then(() => this.#send(delta));
    return this.#sending;
  }
}
