/** What a command prints, up to a limit for each stream: kept for the answer, or told at once. What comes after the limit is read and
 *  dropped, so that the command goes on. */
import type { Connection } from "../connection.ts";

type StreamName = "stdout" | "stderr";

const defaultCap = 1_048_576;
/** The attack: a command prints without an end, the client wants all of it in one answer, and the server's memory is full. */
const mostKept = 16_777_216;
/** A delta is one message. */
const largestDelta = 65_536;

export interface CommandOutputOptions {
  /** Bytes of each stream; null: all. Default 1 MiB. */
  cap?: number | null | undefined;
  /** Null: it is kept. */
  stream: { processId: string; connection: Connection } | null;
}

export class CommandOutput {
  readonly #cap: number;
  readonly #stream: CommandOutputOptions["stream"];
  readonly #kept: Record<StreamName, Buffer[]> = { stdout: [], stderr: [] };
  readonly #bytes: Record<StreamName, number> = { stdout: 0, stderr: 0 };
  readonly #isFull: Record<StreamName, boolean> = { stdout: false, stderr: false };

  constructor({ cap = defaultCap, stream }: CommandOutputOptions) {
    const most = stream === null ? mostKept : Number.POSITIVE_INFINITY;
    this.#cap = Math.min(cap ?? most, most);
    this.#stream = stream;
  }

  /** Resolves when there is room for more. */
  async add(name: StreamName, chunk: Buffer): Promise<void> {
    if (this.#isFull[name]) return;
    const taken = chunk.subarray(0, this.#cap - this.#bytes[name]);
    this.#bytes[name] += taken.length;
    this.#isFull[name] = taken.length < chunk.length;
    if (this.#stream === null) this.#kept[name].push(taken);
    else await this.#tell(name, taken, this.#stream);
  }

  async #tell(
    stream: StreamName,
    bytes: Buffer,
    { processId, connection }: NonNullable<CommandOutputOptions["stream"]>,
  ): Promise<void> {
    for (let at = 0; at < bytes.length || at === 0; at += largestDelta) {
      const delta = bytes.subarray(at, at + largestDelta);
      const capReached = this.#isFull[stream] && at + largestDelta >= bytes.length;
      const deltaBase64 = delta.toString("base64");
      connection.notify({
        method: "command/exec/outputDelta",
        params: { processId, stream, deltaBase64, capReached },
      });
      await connection.room();
    }
  }

  text(name: StreamName): string {
    return Buffer.concat(this.#kept[name]).toString("utf8");
  }
}
