import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileChangeItem, McpToolCallItem } from "@sallyport/protocol";
import { interruptedHookRun, interruptedItem, interruptedTurn } from "../../src/store/interrupted.ts";
import { agentMessage, command, completed, completedRun, hookRun, newTurn, startMs } from "./samples.ts";

const patch: FileChangeItem = {
  type: "fileChange",
  id: "call_2",
  changes: [],
  status: "inProgress",
  startedAtMs: startMs,
};
const call: McpToolCallItem = {
  type: "mcpToolCall",
  id: "call_3",
  server: "s",
  tool: "t",
  status: "inProgress",
  arguments: {},
  appContext: null,
  mcpAppUi: null,
  pluginId: null,
  readOnlyHint: null,
  result: null,
  error: null,
  durationMs: null,
  startedAtMs: startMs,
};
const atMs = startMs + 100;

test("interruptedTurn() and interruptedHookRun() end what runs at the last sign of life", () => {
  const [turn, run] = [newTurn(), hookRun({ entries: [{ kind: "warning", text: "slow" }] })];
  const ended = { completedAtMs: atMs, durationMs: 100 };
  assert.deepEqual(interruptedTurn(turn, atMs), { ...turn, ...ended, status: "interrupted" });
  const entries = [...run.entries, { kind: "error", text: "interrupted" }];
  assert.deepEqual(interruptedHookRun(run, atMs), { ...run, ...ended, status: "stopped", entries });
});

test("interruptedItem() fails a command, a patch and a tool call, and ends a message", () => {
  const ended = { status: "failed", interrupted: true, completedAtMs: atMs } as const;
  assert.deepEqual(interruptedItem(command(), atMs), { ...command(), ...ended, durationMs: 100 });
  assert.deepEqual(interruptedItem(patch, atMs), { ...patch, ...ended });
  const error = { message: "interrupted" };
  assert.deepEqual(interruptedItem(call, atMs), { ...call, ...ended, durationMs: 100, error });
  const message = agentMessage({ text: "so far" });
  assert.deepEqual(interruptedItem(message, atMs), { ...message, completedAtMs: atMs });
});

test("nothing ends before it began, whatever the clock did", () => {
  assert.equal(interruptedItem(command(), startMs - 5).completedAtMs, startMs);
  assert.equal(interruptedHookRun(hookRun(), startMs - 5).durationMs, 0);
  assert.equal(interruptedTurn(newTurn(), startMs - 5).durationMs, 0);
});

test("what has ended stays as it is", () => {
  const [turn, item, run] = [completed(newTurn()), command({ status: "completed" }), completedRun(hookRun())];
  assert.equal(interruptedTurn(turn, atMs), turn);
  assert.equal(interruptedItem(item, atMs), item);
  assert.equal(interruptedHookRun(run, atMs), run);
});
