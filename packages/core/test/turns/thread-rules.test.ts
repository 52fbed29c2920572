/** The rules of a thread's commands while it runs. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { CommandExecutionItem, Turn } from "@sallyport/protocol";
import { makeStage, runTurn, startThread } from "../support/stage.ts";
import type { Stage } from "../support/stage.ts";

const shell = (command: string): object => ({ tool_calls: [{ name: "shell", arguments: { command } }] });

function commandsOf(turn: Pick<Turn, "items">): CommandExecutionItem[] {
  return turn.items.flatMap((item) => (item.type === "commandExecution" ? [item] : []));
}

async function threadOf(stage: Stage, turns: number): ReturnType<typeof startThread> {
  const one = [shell("/usr/bin/touch a; echo status $?"), { text: "ok" }];
  return await startThread(stage, { model: stage.script(Array.from({ length: turns }, () => one).flat()) });
}

async function outputOf(stage: Stage, thread: Awaited<ReturnType<typeof startThread>>): Promise<string> {
  const { id } = await runTurn(thread, "go");
  const turn = (await stage.store.listTurns(thread.session.id, { itemsView: "full" })).data.find(
    (one) => one.id === id,
  );
  assert.ok(turn !== undefined);
  return commandsOf(turn)[0]?.aggregatedOutput ?? "";
}

test("a rule that changes counts for the next command; rules that break are told of, and the last good ones stay", async () => {
  const stage = makeStage();
  const file = join(stage.home, "rules", "own.rules");
  const thread = await threadOf(stage, 3);
  assert.match(await outputOf(stage, thread), /status 0/);
  const forbid = 'prefix_rule(["/usr/bin/touch"], decision = "forbidden", justification = "hands off")\n';
  writeFileSync(file, forbid, { mode: 0o600 });
  assert.match(await outputOf(stage, thread), /hands off/);
  writeFileSync(file, "prefix_rule(", { mode: 0o600 });
  assert.match(await outputOf(stage, thread), /hands off/);
  const warnings = thread.heard.notifications.flatMap(({ method, params }) =>
    method === "warning" ? [params.message] : [],
  );
  assert.ok(
    warnings.some((message) => message.startsWith("rules: ") && message.includes("own.rules")),
    warnings.join(),
  );
});

test("a rule that is added while a command runs counts for its next programs", async () => {
  const stage = makeStage();
  // The first of them may still be too early: the change is noticed within some 20 ms.
  const command =
    "touch began; until [ -e go ]; do sleep 0.02; done; while touch late; do sleep 0.02; done; rm -f late; touch late";
  const thread = await startThread(stage, { model: stage.script([shell(command), { text: "ok" }]) });
  const output = outputOf(stage, thread);
  const deadlineMs = Date.now() + 60_000;
  while (!existsSync(join(stage.project, "began"))) {
    assert.ok(Date.now() < deadlineMs, "the command never ran");
    await new Promise((resolve) => setImmediate(resolve));
  }
  const forbid = 'prefix_rule(["touch"], decision = "forbidden", justification = "hands off")\n';
  writeFileSync(join(stage.home, "rules", "own.rules"), forbid, { mode: 0o600 });
  writeFileSync(join(stage.project, "go"), "");
  assert.match(await output, /hands off/);
  assert.equal(existsSync(join(stage.project, "late")), false);
});

test("[policy] default decides on programs that no rule is about", async () => {
  for (const [value, output] of [
    ["run", /^status 0\n$/],
    ["forbidden", /default = "forbidden"/],
  ] as const) {
    const rules = 'prefix_rule(["bash"], decision = "allow")\n';
    const stage = makeStage({ config: `[policy]\ndefault = "${value}"\n`, rules });
    assert.match(await outputOf(stage, await threadOf(stage, 1)), output);
  }
});

test("a default that can't be read refuses every command", async () => {
  const stage = makeStage({ config: '[policy]\ndefault = "never"\n' });
  assert.match(await outputOf(stage, await threadOf(stage, 1)), /Policy\.default in the configuration is "never"/);
});
