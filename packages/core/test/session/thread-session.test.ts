import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeStage, moduleHook, runTurn, startThread } from "../support/stage.ts";

const input = [{ type: "text" as const, text: "go", text_elements: [] }];

test("nothing is announced that is not stored: each event is in the store when it is heard", async () => {
  const stage = makeStage({ modules: [moduleHook("Stop", () => undefined)] });
  const model = stage.script([
    { tool_calls: [{ name: "shell", arguments: { command: "echo hi" } }] },
    { text: "ok", chunk_size: 1 },
  ]);
  const { session, heard } = await startThread(stage, { model });
  const checks: Promise<void>[] = [];
  session.subscribe({
    event: ({ seq, notification }) => {
      const check = async (): Promise<void> => {
        // Deltas are dropped when their turn has ended, because then its items say it all.
        if (notification.method.endsWith("elta") || notification.method.endsWith("PartAdded")) return;
        const { events } = await stage.store.readEvents(session.id, { afterSeq: seq - 1, limit: 1 });
        assert.deepEqual(events[0], { seq, notification });
      };
      checks.push(check());
    },
  });
  const turn = await runTurn({ session, heard }, "go");
  assert.equal(turn.status, "completed");
  await Promise.all(checks);
  assert.ok(checks.length > 15, `${checks.length}`);
});

test("a store that fails in a turn is told to listeners, and the turn announces nothing more", async () => {
  const stage = makeStage();
  const model = stage.script([{ delay_ms: 50, text: "never stored" }]);
  const { session, heard } = await startThread(stage, { model });
  await session.startTurn({ input });
  await heard.until(({ outline }) => (outline.includes("item/completed userMessage") ? true : undefined));
  const before = heard.notifications.length;
  // As after the loss of the lock: from now on nothing of this thread can be stored.
  await stage.store.releaseThread(session.id);
  await assert.rejects(
    heard.until(({ outline }) => (outline.includes("turn/completed") ? true : undefined)),
    { code: "THREAD_NOT_HELD" },
  );
  await session.idle();
  assert.deepEqual(
    [heard.notifications.length, session.status, session.activeTurnId],
    [before, { type: "systemError" }, null],
  );
});

test("whoever hears turn/completed may start the next turn at once", async () => {
  const stage = makeStage();
  const { session, heard } = await startThread(stage, { model: stage.script([{ text: "1" }, { text: "2" }]) });
  const second = new Promise<string>((resolve, reject) => {
    const unsubscribe = session.subscribe({
      event: ({ notification }) => {
        if (notification.method !== "turn/completed") return;
        unsubscribe();
        session.startTurn({ input }).then(({ id }) => resolve(id), reject);
      },
    });
  });
  await session.startTurn({ input });
  assert.equal((await heard.completedTurn(await second)).status, "completed");
});

test("events come after startTurn() has given the turn", async () => {
  const stage = makeStage();
  const { session, heard } = await startThread(stage, { model: stage.script([{ text: "1" }]) });
  const turn = await session.startTurn({ input });
  assert.deepEqual(heard.outline, []);
  assert.deepEqual([turn.status, turn.startedAt, turn.items, turn.itemsView], ["inProgress", null, [], "notLoaded"]);
  await heard.completedTurn(turn.id);
});

test("a model that can't be made refuses the turn, and nothing is stored of it", async () => {
  const stage = makeStage({ config: 'model = "m"\n', env: {} });
  const session = await stage.threads.start({ cwd: stage.project, source: "exec" });
  await assert.rejects(session.startTurn({ input }), { code: "MODEL_KEY_MISSING" });
  assert.deepEqual((await stage.store.listTurns(session.id, {})).data, []);
  assert.equal(session.activeTurnId, null);
});

test("a model, its effort and policies that a turn changes stay for later turns, and after a resume", async () => {
  const stage = makeStage();
  const thread = await startThread(stage, { model: stage.script([{ text: "1" }]) });
  await runTurn(thread, "one");
  const model = stage.script([{ text: "2" }]);
  const sandboxPolicy = { type: "readOnly" as const, networkAccess: false };
  await runTurn(thread, "two", { model, sandboxPolicy, approvalPolicy: "never" });
  const later = await stage.reopen();
  const resumed = await later.threads.resume(thread.session.id);
  const { approvalPolicy, sandboxPolicy: policy, model: settings } = resumed.settings;
  assert.deepEqual([approvalPolicy, policy, settings.model], ["never", sandboxPolicy, model]);
});

test("reloadConfig() takes up a changed configuration at the next turn", async () => {
  const modules = [moduleHook("Stop", () => undefined)];
  const stage = makeStage({ modules });
  const thread = await startThread(stage, { model: stage.script([{ text: "1" }, { text: "2" }]) });
  assert.equal((await runTurn(thread, "one")).hookRuns.length, 1);
  modules.length = 0;
  stage.threads.reloadConfig();
  assert.equal((await runTurn(thread, "two")).hookRuns.length, 0);
});

test("a thread whose folder is gone fails its commands with the reason, not the turn", async () => {
  const stage = makeStage();
  const model = stage.script([
    { tool_calls: [{ name: "shell", arguments: { command: "true" } }] },
    { expect: "problem: ", text: "ok" },
  ]);
  const thread = await startThread(stage, { model });
  rmSync(join(stage.project), { recursive: true });
  const turn = await runTurn(thread, "go");
  assert.deepEqual([turn.status, turn.error], ["completed", null]);
});
