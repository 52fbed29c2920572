import assert from "node:assert/strict";
import { test } from "node:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { CommandExecutionItem, ThreadItem, Turn } from "@sallyport/protocol";
import type { ThreadSession } from "../../src/session/thread-session.ts";
import { makeStage, moduleHook, runTurn, startThread } from "../support/stage.ts";
import type { Heard, Stage } from "../support/stage.ts";

async function itemsOf(stage: Stage, { session }: { session: ThreadSession }, turn: Turn): Promise<ThreadItem[]> {
  return (await stage.store.readTurn(session.id, turn.id, "full"))?.items ?? [];
}

function commandIn(items: readonly ThreadItem[]): CommandExecutionItem {
  const found = items.find((item) => item.type === "commandExecution");
  assert.ok(found !== undefined);
  return found;
}

const shell = (command: string, more: object = {}): object => ({
  tool_calls: [{ name: "shell", arguments: { command, ...more } }],
});

function outputOf(heard: Heard): { text: string; offsets: number[]; lengths: number[] } {
  const deltas = heard.notifications.flatMap(({ method, params }) =>
    method === "item/commandExecution/outputDelta" ? [params] : [],
  );
  return {
    text: deltas.map(({ delta }) => delta).join(""),
    offsets: deltas.map(({ byteOffset }) => byteOffset),
    lengths: deltas.map(({ delta }) => Buffer.byteLength(delta)),
  };
}

test("a turn runs a command through the door, in the peer's order, and all of it is stored", async () => {
  const stage = makeStage();
  const model = stage.script([
    { text: "I look.", tool_calls: [{ name: "shell", arguments: { command: "echo hi; echo err >&2" } }] },
    { expect: "hi\nerr", text: "done", usage: { input_tokens: 5, output_tokens: 2 } },
  ]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.status, "completed");
  const outline = thread.heard.outline.filter((line) => !line.endsWith("/delta") && !line.startsWith("exec/"));
  assert.deepEqual(outline, [
    "thread/status/changed active",
    "turn/started",
    "item/started userMessage",
    "item/completed userMessage",
    "item/started agentMessage",
    "item/completed agentMessage",
    "thread/tokenUsage/updated",
    "item/started commandExecution",
    "item/commandExecution/outputDelta",
    "item/completed commandExecution",
    "item/started agentMessage",
    "item/completed agentMessage",
    "thread/tokenUsage/updated",
    "thread/readState/changed",
    "thread/status/changed idle",
    "turn/completed",
  ]);
  const stored = await stage.store.readTurn(thread.session.id, turn.id, "full");
  const command = stored?.items.find((item) => item.type === "commandExecution");
  assert.equal(command?.aggregatedOutput, "hi\nerr\n");
  assert.deepEqual([command?.status, command?.exitCode], ["completed", 0]);
  const runs = await stage.store.listExecRuns(thread.session.id, turn.id, {});
  assert.ok(runs.data.some(({ record }) => record.argv.includes("echo hi; echo err >&2")));
});

test("exec runs are stored with the turn and told, decided first and then completed", async () => {
  const stage = makeStage({
    rules: 'prefix_rule(["/bin/false"], decision = "forbidden", justification = "not that")\n',
  });
  const thread = await startThread(stage, { model: stage.script([shell("/bin/true; /bin/false"), { text: "ok" }]) });
  const turn = await runTurn(thread, "go");
  const told = thread.heard.notifications.flatMap(({ method, params }) =>
    method === "exec/decided" || method === "exec/completed" ? [[method, params.run.argv[0], params.run.decision]] : [],
  );
  assert.deepEqual(
    told.filter(([, program]) => program === "/bin/false"),
    [
      ["exec/decided", "/bin/false", "deny"],
      ["exec/completed", "/bin/false", "deny"],
    ],
  );
  const runs = await stage.store.listExecRuns(thread.session.id, turn.id, {});
  const denied = runs.data.find(({ record }) => record.decision === "deny");
  const item = commandIn(await itemsOf(stage, thread, turn));
  assert.deepEqual([denied?.itemId, denied?.record.reason.kind, denied?.record.exitCode], [item.id, "rule", 1]);
  assert.match(item.aggregatedOutput ?? "", /^Execution denied: not that/);
});

test("every byte of the output is told, in order and with its place, and the model gets both ends of it", async () => {
  const stage = makeStage();
  const model = stage.script([shell("seq 1 60000"), { expect: "bytes left out ...]", text: "long" }]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  const expected = Array.from({ length: 60_000 }, (_, index) => `${index + 1}\n`).join("");
  const { text, offsets, lengths } = outputOf(thread.heard);
  assert.equal(text, expected);
  let offset = 0;
  for (const [index, length] of lengths.entries()) {
    assert.equal(offsets[index], offset);
    offset += length;
  }
  assert.equal(commandIn(await itemsOf(stage, thread, turn)).aggregatedOutput, expected);
});

test("output past a mebibyte is told whole and kept from both ends", async () => {
  const stage = makeStage();
  const thread = await startThread(stage, { model: stage.script([shell("seq 1 400000"), { text: "ok" }]) });
  const turn = await runTurn(thread, "go");
  assert.ok(outputOf(thread.heard).text.endsWith("\n399999\n400000\n"));
  const kept = commandIn(await itemsOf(stage, thread, turn)).aggregatedOutput ?? "";
  assert.ok(kept.length < 1_100_000 && kept.startsWith("1\n2\n") && kept.endsWith("400000\n"), `${kept.length}`);
});

test("a command that takes too long is ended, and the model hears it", async () => {
  const stage = makeStage();
  const model = stage.script([
    shell("echo up; sleep 1000", { timeout_ms: 300 }),
    { expect: "exit code: timed out after 0.3 s; everything that it started was ended", text: "ok" },
  ]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  const { status, aggregatedOutput } = commandIn(await itemsOf(stage, thread, turn));
  assert.deepEqual([status, aggregatedOutput], ["failed", "up\n"]);
});

test("workdir is where the command runs; the attack: naming a folder elsewhere does not make it writable", async () => {
  const stage = makeStage();
  const elsewhere = join(stage.project, "..", "elsewhere");
  mkdirSync(elsewhere);
  mkdirSync(join(stage.project, "it's here"));
  const model = stage.script([
    shell("pwd; touch inside", { workdir: "it's here" }),
    { expect: "/it's here\n", ...shell("pwd; touch escaped", { workdir: elsewhere }) },
    { text: "ok" },
  ]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  const items = (await itemsOf(stage, thread, turn)).filter((item) => item.type === "commandExecution");
  assert.deepEqual(
    items.map(({ cwd, status }) => [cwd, status]),
    [
      [join(stage.project, "it's here"), "completed"],
      [elsewhere, "failed"],
    ],
  );
  assert.deepEqual(
    [existsSync(join(stage.project, "it's here", "inside")), existsSync(join(elsewhere, "escaped"))],
    [true, false],
  );
});

test("a patch is a fileChange item with the turn's diff, and hooks see it as apply_patch", async () => {
  const seen: unknown[] = [];
  const hook = moduleHook(
    "PostToolUse",
    ({ tool_name: name, tool_input: input, exit_code: code }) =>
      void seen.push([name, Object.keys(input as object), code]),
    { matcher: "Edit" },
  );
  const stage = makeStage({ modules: [hook] });
  writeFileSync(join(stage.project, "a.txt"), "one\ntwo\n");
  const patch = "*** Begin Patch\n*** Update File: a.txt\n one\n-two\n+2\n*** Add File: b.txt\n+b\n*** End Patch";
  const model = stage.script([
    { tool_calls: [{ name: "apply_patch", arguments: { input: patch } }] },
    { expect: `Applied:\nM ${stage.project}/a.txt\nA ${stage.project}/b.txt`, text: "ok" },
  ]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  assert.equal(readFileSync(join(stage.project, "a.txt"), "utf8"), "one\n2\n");
  const item = (await itemsOf(stage, thread, turn)).find(({ type }) => type === "fileChange");
  assert.ok(item?.type === "fileChange");
  assert.deepEqual(
    [item.status, item.changes.map(({ path, kind }) => [path, kind.type])],
    [
      "completed",
      [
        [join(stage.project, "a.txt"), "update"],
        [join(stage.project, "b.txt"), "add"],
      ],
    ],
  );
  const diffs = thread.heard.notifications.flatMap(({ method, params }) =>
    method === "turn/diff/updated" ? [params.diff] : [],
  );
  assert.deepEqual(diffs, [
    "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n" +
      "diff --git a/b.txt b/b.txt\nnew file mode 100644\n--- /dev/null\n+++ b/b.txt\n@@ -0,0 +1,1 @@\n+b\n",
  ]);
  assert.deepEqual(seen, [["apply_patch", ["command"], 0]]);
});

test("a patch that leads out is refused in the turn too, shown as failed, and told to the model", async () => {
  const stage = makeStage();
  const patch = "*** Begin Patch\n*** Add File: ../outside.txt\n+x\n*** End Patch";
  const model = stage.script([
    { tool_calls: [{ name: "apply_patch", arguments: { input: patch } }] },
    {
      expect: `The patch was not applied: "${join(dirname(stage.project), "outside.txt")}" lies outside the writable folders`,
      text: "ok",
    },
  ]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  const item = (await itemsOf(stage, thread, turn)).find(({ type }) => type === "fileChange");
  assert.equal(item?.type === "fileChange" && item.status, "failed");
  assert.equal(existsSync(join(stage.project, "..", "outside.txt")), false);
});

test("a denied patch is a declined item and changes nothing", async () => {
  const deny = { permissionDecision: "deny", permissionDecisionReason: "read only today" };
  const hook = moduleHook("PreToolUse", () => ({ hookSpecificOutput: { hookEventName: "PreToolUse", ...deny } }), {
    matcher: "Write",
  });
  const stage = makeStage({ modules: [hook] });
  const patch = "*** Begin Patch\n*** Add File: a\n+x\n*** End Patch";
  const model = stage.script([
    { tool_calls: [{ name: "apply_patch", arguments: { input: patch } }] },
    { expect: "Patch blocked by a hook: read only today", text: "ok" },
  ]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  const item = (await itemsOf(stage, thread, turn)).find(({ type }) => type === "fileChange");
  assert.ok(item?.type === "fileChange");
  assert.deepEqual(
    [item.status, item.declinedBy, item.changes],
    ["declined", { hookRunId: turn.hookRuns[0]?.id }, [{ path: "a", kind: { type: "add" }, diff: "x\n" }]],
  );
  assert.equal(existsSync(join(stage.project, "a")), false);
});

test("update_plan is told and has no item", async () => {
  const stage = makeStage();
  const plan = [
    { step: "look", status: "completed" },
    { step: "write", status: "in_progress" },
  ];
  const model = stage.script([{ tool_calls: [{ name: "update_plan", arguments: { plan } }] }, { text: "ok" }]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  const told = thread.heard.notifications.find(({ method }) => method === "turn/plan/updated");
  assert.deepEqual(told?.params, {
    threadId: thread.session.id,
    turnId: turn.id,
    explanation: null,
    plan: [
      { step: "look", status: "completed" },
      { step: "write", status: "inProgress" },
    ],
  });
  const types = (await itemsOf(stage, thread, turn)).map(({ type }) => type);
  assert.deepEqual(types, ["userMessage", "agentMessage"]);
});

test("rules that break while a thread is loaded stop every command, with the place of the mistake", async () => {
  const stage = makeStage({ rules: "" });
  const model = stage.script([shell("touch made"), { expect: "test.rules", text: "ok" }]);
  const thread = await startThread(stage, { model });
  writeFileSync(join(stage.home, "rules", "test.rules"), "prefix_rule(\n", { mode: 0o600 });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  const { status, exitCode, aggregatedOutput } = commandIn(await itemsOf(stage, thread, turn));
  assert.match(aggregatedOutput ?? "", /test\.rules:2:1: unexpected end of line/);
  assert.deepEqual([status, exitCode, existsSync(join(stage.project, "made"))], ["failed", null, false]);
});

test("a new working folder is told to the model with the prompt, once, and stays", async () => {
  const stage = makeStage();
  const other = join(stage.project, "other");
  mkdirSync(other);
  const model = stage.script([{ text: "1" }, shell("pwd"), { expect: `${other}\n`, text: "2" }, { text: "3" }]);
  const thread = await startThread(stage, { model });
  await runTurn(thread, "one");
  await runTurn(thread, "two", { cwd: other });
  await runTurn(thread, "three");
  const messages = (await stage.store.readMessages(thread.session.id)).map(({ body }) => JSON.stringify(body));
  assert.deepEqual(
    messages.map((text) => text.includes("<environment>")),
    [true, false, false, true, false, false, false, false, false],
  );
  assert.equal(thread.session.settings.cwd, other);
});

test("images are given to the model, and what can't be is refused before anything is stored", async () => {
  const stage = makeStage();
  const thread = await startThread(stage, { model: stage.script([{ text: "seen" }]) });
  const { session } = thread;
  for (const input of [
    [{ type: "image" as const, url: "https://example.com/x.png" }],
    [{ type: "localImage" as const, path: "missing.png" }],
    [{ type: "localAudio" as const, path: "a.wav" }],
  ]) {
    await assert.rejects(session.startTurn({ input }), { code: "INPUT_REFUSED" });
  }
  assert.deepEqual((await stage.store.listTurns(session.id, {})).data, []);
  writeFileSync(join(stage.project, "x.png"), Buffer.from([1, 2, 3]));
  const turn = await runTurn(thread, "look", { input: [{ type: "localImage", path: "x.png" }] });
  assert.equal(turn.status, "completed");
  const [, message] = await stage.store.readMessages(session.id);
  assert.match(JSON.stringify(message?.body), /"mediaType":"image\/png","data":{"type":"data","data":"AQID"}/);
});

test("a thread that is open elsewhere can't be resumed; after it was closed it can", async () => {
  const stage = makeStage();
  const thread = await startThread(stage, { model: stage.script([{ text: "1" }]) });
  await runTurn(thread, "one");
  await assert.rejects(stage.threads.resume("00000000-0000-7000-8000-000000000000"), { code: "THREAD_NOT_FOUND" });
  assert.equal(await stage.threads.resume(thread.session.id), thread.session);
  const later = await stage.reopen();
  const resumed = await later.threads.resume(thread.session.id);
  assert.deepEqual(
    [resumed.settings.cwd, resumed.settings.model.model, resumed.status],
    [stage.project, thread.session.settings.model.model, { type: "idle" }],
  );
});

test("calls that a dead server left without an output get one when the thread is resumed", async () => {
  const stage = makeStage();
  const thread = await startThread(stage, { model: stage.script([{ text: "1" }]) });
  const turn = await runTurn(thread, "one");
  const body = {
    role: "assistant",
    content: [{ type: "tool-call", toolCallId: "call_left", toolName: "shell", input: { command: "x" } }],
  };
  await stage.store.commit(thread.session.id, {
    changes: [{ kind: "appendMessages", turnId: turn.id, messages: [body] }],
  });
  const later = await stage.reopen();
  await later.threads.resume(thread.session.id);
  const last = (await later.store.readMessages(thread.session.id)).at(-1);
  assert.match(JSON.stringify(last?.body), /"toolCallId":"call_left".*the server ended while the tool ran/);
});

test("an ephemeral thread leaves nothing behind", async () => {
  const stage = makeStage();
  const thread = await startThread(stage, { model: stage.script([{ text: "1" }]), ephemeral: true });
  const turn = await runTurn(thread, "one");
  assert.deepEqual([turn.status, thread.session.thread.path], ["completed", null]);
  assert.equal(await stage.store.readThread(thread.session.id), null);
});
