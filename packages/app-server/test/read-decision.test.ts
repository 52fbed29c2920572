import assert from "node:assert/strict";
import { test } from "node:test";
import { readAnswer } from "../src/read-decision.ts";

const command = "item/commandExecution/requestApproval";
const tool = "mcpServer/elicitation/request";
const keep = (pattern: unknown): unknown => ({ acceptWithExecpolicyAmendment: { execpolicy_amendment: pattern } });

test("readAnswer() takes the words, and an amendment of texts", () => {
  for (const word of ["accept", "acceptForSession", "decline", "cancel"])
    assert.equal(readAnswer(command, { decision: word }), word);
  assert.deepEqual(readAnswer(command, { decision: keep(["git", "push"]) }), keep(["git", "push"]));
});

test("readAnswer() takes nothing else", () => {
  const others: unknown[] = [
    undefined,
    null,
    true,
    "",
    "Accept",
    "approved",
    ["accept"],
    { accept: true },
    {},
    { acceptWithExecpolicyAmendment: null },
    { acceptWithExecpolicyAmendment: [] },
    keep("git push"),
    keep([1]),
    keep(undefined),
    { ...(keep(["a"]) as object), unless: "it is late" },
    { applyNetworkPolicyAmendment: { network_policy_amendment: { host: "a", action: "allow" } } },
  ];
  for (const value of others) assert.equal(readAnswer(command, { decision: value }), null, JSON.stringify(value));
});

test("readAnswer() takes no result that is no object", () => {
  for (const result of [undefined, null, "accept", ["accept"], {}, 1]) {
    assert.equal(readAnswer(command, result), null);
    assert.equal(readAnswer(tool, result), null);
  }
});

test("readAnswer() takes the form of the question that was asked", () => {
  assert.equal(readAnswer(tool, { action: "accept" }), "accept");
  assert.equal(readAnswer(tool, { action: "accept", _meta: { persist: "session" } }), "acceptForSession");
  assert.equal(readAnswer(tool, { action: "cancel" }), "decline");
  assert.equal(readAnswer(command, { action: "accept" }), null);
  assert.equal(readAnswer(tool, { decision: "accept" }), null);
});
