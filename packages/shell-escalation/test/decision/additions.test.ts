/** Rules with conditions: a date, a content, a place, a folded name, a list of places, bounds. Each condition narrows what a rule
 *  allows; where it cannot be told, it does not narrow what a rule forbids. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Broker } from "@sallyport/supervisor";
import { createDecider } from "../../src/decision/index.ts";
import { makeEvent, makeStage, ruleSetOf } from "./exec-fixture.ts";
import type { Stage } from "./exec-fixture.ts";

const noRule = "run default: no rule matches";

/** `bin/tool`, on the PATH and not writable from inside. */
function withTool(stage: Stage, name = "tool"): string {
  const path = join(stage.bin, name);
  copyFileSync("/usr/bin/true", path);
  return path;
}

function kindOf(answer: string): string {
  return answer.replace(/ (?:rule|default|identity|launcher):.*/, "");
}

test("an expired rule neither allows nor forbids", async (context) => {
  const stage = makeStage(context);
  const call = { file: withTool(stage), argv: ["tool"] };
  const answers = await Promise.all(
    [
      'prefix_rule(["tool"], expires = "2999-01-01")',
      'prefix_rule(["tool"], expires = "2001-01-01")',
      'prefix_rule(["tool"], "forbidden", expires = "2999-01-01")',
      'prefix_rule(["tool"], "forbidden", expires = "2001-01-01")',
      'prefix_rule(["tool"], "prompt", expires = "2001-01-01")',
    ].map((rules) => stage.answer(rules, call)),
  );
  assert.deepEqual(answers.map(kindOf), ["escalate", "run", "deny", "run", "run"]);
});

test("sha256: the rule is about this content only", async (context) => {
  const stage = makeStage(context);
  const path = withTool(stage);
  const call = { file: path, argv: ["tool"] };
  const right = createHash("sha256").update(readFileSync(path)).digest("hex");
  const wrong = "0".repeat(64);
  const kinds = async (decision: string): Promise<string[]> =>
    await Promise.all(
      [right, wrong].map(async (hash) =>
        kindOf(await stage.answer(`prefix_rule(["tool"], "${decision}", sha256 = "${hash}")`, call)),
      ),
    );
  assert.deepEqual(await kinds("allow"), ["escalate", "run"]);
  assert.deepEqual(await kinds("forbidden"), ["deny", "run"]);
});

test("sha256: a file that cannot be read is not allowed, and stays forbidden", async (context) => {
  const stage = makeStage(context);
  const call = {
    file: withTool(stage),
    argv: ["tool"],
    amend: (chain: { fd: number }[]): void => {
      for (const file of chain) file.fd = -1;
    },
  };
  const wrong = "0".repeat(64);
  assert.equal(await stage.answer(`prefix_rule(["tool"], sha256 = "${wrong}")`, call), noRule);
  assert.equal(kindOf(await stage.answer(`prefix_rule(["tool"], "forbidden", sha256 = "${wrong}")`, call)), "deny");
});

test("under: the rule is about programs below this folder only, links resolved", async (context) => {
  const stage = makeStage(context);
  const call = { file: withTool(stage), argv: ["tool"] };
  const kinds = async (decision: string): Promise<string[]> =>
    await Promise.all(
      [stage.bin, `${stage.root}/`, stage.work, `${stage.bin}/to`].map(async (under) =>
        kindOf(await stage.answer(`prefix_rule(["tool"], "${decision}", under = "${under}")`, call)),
      ),
    );
  assert.deepEqual(await kinds("allow"), ["escalate", "escalate", "run", "run"]);
  assert.deepEqual(await kinds("forbidden"), ["deny", "deny", "run", "run"]);
});

test("exact: arguments behind the pattern are another command", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  const rules = 'prefix_rule(["tool", "a"], exact = True)';
  assert.equal(kindOf(await stage.answer(rules, { file, argv: ["tool", "a"] })), "escalate");
  assert.equal(await stage.answer(rules, { file, argv: ["tool", "a", "b"] }), noRule);
});

test("canonical_matching: other spellings of name and path are forbidden too, and allow no other file", async (context) => {
  const stage = makeStage(context);
  withTool(stage, "tool");
  const call = { file: withTool(stage, "TOOL"), argv: ["TOOL", "É"] };
  writeFileSync(call.file, "#!/bin/true\n", { mode: 0o755 });
  const canonical = ", canonical_matching = True)";
  assert.equal(kindOf(await stage.answer(`prefix_rule(["tool", "e\u0301"], "forbidden"${canonical}`, call)), "deny");
  assert.equal(await stage.answer('prefix_rule(["tool", "e\u0301"], "forbidden")', call), noRule);
  const byPath = `prefix_rule(["${stage.bin}/tool"], "forbidden"${canonical}`;
  assert.equal(kindOf(await stage.answer(byPath, call)), "deny");
  assert.equal(await stage.answer(`prefix_rule(["tool"]${canonical}`, call), noRule);
});

test("host_executable: an allow rule means the listed files and not the PATH's", async (context) => {
  const stage = makeStage(context);
  const file = withTool(stage);
  const call = { file, argv: ["tool"] };
  const rule = 'prefix_rule(["tool"])';
  assert.equal(kindOf(await stage.answer(`host_executable("tool", ["${file}"])\n${rule}`, call)), "escalate");
  assert.equal(await stage.answer(`host_executable("tool", ["/opt/tool"])\n${rule}`, call), noRule);
  assert.equal(await stage.answer(`host_executable("tool", [])\n${rule}`, call), noRule);
});

test("host_executable: a forbidden name stays forbidden wherever its file lies", async (context) => {
  const stage = makeStage(context);
  const call = { file: withTool(stage), argv: ["tool"] };
  const renamed = { file: join(stage.work, "other"), argv: ["other"] };
  copyFileSync(call.file, renamed.file);
  const rules = 'host_executable("tool", ["/opt/tool"])\nprefix_rule(["tool"], "forbidden")';
  assert.equal(kindOf(await stage.answer(rules, call)), "deny");
  assert.equal(kindOf(await stage.answer(rules, renamed)), "deny");
});

test("no verdict stands for a program that a rule is about, whatever the rule's conditions", (context) => {
  const stage = makeStage(context);
  const file = withTool(stage, "plain");
  renameSync(file, join(stage.bin, "Tool"));
  const event = { ...makeEvent({ file: join(stage.bin, "Tool"), argv: ["Tool"] }, stage.work, []), answeredAtMs: null };
  const standing = (rules: string): boolean => {
    const decider = createDecider({
      ruleSet: ruleSetOf(rules),
      session: { env: [], path: stage.bin, cwd: stage.work },
      wall: { walled: true, writableRoots: [stage.work], translate: (path) => path, denyRead: [] },
      brokerIsRoot: false,
      brokerPid: process.pid,
    });
    const resolve: Broker["resolve"] = async () => ({ errno: 2 });
    const decision = decider.decide(event, resolve);
    return "verdict" in decision && decision.verdict.kind === "run" && decision.verdict.stands === true;
  };
  assert.deepEqual(
    [
      'prefix_rule(["Other"])',
      'prefix_rule(["Tool", "x"], "forbidden")',
      'prefix_rule(["Tool"], expires = "2001-01-01")',
      `prefix_rule(["Tool"], sha256 = "${"0".repeat(64)}")`,
      'prefix_rule(["Tool"], under = "/nowhere")',
      'prefix_rule(["tool", "x"], canonical_matching = True)',
      `prefix_rule(["${stage.bin}/TOOL", "x"], canonical_matching = True)`,
      'prefix_rule(["Tool", "x"], exact = True)',
      `host_executable("Tool", [])\nprefix_rule(["Tool", "x"])`,
    ].map(standing),
    [true, false, false, false, false, false, false, false, false],
  );
});
