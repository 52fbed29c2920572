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

test("readAnswer() takes what is granted of permissions, and no condition that nobody would keep", () => {
  const permissions = "item/permissions/requestApproval";
  const entry = (access: string, path: object): object => ({ access, path });
  const [a, b] = [
    { type: "path", path: "/a" },
    { type: "path", path: "/b" },
  ];
  const fileSystem = { write: ["/c"], read: null, entries: [entry("write", a), entry("read", b)] };
  assert.deepEqual(
    readAnswer(permissions, { permissions: { network: { enabled: true }, fileSystem }, scope: "session" }),
    { grant: { network: true, read: ["/b"], write: ["/c", "/a"], scope: "session" } },
  );
  assert.deepEqual(readAnswer(permissions, { permissions: { network: { enabled: true } } }), {
    grant: { network: true, read: [], write: [], scope: "turn" },
  });
  for (const none of [{}, { network: null, fileSystem: null }, { network: { enabled: false } }, { fileSystem: {} }])
    assert.equal(readAnswer(permissions, { permissions: none }), "decline", JSON.stringify(none));
  const given = { network: { enabled: true } };
  for (const other of [
    {},
    { permissions: null },
    { permissions: [] },
    { decision: "accept" },
    { permissions: given, scope: "always" },
    { permissions: given, strictAutoReview: true },
    { permissions: { fileSystem: { entries: [entry("deny", a)] } } },
    { permissions: { fileSystem: { entries: [entry("write", { type: "glob_pattern", pattern: "/*" })] } } },
    { permissions: { fileSystem: { entries: [entry("write", { type: "special", value: { kind: "root" } })] } } },
    { permissions: { fileSystem: { entries: "all" } } },
  ])
    assert.equal(readAnswer(permissions, other), null, JSON.stringify(other));
});
