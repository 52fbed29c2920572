/** Many threads at once over one socket, and a clock that is set back in the middle of a turn. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mock, test } from "node:test";
import type { HookRunSummary, ThreadItem } from "@sallyport/protocol";
import { TestClient } from "./support/server.ts";
import { SocketPlace, SocketTestClient, urlOf } from "./support/socket-place.ts";

const threads = 200;
const place = new SocketPlace();
const hook = (command: string): object[] => [{ hooks: [{ type: "command", command }] }];

test("200 threads with turns at once over one unix socket all end, each with its own answer", async () => {
  const client = await SocketTestClient.initialized(urlOf(await place.listen("unix")));
  const model = place.script([{ text: "in several pieces", chunk_size: 3, chunk_delay_ms: 5 }]);
  const started = await Promise.all(Array.from({ length: threads }, () => client.ask("thread/start", { model })));
  const ids = started.map(({ result }) => result.thread.id as string);
  assert.equal(new Set(ids).size, threads);
  await Promise.all(
    ids.map((threadId) => client.ask("turn/start", { threadId, input: [{ type: "text", text: threadId }] })),
  );
  const open = new Set(ids);
  await client.next(
    ({ method, params }) => method === "turn/completed" && open.delete(params.threadId) && open.size === 0,
  );
  const texts = new Map<string, string>();
  for (const { method, params } of client.messages)
    if (method === "item/agentMessage/delta")
      texts.set(params.threadId, (texts.get(params.threadId) ?? "") + params.delta);
  assert.deepEqual(texts, new Map([...texts.keys()].map((id) => [id, "in several pieces"])));
  assert.deepEqual([...texts.keys()].sort(), ids.toSorted());
  const read = await Promise.all(ids.map((threadId) => client.ask("thread/read", { threadId, includeTurns: true })));
  const turns = read.map(({ result }) => result.thread.turns as { status: string; items: ThreadItem[] }[]);
  for (const [index, [turn]] of turns.entries()) {
    assert.equal(turn?.status, "completed");
    const [prompt] = turn.items;
    assert.deepEqual(prompt?.type === "userMessage" ? prompt.content : null, [
      { type: "text", text: ids[index] ?? "", text_elements: [] },
    ]);
  }
});

test("a clock that is set back during a turn makes nothing end before it began, and loses nothing", async (context) => {
  const clocked = new SocketPlace();
  writeFileSync(
    join(clocked.home, "hooks.json"),
    JSON.stringify({ hooks: { UserPromptSubmit: hook("true"), PreToolUse: hook("true"), Stop: hook("true") } }),
    { mode: 0o600 },
  );
  const server = clocked.server();
  const real = Date.now.bind(Date);
  let back = 0;
  const clock = mock.method(Date, "now", () => real() - back);
  context.after(() => clock.mock.restore());
  // An hour with every message: whatever began before any of them ends in the past.
  const client = new TestClient(server, () => (back += 3_600_000));
  await client.call("initialize", { clientInfo: { name: "test", version: "1" } });
  const model = clocked.script([
    { tool_calls: [{ name: "shell", arguments: { command: "echo hi" } }] },
    { expect: "hi", reasoning: "because", text: "done" },
  ]);
  const thread = await client.startThread(model, { config: { bypass_hook_trust: true } });
  const turn = await client.runTurn(thread.id);
  assert.equal(turn.status, "completed");
  assert.ok(turn.durationMs !== null && turn.durationMs >= 0, `the turn took ${turn.durationMs} ms`);
  assert.ok((turn.completedAt ?? 0) >= (turn.startedAt ?? 0), "the turn ended before it began");
  const { thread: read } = await client.call("thread/read", { threadId: thread.id, includeTurns: true });
  const [stored] = read.turns;
  assert.deepEqual(
    stored.hookRuns.map(({ eventName }: HookRunSummary) => eventName),
    // By startedAt, as ever: by this clock the last one began first.
    ["stop", "preToolUse", "userPromptSubmit"],
  );
  for (const run of stored.hookRuns as HookRunSummary[])
    assert.ok((run.completedAt ?? 0) >= run.startedAt, JSON.stringify(run));
  const items = stored.items as (ThreadItem & { durationMs?: number | null })[];
  assert.deepEqual(
    items.map(({ type }) => type),
    ["userMessage", "commandExecution", "reasoning", "agentMessage"],
  );
  for (const { durationMs, ...item } of items) assert.ok((durationMs ?? 0) >= 0, JSON.stringify({ durationMs, item }));
  // Items keep the order in which they were told.
  const told = client.messages.filter(({ method }) => method === "item/completed").map(({ params }) => params.item.id);
  assert.deepEqual(
    told,
    items.map(({ id }) => id),
  );
});

test("a clock that jumps a day forth and back while a question waits does not answer it, and its answer counts", async (context) => {
  const clocked = new SocketPlace();
  mkdirSync(join(clocked.home, "rules"), { mode: 0o700 });
  writeFileSync(join(clocked.home, "rules", "test.rules"), 'prefix_rule(["id"], decision = "prompt")\n', {
    mode: 0o600,
  });
  const real = Date.now.bind(Date);
  let offset = 0;
  const clock = mock.method(Date, "now", () => real() + offset);
  context.after(() => clock.mock.restore());
  const client = await TestClient.initialized(clocked.server());
  const asks = { tool_calls: [{ name: "shell", arguments: { command: "/usr/bin/id -u" } }] };
  const thread = await client.startThread(clocked.script([asks, { text: "done" }]));
  const { turn } = await client.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  const question = await client.next(({ method }) => method === "item/commandExecution/requestApproval");
  const dayMs = 86_400_000;
  for (const jump of [dayMs, -dayMs, dayMs]) {
    offset = jump;
    // Long past the limit for answers by this clock; with each round trip the server has had a turn to act on that.
    await client.call("thread/read", { threadId: thread.id });
  }
  assert.equal(
    client.messages.some(({ method }) => method === "serverRequest/resolved"),
    false,
  );
  client.send({ id: question.id ?? 0, result: { decision: "accept" } });
  const ended = await client.turnCompleted(turn.id as string);
  assert.equal(ended.status, "completed");
  assert.ok((ended.durationMs ?? -1) >= 0, `the turn took ${ended.durationMs} ms`);
  const { thread: read } = await client.call("thread/read", { threadId: thread.id, includeTurns: true });
  const items = read.turns[0].items as ThreadItem[];
  assert.deepEqual(
    items.flatMap((item) => (item.type === "commandExecution" ? [item.status] : [])),
    ["completed"],
  );
});
