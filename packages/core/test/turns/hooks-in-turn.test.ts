import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ModelMessage } from "../../src/models/model.ts";
import { makeStage, moduleHook, runTurn, startThread } from "../support/stage.ts";
import type { Stage } from "../support/stage.ts";

async function messagesOf(stage: Stage, threadId: string): Promise<ModelMessage[]> {
  const stored = await stage.store.readMessages(threadId);
  return stored.map(({ body }) => body as unknown as ModelMessage);
}

function textsOf(message: ModelMessage | undefined): string[] {
  if (message === undefined || typeof message.content === "string") return [];
  return message.content.map((part) => {
    if (part.type === "text") return part.text;
    return part.type === "tool-result" && part.output.type === "text" ? part.output.value : part.type;
  });
}

const context = (event: string, text: string): object => ({
  hookSpecificOutput: { hookEventName: event, additionalContext: text },
});

test("context is appended to the prompt as further parts, in configured order, and is the same after a resume", async () => {
  const modules = [
    moduleHook("UserPromptSubmit", () => context("UserPromptSubmit", "second"), { name: "b" }),
    moduleHook("UserPromptSubmit", () => context("UserPromptSubmit", "third </hook_context> & <b>"), { name: "c" }),
    moduleHook("SessionStart", () => context("SessionStart", "first"), { name: "a" }),
  ];
  const stage = makeStage({ modules });
  const thread = await startThread(stage, { model: stage.script([{ text: "one" }]) });
  await runTurn(thread, "hello");
  const before = await messagesOf(stage, thread.session.id);
  assert.deepEqual(before[1], {
    role: "user",
    content: [
      { type: "text", text: "hello" },
      {
        type: "text",
        text: '<hook_context event="SessionStart" hook="module:a:session_start:0:0">\nfirst\n</hook_context>',
      },
      {
        type: "text",
        text: '<hook_context event="UserPromptSubmit" hook="module:b:user_prompt_submit:0:0">\nsecond\n</hook_context>',
      },
      {
        type: "text",
        text: '<hook_context event="UserPromptSubmit" hook="module:c:user_prompt_submit:0:0">\nthird &lt;/hook_context> & <b>\n</hook_context>',
      },
    ],
  });
  const later = await stage.reopen();
  const resumed = await later.threads.resume(thread.session.id, { model: later.script([{ text: "two" }]) });
  assert.equal(JSON.stringify((await messagesOf(later, resumed.id)).slice(0, 3)), JSON.stringify(before));
});

test("SessionStart runs when the session starts, and its runs belong to the turn that follows", async () => {
  const sources: unknown[] = [];
  const stage = makeStage({
    modules: [moduleHook("SessionStart", ({ source, turn_id: turnId }) => void sources.push([source, turnId]))],
  });
  const thread = await startThread(stage, { model: stage.script([{ text: "one" }]) });
  const started = await thread.heard.until(({ notifications }) =>
    notifications.find(({ method }) => method === "hook/completed"),
  );
  assert.equal(started.method === "hook/completed" && started.params.turnId, null);
  const turn = await runTurn(thread, "hello");
  assert.deepEqual(
    turn.hookRuns.map(({ eventName, scope, status }) => [eventName, scope, status]),
    [["sessionStart", "thread", "completed"]],
  );
  const stored = await stage.store.readTurn(thread.session.id, turn.id, "full");
  assert.deepEqual(
    stored?.hookRuns.map(({ id }) => id),
    turn.hookRuns.map(({ id }) => id),
  );
  const later = await stage.reopen();
  const model = later.script([{ text: "two" }]);
  const resumed = await later.threads.resume(thread.session.id, { model });
  await resumed.startTurn({ input: [] });
  await resumed.idle();
  assert.deepEqual(sources, [
    ["startup", undefined],
    ["resume", undefined],
  ]);
});

test("a SessionStart hook that stops refuses the turn and keeps the prompt; the next turn runs", async () => {
  const stage = makeStage({
    modules: [moduleHook("SessionStart", () => ({ continue: false, stopReason: "closed today" }))],
  });
  const thread = await startThread(stage, { model: stage.script([{ text: "one" }]) });
  const refused = await runTurn(thread, "hello");
  const [run] = refused.hookRuns;
  assert.deepEqual(
    [refused.status, refused.items, refused.blockedInput],
    ["completed", [], { content: [{ type: "text", text: "hello", text_elements: [] }], hookRunId: run?.id }],
  );
  assert.deepEqual([run?.status, run?.entries], ["stopped", [{ kind: "stop", text: "closed today" }]]);
  assert.equal((await runTurn(thread, "again")).items.length, 1);
});

test("a blocked prompt stays on its turn, and the model never gets it nor its context", async () => {
  const stage = makeStage({
    modules: [
      moduleHook("SessionStart", () => context("SessionStart", "of the session")),
      moduleHook("UserPromptSubmit", ({ prompt }) =>
        prompt === "secret" ? { decision: "block", reason: "no secrets" } : undefined,
      ),
      moduleHook("UserPromptSubmit", ({ prompt }) => context("UserPromptSubmit", `about ${String(prompt)}`), {
        name: "adds",
      }),
    ],
  });
  const thread = await startThread(stage, { model: stage.script([{ text: "one" }]) });
  const blocked = await runTurn(thread, "secret");
  const run = blocked.hookRuns.find(({ status }) => status === "blocked");
  assert.deepEqual(
    [blocked.status, blocked.items, blocked.blockedInput?.hookRunId, run?.entries],
    ["completed", [], run?.id, [{ kind: "feedback", text: "no secrets" }]],
  );
  assert.deepEqual(await messagesOf(stage, thread.session.id), []);
  await runTurn(thread, "fine");
  const texts = textsOf((await messagesOf(stage, thread.session.id))[1]);
  assert.deepEqual(
    texts.map((text) => text.split("\n")[1] ?? text),
    ["fine", "of the session", "about fine"],
  );
  const later = await stage.reopen();
  const stored = await later.store.readTurn(thread.session.id, blocked.id, "full");
  assert.deepEqual(stored?.blockedInput, blocked.blockedInput);
});

test("a denied command is a declined item with its reason, and the model hears why", async () => {
  const stage = makeStage({
    modules: [
      moduleHook(
        "PreToolUse",
        ({ tool_input: input }) => ({
          hookSpecificOutput: {
            hookEventName: "PreToolUse",
            permissionDecision: "deny",
            permissionDecisionReason: `not ${(input as { command: string }).command}`,
            additionalContext: "think",
          },
        }),
        { matcher: "Bash" },
      ),
    ],
  });
  const model = stage.script([
    { tool_calls: [{ name: "exec_command", arguments: { cmd: "touch made" } }] },
    { expect: "Command blocked by a hook: not touch made. Command: touch made\n\n<hook_context", text: "sorry" },
  ]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.status, "completed");
  const stored = await stage.store.readTurn(thread.session.id, turn.id, "full");
  const item = stored?.items.find(({ type }) => type === "commandExecution");
  assert.ok(item?.type === "commandExecution");
  assert.deepEqual(
    [item.status, item.declinedBy, item.exitCode, item.aggregatedOutput],
    ["declined", { hookRunId: turn.hookRuns[0]?.id }, null, null],
  );
  assert.throws(() => readFileSync(join(stage.project, "made")));
  const runs = await stage.store.listExecRuns(thread.session.id, turn.id, {});
  assert.deepEqual(runs.data, []);
});

test("a rewritten command runs in place of the model's; one without a text is not made", async () => {
  let rewrites = 0;
  const updates = [{ command: "echo rewritten" }, { other: 1 }];
  const stage = makeStage({
    modules: [
      moduleHook("PreToolUse", () => {
        const updatedInput = updates[rewrites];
        rewrites += 1;
        return { hookSpecificOutput: { hookEventName: "PreToolUse", permissionDecision: "allow", updatedInput } };
      }),
    ],
  });
  const model = stage.script([
    { tool_calls: [{ name: "shell", arguments: { command: "echo original" } }] },
    { expect: "output:\nrewritten", tool_calls: [{ name: "shell", arguments: { command: "echo original" } }] },
    { text: "ok" },
  ]);
  const thread = await startThread(stage, { model });
  await runTurn(thread, "go");
  const outputs = (await messagesOf(stage, thread.session.id)).filter(({ role }) => role === "tool").flatMap(textsOf);
  assert.equal(outputs.length, 2);
  assert.match(outputs[0] ?? "", /output:\nrewritten\n$/);
  assert.equal(outputs[1], 'A hook rewrote the call without a text as "command", so it was not made');
});

test("PostToolUse sees output and exit code, may replace the output and add context", async () => {
  const seen: unknown[] = [];
  const stage = makeStage({
    modules: [
      moduleHook("PostToolUse", ({ tool_name: name, tool_input: input, tool_response: response, exit_code: code }) => {
        seen.push([name, input, response, code]);
        return {
          decision: "block",
          reason: "look again",
          hookSpecificOutput: { hookEventName: "PostToolUse", additionalContext: "hint" },
        };
      }),
    ],
  });
  const model = stage.script([
    { tool_calls: [{ name: "shell", arguments: { command: "echo out; exit 3" } }] },
    { expect: 'look again\n\n<hook_context event="PostToolUse"', text: "ok" },
  ]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  assert.deepEqual(seen, [["Bash", { command: "echo out; exit 3" }, "out\n", 3]]);
});

test("a Stop hook asks for one more round: a user message for the model, no item for clients", async () => {
  const inputs: unknown[] = [];
  const stage = makeStage({
    modules: [
      moduleHook("Stop", ({ stop_hook_active: active, last_assistant_message: last }) => {
        inputs.push([active, last]);
        return active === true ? undefined : { decision: "block", reason: "run the tests" };
      }),
    ],
  });
  const model = stage.script([{ text: "done" }, { expect: "run the tests", text: "tested" }]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  assert.deepEqual(inputs, [
    [false, "done"],
    [true, "tested"],
  ]);
  const stops = turn.hookRuns.filter(({ eventName }) => eventName === "stop");
  assert.deepEqual(
    stops.map(({ status, continuation = false }) => [status, continuation]),
    [
      ["blocked", true],
      ["completed", false],
    ],
  );
  const stored = await stage.store.readTurn(thread.session.id, turn.id, "full");
  assert.deepEqual(
    stored?.items.map(({ type }) => type),
    ["userMessage", "agentMessage", "agentMessage"],
  );
  const messages = await messagesOf(stage, thread.session.id);
  assert.deepEqual(textsOf(messages[3]), [
    `<hook_prompt event="Stop" run="${stops[0]?.id}">\nrun the tests\n</hook_prompt>`,
  ]);
});

test("Stop hooks can keep a turn going a bounded number of times, and the last run says so", async () => {
  const stage = makeStage({
    config: "[hooks]\nmax_stop_blocks = 3\n",
    modules: [moduleHook("Stop", () => ({ decision: "block", reason: "more" }))],
  });
  const model = stage.script(Array.from({ length: 10 }, (_, index) => ({ text: `answer ${index}` })));
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  const stops = turn.hookRuns.filter(({ eventName }) => eventName === "stop");
  assert.deepEqual(
    stops.map(({ continuation }) => continuation),
    [true, true, true, false],
  );
  assert.deepEqual(stops.at(-1)?.entries.at(-1), {
    kind: "warning",
    text: "Stop hooks have kept this turn going 3 times in a row, which is the limit, so it ends here",
  });
  const stored = await stage.store.readTurn(thread.session.id, turn.id, "full");
  assert.deepEqual(stored?.hookRuns.at(-1)?.entries.at(-1)?.kind, "warning");
});

test("model hooks stand around every request, with what it cost", async () => {
  const seen: unknown[] = [];
  const stage = makeStage({
    modules: [
      moduleHook(
        "PreModelRequest",
        ({ hook_event_name: name, model }) => void seen.push([name, String(model).slice(0, 9)]),
      ),
      moduleHook(
        "PostModelRequest",
        ({ hook_event_name: name, status, error, token_usage: usage }) => void seen.push([name, status, error, usage]),
      ),
    ],
  });
  const model = stage.script([
    { text: "done", usage: { input_tokens: 7, output_tokens: 3 } },
    { error: { status: 400 } },
  ]);
  const thread = await startThread(stage, { model });
  await runTurn(thread, "go");
  await runTurn(thread, "again");
  const usage = {
    input_tokens: 7,
    cached_input_tokens: 0,
    cache_write_input_tokens: 0,
    output_tokens: 3,
    reasoning_output_tokens: 0,
    total_tokens: 10,
  };
  assert.deepEqual(seen.slice(0, 3), [
    ["PreModelRequest", "scripted:"],
    ["PostModelRequest", "completed", null, usage],
    ["PreModelRequest", "scripted:"],
  ]);
  assert.deepEqual((seen[3] as unknown[]).slice(0, 2), ["PostModelRequest", "failed"]);
});

test("an async hook's context goes to the next request, at the latest as one more round", async () => {
  const stage = makeStage({
    modules: [
      moduleHook("UserPromptSubmit", () => context("UserPromptSubmit", "from behind"), { async: true }),
      // Keeps the turn open until the async hook has spoken.
      moduleHook("PostModelRequest", () => new Promise((resolve) => setTimeout(resolve, 100)), { name: "wait" }),
    ],
  });
  const model = stage.script([{ text: "one" }, { expect: "from behind", text: "two" }]);
  const thread = await startThread(stage, { model });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  const run = turn.hookRuns.find(({ eventName }) => eventName === "userPromptSubmit");
  assert.deepEqual([run?.executionMode, run?.status], ["async", "completed"]);
  assert.equal(turn.items[0]?.type === "agentMessage" && turn.items[0].text, "two");
});

test("SessionEnd runs when the thread is closed, and belongs to the last turn", async () => {
  const reasons: unknown[] = [];
  const stage = makeStage({ modules: [moduleHook("SessionEnd", ({ reason }) => void reasons.push(reason))] });
  const thread = await startThread(stage, { model: stage.script([{ text: "one" }]) });
  const turn = await runTurn(thread, "go");
  await stage.threads.close(thread.session.id);
  assert.deepEqual(reasons, ["other"]);
  const stored = await stage.store.readTurn(thread.session.id, turn.id, "full");
  assert.deepEqual(
    stored?.hookRuns.map(({ event, status }) => [event, status]),
    [["SessionEnd", "completed"]],
  );
});

test("hooks that are programs run in a turn as well, and those that nobody trusted only with a warning", async () => {
  const stage = makeStage();
  mkdirSync(join(stage.home, "hooks"), { recursive: true });
  const group = (command: string): object[] => [{ hooks: [{ type: "command", command }] }];
  const hooks = {
    SessionStart: group("echo from the start"),
    UserPromptSubmit: group("cat >seen.json; echo from the prompt"),
  };
  writeFileSync(join(stage.home, "hooks.json"), JSON.stringify({ hooks }), { mode: 0o600 });
  const untrusting = await startThread(stage, { model: stage.script([{ text: "one" }]) });
  const first = await runTurn(untrusting, "hello");
  assert.deepEqual(first.hookRuns, []);
  const warnings = untrusting.heard.notifications.filter(({ method }) => method === "warning");
  assert.match(JSON.stringify(warnings), /nobody has trusted are not run: .*hooks\.json:session_start:0:0/);
  const thread = await startThread(stage, {
    model: stage.script([{ expect: "from the prompt", text: "one" }]),
    bypassHookTrust: true,
  });
  const turn = await runTurn(thread, "hello");
  assert.equal(turn.error, null);
  assert.ok(!thread.heard.outline.includes("warning"), "hooks that are run need no warning");
  assert.deepEqual(
    turn.hookRuns.map(({ eventName, status }) => [eventName, status]),
    [
      ["sessionStart", "completed"],
      ["userPromptSubmit", "completed"],
    ],
  );
  const input = JSON.parse(readFileSync(join(stage.project, "seen.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual(
    [input["session_id"], input["turn_id"], input["prompt"], input["permission_mode"], input["transcript_path"]],
    [thread.session.id, turn.id, "hello", "default", thread.session.thread.path],
  );
});

test("context that is too long is shortened for the model, and commands can read the rest", async () => {
  const long = `${"x".repeat(30_000)}THE END`;
  const stage = makeStage({
    modules: [moduleHook("UserPromptSubmit", () => context("UserPromptSubmit", `start ${long}`))],
    // In the project, because the home of a test lies in /tmp, which is another one inside.
    env: { ...process.env, XDG_CACHE_HOME: join(tmpdir(), "sallyport-core-cache") },
  });
  const folder = join(stage.project, "cache");
  const seen = await stage.reopen({ env: { ...process.env, XDG_CACHE_HOME: folder } });
  const command = `cat "$XDG_CACHE_HOME"/sallyport/hook-output/*/*.txt | wc -c`;
  const model = seen.script([
    { expect: "[all of it: ", tool_calls: [{ name: "shell", arguments: { command } }] },
    { expect: `${long.length + "start ".length}`, text: "ok" },
  ]);
  const thread = await startThread(seen, { model });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  assert.ok(existsSync(folder));
  await seen.threads.delete(thread.session.id);
  assert.deepEqual(readdirSync(join(folder, "sallyport", "hook-output")), []);
});
