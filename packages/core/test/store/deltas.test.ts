import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReasoningItem, ServerNotification } from "@sallyport/protocol";
import { isOpen, withDeltas } from "../../src/store/deltas.ts";
import { agentMessage, command, messageDelta, startMs, userMessage, warning } from "./samples.ts";

const where = { threadId: "t", turnId: "u", itemId: "i" };
const reasoning: ReasoningItem = { type: "reasoning", id: "i", summary: [], content: [], startedAtMs: startMs };

test("withDeltas() adds summaries and content of reasoning at their index", () => {
  const deltas: ServerNotification[] = [
    { method: "item/reasoning/summaryPartAdded", params: { ...where, summaryIndex: 0 } },
    { method: "item/reasoning/summaryTextDelta", params: { ...where, summaryIndex: 0, delta: "first " } },
    { method: "item/reasoning/summaryTextDelta", params: { ...where, summaryIndex: 0, delta: "part" } },
    { method: "item/reasoning/summaryTextDelta", params: { ...where, summaryIndex: 2, delta: "third" } },
    { method: "item/reasoning/textDelta", params: { ...where, contentIndex: 0, delta: "raw" } },
  ];
  assert.deepEqual(withDeltas(reasoning, deltas), {
    ...reasoning,
    summary: ["first part", "", "third"],
    content: ["raw"],
  });
});

test("withDeltas() leaves alone what the delta is not for", () => {
  const message = agentMessage({ text: "as it was" });
  const deltas: ServerNotification[] = [
    { method: "item/commandExecution/outputDelta", params: { ...where, delta: "x", byteOffset: 0 } },
    { method: "item/reasoning/textDelta", params: { ...where, contentIndex: 0, delta: "x" } },
    warning("t", "x"),
  ];
  assert.deepEqual(withDeltas(message, deltas), message);
  assert.deepEqual(withDeltas(command(), [messageDelta("t", "u", "i", "x")]), command());
});

test("isOpen() is true until an item has its end or a final status", () => {
  assert.equal(isOpen(agentMessage()), true);
  assert.equal(isOpen(agentMessage({ completedAtMs: startMs })), false);
  assert.equal(isOpen(command()), true);
  assert.equal(isOpen(command({ status: "declined" })), false);
  assert.equal(isOpen(userMessage("x")), false);
});
