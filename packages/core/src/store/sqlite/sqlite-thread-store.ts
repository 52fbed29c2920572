/** ThreadStore on SQLite: `sallyport.db` in the home, or a database in memory for threads that are not to be kept. */
import { join } from "node:path";
import type { TurnItemsView } from "@sallyport/protocol";
import { checkHome, createHome } from "@sallyport/shell-escalation";
import { SallyportError } from "@sallyport/supervisor";
import type {
  CommitResult,
  EventPage,
  ItemListQuery,
  ItemRecord,
  NewThread,
  Page,
  PageQuery,
  StoredApproval,
  StoredExecRun,
  StoredMessage,
  StoredThread,
  ThreadCommit,
  ThreadListQuery,
  ThreadSnapshot,
  ThreadStore,
  TurnListQuery,
  TurnMessages,
  TurnRecord,
} from "../thread-store.ts";
import { appendEvent, applyChange } from "./changes.ts";
import type { CommitTarget } from "./changes.ts";
import { Database, inMemory } from "./database.ts";
import { migrate } from "./migrations.ts";
import * as reading from "./reading.ts";
import type { ReadTarget } from "./reading.ts";
import { storeInterrupted } from "./recovery.ts";
import { listThreads } from "./thread-list.ts";
import { findThread, insertThread, threadOf } from "./thread-row.ts";
import type { ThreadRow } from "./thread-row.ts";
import { allLines } from "./transcript-lines.ts";
import { Transcript, transcriptPath, transcriptText } from "./transcript.ts";
import type { TranscriptLine, TranscriptState } from "./transcript.ts";
import { WriterLock } from "./writer-lock.ts";

const databaseName = "sallyport.db";

/** Opens the store of a home, and makes both if they are not there. Throws `HOME_REFUSED`, `STORE_TOO_NEW`, `STORE_UNWRITABLE`,
 *  `STORE_FULL`, `STORE_CORRUPT`, `STORE_BUSY` or `STORE_FAILED`. */
export function openThreadStore(home: string): ThreadStore {
  createHome(home);
  checkHome(home);
  return new SqliteThreadStore(join(home, databaseName), home);
}

/** A store for ephemeral threads: gone when it is closed. */
export function openEphemeralThreadStore(): ThreadStore {
  return new SqliteThreadStore(inMemory, null);
}

interface HeldThread {
  key: number;
  transcript: Transcript | null;
}

class SqliteThreadStore implements ThreadStore {
  readonly #database: Database;
  readonly #home: string | null;
  /** Null in memory: nobody else can see it. */
  readonly #lock: WriterLock | null;
  readonly #held = new Map<string, HeldThread>();

  constructor(path: string, home: string | null) {
    this.#database = new Database(path);
    this.#home = home;
    this.#lock = home === null ? null : new WriterLock(join(home, "writers"));
    try {
      migrate(this.#database);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  get #writer(): string {
    return this.#lock?.id ?? "memory";
  }

  async createThread(fields: NewThread): Promise<StoredThread> {
    const path = this.#home === null ? null : transcriptPath(this.#home, fields.id, fields.createdAtMs);
    const thread: StoredThread = { ...fields, path, ephemeral: this.#home === null };
    const { key, state } = this.#database.write(() => {
      if (findThread(this.#database, thread.id) !== undefined) throw threadExists(thread.id);
      this.#lock?.hold();
      const key = insertThread(this.#database, thread, this.#writer);
      const state = { start: 0, lines: transcriptText([{ type: "session_meta", payload: thread }], Date.now()) };
      if (path !== null) this.#saveTranscript(key, state);
      return { key, state };
    });
    this.#hold(thread, key, state);
    return thread;
  }

  async acquireThread(threadId: string): Promise<StoredThread> {
    if (this.#held.has(threadId)) return threadOf(this.#rowOf(threadId));
    const { thread, key, state } = this.#database.write(() => {
      const row = this.#rowOf(threadId);
      if (row.writer !== this.#writer && this.#isWriterAlive(row.writer)) throw hasWriter(threadId);
      this.#lock?.hold();
      this.#database.run("UPDATE threads SET writer = ? WHERE key = ?", this.#writer, row.key);
      const target = this.#targetOf(row);
      const lines = storeInterrupted(target, row.updated_at_ms);
      const state = this.#addToTranscript(row.key, lines);
      return { thread: target.thread, key: row.key, state };
    });
    this.#hold(thread, key, state);
    return thread;
  }

  async releaseThread(threadId: string): Promise<void> {
    const held = this.#held.get(threadId);
    if (held === undefined) return;
    const state = this.#database.write(() => {
      const target = this.#targetOf(this.#rowOf(threadId));
      const lines = storeInterrupted(target, Date.now());
      this.#database.run("UPDATE threads SET writer = NULL WHERE key = ?", held.key);
      if (lines.length > 0) this.#touch(target, Date.now());
      return this.#saveNext(held, lines); // also without lines: whoever comes next has none to write again
    });
    this.#held.delete(threadId);
    if (state !== null) held.transcript?.write(state);
  }

  async commit(threadId: string, { changes = [], events = [] }: ThreadCommit): Promise<CommitResult> {
    const held = this.#held.get(threadId);
    if (held === undefined) throw notHeld(threadId);
    const { seqs, state } = this.#database.write(() => {
      const row = this.#rowOf(threadId);
      // Also when the file was replaced by another one behind our back.
      if (row.writer !== this.#writer || row.key !== held.key) throw notHeld(threadId);
      const target = this.#targetOf(row);
      const lines = changes.flatMap((change) => applyChange(target, change));
      const seqs = events.map((event) => appendEvent(target, event));
      const patchedAtMs = changes.findLast((change) => change.kind === "updateThread")?.patch.updatedAtMs;
      this.#touch(target, patchedAtMs ?? Date.now());
      return { seqs, state: lines.length === 0 ? null : this.#saveNext(held, lines) };
    });
    if (state !== null) held.transcript?.write(state);
    return { seqs };
  }

  async deleteThread(threadId: string): Promise<void> {
    const held = this.#held.get(threadId);
    if (held === undefined) throw notHeld(threadId);
    this.#database.write(() => this.#database.run("DELETE FROM threads WHERE key = ?", held.key));
    this.#held.delete(threadId);
    held.transcript?.remove();
  }

  async readThread(threadId: string): Promise<StoredThread | null> {
    return this.#database.read(() => {
      const row = findThread(this.#database, threadId);
      return row === undefined ? null : threadOf(row);
    });
  }

  async listThreads(query: ThreadListQuery): Promise<Page<StoredThread>> {
    return this.#database.read(() => listThreads(this.#database, query));
  }

  async readTurn(threadId: string, turnId: string, itemsView: TurnItemsView): Promise<TurnRecord | null> {
    return this.#read(threadId, (target) => reading.readTurn(target, turnId, itemsView));
  }

  async listTurns(threadId: string, query: TurnListQuery): Promise<Page<TurnRecord>> {
    return this.#read(threadId, (target) => reading.listTurns(target, query));
  }

  async listItems(threadId: string, query: ItemListQuery): Promise<Page<ItemRecord>> {
    return this.#read(threadId, (target) => reading.listItems(target, query));
  }

  async listExecRuns(threadId: string, turnId: string, query: PageQuery): Promise<Page<StoredExecRun>> {
    return this.#read(threadId, (target) => reading.listExecRuns(target, turnId, query));
  }

  async readMessages(threadId: string): Promise<StoredMessage[]> {
    return this.#read(threadId, (target) => reading.readMessages(target));
  }

  async readTurnMessages(threadId: string, turnId: string): Promise<TurnMessages> {
    return this.#read(threadId, (target) => reading.readTurnMessages(target, turnId));
  }

  async readApprovals(threadId: string): Promise<StoredApproval[]> {
    return this.#read(threadId, (target) => reading.readApprovals(target));
  }

  async readEvents(threadId: string, query: { afterSeq: number; limit: number }): Promise<EventPage> {
    return this.#read(threadId, (target) => reading.readEvents(target, query.afterSeq, query.limit));
  }

  async readSnapshot(threadId: string, query: TurnListQuery): Promise<ThreadSnapshot> {
    return this.#read(threadId, (target) => ({
      thread: threadOf(target.row),
      turns: reading.listTurns(target, query),
      seq: target.row.last_seq,
    }));
  }

  async close(): Promise<void> {
    try {
      for (const threadId of this.#held.keys()) await this.releaseThread(threadId);
    } finally {
      // Whatever could not be released reads as interrupted once the lock is gone.
      this.#held.clear();
      this.#database.close();
      this.#lock?.release();
    }
  }

  #read<Result>(threadId: string, work: (target: ReadTarget) => Result): Result {
    return this.#database.read(() => {
      const row = this.#rowOf(threadId);
      const isOrphan = row.writer !== null && !this.#held.has(threadId) && !this.#isWriterAlive(row.writer);
      return work({ database: this.#database, row, diedAtMs: isOrphan ? row.updated_at_ms : null });
    });
  }

  #rowOf(threadId: string): ThreadRow {
    const row = findThread(this.#database, threadId);
    if (row === undefined) throw notFound(threadId);
    return row;
  }

  #targetOf(row: ThreadRow): CommitTarget {
    return { database: this.#database, key: row.key, thread: threadOf(row), lastSeq: row.last_seq };
  }

  #isWriterAlive(writer: string | null): boolean {
    return writer !== null && this.#lock !== null && this.#lock.isAlive(writer);
  }

  #touch({ key, thread, lastSeq }: CommitTarget, atMs: number): void {
    this.#database.run(
      "UPDATE threads SET updated_at_ms = ?, recency_at_ms = ?, last_seq = ? WHERE key = ?",
      atMs,
      thread.recencyAtMs,
      lastSeq,
      key,
    );
  }

  #hold(thread: StoredThread, key: number, state: TranscriptState): void {
    const transcript = thread.path === null ? null : this.#transcriptOf(thread.path, key, state);
    this.#held.set(thread.id, { key, transcript });
    transcript?.write(state);
  }

  #transcriptOf(path: string, key: number, state: TranscriptState): Transcript {
    return new Transcript(path, state, {
      allText: () => this.#database.read(() => transcriptText(allLines(this.#database, key), Date.now())),
      save: (saved) => this.#database.write(() => this.#saveTranscript(key, saved)),
    });
  }

  #saveNext({ key, transcript }: HeldThread, lines: readonly TranscriptLine[]): TranscriptState | null {
    if (transcript === null) return null;
    const state = transcript.next(transcriptText(lines, Date.now()));
    this.#saveTranscript(key, state);
    return state;
  }

  /** For a thread whose file has not been looked at: what is stored is written again with what is new. */
  #addToTranscript(key: number, lines: readonly TranscriptLine[]): TranscriptState {
    const stored = this.#database.get("SELECT start, lines FROM transcripts WHERE thread_key = ?", key);
    const { start, lines: text } = stored ?? { start: 0, lines: "" };
    const state = { start, lines: text + transcriptText(lines, Date.now()) };
    if (lines.length > 0) this.#saveTranscript(key, state);
    return state;
  }

  #saveTranscript(key: number, { start, lines }: TranscriptState): void {
    this.#database.run(
      "INSERT OR REPLACE INTO transcripts (thread_key, start, lines) VALUES (?, ?, ?)",
      key,
      start,
      lines,
    );
  }
}

function notFound(threadId: string): SallyportError {
  return new SallyportError("THREAD_NOT_FOUND", `thread not found: ${threadId}`, { data: { threadId } });
}

/** The words of the peer, which its clients show. */
function hasWriter(threadId: string): SallyportError {
  return new SallyportError("THREAD_HAS_WRITER", `thread ${threadId} already has an active writer`, {
    data: { threadId },
  });
}

function notHeld(threadId: string): SallyportError {
  return new SallyportError(
    "THREAD_NOT_HELD",
    `Thread "${threadId}" is not held for writing here, expected it to be created or acquired first`,
    { data: { threadId } },
  );
}

function threadExists(threadId: string): SallyportError {
  return new SallyportError("THREAD_EXISTS", `Thread "${threadId}" exists already, expected a new id`, {
    data: { threadId },
  });
}
