import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelPart } from "../../src/models/model.ts";
import { StepAnswer } from "../../src/models/step-answer.ts";
import type { ModelStep } from "../../src/models/step-answer.ts";

const finish: ModelPart = {
  type: "finish",
  finishReason: { unified: "stop", raw: "stop" },
  usage: {
    inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 1, text: 1, reasoning: 0 },
  },
};

function collect(parts: readonly ModelPart[]): ModelStep {
  const answer = new StepAnswer("m");
  for (const part of [...parts, finish]) answer.add(part);
  return answer.finish();
}

const call = (toolCallId: string): ModelPart => ({ type: "tool-call", toolCallId, toolName: "shell", input: "{}" });

test("the attack: calls of one answer with the same id, or none, get ids of their own, the same ones for the history", () => {
  const { message, toolCalls } = collect([call("call_1"), call("call_1"), call("")]);
  const ids = toolCalls.map(({ callId }) => callId);
  assert.equal(ids[0], "call_1");
  assert.equal(new Set(ids).size, 3);
  assert.ok(ids.every((id) => id !== ""));
  assert.deepEqual(
    message.content.map((part) => part.type === "tool-call" && part.toolCallId),
    ids,
  );
});

test("a text that is empty is not sent back; one of a character is", () => {
  const text = (id: string, delta: string): ModelPart[] => [
    { type: "text-start", id },
    { type: "text-delta", id, delta },
    { type: "text-end", id },
  ];
  const { message } = collect([...text("1", ""), ...text("2", "a")]);
  assert.deepEqual(message, { role: "assistant", content: [{ type: "text", text: "a" }] });
});

const endless: [name: string, part: (index: number) => ModelPart, most: number, message: RegExp][] = [
  ["text", () => ({ type: "text-delta", id: "1", delta: "x".repeat(1_048_576) }), 16, /more than 16777216 characters/],
  ["reasoning", () => ({ type: "reasoning-delta", id: "1", delta: "x".repeat(1_048_576) }), 16, /16777216 characters/],
  ["calls", (index) => call(`call_${index}`), 1000, /calls tools more than 1000 times/],
];

for (const [name, part, most, message] of endless) {
  test(`the attack: an answer of endless ${name} is given up, one at the limit is not`, () => {
    const answer = new StepAnswer("m");
    for (let index = 0; index < most; index += 1) answer.add(part(index));
    assert.throws(
      () => {
        answer.add(part(most));
        answer.add(part(most + 1));
      },
      { name: "ModelFailure", message },
    );
  });
}
