/** Rules that change while a session runs, with real files and a real watch. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { watchRules } from "@sallyport/rules-store";
import { createDecider } from "../../src/decision/index.ts";
import type { Decider, DeciderOptions } from "../../src/decision/index.ts";
import { makeEvent, makeStage } from "./exec-fixture.ts";
import type { Call, Stage } from "./exec-fixture.ts";

interface Session {
  stage: Stage;
  decider: Decider;
  warnings: string[];
  changes: { count: number };
  write: (text: string) => void;
  /** "run", "escalate" or "deny", and whether a run stands. */
  answer: (call: Call) => Promise<string>;
  /** Asks until the answer is that. */
  becomes: (call: Call, expected: string) => Promise<void>;
}

function startSession(
  context: TestContext,
  rules: string,
  options: { prepare?(stage: Stage): void; file?: string; more?: Partial<DeciderOptions> } = {},
): Session {
  const stage = makeStage(context);
  options.prepare?.(stage);
  const home = join(stage.root, "home");
  mkdirSync(home, { mode: 0o700 });
  const file = options.file === undefined ? join(home, "mine.rules") : join(stage.root, options.file);
  const write = (text: string): void => writeFileSync(file, text, { mode: 0o600 });
  write(rules);
  const warnings: string[] = [];
  const note = (message: string): void => void warnings.push(message.replaceAll(stage.root, "~"));
  const watch = watchRules({ home, files: [file], discover: false, onWarning: note });
  const changes = { count: 0 };
  const path = `${stage.work}/bin:${stage.bin}:/usr/bin:/bin`;
  const decider = createDecider({
    ruleSet: watch.ruleSet,
    watch,
    onRulesChanged: () => (changes.count += 1),
    onPolicyWarning: note,
    session: { env: [`PATH=${path}`], path, cwd: stage.work },
    wall: { walled: true, writableRoots: [stage.work], translate: (name) => name, denyRead: [] },
    brokerIsRoot: false,
    brokerPid: process.pid,
    ...options.more,
  });
  const descriptors: number[] = [];
  context.after(() => {
    decider.close?.();
    watch.close();
  });
  const answer: Session["answer"] = async (call) => {
    const { verdict } = await decider.decide(makeEvent(call, stage.work, descriptors), async () => ({ errno: 2 }));
    return verdict.kind === "run" && verdict.stands === true ? "run, stands" : verdict.kind;
  };
  const becomes: Session["becomes"] = async (call, expected) => {
    const deadlineMs = Date.now() + 60_000;
    for (let last = ""; last !== expected; await delay(5)) {
      last = await answer(call);
      assert.ok(Date.now() < deadlineMs, `${last} became ${expected} within a minute`);
    }
  };
  return { stage, decider, warnings, changes, write, answer, becomes };
}

function addTool(stage: Stage, name: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  copyFileSync("/usr/bin/true", path);
  chmodSync(path, 0o755);
  return path;
}

const trueCall: Call = { file: "/usr/bin/true", argv: ["true"] };

test("a changed rule counts from the next exec on, and no verdict stands any more", async (context) => {
  const { write, answer, becomes, changes } = startSession(context, "");
  assert.equal(await answer(trueCall), "run, stands");
  write('prefix_rule(["true"], "forbidden")');
  await becomes(trueCall, "deny");
  assert.equal(changes.count, 1);
  write('prefix_rule(["true"])');
  await becomes(trueCall, "escalate");
  write("");
  await becomes(trueCall, "run, stands");
  assert.equal(changes.count, 3);
});

test("a broken change leaves the rules as they were, and is told", async (context) => {
  const { write, answer, becomes, warnings } = startSession(context, 'prefix_rule(["true"], "forbidden")');
  write("prefix_rule(");
  while (warnings.length === 0) {
    assert.equal(await answer(trueCall), "deny");
    await delay(5);
  }
  assert.match(warnings[0] ?? "", /^~\/home\/mine\.rules:1:13: .*; the rules from before the change stay in force$/);
  write("");
  await becomes(trueCall, "run, stands");
});

test("an exec that ran on a verdict from before the change is not held against the command", async (context) => {
  const { stage, decider, write, becomes } = startSession(context, "");
  write('prefix_rule(["true"], "forbidden")\nprefix_rule(["false"], "prompt")');
  await becomes(trueCall, "deny");
  const descriptors: number[] = [];
  const event = { ...makeEvent(trueCall, stage.work, descriptors), answeredAtMs: Date.now() };
  const decision = decider.decide(event, async () => ({ errno: 2 }));
  assert.ok(!(decision instanceof Promise));
  assert.equal(decision.verdict.kind, "run");
});

test("a program that was moved stays the one that a rule meant at the start", async (context) => {
  const { stage, write, answer, becomes } = startSession(context, 'prefix_rule(["tool"], "forbidden")', {
    prepare: (made) => addTool(made, "tool", join(made.work, "bin")),
  });
  const moved = join(stage.work, "moved");
  renameSync(join(stage.work, "bin/tool"), moved);
  writeFileSync(join(stage.work, "bin/tool"), "another program", { mode: 0o755 });
  const call = { file: moved, argv: ["moved"] };
  assert.equal(await answer(call), "deny");
  write('prefix_rule(["tool"], "forbidden")\nprefix_rule(["true"], "forbidden")');
  await becomes(trueCall, "deny");
  assert.equal(await answer(call), "deny");
});

test("a new rule does not mean a program that was put on the PATH from inside", async (context) => {
  const { stage, write, becomes, answer } = startSession(context, "", {
    prepare: (made) => addTool(made, "tool", made.bin),
  });
  const planted = addTool(stage, "tool", join(stage.work, "bin"));
  write('prefix_rule(["tool"])');
  await becomes({ file: join(stage.bin, "tool"), argv: ["tool"] }, "escalate");
  assert.equal(await answer({ file: planted, argv: ["tool"] }), "run");
});

test("the command can't write its own rules: a file within its reach is not followed", async (context) => {
  const { write, answer, warnings } = startSession(context, 'prefix_rule(["true"], "forbidden")', {
    file: "work/own.rules",
  });
  write('prefix_rule(["true"])');
  while (warnings.length === 0) {
    assert.equal(await answer(trueCall), "deny");
    await delay(5);
  }
  assert.equal(await answer(trueCall), "deny");
  assert.deepEqual(warnings, [
    '"~/work/own.rules" lies where the command can write, so what changed in it counts from the next start on',
  ]);
});

test("a file whose name is another file's inside is followed: what can be written there is not it", async (context) => {
  const { write, becomes } = startSession(context, "", {
    // As where /tmp inside is a folder of the session's own.
    more: { wall: { walled: true, writableRoots: ["/private"], translate: (name) => `/private${name}`, denyRead: [] } },
  });
  write('prefix_rule(["true"], "forbidden")');
  await becomes(trueCall, "deny");
});

test("a forbidden that comes while a person is asked counts for what waits", async (context) => {
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  const { write, answer, changes } = startSession(context, 'prefix_rule(["true"], "prompt")', {
    more: {
      ask: async () => {
        asked.resolve();
        await answered.promise;
        return { kind: "allow", by: "the user" };
      },
    },
  });
  const waiting = answer(trueCall);
  await asked.promise;
  write('prefix_rule(["true"], "forbidden")');
  for (const deadlineMs = Date.now() + 60_000; changes.count === 0; await delay(5))
    assert.ok(Date.now() < deadlineMs, "the change is seen within a minute");
  answered.resolve();
  assert.equal(await waiting, "deny");
});

test("a project's rules within reach stay as they were, and the user's go on to follow their files, lists of places too", async (context) => {
  const stage = makeStage(context);
  const home = join(stage.root, "home");
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(join(stage.root, name)), { recursive: true, mode: 0o700 });
    writeFileSync(join(stage.root, name), text, { mode: 0o600 });
  };
  const tool = join(stage.root, "elsewhere/tool");
  mkdirSync(join(stage.root, "elsewhere"));
  copyFileSync("/usr/bin/false", tool);
  write("work/.sallyport/rules/a.rules", 'prefix_rule(["true"], "forbidden")');
  write("home/rules/a.rules", "");
  const watch = watchRules({ home, files: [], discover: true, trustedProject: stage.work, onWarning: assert.fail });
  const path = `${stage.bin}:/usr/bin`;
  const decider = createDecider({
    ruleSet: watch.ruleSet,
    watch,
    session: { env: [`PATH=${path}`], path, cwd: stage.work },
    wall: { walled: true, writableRoots: [stage.work], translate: (name) => name, denyRead: [] },
    brokerIsRoot: false,
    brokerPid: process.pid,
  });
  const descriptors: number[] = [];
  context.after(() => {
    decider.close?.();
    watch.close();
  });
  const answer = async (file: string, name: string): Promise<string> =>
    (await decider.decide(makeEvent({ file, argv: [name] }, stage.work, descriptors), async () => ({ errno: 2 })))
      .verdict.kind;
  assert.deepEqual([await answer("/usr/bin/true", "true"), await answer(tool, "tool")], ["deny", "run"]);
  write("work/.sallyport/rules/a.rules", `host_executable("tool", [])\nprefix_rule(["tool"], "forbidden")`);
  write("home/rules/a.rules", `host_executable("tool", ["${tool}"])\nprefix_rule(["tool"])`);
  for (const endMs = Date.now() + 20_000; (await answer(tool, "tool")) !== "escalate"; await delay(5))
    assert.ok(Date.now() < endMs, "within 20 s");
  assert.equal(await answer("/usr/bin/true", "true"), "deny");
});
