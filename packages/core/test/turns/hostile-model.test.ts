import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { StoreChange, ThreadStore } from "../../src/store/index.ts";
import { openThreadStore } from "../../src/store/index.ts";
import { makeStage, moduleHook, runTurn, startThread } from "../support/stage.ts";
import type { Stage } from "../support/stage.ts";

interface ToolResult {
  role: string;
  content: { type: string; toolCallId: string; output: { value: string } }[];
}

/** Ids of calls and of outputs in what the model is sent, in order. */
async function callsOf(
  stage: Stage,
  threadId: string,
): Promise<{ calls: string[]; outputs: string[]; texts: string[] }> {
  const messages = (await stage.store.readMessages(threadId)).map(({ body }) => body as unknown as ToolResult);
  const parts = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
  const results = parts.filter(({ type }) => type === "tool-result");
  return {
    calls: parts.filter(({ type }) => type === "tool-call").map(({ toolCallId }) => toolCallId),
    outputs: results.map(({ toolCallId }) => toolCallId),
    texts: results.map(({ output }) => output.value),
  };
}

test("the attack: tools with names that every object has are refused, and the turn goes on", async () => {
  const stage = makeStage();
  const calls = ["constructor", "__proto__", "toString"].map((name) => ({
    name,
    arguments: { kind: "shell", command: "touch made", workdir: 7 },
  }));
  const thread = await startThread(stage, { model: stage.script([{ tool_calls: calls }, { text: "ok" }]) });
  const turn = await runTurn(thread, "go");
  assert.deepEqual([turn.status, turn.error], ["completed", null]);
  assert.equal(existsSync(join(stage.project, "made")), false);
  const { texts } = await callsOf(stage, thread.session.id);
  assert.deepEqual(
    texts.map((text) => text.slice(0, 17)),
    Array(3).fill("There is no tool "),
  );
});

test("the attack: two calls with one id each get their own output", async () => {
  const stage = makeStage();
  const calls = ["one", "two"].map((word) => ({
    id: "call_aaaaaaaaaaaaaaaa",
    name: "shell",
    arguments: { command: `echo ${word}` },
  }));
  const thread = await startThread(stage, { model: stage.script([{ tool_calls: calls }, { text: "ok" }]) });
  assert.equal((await runTurn(thread, "go")).status, "completed");
  const { calls: sent, outputs, texts } = await callsOf(stage, thread.session.id);
  assert.deepEqual(outputs, sent);
  assert.equal(new Set(sent).size, 2);
  assert.deepEqual(
    texts.map((text) => text.trimEnd().split("\n").at(-1)),
    ["one", "two"],
  );
});

test("a turn that fails in the middle of a tool leaves no call without an output, so the thread stays usable", async () => {
  const stage = makeStage();
  const calls = ["one", "two"].map((command) => ({ name: "shell", arguments: { command: `echo ${command}` } }));
  const thread = await startThread(stage, { model: stage.script([{ tool_calls: calls }, { text: "ok" }]) });
  // A client that can't take what it is told: a fault that is nobody's plan, between a call and its output.
  let isBroken = true;
  thread.session.subscribe({
    event: ({ notification }) => {
      if (!isBroken || notification.method !== "item/started" || notification.params.item.type !== "commandExecution")
        return;
      isBroken = false;
      throw new Error("listener broke");
    },
  });
  const failed = await runTurn(thread, "go");
  assert.deepEqual([failed.status, failed.error?.message], ["failed", "listener broke"]);
  const { calls: sent, outputs } = await callsOf(stage, thread.session.id);
  assert.equal(sent.length, 2);
  assert.deepEqual(outputs, sent);
  assert.equal((await runTurn(thread, "again")).status, "completed");
});

test("an input of empty text alone is refused before anything is stored, and empty text beside other text is left out", async () => {
  const stage = makeStage();
  const thread = await startThread(stage, { model: stage.script([{ text: "ok" }]) });
  const empty = { type: "text" as const, text: "", text_elements: [] };
  await assert.rejects(thread.session.startTurn({ input: [empty] }), { code: "INPUT_REFUSED" });
  assert.deepEqual((await stage.store.listTurns(thread.session.id, {})).data, []);
  await runTurn(thread, "go", { input: [empty, { ...empty, text: "go" }] });
  const [, prompt] = await stage.store.readMessages(thread.session.id);
  assert.deepEqual(prompt?.body, { role: "user", content: [{ type: "text", text: "go" }] });
});

test("a blocked prompt is stored with its hook run's verdict, not only when the turn ends", async () => {
  const home = makeStage();
  const commits: StoreChange[] = [];
  const store = openThreadStore(home.home);
  const watched: ThreadStore = new Proxy(store, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      return (...given: unknown[]): unknown => {
        if (key === "commit") commits.push(...((given[1] as { changes?: StoreChange[] }).changes ?? []));
        return (value as (...all: unknown[]) => unknown).apply(target, given);
      };
    },
  });
  const block = moduleHook("UserPromptSubmit", () => ({ decision: "block", reason: "no" }));
  const stage = await home.reopen({ store: watched, modules: [block] });
  const thread = await startThread(stage, { model: stage.script([{ text: "never" }]) });
  const turn = await runTurn(thread, "secret");
  const stored = commits.flatMap((change) => (change.kind === "putTurn" ? [change.turn] : []));
  assert.deepEqual(
    stored.map(({ status, blockedInput }) => [status, blockedInput?.hookRunId ?? null]),
    [
      ["inProgress", null],
      ["inProgress", turn.hookRuns[0]?.id],
      ["completed", turn.hookRuns[0]?.id],
    ],
  );
  await stage.threads.closeAll();
  await store.close();
});

test("the attack: a provider's key variable that was configured while a thread was loaded is kept from its commands", async () => {
  const stage = makeStage({ env: { ...process.env, LATE_KEY: "secret", OTHER: "shown" } });
  const show = { tool_calls: [{ name: "shell", arguments: { command: 'echo "[$LATE_KEY$OTHER]"' } }] };
  const thread = await startThread(stage, { model: stage.script([show, { text: "ok" }, show, { text: "ok" }]) });
  await runTurn(thread, "go");
  const config = '[model_providers.late]\nbase_url = "http://localhost:1"\nenv_key = "LATE_KEY"\n';
  writeFileSync(join(stage.home, "config.toml"), config, { mode: 0o600 });
  stage.threads.reloadConfig();
  await runTurn(thread, "again");
  const { texts } = await callsOf(stage, thread.session.id);
  assert.deepEqual(
    texts.map((text) => text.trimEnd().split("\n").at(-1)),
    ["[secretshown]", "[shown]"],
  );
});

const patch = (body: string): object => ({
  tool_calls: [{ name: "apply_patch", arguments: { input: `*** Begin Patch\n${body}\n*** End Patch` } }],
});

test("the attack: a yes for the session to a change of a file is none to moving or deleting it", async () => {
  const stage = makeStage();
  writeFileSync(join(stage.project, "a"), "1\n");
  const model = stage.script([
    patch("*** Update File: a\n-1\n+2"),
    patch("*** Update File: a\n-2\n+3"),
    patch("*** Update File: a\n*** Move to: b\n-3\n+4"),
    patch("*** Delete File: a"),
    { text: "ok" },
  ]);
  const { session, heard } = await startThread(stage, { model, approvalPolicy: "untrusted" });
  const { id } = await session.startTurn({ input: [{ type: "text", text: "go", text_elements: [] }] });
  for (const [index, decision] of (["acceptForSession", "decline", "decline"] as const).entries()) {
    const { requestId } = await heard.until(({ requests }) => requests[index]);
    session.answerApproval(requestId, decision);
  }
  await heard.completedTurn(id);
  assert.equal(heard.requests.length, 3);
  assert.deepEqual(
    [readFileSync(join(stage.project, "a"), "utf8"), existsSync(join(stage.project, "b"))],
    ["3\n", false],
  );
});

test("the diff of a turn holds each file once, from its first text to its last", async () => {
  const stage = makeStage();
  writeFileSync(join(stage.project, "a"), "1\n");
  const model = stage.script([
    patch("*** Update File: a\n-1\n+2\n*** Add File: b\n+b"),
    patch("*** Update File: a\n-2\n+3"),
    patch("*** Delete File: b"),
    { text: "ok" },
  ]);
  const thread = await startThread(stage, { model });
  await runTurn(thread, "go");
  const diffs = thread.heard.notifications.flatMap(({ method, params }) =>
    method === "turn/diff/updated" ? [params.diff] : [],
  );
  const first = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,1 +1,1 @@\n-1\n";
  const added = "diff --git a/b b/b\nnew file mode 100644\n--- /dev/null\n+++ b/b\n@@ -0,0 +1,1 @@\n+b\n";
  assert.deepEqual(diffs, [`${first}+2\n${added}`, `${first}+3\n${added}`, `${first}+3\n`]);
});

test("the attack: a command that prints a lot does not fill the disk, and every byte of it is told", async () => {
  const stage = makeStage();
  const bytes = 24_000_000;
  const model = stage.script([
    { tool_calls: [{ name: "shell", arguments: { command: `yes | head -c ${bytes}; read -r line < gate` } }] },
    { text: "ok" },
  ]);
  assert.equal(spawnSync("mkfifo", [join(stage.project, "gate")]).status, 0);
  const { session, heard } = await startThread(stage, { model });
  let told = 0;
  const { id } = await session.startTurn({ input: [{ type: "text", text: "go", text_elements: [] }] });
  await heard.until(({ notifications }) => {
    for (const { method, params } of notifications.splice(0)) {
      if (method === "item/commandExecution/outputDelta") told += params.delta.length;
    }
    return told === bytes ? true : undefined;
  });
  const running = await stage.store.readTurn(session.id, id, "full");
  const item = running?.items.find(({ type }) => type === "commandExecution");
  assert.ok(item?.type === "commandExecution");
  const shown = item.aggregatedOutput ?? "";
  assert.match(shown, /^y\ny\n[^]*\n\[\.\.\. \d+ bytes left out \.\.\.\]\n[^]*y\ny\n$/);
  assert.ok(shown.length > 1_000_000 && shown.length < 6_000_000, `${shown.length}`);
  const size = statSync(join(stage.home, "sallyport.db")).size;
  assert.ok(size < 16_000_000, `${size}`);
  writeFileSync(join(stage.project, "gate"), "go on\n");
  assert.equal((await heard.completedTurn(id)).status, "completed");
});

test("the attack: an answer that comes letter by letter is told whole, and its pieces are let go", async () => {
  const stage = makeStage();
  const text = "0123456789".repeat(500);
  const thread = await startThread(stage, { model: stage.script([{ text, chunk_size: 1 }]) });
  const { id } = await thread.session.startTurn({ input: [{ type: "text", text: "go", text_elements: [] }] });
  const told: string[] = [];
  thread.session.subscribe({
    event: ({ notification: { method, params } }) => {
      if (method === "item/agentMessage/delta") told.push(params.delta);
    },
  });
  await thread.heard.until(({ notifications }) => (notifications.length > 4500 ? true : undefined));
  const before = told.join("");
  const { events } = await stage.store.readEvents(thread.session.id, { afterSeq: 0, limit: 100_000 });
  const most = events.filter(({ notification }) => notification.method === "item/agentMessage/delta").length;
  const running = await stage.store.readTurn(thread.session.id, id, "full");
  const item = running?.items.find(({ type }) => type === "agentMessage");
  assert.ok(item?.type === "agentMessage" && item.text.startsWith(before) && text.startsWith(item.text));
  assert.ok(most > 0 && most <= 2000, `${most}`);
  await thread.heard.completedTurn(id);
  assert.equal(told.join(""), text);
});

test("the attack: a patch plants a hook in a repository below the working folder", async () => {
  const stage = makeStage();
  const nested = join(stage.project, "vendor", "lib");
  mkdirSync(join(nested, ".git", "hooks"), { recursive: true });
  const model = stage.script([
    patch("*** Add File: vendor/lib/.git/hooks/post-checkout\n+#!/bin/sh"),
    patch("*** Add File: vendor/lib/free\n+x\n*** Add File: vendor/lib/.git/config\n+[core]"),
    // The control: what is no git folder may be written.
    patch("*** Add File: vendor/lib/free\n+x"),
    { expect: "Applied", text: "ok" },
  ]);
  const thread = await startThread(stage, { model });
  await runTurn(thread, "go");
  const files = ["vendor/lib/.git/hooks/post-checkout", "vendor/lib/.git/config", "vendor/lib/free"];
  assert.deepEqual(
    files.map((file) => existsSync(join(stage.project, file))),
    [false, false, true],
  );
});

test("the attack: a patch of Sallyport's own program is refused in every part of it", async () => {
  const stage = makeStage();
  for (const name of ["core", "shell-escalation", "hooks"]) {
    const cwd = fileURLToPath(new URL(`../../../${name}/test`, import.meta.url));
    const planted = join(cwd, `planted-${process.pid}.txt`);
    after(() => rmSync(planted, { force: true }));
    const model = stage.script([patch(`*** Add File: ${planted}\n+x`), { text: "ok" }]);
    const thread = await startThread(stage, { model, cwd });
    await runTurn(thread, "go");
    const { texts } = await callsOf(stage, thread.session.id);
    assert.match(texts[0] ?? "", /lies inside Sallyport's own program/);
    assert.equal(existsSync(planted), false);
  }
});
