/** What reaches the model besides a prompt: steered words, the user's commands, a client's items, a summary. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { HookRunSummary } from "@sallyport/protocol";
import { ServerPlace, TestClient } from "./support/server.ts";
import type { Message, Parsed } from "./support/server.ts";

const place = new ServerPlace();
const server = place.server();
const client = await TestClient.initialized(server);

function shell(command: string): { tool_calls: object[] } {
  return { tool_calls: [{ name: "shell", arguments: { command } }] };
}

function words(text: string): object[] {
  return [{ type: "text", text }];
}

async function startTurn(threadId: string, text: string): Promise<string> {
  const { turn } = await client.call("turn/start", { threadId, input: words(text) });
  return turn.id as string;
}

function commandStarted(turnId: string): Promise<Message> {
  return client.next(
    ({ method, params }) =>
      method === "item/started" && params.turnId === turnId && params.item.type === "commandExecution",
  );
}

async function itemsOf(threadId: string): Promise<Parsed[]> {
  const { data } = await client.call("thread/items/list", { threadId });
  return data.map(({ item }: { item: Parsed }) => item);
}

/** The next turn that is completed on the thread, besides these. */
async function nextTurn(threadId: string, known: readonly string[] = []): Promise<Parsed> {
  const { params } = await client.next(
    ({ method, params }) =>
      method === "turn/completed" && params.threadId === threadId && !known.includes(params.turn.id),
  );
  return params.turn;
}

/** Released by a file, so that a command runs for exactly as long as a test needs it. */
let gates = 0;
function gate(): { wait: string; open: () => void } {
  gates += 1;
  const file = join(place.project, `gate-${gates}`);
  return { wait: `until [ -e ${file} ]; do sleep 0.02; done`, open: () => writeFileSync(file, "") };
}

test("turn/steer names the running turn, and its words reach the model with the next request", async () => {
  const { wait, open } = gate();
  const thread = await client.startThread(place.script([shell(wait), { expect: "also this", text: "both" }]));
  const idle = await client.ask("turn/steer", { threadId: thread.id, input: words("x"), expectedTurnId: "x" });
  assert.deepEqual([idle.error?.code, idle.error?.message], [-32600, "no active turn to steer"]);
  const id = await startTurn(thread.id, "go");
  await commandStarted(id);
  const other = await client.ask("turn/steer", { threadId: thread.id, input: words("x"), expectedTurnId: "x" });
  assert.equal(other.error?.message, `expected active turn id \`x\` but found \`${id}\``);
  const empty = await client.ask("turn/steer", { threadId: thread.id, input: [], expectedTurnId: id });
  assert.equal(empty.error?.code, -32600);
  const steer = { threadId: thread.id, input: words("also this"), expectedTurnId: id, clientUserMessageId: "mine" };
  assert.deepEqual(await client.call("turn/steer", steer), { turnId: id });
  open();
  assert.equal((await client.turnCompleted(id)).status, "completed");
  const messages = (await itemsOf(thread.id)).filter(({ type }) => type === "userMessage");
  assert.deepEqual(
    messages.map(({ content, clientId }) => [content[0].text, clientId]),
    [
      ["go", null],
      ["also this", "mine"],
    ],
  );
});

test("words that wait when the turn fails are kept, shown, and told to the model next", async () => {
  const { wait, open } = gate();
  const failing = [shell(wait), { delay_ms: 100, error: { status: 400, message: "no" } }];
  const thread = await client.startThread(place.script([...failing, { expect: "next", text: "done" }]));
  const id = await startTurn(thread.id, "go");
  await commandStarted(id);
  open();
  // The words come while the model's last request runs.
  await client.next(
    ({ method, params }) =>
      method === "item/completed" && params.turnId === id && params.item.type === "commandExecution",
  );
  await client.call("turn/steer", { threadId: thread.id, input: words("do not lose me"), expectedTurnId: id });
  const failed = await client.turnCompleted(id);
  assert.deepEqual([failed.status, failed.untakenInput], ["failed", undefined]);
  assert.deepEqual(await textsOf(thread.id), ["go", "do not lose me"]);
  assert.equal((await client.runTurn(thread.id, "next")).status, "completed");
});

test("words that wait when the turn is interrupted are given back, for whoever sent them to send again", async () => {
  const script = [shell("sleep 1000"), { expect: "send me again", text: "done" }];
  const thread = await client.startThread(place.script(script));
  const id = await startTurn(thread.id, "go");
  await commandStarted(id);
  for (const [text, clientUserMessageId] of [
    ["send me again", "mine"],
    ["and me", null],
  ] as const) {
    const steer = { threadId: thread.id, input: words(text), expectedTurnId: id, clientUserMessageId };
    await client.call("turn/steer", steer);
  }
  await client.call("turn/interrupt", { threadId: thread.id, turnId: id });
  const interrupted = await client.turnCompleted(id);
  const given = interrupted.untakenInput?.map(({ content: [part], clientId }) => [
    part?.type === "text" ? part.text : "",
    clientId,
  ]);
  assert.deepEqual(
    [interrupted.status, given],
    [
      "interrupted",
      [
        ["send me again", "mine"],
        ["and me", null],
      ],
    ],
  );
  // By the item a client would know that they were taken up.
  assert.deepEqual(await textsOf(thread.id), ["go"]);
  const { thread: read } = await client.call("thread/read", { threadId: thread.id, includeTurns: true });
  assert.deepEqual(read.turns[0].untakenInput, interrupted.untakenInput);
  assert.equal((await client.runTurn(thread.id, "send me again")).status, "completed");
});

async function textsOf(threadId: string): Promise<string[]> {
  return (await itemsOf(threadId)).flatMap(({ type, content }) => (type === "userMessage" ? [content[0].text] : []));
}

test("thread/shellCommand runs as the user in a turn of its own, and the model hears of it", async () => {
  const thread = await client.startThread(
    place.script([{ expect: "<user_shell_command>\n<command>\necho out; echo x > made; exit 3", text: "I saw it" }]),
    { sandbox: "read-only" },
  );
  const command = "echo out; echo x > made; exit 3";
  assert.deepEqual(await client.call("thread/shellCommand", { threadId: thread.id, command }), {});
  const turn = await nextTurn(thread.id);
  assert.deepEqual([turn.status, turn.hookRuns], ["completed", []]);
  const [item] = await itemsOf(thread.id);
  assert.deepEqual(
    [item.type, item.source, item.status, item.exitCode, item.aggregatedOutput],
    ["commandExecution", "userShell", "failed", 3, "out\n"],
  );
  // A read-only sandbox stands around the agent, not around the user.
  assert.equal(readFileSync(join(place.project, "made"), "utf8"), "x\n");
  assert.deepEqual(
    client.notifications(thread.id).filter((method) => !method.startsWith("exec/")),
    [
      "thread/started",
      "thread/status/changed",
      "turn/started",
      "item/started",
      "item/commandExecution/outputDelta",
      "item/completed",
      "thread/status/changed",
      "turn/completed",
    ],
  );
  const { id } = thread;
  await client.call("turn/start", { threadId: id, input: [] });
  assert.equal((await nextTurn(id, [turn.id])).status, "completed");
  const empty = await client.ask("thread/shellCommand", { threadId: id, command: "  " });
  assert.equal(empty.error?.message, "command must not be empty");
});

test("words that come while a user's command runs are answered in the same turn, behind its output", async () => {
  const { wait, open } = gate();
  const thread = await client.startThread(place.script([{ expect: "what was that", text: "a command" }]));
  await client.call("thread/shellCommand", { threadId: thread.id, command: `echo one; ${wait}` });
  const { params } = await client.next(
    ({ method, params }) => method === "item/commandExecution/outputDelta" && params.threadId === thread.id,
  );
  const steer = { threadId: thread.id, input: words("what was that"), expectedTurnId: params.turnId };
  await client.call("turn/steer", steer);
  open();
  assert.equal((await client.turnCompleted(params.turnId)).status, "completed");
  assert.deepEqual(
    (await itemsOf(thread.id)).map(({ type }) => type),
    ["commandExecution", "userMessage", "agentMessage"],
  );
});

test("thread/shellCommand ends with its time, its turn's interrupt, and everything that it started", async () => {
  const thread = await client.startThread(place.script([{ text: "never" }]));
  const { id: threadId } = thread;
  await client.call("thread/shellCommand", { threadId, command: "sleep 1000", timeoutMs: 100 });
  const first = await nextTurn(threadId);
  await client.call("thread/shellCommand", { threadId, command: "setsid sleep 1000 & echo $!; wait" });
  const { params } = await client.next(
    ({ method, params }) => method === "item/commandExecution/outputDelta" && params.threadId === threadId,
  );
  assert.equal(existsSync(`/proc/${params.delta.trim()}`), true);
  await client.call("turn/interrupt", { threadId, turnId: params.turnId });
  assert.equal((await nextTurn(threadId, [first.id])).status, "interrupted");
  const [timedOut, interrupted] = await itemsOf(threadId);
  assert.deepEqual([timedOut.status, timedOut.exitCode], ["failed", 143]);
  assert.deepEqual([interrupted.status, interrupted.interrupted], ["failed", true]);
  assert.equal(existsSync(`/proc/${params.delta.trim()}`), false);
});

test("thread/shellCommand beside a running turn is an item of that turn, and the model hears of it in order", async () => {
  const { wait, open } = gate();
  const thread = await client.startThread(
    place.script([shell(wait), { expect: "Output:\nfrom beside", text: "heard" }]),
  );
  const id = await startTurn(thread.id, "go");
  await commandStarted(id);
  await client.call("thread/shellCommand", { threadId: thread.id, command: "echo from beside" });
  await client.next(
    ({ method, params }) => method === "item/completed" && params.turnId === id && params.item.source === "userShell",
  );
  open();
  assert.equal((await client.turnCompleted(id)).status, "completed");
});

test("thread/inject_items reaches the model before the next prompt, also after a restart, and no client", async () => {
  const message = { type: "message", role: "user", content: [{ type: "input_text", text: "a secret word: plum" }] };
  const calls = [
    { type: "function_call", call_id: "c1", name: "look", arguments: "{}" },
    { type: "function_call_output", call_id: "c1", output: "seen" },
  ];
  const answers = [
    { expect: "go", text: "one" },
    { expect: "go", text: "two" },
  ];
  const thread = await client.startThread(place.script(answers));
  await client.runTurn(thread.id);
  const before = client.notifications(thread.id).length;
  assert.deepEqual(await client.call("thread/inject_items", { threadId: thread.id, items: [message, ...calls] }), {});
  assert.equal(client.notifications(thread.id).length, before);
  for (const items of [[{ type: "reasoning" }], [calls[0]], [calls[1]], [null]]) {
    const refused = await client.ask("thread/inject_items", { threadId: thread.id, items });
    assert.deepEqual([refused.error?.code, refused.error?.data.path], [-32602, "items.0"]);
  }
  await client.call("thread/archive", { threadId: thread.id });
  await client.call("thread/resume", { threadId: thread.id });
  assert.equal((await client.runTurn(thread.id)).status, "completed");
  const read = await client.call("thread/read", { threadId: thread.id });
  const told = readFileSync(read.thread.path, "utf8")
    .split("\n")
    .filter((line) => line.includes('"type":"message"'))
    .map((line) => JSON.parse(line).payload.message.role);
  assert.deepEqual(told, ["system", "user", "assistant", "user", "assistant", "tool", "user", "assistant"]);
  assert.deepEqual(
    (await itemsOf(thread.id)).map(({ type }) => type),
    ["userMessage", "agentMessage", "userMessage", "agentMessage"],
  );
});

const note = join(place.base, "compact-hooks");
const record = (name: string): object => ({ hooks: [{ type: "command", command: `echo ${name} >> ${note}` }] });
mkdirSync(place.home, { recursive: true });

test("thread/compact/start puts a summary in the model's input, with hooks around it, and a revert takes it back", async () => {
  const start = { matcher: "compact", hooks: [{ type: "command", command: "echo say it again" }] };
  const hooks = { PreCompact: [record("pre")], PostCompact: [record("post")], SessionStart: [start] };
  writeFileSync(join(place.home, "hooks.json"), JSON.stringify({ hooks }), { mode: 0o600 });
  const model = place.script([
    { text: "a long story" },
    { expect: "Summarise this conversation", text: "they said go" },
    { expect: "say it again", text: "went on" },
    { expect: "again", text: "as before" },
  ]);
  const thread = await client.startThread(model, { config: { bypass_hook_trust: true } });
  const { id: threadId } = thread;
  const nothing = await client.ask("thread/compact/start", { threadId });
  assert.equal(nothing.error?.code, -32602);
  const first = await client.runTurn(threadId);
  assert.deepEqual(await client.call("thread/compact/start", { threadId }), {});
  const turn = await nextTurn(threadId, [first.id]);
  assert.equal(turn.status, "completed");
  assert.deepEqual(
    turn.hookRuns.map(({ eventName, status }: HookRunSummary) => [eventName, status]),
    [
      ["preCompact", "completed"],
      ["postCompact", "completed"],
    ],
  );
  assert.equal(readFileSync(note, "utf8"), "pre\npost\n");
  const { path } = (await client.call("thread/read", { threadId })).thread;
  const replaced = JSON.parse(
    readFileSync(path, "utf8")
      .split("\n")
      .find((line) => line.includes("messages_replaced")) ?? "",
  ).payload.messages;
  assert.deepEqual(
    replaced.map(({ role }: Parsed) => role),
    ["system", "user"],
  );
  assert.match(replaced[1].content[0].text, /they said go/);
  assert.equal((await client.runTurn(threadId, "after")).status, "completed");
  // All turns are still shown, hook runs with them; also in a fork, and to whoever reads.
  const { thread: forked } = await client.call("thread/fork", { threadId });
  const { thread: read } = await client.call("thread/read", { threadId, includeTurns: true });
  assert.deepEqual(forked.turns, read.turns);
  assert.deepEqual(
    read.turns.map(({ items }: { items: Parsed[] }) => items.map(({ type }) => type)),
    [["userMessage", "agentMessage"], ["contextCompaction"], ["userMessage", "agentMessage"]],
  );
  assert.deepEqual(read.turns[1].hookRuns, turn.hookRuns);
  await client.call("thread/revert", { threadId, beforeTurnId: turn.id });
  assert.equal((await client.runTurn(threadId, "again")).status, "completed");
});

test("a compaction takes no words, is stopped by its hook, and changes nothing where the model fails or is interrupted", async () => {
  const stop = {
    hooks: [{ type: "command", command: `echo '{"continue":false,"stopReason":"not now"}'`, timeout: 9 }],
  };
  const compact = async (answers: object[], act: "wait" | "interrupt"): Promise<Parsed> => {
    const model = place.script([{ text: "a story" }, ...answers]);
    const thread = await client.startThread(model, { config: { bypass_hook_trust: true } });
    const first = await client.runTurn(thread.id);
    await client.call("thread/compact/start", { threadId: thread.id });
    if (act === "interrupt") {
      const { params } = await client.next(
        ({ method, params }) =>
          method === "item/started" && params.threadId === thread.id && params.item.type === "contextCompaction",
      );
      const steer = { threadId: thread.id, input: words("x"), expectedTurnId: params.turnId };
      const refused = await client.ask("turn/steer", steer);
      assert.deepEqual(refused.error?.data.codexErrorInfo, { activeTurnNotSteerable: { turnKind: "compact" } });
      await client.call("turn/interrupt", { threadId: thread.id, turnId: params.turnId });
    }
    const turn = await nextTurn(thread.id, [first.id]);
    const { path } = (await client.call("thread/read", { threadId: thread.id })).thread;
    assert.equal(readFileSync(path, "utf8").includes("messages_replaced"), false);
    return turn;
  };
  writeFileSync(join(place.home, "hooks.json"), "{}", { mode: 0o600 });
  assert.equal((await compact([{ error: "stall" }], "interrupt")).status, "interrupted");
  assert.equal((await compact([{ error: { status: 400, message: "no" } }], "wait")).status, "failed");
  assert.match((await compact([{ text: " " }], "wait")).error.message, /gave no summary/);
  writeFileSync(join(place.home, "hooks.json"), JSON.stringify({ hooks: { PreCompact: [stop] } }), { mode: 0o600 });
  const stopped = await compact([], "wait");
  assert.deepEqual(
    stopped.hookRuns.map(({ eventName, status }: HookRunSummary) => [eventName, status]),
    [["preCompact", "stopped"]],
  );
});
