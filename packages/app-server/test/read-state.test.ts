import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerPlace, TestClient } from "./support/server.ts";

const place = new ServerPlace();
const server = place.server();
const says = place.script([{ text: "one" }, { text: "two" }, { text: "three" }]);
const expected = (revision: string, type = "read"): object => ({ operation: { type }, expectedRevision: revision });

function changes(client: TestClient): unknown[] {
  return client.messages.flatMap(({ method, params }) =>
    method === "thread/readState/changed" ? [params.readState.firstUnread] : [],
  );
}

test("turns leave a mark at the first that nobody has read; reading and marking as unread change it for all", async () => {
  const client = await TestClient.initialized(server);
  const other = await TestClient.initialized(server);
  const { id: threadId } = await client.startThread(says);
  await other.call("thread/resume", { threadId });
  assert.equal((await client.call("thread/read", { threadId })).readState, null);
  const first = await client.runTurn(threadId);
  const { readState: before } = await client.call("thread/read", { threadId });
  assert.deepEqual(before.firstUnread, { type: "turn", turnId: first.id });
  await client.runTurn(threadId);
  const { readState } = await client.call("thread/read", { threadId });
  assert.deepEqual(readState.firstUnread, { type: "turn", turnId: first.id });
  assert.notEqual(readState.revision, before.revision);
  const read = await client.call("thread/readState/update", { threadId, ...expected(readState.revision as string) });
  assert.equal(read.readState.firstUnread, null);
  const stale = await other.ask("thread/readState/update", { threadId, ...expected(readState.revision as string) });
  assert.deepEqual(
    [stale.error?.code, stale.error?.message, stale.error?.data.reason, stale.error?.data.readState],
    [-32600, "read state changed", "readStateConflict", read.readState],
  );
  await other.call("thread/readState/update", { threadId, ...expected(read.readState.revision as string, "unread") });
  const marks = [{ type: "turn", turnId: first.id }, { type: "turn", turnId: first.id }, null, { type: "threadStart" }];
  assert.deepEqual([changes(client), changes(other)], [marks, marks]);
  const { readStates } = await client.call("thread/list", {});
  assert.deepEqual(readStates[threadId].firstUnread, { type: "threadStart" });
  // The mark comes before the thread is said to be idle, and that before the turn's end.
  const told = client.notifications(threadId);
  const at = told.indexOf("thread/readState/changed");
  assert.deepEqual(told.slice(at, at + 3), ["thread/readState/changed", "thread/status/changed", "turn/completed"]);
});

test("a mark is stored, goes with its turn, and can be changed on a thread that is not loaded", async () => {
  const earlier = place.server();
  const starter = await TestClient.initialized(earlier);
  const { id: threadId } = await starter.startThread(says);
  const { id: turnId } = await starter.runTurn(threadId);
  await earlier.close();
  const client = await TestClient.initialized(place.server());
  const { readState } = await client.call("thread/read", { threadId });
  assert.deepEqual(readState.firstUnread, { type: "turn", turnId });
  await client.call("thread/resume", { threadId });
  await client.call("thread/revert", { threadId, beforeTurnId: turnId });
  const { readState: reverted } = await client.call("thread/read", { threadId });
  assert.deepEqual([reverted.firstUnread, changes(client)], [null, [null]]);
  const later = await TestClient.initialized(place.server());
  await client.call("thread/archive", { threadId });
  const revision = reverted.revision as string;
  const marked = await later.call("thread/readState/update", { threadId, ...expected(revision, "unread") });
  const { readState: stored } = await client.call("thread/read", { threadId });
  assert.deepEqual(stored, marked.readState);
});

test("no mark is left by a command of the user, by an interrupted turn, and on an ephemeral thread", async () => {
  const client = await TestClient.initialized(server);
  const { id: threadId } = await client.startThread(place.script([{ error: "stall" }]));
  await client.call("thread/shellCommand", { threadId, command: "true" });
  const { params } = await client.next(({ method }) => method === "turn/completed");
  const { turn } = await client.call("turn/start", { threadId, input: [{ type: "text", text: "go" }] });
  await client.next(({ method, params: { turn: begun } = {} }) => method === "turn/started" && begun.id === turn.id);
  await client.call("turn/interrupt", { threadId, turnId: turn.id });
  assert.equal((await client.turnCompleted(turn.id as string)).status, "interrupted");
  assert.deepEqual([params.turn.status, changes(client)], ["completed", []]);
  const passing = await client.startThread(says, { ephemeral: true });
  await client.runTurn(passing.id);
  assert.deepEqual(changes(client), []);
  const refused = await client.ask("thread/readState/update", { threadId, ...expected("") });
  assert.deepEqual([refused.error?.code, refused.error?.data.readState], [-32600, null]);
});
