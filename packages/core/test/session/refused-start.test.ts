/** Threads that can't work are refused at their start, and nothing of them is stored. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { makeStage, startThread } from "../support/stage.ts";
import type { Stage } from "../support/stage.ts";

/** Of the database itself: lists leave out threads without a turn. */
function stored(stage: Stage): number {
  using database = new DatabaseSync(join(stage.home, "sallyport.db"), { readOnly: true });
  return Number(database.prepare("SELECT count(*) AS count FROM threads").get()?.["count"]);
}

test("broken rules refuse the start and the resume of a thread, with file, line and column", async () => {
  const stage = makeStage({ rules: 'prefix_rule(["touch"], decision = "prompt")\n' });
  const model = stage.script([{ text: "ok" }]);
  const { session } = await startThread(stage, { model });
  const file = join(stage.home, "rules", "test.rules");
  writeFileSync(file, 'prefix_rule(["touch"], decision = "maybe")\n', { mode: 0o600 });
  const broken = { code: "RULES_INVALID", message: /test\.rules.*1/s };
  await assert.rejects(stage.threads.start({ cwd: stage.project, source: "vscode", model }), broken);
  assert.equal(stored(stage), 1);
  await stage.threads.close(session.id);
  await assert.rejects(stage.threads.resume(session.id), broken);
  writeFileSync(file, "", { mode: 0o600 });
  assert.equal((await stage.threads.resume(session.id)).id, session.id);
});

test("needsModel refuses a thread whose model can't be made; without it the thread waits for another model", async () => {
  const stage = makeStage();
  const start = { cwd: stage.project, source: "exec" as const, model: `scripted:${join(stage.project, "none")}` };
  await assert.rejects(stage.threads.start({ ...start, needsModel: true }), { code: "SCRIPT_INVALID" });
  assert.equal(stored(stage), 0);
  await stage.threads.start(start);
  assert.equal(stored(stage), 1);
});
