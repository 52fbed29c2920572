import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import assert from "node:assert/strict";
import { HookEventName, hookInputs, hookJsonSchemas, hookOutputs } from "../src/index.ts";

const folder = new URL("../schema/hooks/", import.meta.url);

test("schema/hooks has what the schemas say, and nothing else; npm run schema writes it anew", () => {
  const committed = readdirSync(folder).map((name): [string, unknown] => [
    name,
    JSON.parse(readFileSync(new URL(name, folder), "utf8")),
  ]);
  assert.deepEqual(Object.fromEntries(committed), JSON.parse(JSON.stringify(hookJsonSchemas())));
});

test("every event has an input and an output", () => {
  assert.deepEqual(Object.keys(hookInputs), HookEventName.options);
  assert.deepEqual(Object.keys(hookOutputs), HookEventName.options);
});

const stopInput = {
  session_id: "t",
  turn_id: "u",
  transcript_path: null,
  cwd: "/",
  hook_event_name: "Stop",
  model: "m",
  permission_mode: "default",
  stop_hook_active: false,
  last_assistant_message: null,
};

test("an input schema takes fields of later versions and refuses missing ones", () => {
  assert.equal(hookInputs.Stop.safeParse({ ...stopInput, added_later: 1 }).success, true);
  const { model: _, ...incomplete } = stopInput;
  assert.equal(hookInputs.Stop.safeParse(incomplete).success, false);
});

test("a PreExec input takes names that are not UTF-8", () => {
  const input = {
    session_id: "t",
    turn_id: null,
    transcript_path: null,
    cwd: "/",
    hook_event_name: "PreExec",
    model: null,
    permission_mode: "default",
    tool_use_id: null,
    file: { base64: "L/8=" },
    argv: ["x", { base64: "/w==" }],
    workdir: "/",
    parents: ["bash"],
    rule: { decision: "prompt", justification: null },
  };
  assert.deepEqual(hookInputs.PreExec.parse(input), input);
});

test("an output schema refuses unknown keys at every level; events whose output is not read take anything", () => {
  for (const event of HookEventName.options) {
    const isRead = !["PreModelRequest", "PostModelRequest", "SessionEnd", "PostExec"].includes(event);
    assert.equal(hookOutputs[event].safeParse({ nope: 1 }).success, !isRead, event);
    assert.equal(hookOutputs[event].safeParse({}).success, true, event);
  }
  const nested = { hookSpecificOutput: { hookEventName: "PreToolUse", nope: 1 } };
  assert.equal(hookOutputs.PreToolUse.safeParse(nested).success, false);
});

test("an output schema takes null for text and objects, not for booleans", () => {
  const { Stop } = hookOutputs;
  assert.equal(Stop.safeParse({ stopReason: null, systemMessage: null, decision: null, reason: null }).success, true);
  assert.equal(Stop.safeParse({ continue: null }).success, false);
  assert.equal(Stop.safeParse({ suppressOutput: null }).success, false);
});
