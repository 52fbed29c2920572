/** Methods about threads as such, as clients see them: list of the loaded, names, archive, delete, unsubscribe, fork, revert. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Turn } from "@sallyport/protocol";
import { ServerPlace, TestClient } from "./support/server.ts";
import type { Message } from "./support/server.ts";

const place = new ServerPlace();
const server = place.server({ unloadAfterMs: 120 });
const client = await TestClient.initialized(server);
const unknown = "01890000-0000-7000-8000-000000000000";

function told(from: TestClient, method: string, threadId: string): Promise<Message> {
  return from.next((message) => message.method === method && message.params.threadId === threadId);
}

const ofThread: [method: string, params: object][] = [
  ["thread/name/set", { name: "x" }],
  ["thread/archive", {}],
  ["thread/unarchive", {}],
  ["thread/delete", {}],
  ["thread/fork", {}],
  ["thread/revert", { beforeTurnId: unknown }],
  ["thread/compact/start", {}],
  ["thread/inject_items", { items: [] }],
  ["thread/shellCommand", { command: "true" }],
  ["turn/steer", { input: [{ type: "text", text: "x" }], expectedTurnId: unknown }],
];

for (const [method, params] of ofThread) {
  test(`${method} refuses a thread that is not there, an id that is none, and params of the wrong type`, async () => {
    const missing = await client.ask(method, { ...params, threadId: unknown, extra: 1 });
    assert.equal(missing.error?.code, -32600);
    assert.match(missing.error.message, /^thread not found: /);
    const noId = await client.ask(method, { ...params, threadId: "nonsense" });
    assert.match(noId.error?.message ?? "", /^invalid thread id: /);
    const wrong = await client.ask(method, { ...params, threadId: 1 });
    assert.deepEqual([wrong.error?.code, wrong.error?.data.path], [-32602, "threadId"]);
    const none = await client.ask(method);
    assert.equal(none.error?.code, -32602);
  });
}

test("thread/loaded/list pages through the ids of loaded threads", async () => {
  const ids = [];
  for (let count = 0; count < 3; count += 1) ids.push((await client.startThread(place.script([]))).id);
  ids.sort();
  const all = await client.call("thread/loaded/list", {});
  assert.deepEqual(all, { data: ids, nextCursor: null });
  const first = await client.call("thread/loaded/list", { limit: 2 });
  assert.deepEqual(first, { data: ids.slice(0, 2), nextCursor: ids[1] });
  const rest = await client.call("thread/loaded/list", { limit: 2, cursor: first.nextCursor });
  assert.deepEqual(rest, { data: ids.slice(2), nextCursor: null });
  const bad = await client.ask("thread/loaded/list", { cursor: "nonsense" });
  assert.equal(bad.error?.message, "invalid cursor: nonsense");
});

test("thread/name/set trims, tells every client, and holds for a thread that is not loaded", async () => {
  const other = await TestClient.initialized(server);
  const thread = await client.startThread(place.script([{ text: "done" }]));
  await client.runTurn(thread.id);
  assert.deepEqual(await client.call("thread/name/set", { threadId: thread.id, name: "  my thread " }), {});
  const { params } = await told(other, "thread/name/updated", thread.id);
  assert.deepEqual(params, { threadId: thread.id, threadName: "my thread" });
  const empty = await client.ask("thread/name/set", { threadId: thread.id, name: " \n" });
  assert.equal(empty.error?.message, "thread name must not be empty");
  await client.call("thread/archive", { threadId: thread.id });
  await client.call("thread/name/set", { threadId: thread.id, name: "renamed" });
  const read = await client.call("thread/read", { threadId: thread.id });
  assert.deepEqual([read.thread.name, read.thread.status], ["renamed", { type: "notLoaded" }]);
});

test("thread/archive ends the session and takes the thread out of the list; unarchive brings it back", async () => {
  const other = await TestClient.initialized(server);
  const thread = await client.startThread(place.script([{ text: "done" }]));
  await client.runTurn(thread.id);
  assert.deepEqual(await client.call("thread/archive", { threadId: thread.id }), {});
  await told(other, "thread/archived", thread.id);
  assert.deepEqual(other.notifications(thread.id).slice(-2), ["thread/status/changed", "thread/archived"]);
  const listed = async (archived: boolean): Promise<boolean> => {
    const { data } = await client.call("thread/list", { archived });
    return data.some(({ id }: { id: string }) => id === thread.id);
  };
  assert.deepEqual([await listed(false), await listed(true)], [false, true]);
  const turn = await client.ask("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  assert.match(turn.error?.message ?? "", /^thread not found: /);
  const back = await client.call("thread/unarchive", { threadId: thread.id });
  assert.deepEqual([back.thread.id, back.thread.status], [thread.id, { type: "notLoaded" }]);
  await told(other, "thread/unarchived", thread.id);
  assert.deepEqual([await listed(false), await listed(true)], [true, false]);
});

test("thread/archive refuses an ephemeral thread; thread/delete removes one, and a stored one, for good", async () => {
  const passing = await client.startThread(place.script([]), { ephemeral: true });
  assert.equal((await client.ask("thread/archive", { threadId: passing.id })).error?.code, -32600);
  await client.call("thread/delete", { threadId: passing.id });
  const kept = await client.startThread(place.script([{ text: "done" }]));
  await client.runTurn(kept.id);
  await client.call("thread/delete", { threadId: kept.id });
  for (const { id } of [passing, kept]) {
    await told(client, "thread/deleted", id);
    const read = await client.ask("thread/read", { threadId: id });
    assert.match(read.error?.message ?? "", /^thread not found: /);
  }
});

test("thread/delete of a thread whose turn runs interrupts it first", async () => {
  const thread = await client.startThread(
    place.script([{ tool_calls: [{ name: "shell", arguments: { command: "sleep 1000" } }] }]),
  );
  await client.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  await client.next(({ method, params }) => method === "item/started" && params.item.type === "commandExecution");
  await client.call("thread/delete", { threadId: thread.id });
  assert.match((await client.ask("thread/read", { threadId: thread.id })).error?.message ?? "", /^thread not found/);
});

test("a thread that nobody watches is unloaded, but not while somebody does or its turn runs", async () => {
  const watcher = await TestClient.initialized(server);
  const model = place.script([{ text: "slow", delay_ms: 400 }, { text: "more" }]);
  const thread = await client.startThread(model);
  assert.deepEqual(await watcher.call("thread/unsubscribe", { threadId: thread.id }), { status: "notSubscribed" });
  const { turn } = await client.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  assert.deepEqual(await client.call("thread/unsubscribe", { threadId: thread.id }), { status: "unsubscribed" });
  await told(watcher, "thread/closed", thread.id);
  assert.deepEqual(watcher.notifications(thread.id).slice(-2), ["thread/status/changed", "thread/closed"]);
  const { data } = await client.call("thread/turns/list", { threadId: thread.id });
  assert.deepEqual(
    data.map(({ id, status }: Turn) => [id, status]),
    [[turn.id, "completed"]],
  );
  assert.deepEqual(await client.call("thread/unsubscribe", { threadId: thread.id }), { status: "notLoaded" });
  // Resumed it is as it was; the subscriber that went away hears nothing of it.
  await watcher.call("thread/resume", { threadId: thread.id });
  const again = await watcher.runTurn(thread.id);
  assert.equal(again.status, "completed");
  assert.equal(client.notifications(thread.id).includes("turn/completed"), false);
});

test("what is done to a thread at once is done one after the other, and a session keeps what it holds", async () => {
  const thread = await client.startThread(place.script([{ text: "done" }, { text: "more" }]));
  const { id: threadId } = thread;
  await client.runTurn(threadId);
  await client.call("thread/archive", { threadId });
  const answers = await Promise.all([
    client.ask("thread/name/set", { threadId, name: "a" }),
    client.ask("thread/unarchive", { threadId }),
    client.ask("thread/resume", { threadId }),
    client.ask("thread/name/set", { threadId, name: "b" }),
  ]);
  assert.deepEqual(
    answers.map(({ error }) => error),
    [undefined, undefined, undefined, undefined],
  );
  assert.equal((await client.runTurn(threadId)).status, "completed");
  const read = await client.call("thread/read", { threadId });
  assert.equal(read.thread.name, "b");
});

test("thread/list finds nothing for a parent, and for kinds that are not known, instead of all", async () => {
  for (const filter of [{ parentThreadId: unknown }, { sourceKinds: ["subAgent"] }]) {
    assert.deepEqual((await client.call("thread/list", filter)).data, []);
  }
  assert.ok((await client.call("thread/list", { sourceKinds: ["vscode", "subAgent"] })).data.length > 0);
});

test("an ephemeral thread can be read and paged through while it is loaded", async () => {
  const { id: threadId } = await client.startThread(place.script([{ text: "done" }]), { ephemeral: true });
  const turn = await client.runTurn(threadId);
  const read = await client.call("thread/read", { threadId, includeTurns: true });
  const turns = await client.call("thread/turns/list", { threadId, itemsView: "full" });
  const items = await client.call("thread/items/list", { threadId });
  const resumed = await client.call("thread/resume", { threadId });
  assert.deepEqual([read.thread.turns, resumed.thread.turns], [turns.data, turns.data]);
  assert.deepEqual(
    items.data.map(({ turnId }: { turnId: string }) => turnId),
    [turn.id, turn.id],
  );
});

async function threeTurns(): Promise<{ id: string; turns: Turn[] }> {
  const model = place.script([
    { expect: "one", text: "first" },
    { expect: "two", text: "second" },
    { expect: "three", text: "third" },
    { expect: "four", text: "fourth" },
  ]);
  const { id } = await client.startThread(model);
  const turns = [];
  for (const text of ["one", "two", "three"]) turns.push(await client.runTurn(id, text));
  return { id, turns };
}

test("thread/fork copies the history, whole or up to a turn, and shares nothing with it from then on", async () => {
  const { id, turns } = await threeTurns();
  await client.call("thread/name/set", { threadId: id, name: "named" });
  const [one, two] = turns;
  const whole = await client.call("thread/fork", { threadId: id });
  const through = await client.call("thread/fork", { threadId: id, lastTurnId: two?.id });
  const before = await client.call("thread/fork", { threadId: id, beforeTurnId: two?.id, excludeTurns: true });
  const source = await client.call("thread/read", { threadId: id, includeTurns: true });
  assert.deepEqual(whole.thread.turns, source.thread.turns);
  assert.deepEqual(through.thread.turns, source.thread.turns.slice(0, 2));
  assert.deepEqual(before.thread.turns, []);
  const { data } = await client.call("thread/turns/list", { threadId: before.thread.id });
  assert.deepEqual(
    data.map((turn: Turn) => turn.id),
    [one?.id],
  );
  const { forkedFromId, sessionId, name, preview, status } = whole.thread;
  assert.deepEqual(
    { forkedFromId, sessionId, name, preview, status },
    { forkedFromId: id, sessionId: whole.thread.id, name: "named", preview: "one", status: { type: "idle" } },
  );
  const both = { threadId: id, lastTurnId: one?.id, beforeTurnId: two?.id };
  assert.equal((await client.ask("thread/fork", both)).error?.code, -32602);
  const noTurn = await client.ask("thread/fork", { threadId: id, lastTurnId: "x" });
  assert.equal(noTurn.error?.message, "turn not found: x");
  // The original can go: the fork is whole without it.
  await client.call("thread/delete", { threadId: id });
  assert.equal((await client.runTurn(whole.thread.id, "one")).status, "completed");
});

test("thread/fork of a running turn has it as interrupted, and an ephemeral fork is not kept", async () => {
  const model = place.script([{ tool_calls: [{ name: "shell", arguments: { command: "sleep 1000" } }] }]);
  const thread = await client.startThread(model);
  const { turn } = await client.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  await client.next(
    ({ method, params }) =>
      method === "item/started" && params.item.type === "commandExecution" && params.turnId === turn.id,
  );
  const running = await client.ask("thread/fork", { threadId: thread.id, lastTurnId: turn.id });
  assert.equal(running.error?.code, -32600);
  const fork = await client.call("thread/fork", {
    threadId: thread.id,
    ephemeral: true,
    model: place.script([{ expect: "next", text: "on" }]),
  });
  assert.deepEqual(
    fork.thread.turns.map(({ id, status }: Turn) => [id, status]),
    [[turn.id, "interrupted"]],
  );
  assert.equal(fork.thread.path, null);
  assert.equal((await client.runTurn(fork.thread.id, "next")).status, "completed");
  await client.call("turn/interrupt", { threadId: thread.id, turnId: turn.id });
});

test("thread/revert removes turns, what belongs to them, and what the model had of them", async () => {
  const { id, turns } = await threeTurns();
  const [one, two, three] = turns;
  const other = await TestClient.initialized(server);
  const answer = await client.call("thread/revert", { threadId: id, beforeTurnId: two?.id });
  assert.deepEqual(answer.thread.turns, []);
  await told(client, "thread/reverted", id);
  assert.deepEqual(client.notifications(id).slice(-3), [
    "thread/status/changed",
    "thread/status/changed",
    "thread/reverted",
  ]);
  assert.equal(other.notifications(id).includes("thread/reverted"), false);
  const query = { threadId: id, cursor: answer.turnsBackwardsCursor, sortDirection: "desc" };
  const { data } = await client.call("thread/turns/list", query);
  assert.deepEqual(
    data.map((turn: Turn) => turn.id),
    [one?.id],
  );
  const gone = await client.ask("thread/revert", { threadId: id, beforeTurnId: three?.id });
  assert.equal(gone.error?.message, `turn not found: ${three?.id}`);
  assert.equal((await client.runTurn(id, "four")).status, "completed");
  const messages = await client.call("thread/items/list", { threadId: id });
  assert.deepEqual(
    messages.data.map(({ item }: { item: { type: string } }) => item.type),
    ["userMessage", "agentMessage", "userMessage", "agentMessage"],
  );
});

test("thread/revert interrupts a running turn, and one that removes all leaves an empty thread that works", async () => {
  const model = place.script([
    { tool_calls: [{ name: "shell", arguments: { command: "sleep 1000" } }] },
    { expect: "again", text: "fresh" },
  ]);
  const thread = await client.startThread(model);
  const { turn } = await client.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  await client.next(
    ({ method, params }) =>
      method === "item/started" && params.item.type === "commandExecution" && params.turnId === turn.id,
  );
  const answer = await client.call("thread/revert", { threadId: thread.id, beforeTurnId: turn.id });
  assert.equal(answer.turnsBackwardsCursor, null);
  assert.equal((await client.turnCompleted(turn.id)).status, "interrupted");
  assert.equal((await client.runTurn(thread.id, "again")).status, "completed");
});
