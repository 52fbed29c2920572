/** The whole transcript of a thread, from the database: for a file that was lost. Within a turn, messages stand before items. */
import type { ThreadItem } from "@sallyport/protocol";
import type { JsonValue, StoredTurn } from "../thread-store.ts";
import type { Database, Row } from "./database.ts";
import { threadColumns, threadOf } from "./thread-row.ts";
import type { TranscriptLine } from "./transcript.ts";

export function allLines(database: Database, threadKey: number): TranscriptLine[] {
  const row = database.get(`SELECT ${threadColumns} FROM threads WHERE key = ?`, threadKey);
  if (row === undefined) return [];
  const turns = database.all("SELECT key, body FROM turns WHERE thread_key = ? ORDER BY key", threadKey);
  return [
    { type: "session_meta", payload: threadOf(row) },
    ...turns.flatMap((turn) => turnLines(database, threadKey, turn)),
  ];
}

function turnLines(database: Database, threadKey: number, { key, body: text }: Row): TranscriptLine[] {
  const turn = JSON.parse(text) as StoredTurn; // written by putTurn()
  const messages = database
    .all("SELECT body FROM messages WHERE turn_key = ? ORDER BY key", key)
    .map(({ body }) => JSON.parse(body) as JsonValue);
  const sql = "SELECT key FROM messages WHERE thread_key = ? AND replaced_by = ? LIMIT 1";
  const isReplacement = database.get(sql, threadKey, key) !== undefined;
  const items = database.all("SELECT body FROM items WHERE turn_key = ? AND is_open = 0 ORDER BY key", key);
  return [
    { type: "turn_started", payload: asStarted(turn) },
    ...(isReplacement
      ? [{ type: "messages_replaced", payload: { turnId: turn.id, messages } } as const]
      : messages.map((message): TranscriptLine => ({ type: "message", payload: { turnId: turn.id, message } }))),
    ...items.map((row): TranscriptLine => ({
      type: "item",
      payload: { turnId: turn.id, item: JSON.parse(row.body) as ThreadItem }, // written by putItem()
    })),
    ...(turn.status === "inProgress" ? [] : [{ type: "turn_completed", payload: turn } as const]),
  ];
}

function asStarted(turn: StoredTurn): StoredTurn {
  return { ...turn, status: "inProgress", error: null, completedAtMs: null, durationMs: null, blockedInput: null };
}
