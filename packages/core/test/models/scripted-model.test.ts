import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openScriptedModel } from "../../src/models/scripted-model.ts";
import type { ModelPart } from "../../src/models/model.ts";
import { Heard, makeStage, runTurn, startThread } from "../support/stage.ts";

function scriptFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "script-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "script.jsonl");
  writeFileSync(file, text);
  return file;
}

const refused: [what: string, text: string, message: RegExp][] = [
  ["an empty file", "\n", /it has no answer/],
  ["a line that is no JSON", '{"text":"a"}\n{text}\n', /line 2: .*expected JSON/],
  ["a misspelt key", '{"txt":"a"}', /line 1: .*"txt"/],
  ["a wrong type", '{"text":"a"}\n\n{"text":1}', /line 3 at text: /],
  ["a tool call without a name", '[{"tool_calls":[{"arguments":{}}]}]', /answer 1 at tool_calls\.0\.name: /],
  ["an error with a status of success", '{"error":{"status":200}}', /line 1 at error/],
];

for (const [what, text, message] of refused) {
  test(`a script that is ${what} is refused, with the place`, () => {
    const file = scriptFile(text);
    assert.throws(
      () => openScriptedModel(file, "/"),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "SCRIPT_INVALID");
        assert.match(error.message, message);
        assert.ok(error.message.includes(file));
        return true;
      },
    );
  });
}

test("a script that is not there is refused", () => {
  assert.throws(() => openScriptedModel("no-such-file", "/nowhere"), { code: "SCRIPT_INVALID", message: /ENOENT/ });
});

async function partsOf(text: string): Promise<ModelPart[]> {
  const { stream } = await openScriptedModel(scriptFile(text), "/").doStream({ prompt: [] });
  const parts: ModelPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

test("an answer is played as reasoning, text and calls, in pieces of the size that was asked for", async () => {
  const answer = {
    reasoning: "hmm",
    text: "añ😀b",
    chunk_size: 2,
    tool_calls: [{ id: "c1", name: "shell", arguments: {} }],
  };
  const parts = await partsOf(JSON.stringify(answer));
  const told = parts.map((part) => ("delta" in part ? part.delta : part.type));
  assert.deepEqual(told, [
    "stream-start",
    "response-metadata",
    "reasoning-start",
    "hm",
    "m",
    "reasoning-end",
    "text-start",
    "añ",
    "😀b",
    "text-end",
    "tool-call",
    "finish",
  ]);
});

test("a request that the script does not expect, and one too many, fail the turn with words that say so", async () => {
  const stage = makeStage();
  const thread = await startThread(stage, { model: stage.script([{ expect: "something else", text: "x" }]) });
  const first = await runTurn(thread, "hello");
  assert.match(first.error?.message ?? "", /answer 1: expected "something else" in the last message, found hello/);
  const second = await runTurn(thread, "again");
  assert.match(second.error?.message ?? "", /has 1 answer, and the model was asked once more; add an answer/);
});

test("scripted failures take the way of real ones: tried again, shown, then the answer", async () => {
  const stage = makeStage();
  const model = stage.script([
    { error: { status: 500 } },
    { text: "half", error: { message: "pulled" } },
    { text: "whole" },
  ]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "hello");
  assert.equal(turn.status, "completed");
  const tries = thread.heard.notifications.flatMap(({ method, params }) =>
    method === "error" ? [params.error.message] : [],
  );
  assert.deepEqual(tries, ["Reconnecting... 1/4", "Reconnecting... 1/5"]);
});

test("calls of tools that are not there, and arguments that are no JSON, are told to the model", async () => {
  const stage = makeStage();
  const model = stage.script([
    { tool_calls: [{ name: "rm_rf", arguments: {} }] },
    {
      expect: 'There is no tool "rm_rf", expected shell, exec_command, apply_patch, update_plan',
      tool_calls: [{ name: "shell", arguments: "{not json" }],
    },
    { expect: "The arguments of shell are not JSON", tool_calls: [{ name: "shell", arguments: { cmd: "ls" } }] },
    { expect: 'Argument "command" of shell is missing, expected a command line', text: "I give up" },
  ]);
  const session = await stage.threads.start({ cwd: stage.project, source: "exec", model });
  const turn = await runTurn({ session, heard: new Heard(session) }, "hello");
  assert.deepEqual([turn.status, turn.error], ["completed", null]);
});

test("the example of docs/scripted-models.md plays as it says", async () => {
  const page = readFileSync(new URL("../../../../docs/scripted-models.md", import.meta.url), "utf8");
  const [, example = ""] = /```jsonl\n([^`]+)```/.exec(page) ?? [];
  const stage = makeStage();
  const thread = await startThread(stage, { model: `scripted:${scriptFile(example)}` });
  const turn = await runTurn(thread, "what is here?");
  const [last] = turn.items;
  assert.deepEqual(
    [turn.status, last?.type === "agentMessage" && last.text],
    ["completed", "There is not much in it."],
  );
});
