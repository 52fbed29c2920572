/** Takes up what a handler gives, with a bound: the beginning in memory, all of it in a file of the session's folder, and past the
 *  file's own bound only counted. It is read to its end in any case, so that no handler waits for ever on a full pipe. */
import { randomUUID } from "node:crypto";
import { mkdir, open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { CapturedStream } from "../types.ts";

const memoryBytes = 1024 * 1024;
const fileBytes = 64 * 1024 * 1024;

export function nothingCaptured(): CapturedStream {
  return { bytes: Buffer.alloc(0), totalBytes: 0, spillFile: null };
}

export class Capture {
  /** Resolves at the end of the stream; never rejects. */
  readonly done: Promise<CapturedStream>;
  readonly #stream: Readable;
  readonly #folder: string;
  readonly #chunks: Buffer[] = [];
  #keptBytes = 0;
  #totalBytes = 0;
  #file: FileHandle | null = null;
  #filePath: string | null = null;
  #fileBytes = 0;
  #fileFailed = false;

  constructor(stream: Readable, folder: string) {
    this.#stream = stream;
    this.#folder = folder;
    this.done = this.#readAll();
  }

  /** Stops reading; what came until now is the result. */
  stop(): void {
    this.#stream.destroy();
  }

  async #readAll(): Promise<CapturedStream> {
    try {
      for await (const chunk of this.#stream) await this.#take(chunk as Buffer); // a stream without encoding
    } catch {
      // Reading failed or was stopped: what is there is there.
    }
    await this.#file?.close().catch(() => {});
    return { bytes: Buffer.concat(this.#chunks), totalBytes: this.#totalBytes, spillFile: this.#filePath };
  }

  async #take(chunk: Buffer): Promise<void> {
    const room = memoryBytes - this.#keptBytes;
    this.#totalBytes += chunk.length;
    if (chunk.length > room && !this.#fileFailed) await this.#spill(chunk);
    if (room <= 0) return;
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#chunks.push(kept);
    this.#keptBytes += kept.length;
  }

  /** A disk that is full costs the file, not the run. */
  async #spill(chunk: Buffer): Promise<void> {
    try {
      if (this.#file === null) {
        await mkdir(this.#folder, { recursive: true, mode: 0o700 });
        const path = join(this.#folder, `${randomUUID()}.out`);
        this.#file = await open(path, "wx", 0o600);
        this.#filePath = path;
        for (const earlier of this.#chunks) await this.#write(earlier);
      }
      await this.#write(chunk);
    } catch {
      this.#fileFailed = true;
    }
  }

  async #write(chunk: Buffer): Promise<void> {
    const part = chunk.subarray(0, Math.max(0, fileBytes - this.#fileBytes));
    if (part.length === 0) return;
    this.#fileBytes += part.length;
    await this.#file?.writeFile(part);
  }
}
