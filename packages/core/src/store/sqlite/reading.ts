/** Reads turns, items, runs and messages, inside a transaction. */
import type { HookRun } from "@sallyport/hooks";
import type { ExecRecord, ServerNotification, ThreadItem, TurnItemsView } from "@sallyport/protocol";
import { clampLimit, decodeCursor, encodeCursor } from "../cursor.ts";
import { withDeltas } from "../deltas.ts";
import { interruptedHookRun, interruptedItem, interruptedTurn } from "../interrupted.ts";
import type {
  EventPage,
  ItemListQuery,
  ItemRecord,
  JsonValue,
  Page,
  PageQuery,
  StoredApproval,
  StoredExecRun,
  StoredMessage,
  StoredTurn,
  TurnListQuery,
  TurnMessages,
  TurnRecord,
} from "../thread-store.ts";
import type { Database, Row } from "./database.ts";
import type { ThreadRow } from "./thread-row.ts";

/** The thread to read. `diedAtMs` is null, or, where the writer is dead and nobody has taken over, its last sign of life: what is
 *  open reads as interrupted then. */
export interface ReadTarget {
  database: Database;
  row: ThreadRow;
  diedAtMs: number | null;
}

const usualPage = { most: 100, usual: 25 };
const execRunPage = { most: 200, usual: 25 };

export function readTurn(target: ReadTarget, turnId: string, view: TurnItemsView): TurnRecord | null {
  const row = target.database.get(
    "SELECT key, body FROM turns WHERE thread_key = ? AND id = ?",
    target.row.key,
    turnId,
  );
  return row === undefined ? null : turnRecordOf(target, row, view);
}

export function listTurns(target: ReadTarget, query: TurnListQuery): Page<TurnRecord> {
  const { database, row } = target;
  const rows = pageOf(`turns ${row.id}`, { sortDirection: "desc", ...query }, usualPage, (where, order, at) =>
    database.all(
      `SELECT key, body FROM turns WHERE thread_key = ? AND key ${where} ? ORDER BY key ${order} LIMIT ?`,
      row.key,
      at.key,
      at.limit,
    ),
  );
  return { ...rows, data: rows.data.map((turn) => turnRecordOf(target, turn, query.itemsView ?? "summary")) };
}

export function listItems(target: ReadTarget, query: ItemListQuery): Page<ItemRecord> {
  const { database, row } = target;
  const turnId = query.turnId ?? null;
  const columns = "items.key AS key, items.id AS id, items.is_open AS is_open, items.body AS body, turns.id AS turn_id";
  const from = `SELECT ${columns} FROM items JOIN turns ON turns.key = items.turn_key`;
  const list = `items ${row.id} ${turnId ?? ""}`;
  const rows = pageOf(list, query, usualPage, (where, order, at) => {
    const rest = `AND items.key ${where} ? ORDER BY items.key ${order} LIMIT ?`;
    return turnId === null
      ? database.all(`${from} WHERE items.thread_key = ? ${rest}`, row.key, at.key, at.limit)
      : database.all(
          `${from} WHERE items.turn_key = (SELECT key FROM turns WHERE thread_key = ? AND id = ?) ${rest}`,
          row.key,
          turnId,
          at.key,
          at.limit,
        );
  });
  return { ...rows, data: rows.data.map((item) => ({ turnId: item.turn_id, item: itemOf(target, item) })) };
}

export function listExecRuns({ database, row }: ReadTarget, turnId: string, query: PageQuery): Page<StoredExecRun> {
  const rows = pageOf(`execRuns ${row.id} ${turnId}`, query, execRunPage, (where, order, at) =>
    database.all(
      `SELECT key, item_id, body FROM exec_runs WHERE turn_key = (SELECT key FROM turns WHERE thread_key = ? AND id = ?)
       AND key ${where} ? ORDER BY key ${order} LIMIT ?`,
      row.key,
      turnId,
      at.key,
      at.limit,
    ),
  );
  const data = rows.data.map(({ item_id, body }) => ({ itemId: item_id, record: JSON.parse(body) as ExecRecord })); // ours
  return { ...rows, data };
}

export function readMessages({ database, row }: ReadTarget): StoredMessage[] {
  const rows = database.all(
    `SELECT turns.id AS turn_id, messages.body AS body FROM messages JOIN turns ON turns.key = messages.turn_key
     WHERE messages.thread_key = ? AND messages.replaced_by IS NULL ORDER BY messages.key`,
    row.key,
  );
  return rows.map(({ turn_id, body }) => ({ turnId: turn_id, body: JSON.parse(body) as JsonValue }));
}

export function readTurnMessages({ database, row }: ReadTarget, turnId: string): TurnMessages {
  const turn = database.get("SELECT key FROM turns WHERE thread_key = ? AND id = ?", row.key, turnId);
  if (turn === undefined) return { messages: [], replacesEarlier: false };
  const sql = "SELECT body FROM messages WHERE turn_key = ? AND coalesce(replaced_by, 0) <> ? ORDER BY key";
  const messages = database.all(sql, turn.key, turn.key).map(({ body }) => JSON.parse(body) as JsonValue);
  const replaced = database.get(
    "SELECT key FROM messages WHERE thread_key = ? AND replaced_by = ? LIMIT 1",
    row.key,
    turn.key,
  );
  return { messages, replacesEarlier: replaced !== undefined };
}

export function readEvents({ database, row }: ReadTarget, afterSeq: number, limit: number): EventPage {
  const rows = database.all(
    "SELECT seq, body FROM events WHERE thread_key = ? AND seq > ? ORDER BY seq LIMIT ?",
    row.key,
    afterSeq,
    limit,
  );
  const events = rows.map(({ seq, body }) => ({ seq, notification: JSON.parse(body) as ServerNotification })); // ours
  return { events, isComplete: afterSeq >= row.pruned_seq };
}

function turnRecordOf(target: ReadTarget, { key, body }: Row, itemsView: TurnItemsView): TurnRecord {
  const { database, diedAtMs } = target;
  const turn = JSON.parse(body) as StoredTurn; // written by putTurn()
  const runs = database
    .all("SELECT body FROM hook_runs WHERE turn_key = ? ORDER BY started_at_ms, key", key)
    .map((row) => JSON.parse(row.body) as HookRun); // written by putHookRun()
  return {
    ...(diedAtMs === null || isWaiting(target, key) ? turn : interruptedTurn(turn, diedAtMs)),
    items: itemRowsOf(database, key, itemsView).map((row) => itemOf(target, row)),
    itemsView,
    hookRuns: diedAtMs === null ? runs : runs.map((run) => interruptedHookRun(run, diedAtMs)),
  };
}

function itemRowsOf(database: Database, turnKey: number, view: TurnItemsView): Row[] {
  if (view === "notLoaded") return [];
  const all = "SELECT id, is_open, body FROM items WHERE turn_key = ?";
  if (view === "full") return database.all(`${all} ORDER BY key`, turnKey);
  return database.all(
    `${all} AND (type = 'userMessage' OR key = (SELECT max(key) FROM items WHERE turn_key = ? AND type = 'agentMessage'))
     ORDER BY key`,
    turnKey,
    turnKey,
  );
}

function itemOf({ database, row, diedAtMs }: ReadTarget, { id, is_open, body }: Row): ThreadItem {
  const item = JSON.parse(body) as ThreadItem; // written by putItem()
  if (is_open === 0) return item;
  const current = withDeltas(item, deltasOf(database, row.key, id));
  if (diedAtMs === null || waitingItems({ database, row, diedAtMs }).includes(id)) return current;
  return interruptedItem(current, diedAtMs);
}

function isWaiting({ database, row }: ReadTarget, turnKey: number): boolean {
  const sql = "SELECT key FROM approvals WHERE thread_key = ? AND turn_key = ? AND is_waiting = 1 LIMIT 1";
  return database.get(sql, row.key, turnKey) !== undefined;
}

function waitingItems({ database, row }: ReadTarget): unknown[] {
  const sql = "SELECT waiting_item FROM approvals WHERE thread_key = ? AND is_waiting = 1";
  return database.all(sql, row.key).map(({ waiting_item }) => waiting_item);
}

export function readApprovals({ database, row }: ReadTarget): StoredApproval[] {
  return database
    .all("SELECT body FROM approvals WHERE thread_key = ? ORDER BY key", row.key)
    .map(({ body }) => JSON.parse(body) as StoredApproval); // written by putApproval()
}

export function deltasOf(database: Database, threadKey: number, itemId: string): ServerNotification[] {
  return database
    .all("SELECT body FROM events WHERE thread_key = ? AND item_id = ? ORDER BY seq", threadKey, itemId)
    .map(({ body }) => JSON.parse(body) as ServerNotification); // written by appendEvent()
}

type Comparison = "<" | "<=" | ">" | ">=";

/** One page of rows in the order of their keys. Reads one row more than asked for, to know whether another page follows. */
function pageOf(
  list: string,
  query: PageQuery,
  sizes: { most: number; usual: number },
  select: (where: Comparison, order: "ASC" | "DESC", at: { key: number; limit: number }) => Row[],
): Page<Row> {
  const limit = clampLimit(query.limit, sizes);
  const isDescending = query.sortDirection === "desc";
  const position = query.cursor == null ? null : decodeCursor(list, query.cursor);
  const key = position?.value ?? (isDescending ? Number.MAX_SAFE_INTEGER : 0);
  const where = comparison(isDescending, position?.isIncluded === true);
  const rows = select(where, isDescending ? "DESC" : "ASC", { key, limit: limit + 1 });
  const data = rows.slice(0, limit);
  const cursorOf = (row: Row | undefined, isIncluded: boolean): string | null =>
    row === undefined ? null : encodeCursor(list, { value: row.key, tie: "", isIncluded });
  return {
    data,
    nextCursor: rows.length > limit ? cursorOf(data.at(-1), false) : null,
    backwardsCursor: cursorOf(data[0], true),
  };
}

export function comparison(isDescending: boolean, isIncluded: boolean): Comparison {
  if (isDescending) return isIncluded ? "<=" : "<";
  return isIncluded ? ">=" : ">";
}
