/** A thread as a row: columns for what lists are sorted and filtered by, and for what every commit changes; the rest as JSON. */
import type { Database, Row } from "./database.ts";
import type { StoredThread } from "../thread-store.ts";

export type ThreadRow = Pick<
  Row,
  "key" | "id" | "updated_at_ms" | "recency_at_ms" | "writer" | "last_seq" | "pruned_seq" | "body"
>;

export const threadColumns = "key, id, updated_at_ms, recency_at_ms, writer, last_seq, pruned_seq, body";

export function threadOf(row: ThreadRow): StoredThread {
  const body = JSON.parse(row.body) as StoredThread; // written by insertThread() or updateThread()
  // An earlier version has not written it.
  const readState = body.readState ?? null;
  return { ...body, readState, updatedAtMs: row.updated_at_ms, recencyAtMs: row.recency_at_ms };
}

export function findThread(database: Database, threadId: string): ThreadRow | undefined {
  return database.get(`SELECT ${threadColumns} FROM threads WHERE id = ?`, threadId);
}

export function insertThread(database: Database, thread: StoredThread, writer: string): number {
  return database.run(
    `INSERT INTO threads (id, created_at_ms, writer, updated_at_ms, recency_at_ms, archived_at_ms, model_provider, source, cwd, title, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    thread.id,
    thread.createdAtMs,
    writer,
    ...columnsOf(thread),
  );
}

export function updateThread(database: Database, key: number, thread: StoredThread): void {
  database.run(
    `UPDATE threads SET updated_at_ms = ?, recency_at_ms = ?, archived_at_ms = ?, model_provider = ?, source = ?, cwd = ?, title = ?, body = ?
     WHERE key = ?`,
    ...columnsOf(thread),
    key,
  );
}

function columnsOf(thread: StoredThread): (string | number | null)[] {
  return [
    thread.updatedAtMs,
    thread.recencyAtMs,
    thread.archivedAtMs,
    thread.modelProvider,
    thread.source,
    thread.cwd,
    searchText(thread.name ?? thread.preview),
    JSON.stringify(thread),
  ];
}

/** SQLite folds the case of ASCII only. */
export function searchText(text: string): string {
  return text.toLowerCase();
}
