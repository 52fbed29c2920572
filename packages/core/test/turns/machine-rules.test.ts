/** The machine's own rules in turns: a folder of the test's stands for /etc/sallyport. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { CommandExecutionItem } from "@sallyport/protocol";
import { isSallyportError } from "@sallyport/supervisor";
import { makeStage, moduleHook, runTurn, startThread } from "../support/stage.ts";
import type { Stage } from "../support/stage.ts";

const shell = (command: string): object => ({ tool_calls: [{ name: "shell", arguments: { command } }] });
const managed = (decision: string): string =>
  `[rules]\nprefix_rules = [{ pattern = [{ token = "/usr/bin/touch" }], decision = "${decision}" }]\n`;
/** Says yes by itself. */
const allowing = moduleHook("PermissionRequest", () => ({
  hookSpecificOutput: { hookEventName: "PermissionRequest", decision: { behavior: "allow" } },
}));

function machineWith(files: Record<string, string>): string {
  const base = mkdtempSync(join(tmpdir(), "machine-rules-"));
  after(() => rmSync(base, { recursive: true }));
  const folder = join(base, "sallyport");
  mkdirSync(join(folder, "rules"), { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  return folder;
}

async function touchIn(stage: Stage): Promise<CommandExecutionItem> {
  const thread = await startThread(stage, { model: stage.script([shell("touch a"), { text: "ok" }]) });
  const turn = await runTurn(thread, "go");
  const stored = await stage.store.readTurn(thread.session.id, turn.id, "full");
  const [item] = (stored?.items ?? []).filter((one) => one.type === "commandExecution");
  assert.ok(item !== undefined);
  return item;
}

test("a managed prompt-user rule is answered by no hook, which answers a managed prompt", async () => {
  const prompting = makeStage({
    systemFolder: machineWith({ "requirements.toml": managed("prompt") }),
    modules: [allowing],
  });
  assert.equal((await touchIn(prompting)).status, "completed");
  assert.ok(existsSync(join(prompting.project, "a")));

  const systemFolder = machineWith({ "requirements.toml": managed("prompt-user") });
  const person = makeStage({ systemFolder, modules: [allowing] });
  const item = await touchIn(person);
  assert.equal(item.status, "declined");
  assert.match(
    item.aggregatedOutput ?? "",
    /a managed rule wants a person's own word, and no client that is here shows questions to one/,
  );
  assert.equal(existsSync(join(person.project, "a")), false);
});

test("a rule file of the system counts in turns, and a broken one starts no thread", async () => {
  const text = 'prefix_rule(["/usr/bin/touch"], "forbidden", justification = "not here")\n';
  const stage = makeStage({ systemFolder: machineWith({ "rules/a.rules": text }), rules: 'prefix_rule(["touch"])\n' });
  assert.match((await touchIn(stage)).aggregatedOutput ?? "", /Execution denied: not here/);
  for (const files of [{ "rules/a.rules": "prefix_rule(" }, { "requirements.toml": managed("allow") }]) {
    const broken = makeStage({ systemFolder: machineWith(files) });
    await assert.rejects(
      startThread(broken, { model: broken.script([]) }),
      (error) => isSallyportError(error) && error.code === "RULES_INVALID",
    );
  }
});
