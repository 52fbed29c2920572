import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeStage, moduleHook, runTurn, startThread } from "../support/stage.ts";
import type { Heard } from "../support/stage.ts";

const input = [{ type: "text" as const, text: "go", text_elements: [] }];

/** Resolves when the command has printed something. */
function output(heard: Heard, text: string): Promise<true> {
  return heard.until(({ notifications }) => {
    const deltas = notifications.map(({ method, params }) =>
      method === "item/commandExecution/outputDelta" ? params.delta : "",
    );
    return deltas.join("").includes(text) ? true : undefined;
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** What a program that has no other way to tell us wrote into a file. */
async function written(file: string): Promise<string> {
  const deadlineMs = Date.now() + 60_000;
  for (;;) {
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    if (text.endsWith("\n")) return text;
    assert.ok(Date.now() < deadlineMs, `nothing was written to ${file}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("an interrupt ends the command's whole tree, and its item is completed before the turn is", async () => {
  const interrupts: unknown[] = [];
  const stage = makeStage({ modules: [moduleHook("Interrupt", ({ turn_id: id }) => void interrupts.push(id))] });
  // A child that leaves the process group, and one that ignores the polite signal.
  const command = 'setsid sleep 1000 & (trap "" TERM; sleep 1000) & echo up; wait; touch survived';
  const model = stage.script([{ tool_calls: [{ name: "shell", arguments: { command } }] }, { text: "later" }]);
  const { session, heard } = await startThread(stage, { model });
  const { id } = await session.startTurn({ input });
  await output(heard, "up");
  session.interrupt(id);
  const turn = await heard.completedTurn(id);
  assert.deepEqual([turn.status, turn.error, turn.items, interrupts], ["interrupted", null, [], [id]]);
  const outline = heard.outline.filter((line) => !line.startsWith("hook/"));
  assert.deepEqual(outline.slice(-3), [
    "item/completed commandExecution",
    "thread/status/changed idle",
    "turn/completed",
  ]);
  const stored = await stage.store.readTurn(session.id, id, "full");
  const item = stored?.items.find(({ type }) => type === "commandExecution");
  assert.ok(item?.type === "commandExecution");
  assert.deepEqual(
    [item.status, item.interrupted, item.aggregatedOutput, item.exitCode],
    ["failed", true, "up\n", null],
  );
  const runs = await stage.store.listExecRuns(session.id, id, {});
  const sleeps = runs.data.filter(({ record }) => record.argv[0] === "sleep");
  assert.deepEqual(
    sleeps.map(({ record }) => isAlive(record.pid)),
    sleeps.map(() => false),
  );
  assert.ok(sleeps.length >= 1);
  assert.equal(existsSync(join(stage.project, "survived")), false);
  await session.idle();
  // The thread goes on, with a history that providers take.
  const next = await runTurn({ session, heard }, "again");
  assert.equal(next.status, "completed");
  const messages = JSON.stringify((await stage.store.readMessages(session.id)).map(({ body }) => body));
  assert.match(messages, /aborted by user/);
});

test("an interrupt while the model thinks keeps what it had said, as a part", async () => {
  const seen: unknown[] = [];
  const stage = makeStage({
    modules: [moduleHook("PostModelRequest", ({ status }) => void seen.push(status))],
  });
  const model = stage.script([{ text: "half of", error: "stall" }]);
  const { session, heard } = await startThread(stage, { model });
  const { id } = await session.startTurn({ input });
  await heard.until(({ outline }) => (outline.includes("item/agentMessage/delta") ? true : undefined));
  session.interrupt(id);
  assert.equal((await heard.completedTurn(id)).status, "interrupted");
  assert.deepEqual(seen, ["cancelled"]);
  const stored = await stage.store.readTurn(session.id, id, "full");
  const item = stored?.items.at(-1);
  assert.deepEqual(item?.type === "agentMessage" && [item.text, item.phase], ["half of", "partial_answer"]);
});

test("an interrupt ends a hook that runs, and its run is stored as stopped", async () => {
  const stage = makeStage();
  const hooks = { UserPromptSubmit: [{ hooks: [{ type: "command", command: "echo $$ >pid; exec sleep 1000" }] }] };
  writeFileSync(join(stage.home, "hooks.json"), JSON.stringify({ hooks }), { mode: 0o600 });
  const { session, heard } = await startThread(stage, { model: stage.script([{ text: "x" }]), bypassHookTrust: true });
  const { id } = await session.startTurn({ input });
  await heard.until(({ outline }) => (outline.includes("hook/started userPromptSubmit") ? true : undefined));
  const pid = Number(await written(join(stage.project, "pid")));
  session.interrupt(id);
  const turn = await heard.completedTurn(id);
  assert.deepEqual(
    [turn.status, turn.hookRuns.map(({ status, entries }) => [status, entries])],
    ["interrupted", [["stopped", [{ kind: "error", text: "interrupted" }]]]],
  );
  assert.equal(isAlive(pid), false);
});

test("interrupt() of another turn than the running one is refused", async () => {
  const stage = makeStage();
  const { session, heard } = await startThread(stage, { model: stage.script([{ delay_ms: 200, text: "x" }]) });
  assert.throws(() => session.interrupt("no-such-turn"), { code: "TURN_MISMATCH" });
  const { id } = await session.startTurn({ input });
  assert.throws(() => session.interrupt("no-such-turn"), { code: "TURN_MISMATCH" });
  await assert.rejects(session.startTurn({ input }), { code: "TURN_ACTIVE" });
  assert.equal((await heard.completedTurn(id)).status, "completed");
});

test("close() interrupts what runs, and the turn reads so", async () => {
  const stage = makeStage();
  const model = stage.script([{ tool_calls: [{ name: "shell", arguments: { command: "echo up; sleep 1000" } }] }]);
  const { session, heard } = await startThread(stage, { model });
  const { id } = await session.startTurn({ input });
  await output(heard, "up");
  await stage.threads.close(session.id);
  assert.equal((await stage.store.readTurn(session.id, id, "full"))?.status, "interrupted");
  await assert.rejects(session.startTurn({ input }), { code: "THREAD_CLOSED" });
});

test("steerTurn() gives the running turn more input, before the next request", async () => {
  const stage = makeStage();
  const model = stage.script([
    { tool_calls: [{ name: "shell", arguments: { command: "echo up; sleep 0.2" } }] },
    { expect: "and this", text: "both" },
  ]);
  const { session, heard } = await startThread(stage, { model });
  const { id } = await session.startTurn({ input });
  await output(heard, "up");
  session.steerTurn(id, [{ type: "text", text: "and this", text_elements: [] }]);
  const turn = await heard.completedTurn(id);
  assert.deepEqual([turn.error, turn.items.length], [null, 1]);
  assert.equal(heard.outline.filter((line) => line === "item/completed userMessage").length, 2);
});
