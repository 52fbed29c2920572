/** Stores as interrupted what a writer left open: one that was killed, or one that let go in the middle of a turn. A turn with a question
 *  that waits for people goes on waiting, with the item that the question is about; hooks that ran in it do not run any more. */
import type { HookRun } from "@sallyport/hooks";
import type { ThreadItem } from "@sallyport/protocol";
import { withDeltas } from "../deltas.ts";
import { interruptedHookRun, interruptedItem, interruptedTurn } from "../interrupted.ts";
import type { StoredTurn } from "../thread-store.ts";
import { applyChange, putHookRun, putItem } from "./changes.ts";
import type { CommitTarget } from "./changes.ts";
import { deltasOf } from "./reading.ts";
import type { TranscriptLine } from "./transcript.ts";

/** Returns the lines that this adds to the transcript. Items first: a turn that has ended has no open ones. */
export function storeInterrupted(target: CommitTarget, atMs: number): TranscriptLine[] {
  return [...closeItems(target, atMs), ...closeHookRuns(target, atMs), ...closeTurns(target, atMs)];
}

function closeItems(target: CommitTarget, atMs: number): TranscriptLine[] {
  const { database, key } = target;
  const rows = database.all(
    `SELECT items.turn_key AS turn_key, turns.id AS turn_id, items.body AS body
     FROM items JOIN turns ON turns.key = items.turn_key WHERE items.thread_key = ? AND items.is_open = 1
     AND NOT EXISTS (SELECT 1 FROM approvals WHERE approvals.thread_key = items.thread_key AND is_waiting = 1
       AND approvals.turn_key = items.turn_key AND waiting_item = items.id)
     ORDER BY items.key`,
    key,
  );
  return rows.flatMap(({ turn_key, turn_id, body }) => {
    const item = JSON.parse(body) as ThreadItem; // written by putItem()
    const shown = withDeltas(item, deltasOf(database, key, item.id));
    return putItem(target, turn_key, turn_id, interruptedItem(shown, atMs));
  });
}

function closeHookRuns(target: CommitTarget, atMs: number): TranscriptLine[] {
  const rows = target.database.all(
    "SELECT body FROM hook_runs WHERE thread_key = ? AND status = 'running' ORDER BY key",
    target.key,
  );
  for (const { body } of rows) {
    putHookRun(target, null, interruptedHookRun(JSON.parse(body) as HookRun, atMs)); // written by putHookRun()
  }
  return [];
}

function closeTurns(target: CommitTarget, atMs: number): TranscriptLine[] {
  const rows = target.database.all(
    `SELECT body FROM turns WHERE thread_key = ? AND status = 'inProgress' AND NOT EXISTS
       (SELECT 1 FROM approvals WHERE approvals.thread_key = turns.thread_key AND is_waiting = 1
         AND approvals.turn_key = turns.key)
     ORDER BY key`,
    target.key,
  );
  return rows.flatMap(({ body }) => {
    const turn = JSON.parse(body) as StoredTurn; // written by putTurn()
    return applyChange(target, { kind: "putTurn", turn: interruptedTurn(turn, atMs) });
  });
}
