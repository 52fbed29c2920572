import assert from "node:assert/strict";
import { test } from "node:test";
import { readToolRequest } from "../../src/tools/tool-arguments.ts";

const plan = { plan: [{ step: "look", status: "in_progress" }] };

test("readToolRequest() reads every tool", () => {
  const requests = [
    readToolRequest("shell", '{"command":"ls","workdir":"a","timeout_ms":5,"more":1}'),
    readToolRequest("exec_command", '{"cmd":"ls"}'),
    readToolRequest("apply_patch", '{"input":"text"}'),
    readToolRequest("update_plan", JSON.stringify(plan)),
  ];
  assert.deepEqual(requests, [
    { kind: "shell", command: "ls", workdir: "a", timeoutMs: 5 },
    { kind: "shell", command: "ls", workdir: null, timeoutMs: null },
    { kind: "applyPatch", patch: "text" },
    { kind: "updatePlan", explanation: null, plan: [{ step: "look", status: "inProgress" }], asWritten: plan },
  ]);
});

const unusable: [name: string, tool: string, input: string, problem: RegExp][] = [
  ["an unknown tool", "rm", "{}", /^There is no tool "rm", expected shell, exec_command, apply_patch, update_plan$/],
  [
    "the attack: a name that every object has",
    "constructor",
    '{"kind":"shell","command":"ls"}',
    /no tool "constructor"/,
  ],
  ["the attack: the name of the prototype", "__proto__", "{}", /no tool "__proto__"/],
  ["text that is no JSON", "shell", "ls -la", /^The arguments of shell are not JSON/],
  ["a list", "shell", '["ls"]', /^The arguments of shell are not an object$/],
  ["no command", "shell", "", /"command"/],
  ["a command with NUL", "shell", '{"command":"a\\u0000b"}', /"command"/],
  ["a folder that is a number", "shell", '{"command":"ls","workdir":7}', /"workdir"/],
  ["no time at all", "shell", '{"command":"ls","timeout_ms":0}', /"timeout_ms"/],
  [
    "the attack: a status that every object has",
    "update_plan",
    '{"plan":[{"step":"a","status":"toString"}]}',
    /plan\[0\]/,
  ],
];

for (const [name, tool, input, problem] of unusable) {
  test(`readToolRequest() refuses ${name}`, () => {
    const request = readToolRequest(tool, input);
    assert.equal(request.kind, "unusable");
    assert.match(request.kind === "unusable" ? request.problem : "", problem);
  });
}
