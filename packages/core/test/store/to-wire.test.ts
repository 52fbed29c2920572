import assert from "node:assert/strict";
import { test } from "node:test";
import { ExecRun, ItemsListEntry, Thread, Turn } from "@sallyport/protocol";
import { v7 as uuidv7 } from "uuid";
import type { TurnRecord } from "../../src/store/thread-store.ts";
import { toExecRun, toItemEntry, toThread, toTurn } from "../../src/store/to-wire.ts";
import {
  agentMessage,
  command,
  completed,
  completedRun,
  execRecord,
  hookRun,
  newThread,
  newTurn,
  startMs,
  userMessage,
} from "./samples.ts";

const seconds = Math.floor(startMs / 1000);
const run = completedRun(hookRun());
const record: TurnRecord = {
  ...completed(newTurn()),
  items: [userMessage("hi"), command({ status: "completed" }), agentMessage({ completedAtMs: startMs })],
  itemsView: "full",
  hookRuns: [run],
};

test("toTurn() gives a turn of the wire: seconds, hook runs, and nothing that was not asked for", () => {
  const turn = toTurn(record);
  assert.deepEqual(Turn.parse(turn), turn);
  assert.deepEqual(turn, {
    id: record.id,
    rootTurnId: record.id,
    items: record.items,
    itemsView: "full",
    status: "completed",
    error: null,
    startedAt: seconds,
    completedAt: Math.floor((startMs + 50) / 1000),
    durationMs: 50,
    hookRuns: turn.hookRuns,
  });
  assert.deepEqual(
    turn.hookRuns.map(({ id, eventName, startedAt, entries }) => ({ id, eventName, startedAt, entries })),
    [{ id: run.id, eventName: "stop", startedAt: seconds, entries: run.entries }],
  );
});

test("toTurn() shows a blocked prompt, a turn that has not begun, and exec runs that were asked for", () => {
  const blockedInput = { content: [{ type: "text" as const, text: "no", text_elements: [] }], hookRunId: uuidv7() };
  const execRuns = [{ itemId: "call_1", record: execRecord() }];
  const turn = toTurn({ ...record, startedAtMs: null, completedAtMs: null, blockedInput }, execRuns);
  assert.deepEqual(Turn.parse(turn), turn);
  assert.deepEqual(
    [turn.startedAt, turn.completedAt, turn.blockedInput, turn.execRuns?.length],
    [null, null, blockedInput, 1],
  );
});

test("toThread() gives a thread of the wire", () => {
  const stored = { ...newThread({ recencyAtMs: startMs + 2000 }), path: null, ephemeral: true };
  const thread = toThread(stored, { type: "notLoaded" }, [toTurn(record)]);
  assert.deepEqual(Thread.parse(thread), thread);
  assert.deepEqual(
    [thread.createdAt, thread.recencyAt, thread.canAcceptDirectInput, thread.turns.length],
    [seconds, seconds + 2, null, 1],
  );
  assert.equal(toThread(stored, { type: "idle" }).canAcceptDirectInput, true);
});

test("toExecRun() has the end only when it is known", () => {
  const running = toExecRun({ itemId: "call_1", record: execRecord() });
  assert.deepEqual(ExecRun.parse(running), running);
  assert.deepEqual([running.itemId, running.startedAtMs, running.completedAtMs], ["call_1", startMs, null]);
  const ended = toExecRun({ itemId: "call_1", record: execRecord({ durationMs: 7, exitCode: 3 }) });
  assert.deepEqual([ended.completedAtMs, ended.exitCode, ended.signal], [startMs + 7, 3, null]);
});

test("toItemEntry() shows an item's times beside it", () => {
  const entry = toItemEntry({ turnId: record.id, item: command() });
  assert.deepEqual(ItemsListEntry.parse(entry), entry);
  assert.deepEqual(entry, { turnId: record.id, item: command(), startedAtMs: startMs, completedAtMs: null });
});
