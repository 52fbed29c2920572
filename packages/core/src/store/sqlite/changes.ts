/** Stores changes, inside the transaction of their commit. Each returns the lines that it adds to the transcript. */
import type { HookRun } from "@sallyport/hooks";
import type { ExecRecord, ServerNotification, ThreadItem } from "@sallyport/protocol";
import { SallyportError } from "@sallyport/supervisor";
import { deltaItemId, isOpen } from "../deltas.ts";
import type { JsonValue, StoreChange, StoredApproval, StoredThread, StoredTurn } from "../thread-store.ts";
import type { Database } from "./database.ts";
import { updateThread } from "./thread-row.ts";
import type { TranscriptLine } from "./transcript.ts";

/** Events of older turns are not kept: items, runs and messages say what they said. */
const turnsWithEvents = 10;
/** Of one turn. */
const mostExecRuns = 4000;

/** The thread that a commit writes to, as it stands inside the transaction. */
export interface CommitTarget {
  database: Database;
  key: number;
  thread: StoredThread;
  lastSeq: number;
}

export function applyChange(target: CommitTarget, change: StoreChange): TranscriptLine[] {
  let lines: TranscriptLine[] = [];
  switch (change.kind) {
    case "updateThread":
      target.thread = { ...target.thread, ...change.patch };
      updateThread(target.database, target.key, target.thread);
      break;
    case "putTurn":
      lines = putTurn(target, change.turn);
      break;
    case "putItem":
      lines = putItem(target, turnKeyOf(target, change.turnId), change.turnId, change.item);
      break;
    case "putHookRun":
      putHookRun(target, change.turnId === null ? null : turnKeyOf(target, change.turnId), change.run);
      break;
    case "putExecRun":
      putExecRun(target, turnKeyOf(target, change.turnId), change.itemId, change.record);
      break;
    case "putApproval":
      putApproval(target, turnKeyOf(target, change.approval.turnId), change.approval);
      break;
    case "dropApproval":
      target.database.run(
        "DELETE FROM approvals WHERE thread_key = ? AND id = ? AND is_waiting = 1",
        target.key,
        change.approvalId,
      );
      break;
    case "appendMessages":
      appendMessages(target, change.turnId, change.messages);
      lines = change.messages.map((message) => ({ type: "message", payload: { turnId: change.turnId, message } }));
      break;
    case "replaceMessages":
      target.database.run(
        "UPDATE messages SET replaced_by = ? WHERE thread_key = ? AND replaced_by IS NULL",
        turnKeyOf(target, change.turnId),
        target.key,
      );
      appendMessages(target, change.turnId, change.messages);
      lines = [{ type: "messages_replaced", payload: { turnId: change.turnId, messages: change.messages } }];
      break;
    case "revert":
      revert(target, turnKeyOf(target, change.beforeTurnId));
      lines = [{ type: "reverted", payload: { beforeTurnId: change.beforeTurnId } }];
      break;
  }
  return lines;
}

/** Returns the sequence number of the event. */
export function appendEvent(target: CommitTarget, event: ServerNotification): number {
  target.lastSeq += 1;
  target.database.run(
    "INSERT INTO events (thread_key, seq, item_id, body) VALUES (?, ?, ?, ?)",
    target.key,
    target.lastSeq,
    deltaItemId(event),
    JSON.stringify(event),
  );
  return target.lastSeq;
}

function turnKeyOf({ database, key, thread }: CommitTarget, turnId: string): number {
  const row = database.get("SELECT key FROM turns WHERE thread_key = ? AND id = ?", key, turnId);
  if (row !== undefined) return row.key;
  throw new SallyportError("TURN_NOT_FOUND", `turn not found: ${turnId}`, { data: { threadId: thread.id, turnId } });
}

function putTurn(target: CommitTarget, turn: StoredTurn): TranscriptLine[] {
  const { database, key } = target;
  const sql = "SELECT key, status FROM turns WHERE thread_key = ? AND id = ?";
  const known = database.get(sql, key, turn.id);
  const body = JSON.stringify(turn);
  const ended: TranscriptLine[] = turn.status === "inProgress" ? [] : [{ type: "turn_completed", payload: turn }];
  if (known !== undefined) {
    database.run("UPDATE turns SET status = ?, body = ? WHERE key = ?", turn.status, body, known.key);
    return known.status === "inProgress" ? ended : [];
  }
  const turnKey = database.run(
    "INSERT INTO turns (thread_key, id, status, first_seq, body) VALUES (?, ?, ?, ?, ?)",
    key,
    turn.id,
    turn.status,
    target.lastSeq,
    body,
  );
  database.run("UPDATE hook_runs SET turn_key = ? WHERE thread_key = ? AND turn_key IS NULL", turnKey, key);
  database.run("UPDATE threads SET has_turns = 1 WHERE key = ?", key);
  target.thread = { ...target.thread, recencyAtMs: turn.startedAtMs ?? Date.now() };
  pruneEvents(target);
  return [{ type: "turn_started", payload: turn }, ...ended];
}

/** Items, runs and messages go with their turns. Events too: what they told of is not there any more, so only a snapshot is true. */
function revert(target: CommitTarget, turnKey: number): void {
  const { database, key, lastSeq } = target;
  database.run("DELETE FROM turns WHERE thread_key = ? AND key >= ?", key, turnKey);
  database.run("UPDATE messages SET replaced_by = NULL WHERE thread_key = ? AND replaced_by >= ?", key, turnKey);
  database.run("DELETE FROM events WHERE thread_key = ?", key);
  database.run(
    "UPDATE threads SET pruned_seq = ?, has_turns = EXISTS (SELECT 1 FROM turns WHERE thread_key = ?) WHERE key = ?",
    lastSeq,
    key,
    key,
  );
}

function pruneEvents({ database, key }: CommitTarget): void {
  const oldest = database.get(
    "SELECT key, first_seq FROM turns WHERE thread_key = ? ORDER BY key DESC LIMIT 1 OFFSET ?",
    key,
    turnsWithEvents - 1,
  );
  if (oldest === undefined) return;
  database.run("DELETE FROM events WHERE thread_key = ? AND seq <= ?", key, oldest.first_seq);
  database.run("DELETE FROM approvals WHERE thread_key = ? AND is_waiting = 0 AND turn_key < ?", key, oldest.key);
  database.run("UPDATE threads SET pruned_seq = ? WHERE key = ?", oldest.first_seq, key);
}

export function putItem(target: CommitTarget, turnKey: number, turnId: string, item: ThreadItem): TranscriptLine[] {
  const { database, key } = target;
  const sql = "SELECT key, is_open FROM items WHERE turn_key = ? AND id = ?";
  const known = database.get(sql, turnKey, item.id);
  const body = JSON.stringify(item);
  const open = isOpen(item) ? 1 : 0;
  if (known === undefined) {
    database.run(
      "INSERT INTO items (thread_key, turn_key, id, type, is_open, body) VALUES (?, ?, ?, ?, ?, ?)",
      key,
      turnKey,
      item.id,
      item.type,
      open,
      body,
    );
  } else {
    database.run("UPDATE items SET is_open = ?, body = ? WHERE key = ?", open, body, known.key);
  }
  // Also for a new item: a model may use the id of a call again in a later turn.
  database.run("DELETE FROM events WHERE thread_key = ? AND item_id = ?", key, item.id);
  const isNews = open === 0 && known?.is_open !== 0;
  return isNews ? [{ type: "item", payload: { turnId, item } }] : [];
}

/** A run keeps the turn that it has got: it may have waited for that when it started. */
export function putHookRun({ database, key }: CommitTarget, turnKey: number | null, run: HookRun): void {
  database.run(
    `INSERT INTO hook_runs (thread_key, turn_key, id, started_at_ms, status, body) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (thread_key, id) DO UPDATE SET turn_key = coalesce(turn_key, excluded.turn_key),
       started_at_ms = excluded.started_at_ms, status = excluded.status, body = excluded.body`,
    key,
    turnKey,
    run.id,
    run.startedAtMs,
    run.status,
    JSON.stringify(run),
  );
}

/** The attack: a loop that starts programs, each with a long command line, fills the disk. Past the limit the oldest give way, but the
 *  first half stays: how it began and how it ended are both told. */
function putExecRun({ database, key }: CommitTarget, turnKey: number, itemId: string, record: ExecRecord): void {
  const body = JSON.stringify(record);
  const known = database.get("SELECT key FROM exec_runs WHERE thread_key = ? AND id = ?", key, record.id);
  if (known !== undefined) {
    database.run("UPDATE exec_runs SET body = ? WHERE key = ?", body, known.key);
    return;
  }
  const count = database.get("SELECT exec_runs FROM turns WHERE key = ?", turnKey)?.exec_runs ?? 0;
  const isFull = count >= mostExecRuns;
  // The end of one that has given way.
  if (isFull && record.durationMs !== null) return;
  const insert = "INSERT INTO exec_runs (thread_key, turn_key, item_id, id, body) VALUES (?, ?, ?, ?, ?)";
  database.run(insert, key, turnKey, itemId, record.id, body);
  if (!isFull) {
    database.run("UPDATE turns SET exec_runs = exec_runs + 1 WHERE key = ?", turnKey);
    return;
  }
  database.run(
    "DELETE FROM exec_runs WHERE key = (SELECT key FROM exec_runs WHERE turn_key = ? ORDER BY key LIMIT 1 OFFSET ?)",
    turnKey,
    mostExecRuns / 2,
  );
}

function putApproval({ database, key }: CommitTarget, turnKey: number, approval: StoredApproval): void {
  const { id, waitingItemId, answer } = approval;
  database.run(
    `INSERT INTO approvals (thread_key, turn_key, id, waiting_item, is_waiting, body) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (thread_key, id) DO UPDATE SET is_waiting = excluded.is_waiting, body = excluded.body`,
    key,
    turnKey,
    id,
    waitingItemId,
    answer === null ? 1 : 0,
    JSON.stringify(approval),
  );
}

function appendMessages(target: CommitTarget, turnId: string, messages: readonly JsonValue[]): void {
  const turnKey = turnKeyOf(target, turnId);
  for (const message of messages) {
    target.database.run(
      "INSERT INTO messages (thread_key, turn_key, body) VALUES (?, ?, ?)",
      target.key,
      turnKey,
      JSON.stringify(message),
    );
  }
}
