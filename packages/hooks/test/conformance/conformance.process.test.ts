/** The rows of the table with real processes: shells that print, exit, are killed, are too slow or can't be started. */
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHookSession } from "../../src/engine/hook-session.ts";
import { cases, events } from "./cases.ts";
import type { Case, Expected } from "./cases.ts";
import { effectOf } from "./effects.ts";
import { hookCommand } from "./hook-command.ts";
import { inputsIn } from "./inputs.ts";
import { entryOf, handlerOf } from "./judge-case.ts";

const rows = cases.filter(({ runs }) => runs);
let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "hooks-conformance-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function run({ event, hook }: Case, index: number): Promise<Expected> {
  const mine = join(folder, `${index}`);
  const cwd = join(mine, "cwd");
  mkdirSync(cwd, { recursive: true });
  const action = { type: "command", command: hookCommand(hook, mine), args: null, async: false, passEnv: [] } as const;
  const timeoutMs = hook.ends === "timeout" ? 1000 : 60_000;
  const observer = { started: () => undefined, completed: () => undefined };
  const session = createHookSession({
    handlers: [handlerOf(event, { action: { ...action, passEnv: [] }, timeoutMs })],
    folder: join(mine, "session"),
    projectDir: cwd,
    sessionId: "thread",
    env: process.env,
    observer,
  });
  if (hook.ends === "noFolder") rmSync(cwd, { recursive: true });
  const { runs, ...outcome } = await session.fire(event, inputsIn(cwd)[event], { observer });
  await session.close();
  assert.equal(runs.length, 1);
  const [{ status, entries, failure } = assert.fail("no run")] = runs;
  assert.notEqual(status, "running");
  return {
    status: status as Expected["status"], // it is not running any more
    entries: entries.map((entry) => entryOf(entry, hook)),
    ...(failure === undefined ? {} : { failure }),
    effect: effectOf(event, outcome),
  };
}

// Side by side, because each event has a hook that takes its whole second before it is ended.
describe("with real processes", { concurrency: 8 }, () => {
  for (const event of events) {
    test(`${event}: every row that needs a process is judged as the table says`, async () => {
      const mine = rows.filter((row) => row.event === event);
      assert.ok(mine.length > 0);
      for (const row of mine) assert.deepEqual(await run(row, rows.indexOf(row)), row.expected, row.id);
    });
  }
});
