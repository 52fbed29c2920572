import { readFileSync } from "node:fs";
import { test } from "node:test";
import assert from "node:assert/strict";
import { z } from "zod";
import {
  EscalateAnswer,
  EscalateDescriptors,
  EscalateEvent,
  EscalateRequest,
  EscalateResult,
  EscalateSignal,
} from "../src/index.ts";

const schemas = {
  "escalate-request": EscalateRequest,
  "escalate-answer": EscalateAnswer,
  "escalate-descriptors": EscalateDescriptors,
  "escalate-result": EscalateResult,
  "escalate-signal": EscalateSignal,
  "escalate-event": EscalateEvent,
};

test("the plain messages are taken, with keys of newer peers", () => {
  const request = { file: "ls", argv: ["ls"], workdir: "/", env: { A: "b" }, newer: 1 };
  assert.deepEqual(EscalateRequest.parse(request), request);
  for (const action of ["Run", "Escalate", { Deny: { reason: "no" } }, { Deny: { reason: null } }, { Deny: {} }])
    assert.deepEqual(EscalateAnswer.parse({ action, newer: 1 }), { action, newer: 1 });
  assert.deepEqual(EscalateDescriptors.parse({ fds: [0, 1, 2] }), { fds: [0, 1, 2] });
  assert.deepEqual(EscalateResult.parse({ exit_code: 0 }), { exit_code: 0 });
});

test("what is none of the messages is refused", () => {
  const wrong: [z.ZodType, unknown][] = [
    [EscalateRequest, { file: "ls", argv: ["ls"], workdir: "/" }],
    [EscalateRequest, { file: "ls", argv: [1], workdir: "/", env: {} }],
    [EscalateRequest, { file: "ls", argv: [], workdir: "/", env: {}, protocol: { version: 2, blocked: "1" } }],
    [EscalateAnswer, { action: "run" }],
    [EscalateAnswer, { action: { Deny: { reason: 1 } } }],
    [EscalateAnswer, { action: { Deny: {}, Run: {} } }],
    [EscalateDescriptors, { fds: [-1] }],
    [EscalateResult, { exit_code: "0" }],
    [EscalateSignal, { signal: 65 }],
    [EscalateEvent, { started: false }],
  ];
  for (const [schema, value] of wrong) assert.equal(schema.safeParse(value).success, false, JSON.stringify(value));
});

for (const [name, schema] of Object.entries(schemas)) {
  test(`schema/${name}.json is what the schema says; npm run schema writes it anew`, () => {
    const committed: unknown = JSON.parse(readFileSync(new URL(`../schema/${name}.json`, import.meta.url), "utf8"));
    assert.deepEqual(committed, JSON.parse(JSON.stringify(z.toJSONSchema(schema))));
  });
}
