/** Turns as clients see them: the peer's order, hook runs everywhere, questions, interrupts, clients that come later. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { HookRunSummary, Turn } from "@sallyport/protocol";
import { ServerPlace, TestClient } from "./support/server.ts";
import type { Message } from "./support/server.ts";

const place = new ServerPlace();
const server = place.server();
const extensions = { sallyport: {} };
const client = await TestClient.initialized(server, { extensions });

const hooks = {
  hooks: {
    SessionStart: [{ hooks: [{ type: "command", command: "echo from the start hook" }] }],
    Stop: [{ hooks: [{ type: "command", command: "true" }] }],
  },
};
mkdirSync(place.home, { recursive: true });
writeFileSync(join(place.home, "hooks.json"), JSON.stringify(hooks), { mode: 0o600 });
mkdirSync(join(place.home, "rules"), { mode: 0o700 });
writeFileSync(
  join(place.home, "rules", "test.rules"),
  'prefix_rule(pattern = ["id"], decision = "prompt", justification = "who are you?")\n',
  { mode: 0o600 },
);
const bypass = { config: { bypass_hook_trust: true } };

/** Without what the timing decides: how many pieces the output came in. */
function orderOf(methods: string[]): string[] {
  return methods.filter((method, index) => method !== methods[index - 1]);
}

function shell(command: string): { tool_calls: object[] } {
  return { tool_calls: [{ name: "shell", arguments: { command } }] };
}

test("one turn with a command comes in the peer's order, and its hook runs are on every Turn afterwards", async () => {
  const model = place.script([shell("echo hi"), { expect: "hi", text: "done" }]);
  const thread = await client.startThread(model, bypass);
  // SessionStart begins with the session and may take as long as it likes; here the turn shall come behind it.
  await client.next(({ method, params }) => method === "hook/completed" && params.threadId === thread.id);
  const completed = await client.runTurn(thread.id);
  assert.deepEqual(
    orderOf(client.notifications(thread.id)).filter((method) => !method.startsWith("exec/")),
    [
      "thread/started",
      "hook/started",
      "hook/completed",
      "thread/status/changed",
      "turn/started",
      "item/started",
      "item/completed",
      "thread/tokenUsage/updated",
      "item/started",
      "item/commandExecution/outputDelta",
      "item/completed",
      "item/started",
      "item/agentMessage/delta",
      "item/completed",
      "thread/tokenUsage/updated",
      "hook/started",
      "hook/completed",
      "thread/readState/changed",
      "thread/status/changed",
      "turn/completed",
    ],
  );
  const runs = completed.hookRuns;
  assert.deepEqual(
    runs.map(({ eventName, status }) => [eventName, status]),
    [
      ["sessionStart", "completed"],
      ["stop", "completed"],
    ],
  );
  const read = await client.call("thread/read", { threadId: thread.id, includeTurns: true });
  const list = await client.call("thread/turns/list", { threadId: thread.id });
  const resumed = await client.call("thread/resume", { threadId: thread.id });
  const views: Turn[] = [read.thread.turns[0], list.data[0], resumed.thread.turns[0]];
  for (const turn of views) assert.deepEqual(turn.hookRuns, runs);
  // And in another server on the same home, once this one has let go.
  await server.close();
  const later = await TestClient.initialized(place.server());
  const again = await later.call("thread/resume", { threadId: thread.id, excludeTurns: false });
  assert.deepEqual(again.thread.turns[0].hookRuns, runs);
});

const second = place.server();
const owner = await TestClient.initialized(second, { extensions });

test("programs are told only to clients that asked, and only such have them on the turn", async () => {
  const model = place.script([shell("/bin/true; echo hi"), { text: "done" }]);
  const plain = await TestClient.initialized(second);
  const thread = await owner.startThread(model);
  await plain.call("thread/resume", { threadId: thread.id });
  const turn = await owner.runTurn(thread.id);
  await plain.turnCompleted(turn.id);
  const decided = owner.messages.filter(({ method, params }) => method === "exec/decided" && params.turnId === turn.id);
  assert.ok(decided.length > 0);
  assert.deepEqual(
    plain.messages.filter(({ method }) => method?.startsWith("exec/")),
    [],
  );
  const { data } = await owner.call("turn/execRuns/list", { threadId: thread.id, turnId: turn.id });
  assert.deepEqual(
    data.map(({ id }: { id: string }) => id),
    [...new Set(decided.map(({ params }) => params.run.id))],
  );
  const mine = await owner.call("thread/read", { threadId: thread.id, includeTurns: true });
  assert.deepEqual(mine.thread.turns[0].execRuns, data);
  const theirs = await plain.call("thread/read", { threadId: thread.id, includeTurns: true });
  assert.equal("execRuns" in theirs.thread.turns[0], false);
});

test("turn/interrupt names the turn, ends the command, and completes its item first", async () => {
  const model = place.script([shell("echo started; sleep 1000"), { text: "never" }]);
  const thread = await owner.startThread(model);
  assert.equal(
    (await owner.ask("turn/interrupt", { threadId: thread.id, turnId: thread.id })).error?.message,
    "no active turn to interrupt",
  );
  const { turn } = await owner.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  await owner.next(({ method, params }) => method === "item/commandExecution/outputDelta" && params.turnId === turn.id);
  const wrong = await owner.ask("turn/interrupt", { threadId: thread.id, turnId: thread.id });
  assert.equal(wrong.error?.message, `expected active turn id ${thread.id} but found ${turn.id}`);
  assert.deepEqual(await owner.call("turn/interrupt", { threadId: thread.id, turnId: turn.id, more: 1 }), {});
  assert.equal((await owner.turnCompleted(turn.id)).status, "interrupted");
  const { data } = await owner.call("thread/items/list", { threadId: thread.id, turnId: turn.id });
  const command = data.find(({ item }: { item: { type: string } }) => item.type === "commandExecution").item;
  assert.deepEqual([command.status, command.aggregatedOutput, command.interrupted], ["failed", "started\n", true]);
});

const answers: [decision: unknown, itemStatus: string, turnStatus: string][] = [
  ["accept", "completed", "completed"],
  ["decline", "declined", "completed"],
  ["cancel", "failed", "interrupted"],
  ["perhaps", "declined", "completed"],
];

for (const [decision, itemStatus, turnStatus] of answers) {
  test(`a prompt rule asks every subscriber, and ${JSON.stringify(decision)} makes the item ${itemStatus}`, async () => {
    const model = place.script([shell("/usr/bin/id -u"), { text: "done" }]);
    const thread = await owner.startThread(model);
    const other = await TestClient.initialized(second);
    await other.call("thread/resume", { threadId: thread.id });
    const { turn } = await owner.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
    const isQuestion = ({ method, params }: Message): boolean =>
      method === "item/commandExecution/requestApproval" && params.turnId === turn.id;
    const question = await owner.next(isQuestion);
    assert.match(question.params.reason, /^who are you\? \(rule/);
    assert.deepEqual((await other.next(isQuestion)).id, question.id);
    // Somebody who comes now is asked too, under the same id.
    const late = await TestClient.initialized(second);
    await late.call("thread/resume", { threadId: thread.id });
    assert.deepEqual((await late.next(isQuestion)).id, question.id);
    late.connection.close();
    other.send({ id: question.id, result: { decision } });
    // The first answer counts.
    owner.send({ id: question.id, result: { decision: "accept" } });
    const completed = await owner.turnCompleted(turn.id);
    assert.equal(completed.status, turnStatus);
    const resolved = owner.messages.filter(
      ({ method, params }) => method === "serverRequest/resolved" && params.threadId === thread.id,
    );
    assert.deepEqual(
      resolved.map(({ params }) => params.requestId),
      [question.id],
    );
    const { data } = await owner.call("thread/items/list", { threadId: thread.id, turnId: turn.id });
    const item = data
      .map((entry: { item: { type: string; status: string } }) => entry.item)
      .find(({ type }: { type: string }) => type === "commandExecution");
    assert.equal(item.status, itemStatus);
  });
}

test("a client that comes in the middle of a turn misses nothing and gets nothing twice", async () => {
  const text = "0123456789".repeat(40);
  const model = place.script([{ text, chunk_size: 1, chunk_delay_ms: 1 }]);
  const thread = await owner.startThread(model);
  const { turn } = await owner.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  const isDelta = ({ method, params }: Message): boolean =>
    method === "item/agentMessage/delta" && params.turnId === turn.id;
  await owner.next(isDelta);
  const late = await TestClient.initialized(second);
  const { thread: snapshot } = await late.call("thread/resume", { threadId: thread.id });
  await late.turnCompleted(turn.id);
  const had = snapshot.turns[0].items.find(({ type }: { type: string }) => type === "agentMessage")?.text ?? "";
  const came = late.messages
    .filter(isDelta)
    .map(({ params }) => params.delta)
    .join("");
  assert.equal(had + came, text);
  assert.ok(came.length > 0 && came.length < text.length, "the client came in the middle");
});

test("a second turn/start during a turn steers it", async () => {
  const model = place.script([
    { text: "a".repeat(50), chunk_size: 1, chunk_delay_ms: 2 },
    { expect: "more", text: "b" },
  ]);
  const thread = await owner.startThread(model);
  const { turn } = await owner.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  await owner.next(({ method, params }) => method === "item/agentMessage/delta" && params.turnId === turn.id);
  const steered = await owner.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "more" }] });
  assert.equal(steered.turn.id, turn.id);
  assert.equal((await owner.turnCompleted(turn.id)).status, "completed");
});

test("hooks that nobody trusted do not run until config/batchWrite trusts them, at the next turn", async () => {
  const model = place.script([{ text: "one" }, { text: "two" }]);
  const thread = await owner.startThread(model);
  assert.deepEqual((await owner.runTurn(thread.id)).hookRuns, []);
  const { data } = await owner.call("hooks/list", { cwds: [place.project] });
  const state = Object.fromEntries(
    data[0].hooks.map(({ key, currentHash }: { key: string; currentHash: string }) => [
      key,
      { trusted_hash: currentHash },
    ]),
  );
  const edits = [{ keyPath: "hooks.state", value: state, mergeStrategy: "upsert" }];
  await owner.call("config/batchWrite", { edits, reloadUserConfig: true });
  const { hookRuns } = await owner.runTurn(thread.id);
  assert.deepEqual(
    hookRuns.map(({ eventName }: HookRunSummary) => eventName),
    ["stop"],
  );
});

test("two servers on one home: the second reads, and says so where it may not write", async () => {
  const model = place.script([{ text: "one" }]);
  const thread = await owner.startThread(model);
  await owner.runTurn(thread.id);
  const other = await TestClient.initialized(place.server());
  const { data } = await other.call("thread/turns/list", { threadId: thread.id });
  assert.equal(data.length, 1);
  const { error } = await other.ask("thread/resume", { threadId: thread.id });
  assert.equal(error?.code, -32600);
  assert.equal(error?.data.code, "THREAD_HAS_WRITER");
  await second.close();
  assert.equal((await other.call("thread/resume", { threadId: thread.id })).thread.turns.length, 1);
});
