/** The JSON-lines mirror of a thread, which hooks get as `transcript_path`: what the user and the agent said and did, and the model's
 *  input. The database is the truth, the file a copy that is only appended to.
 *
 *      commit   one transaction: the changes, and the lines with the size of the file that they follow   (`transcripts`)
 *      append   the lines are written to the file
 *      crash between the two, or within a line: the next writer cuts the file to that size and writes the lines again
 *
 *  So no line is torn, missing or there twice. A file that is gone or too short is written anew from the database. A file that
 *  can't be written costs nothing but itself: its lines wait for the next commit. */
import {
  closeSync,
  constants as fsConstants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { ThreadItem } from "@sallyport/protocol";
import type { JsonValue, StoredThread, StoredTurn } from "../thread-store.ts";

/** One line of the file. `payload` is the thread, a turn as it began or ended, a completed item, or a message of the model's input;
 *  or what undoes lines before: messages that a compaction replaced, turns that were reverted. */
export type TranscriptLine =
  | { type: "session_meta"; payload: StoredThread }
  | { type: "turn_started" | "turn_completed"; payload: StoredTurn }
  | { type: "item"; payload: { turnId: string; item: ThreadItem } }
  | { type: "message"; payload: { turnId: string; message: JsonValue } }
  | { type: "messages_replaced"; payload: { turnId: string; messages: readonly JsonValue[] } }
  | { type: "reverted"; payload: { beforeTurnId: string } };

export function transcriptPath(home: string, threadId: string, createdAtMs: number): string {
  const [date = "", time = ""] = new Date(createdAtMs).toISOString().split(/[T.]/);
  const [year = "", month = "", day = ""] = date.split("-");
  return join(home, "sessions", year, month, day, `rollout-${date}T${time.replaceAll(":", "-")}-${threadId}.jsonl`);
}

export function transcriptText(lines: readonly TranscriptLine[], atMs: number): string {
  const timestamp = new Date(atMs).toISOString();
  return lines.map((line) => `${JSON.stringify({ timestamp, ...line })}\n`).join("");
}

/** What the database says about the file: where the last lines begin, and what they are. */
export interface TranscriptState {
  start: number;
  lines: string;
}

/** The database, for a file that has to be written anew. */
export interface TranscriptSource {
  allText(): string;
  save(state: TranscriptState): void;
}

/** The file of a thread that is held. */
export class Transcript {
  readonly path: string;
  #state: TranscriptState;
  #isWritten = false;
  readonly #source: TranscriptSource;

  constructor(path: string, state: TranscriptState, source: TranscriptSource) {
    this.path = path;
    this.#state = state;
    this.#source = source;
  }

  /** The state to store with a commit that adds `text`. */
  next(text: string): TranscriptState {
    const { start, lines } = this.#state;
    if (!this.#isWritten) return { start, lines: lines + text };
    return { start: start + Buffer.byteLength(lines), lines: text };
  }

  /** Brings the file to a stored state. */
  write(state: TranscriptState): void {
    this.#state = state;
    try {
      this.#write();
      this.#isWritten = true;
    } catch {
      this.#isWritten = false; // the lines are stored, and written with those of the next commit
    }
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }

  #write(): void {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = fsConstants;
    const file = openSync(this.path, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, 0o600);
    try {
      const { start, lines } = this.#state;
      const { size } = fstatSync(file);
      if (size < start) {
        ftruncateSync(file, 0);
        const text = this.#source.allText();
        // Saved before it is true: until all of it is written, the file is too short and would be begun anew.
        this.#state = { start: Buffer.byteLength(text), lines: "" };
        this.#source.save(this.#state);
        writeAll(file, text);
        return;
      }
      if (size > start) ftruncateSync(file, start);
      writeAll(file, lines);
    } finally {
      closeSync(file);
    }
  }
}

function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length;) offset += writeSync(file, bytes, offset);
}
