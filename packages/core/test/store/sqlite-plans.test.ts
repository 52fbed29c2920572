/** A thread of 10,000 turns has to page as fast as a short one, so no statement may go through a table or sort what it found.
 *  bench/store.ts measures it; here SQLite is asked how it would do each statement that the store has prepared. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openThreadStore } from "../../src/store/sqlite/sqlite-thread-store.ts";
import type { ThreadStore } from "../../src/store/thread-store.ts";
import { approval, command, execRecord, hookRun, newTurn, threadWithTurns, warning } from "./samples.ts";

test("every statement finds its rows through an index, in their order", async (context) => {
  const prepare = context.mock.method(DatabaseSync.prototype, "prepare");
  const folder = mkdtempSync(join(tmpdir(), "sallyport-plans-"));
  const store = openThreadStore(join(folder, "home"));
  await useAll(store);
  const statements = new Set(prepare.mock.calls.map(({ arguments: [sql] }) => sql));
  prepare.mock.restore();
  const database = new DatabaseSync(join(folder, "home", "sallyport.db"));
  const slow = [...statements].filter((sql) => isSlow(database, sql));
  const isControlSlow = isSlow(database, "SELECT key FROM turns WHERE body = ? ORDER BY body");
  database.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
  assert.deepEqual([slow, isControlSlow], [[], true]);
  assert.ok(statements.size > 40, `only ${statements.size} statements were seen`);
});

function isSlow(database: DatabaseSync, sql: string): boolean {
  if (!/^\s*(SELECT|UPDATE|DELETE)/.test(sql) || sql.includes("sqlite_schema")) return false;
  const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
  const details = plan.map(({ detail }) => String(detail)).filter((detail) => !detail.startsWith("SCAN json_each"));
  // A list of threads goes along the index that it is sorted by, and filters.
  return details.some((detail) => /^SCAN (?!threads USING INDEX)|TEMP B-TREE/.test(detail));
}

async function useAll(store: ThreadStore): Promise<void> {
  const { id, turnIds } = await threadWithTurns(store, 12);
  const [turnId = ""] = turnIds;
  const turn = newTurn();
  await store.commit(id, {
    changes: [
      { kind: "updateThread", patch: { name: "x" } },
      { kind: "putHookRun", turnId: null, run: hookRun() },
      { kind: "putTurn", turn },
      { kind: "putItem", turnId: turn.id, item: command() },
      { kind: "putExecRun", turnId: turn.id, itemId: "call_1", record: execRecord() },
      { kind: "putApproval", approval: approval(turn.id) },
      { kind: "dropApproval", approvalId: "none" },
      { kind: "appendMessages", turnId, messages: [{ role: "user" }] },
      { kind: "replaceMessages", turnId, messages: [{ role: "user" }] },
    ],
    events: [warning(id, "x")],
  });
  for (const sortDirection of ["asc", "desc"] as const) {
    for (const sortKey of ["createdAt", "updatedAt", "recencyAt"] as const) {
      const threads = await store.listThreads({ sortKey, sortDirection });
      await store.listThreads({ sortKey, sortDirection, cursor: threads.backwardsCursor });
    }
    for (const itemsView of ["full", "summary"] as const) {
      const turns = await store.listTurns(id, { sortDirection, itemsView, limit: 2 });
      await store.listTurns(id, { sortDirection, itemsView, cursor: turns.backwardsCursor });
    }
    await store.listItems(id, { sortDirection });
    await store.listItems(id, { sortDirection, turnId });
    await store.listExecRuns(id, turnId, { sortDirection });
  }
  await store.readTurn(id, turnId, "full");
  await store.readMessages(id);
  await store.readApprovals(id);
  await store.readTurnMessages(id, turnId);
  await store.readEvents(id, { afterSeq: 0, limit: 3 });
  await store.commit(id, { changes: [{ kind: "revert", beforeTurnId: turn.id }] });
  await store.releaseThread(id);
  await store.acquireThread(id);
  await store.deleteThread(id);
}
