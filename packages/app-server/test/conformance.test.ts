/** Each method with good, missing, wrong and extra fields. The client holds every message against the schemas. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { clientRequests } from "@sallyport/protocol";
import { ServerPlace, TestClient } from "./support/server.ts";

const place = new ServerPlace();
const server = place.server();
const client = await TestClient.initialized(server, { extensions: { sallyport: {} } });
const hello = place.script([{ text: "hello", usage: { input_tokens: 3, output_tokens: 2 } }]);
const thread = await client.startThread(hello);
const turn = await client.runTurn(thread.id);
const unknownId = "01a20400-0000-7000-8000-000000000000";

const hookKey = "/nowhere/hooks.json:stop:0:0";
const trust = (value: unknown): object => ({ edits: [{ keyPath: "hooks.state", value, mergeStrategy: "upsert" }] });

/** What each method takes, and what it does not: the field that the error names. */
const cases: Record<string, { good: object | undefined; wrong: [params: unknown, path: string][] }> = {
  "thread/start": {
    good: { model: hello, cwd: place.project, sandbox: "read-only", approvalPolicy: "never" },
    wrong: [
      [{ model: 1 }, "model"],
      [{ sandbox: "none" }, "sandbox"],
      [{ config: [] }, "config"],
    ],
  },
  "thread/resume": {
    good: { threadId: thread.id, initialTurnsPage: { limit: 1 } },
    wrong: [
      [undefined, ""],
      [{}, "threadId"],
      [{ threadId: 7 }, "threadId"],
      [{ threadId: thread.id, initialTurnsPage: { limit: "1" } }, "initialTurnsPage.limit"],
    ],
  },
  "thread/read": {
    good: { threadId: thread.id, includeTurns: true },
    wrong: [
      [undefined, ""],
      [{}, "threadId"],
      [{ threadId: thread.id, includeTurns: "yes" }, "includeTurns"],
    ],
  },
  "thread/list": {
    good: undefined,
    wrong: [
      [{ limit: "many" }, "limit"],
      [[], ""],
    ],
  },
  "thread/turns/list": {
    good: { threadId: thread.id, limit: 1, itemsView: "full" },
    wrong: [
      [{}, "threadId"],
      [{ threadId: thread.id, itemsView: "some" }, "itemsView"],
    ],
  },
  "thread/items/list": {
    good: { threadId: thread.id, turnId: turn.id },
    wrong: [
      [{ turnId: turn.id }, "threadId"],
      [{ threadId: thread.id, sortDirection: "up" }, "sortDirection"],
    ],
  },
  "turn/execRuns/list": {
    good: { threadId: thread.id, turnId: turn.id },
    wrong: [[{ threadId: thread.id }, "turnId"]],
  },
  "turn/start": {
    good: { threadId: thread.id, input: [{ type: "text", text: "again" }] },
    wrong: [
      [{ threadId: thread.id }, "input"],
      [{ threadId: thread.id, input: [{ type: "text" }] }, "input.0.text"],
      [{ threadId: thread.id, input: [], model: {} }, "model"],
    ],
  },
  "hooks/list": { good: { cwds: [place.project] }, wrong: [[{ cwds: "here" }, "cwds"]] },
  "config/batchWrite": {
    good: { ...trust({ [hookKey]: { trusted_hash: "sha256:00" } }), reloadUserConfig: true },
    wrong: [
      [{}, "edits"],
      [{ edits: [{ keyPath: "hooks.state", value: {} }] }, "edits.0.mergeStrategy"],
      [{ edits: [{ keyPath: "model", value: "x", mergeStrategy: "upsert" }] }, "edits.0.keyPath"],
      [{ edits: [{ keyPath: "hooks.state", value: {}, mergeStrategy: "replace" }] }, "edits.0.mergeStrategy"],
      [trust({ [hookKey]: { command: "rm" } }), "edits.0.value"],
      [{ ...trust({}), filePath: "/etc/passwd" }, "filePath"],
      [{ ...trust({}), expectedVersion: "sha256:00" }, "expectedVersion"],
    ],
  },
  "model/list": { good: {}, wrong: [[{ limit: "all" }, "limit"]] },
  "account/read": { good: {}, wrong: [["none", ""]] },
};

test("every method of the protocol is tried below", () => {
  // These have tests of their own: handshake.test.ts, turns.test.ts.
  const methods = Object.keys(clientRequests).filter(
    (method) => method !== "initialize" && method !== "turn/interrupt",
  );
  assert.deepEqual(Object.keys(cases).sort(), methods.sort());
});

for (const [method, { good, wrong }] of Object.entries(cases)) {
  test(`${method} answers as its schema says, extra fields or not`, async () => {
    const plain = await client.ask(method, good);
    assert.equal(plain.error, undefined);
    const more = await client.ask(method, { ...good, notOfThisVersion: { a: [1] } });
    assert.equal(more.error, undefined);
  });

  test(`${method} names the field that is wrong`, async () => {
    for (const [params, path] of wrong) {
      const { error } = await client.ask(method, params);
      assert.deepEqual({ code: error?.code, path: error?.data.path }, { code: -32602, path }, JSON.stringify(error));
    }
  });
}

test("a method that is not known is -32601", async () => {
  assert.deepEqual((await client.ask("thread/explode", {})).error, {
    code: -32601,
    message: 'Unknown method "thread/explode"',
    data: { method: "thread/explode" },
  });
  assert.equal((await client.ask("toString", {})).error?.code, -32601);
});

test("threads that are not there are named, and ids match exactly", async () => {
  for (const [method, params] of [
    ["thread/read", {}],
    ["thread/resume", {}],
    ["thread/turns/list", {}],
    ["thread/items/list", {}],
    ["turn/start", { input: [] }],
    ["turn/interrupt", { turnId: turn.id }],
  ] as const) {
    const { error } = await client.ask(method, { threadId: unknownId, ...params });
    assert.equal(error?.code, -32600, method);
    assert.match(error?.message ?? "", new RegExp(unknownId), method);
    assert.equal((await client.ask(method, { threadId: thread.id.slice(1), ...params })).error?.code, -32600, method);
  }
});

test("a cursor that nobody was given is refused", async () => {
  const { error } = await client.ask("thread/list", { cursor: "nonsense" });
  assert.equal(error?.code, -32602);
  assert.equal(error?.data.code, "CURSOR_INVALID");
});

test("input that is too long is refused with the limit", async () => {
  const text = "x".repeat(1_048_577);
  const { error } = await client.ask("turn/start", { threadId: thread.id, input: [{ type: "text", text }] });
  const data = { input_error_code: "input_too_large", max_chars: 1_048_576, actual_chars: 1_048_577 };
  assert.deepEqual({ code: error?.code, data: error?.data }, { code: -32602, data });
});

test("config/batchWrite writes the state of hooks and leaves the rest of the file as it was", async () => {
  const file = join(place.home, "config.toml");
  writeFileSync(file, '# mine\nmodel = "m" # stays\n', { mode: 0o600 });
  const { version } = await client.call("config/batchWrite", trust({ [hookKey]: { trusted_hash: "sha256:11" } }));
  const written = readFileSync(file, "utf8");
  assert.ok(written.startsWith('# mine\nmodel = "m" # stays\n'));
  assert.ok(written.includes(`trusted_hash = "sha256:11"`));
  // The version of the answer is the one that the next write may expect.
  await client.call("config/batchWrite", { ...trust({ [hookKey]: { enabled: false } }), expectedVersion: version });
  assert.ok(readFileSync(file, "utf8").includes("enabled = false"));
});
