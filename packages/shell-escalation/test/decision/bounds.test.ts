import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { textToDisplay } from "@sallyport/supervisor";
import type { Bounds } from "@sallyport/supervisor";
import type { BoundedSandbox, WantedSandbox } from "../../src/decision/index.ts";
import { makeStage } from "./exec-fixture.ts";
import type { Stage } from "./exec-fixture.ts";

const bounds: Bounds = {
  outerArgv: ["/usr/bin/bwrap"],
  wall: {
    landlock: null,
    seccomp: true,
    refuseUnixSockets: false,
    refuseInetSockets: false,
    keepCapabilities: 0n,
    probe: null,
  },
};

interface Trial {
  stage: Stage;
  call: { file: string; argv: string[] };
  wanted: WantedSandbox[];
  sandboxFor: (wanted: WantedSandbox) => BoundedSandbox | string;
}

function makeTrial(context: TestContext): Trial {
  const stage = makeStage(context);
  const file = join(stage.bin, "tool");
  copyFileSync("/usr/bin/true", file);
  const wanted: WantedSandbox[] = [];
  const sandboxFor = (asked: WantedSandbox): BoundedSandbox => {
    wanted.push(asked);
    return { bounds, env: { TMPDIR: "/tmp" } };
  };
  return { stage, call: { file, argv: ["tool"] }, wanted, sandboxFor };
}

const kept = 'run rule: rule ["tool"] at t.rules:1 allows it, but it is kept inside:';

test("a bounded rule escalates into a sandbox, and says so", async (context) => {
  const { stage, call, wanted, sandboxFor } = makeTrial(context);
  const rules = `prefix_rule(["tool"], escalate_with = {"write": ["${stage.bin}"], "env": ["B"]}, env = ["A"])`;
  const caller = { ...call, env: ["A=1", "B=2", "C=3", "TMPDIR=/elsewhere"] };
  const { verdict, reason, droppedEnv } = await stage.decide(rules, caller, { sandboxFor });
  assert.equal(reason.text, 'rule ["tool"] at t.rules:1 allows it, in a sandbox of its own');
  assert.ok(verdict.kind === "escalate");
  assert.deepEqual(verdict.bounds, bounds);
  assert.deepEqual(
    verdict.env.map(textToDisplay).filter((entry) => /^(A|B|C|TMPDIR)=/.test(entry)),
    ["A=1", "B=2", "TMPDIR=/tmp"],
  );
  assert.deepEqual(droppedEnv?.includes("C"), true);
  assert.deepEqual(wanted, [
    {
      requestId: 1,
      bounds: { write: [stage.bin], read: [], network: false, env: ["B"] },
      readable: [call.file, stage.work],
    },
  ]);
});

test("without a sandbox to be had the program stays inside", async (context) => {
  const { stage, call } = makeTrial(context);
  const rules = 'prefix_rule(["tool"], escalate_with = {"network": True})';
  const absent = "the rule bounds the escalation, and here no sandbox can be made for it";
  assert.equal(await stage.answer(rules, call), `${kept} ${absent}`);
  assert.equal(await stage.answer(rules, call, { sandboxFor: () => "it rains" }), `${kept} it rains`);
});

test("nothing on the way to a bound's path may be changed from inside", async (context) => {
  const { stage, call, sandboxFor } = makeTrial(context);
  mkdirSync(join(stage.work, "below"));
  mkdirSync(join(stage.root, "far"));
  symlinkSync("far", join(stage.root, "link"));
  symlinkSync("../far", join(stage.work, "out"));
  symlinkSync("work", join(stage.root, "to-work"));
  const answer = (key: string, path: string): Promise<string> =>
    stage.answer(`prefix_rule(["tool"], escalate_with = {"${key}": ["${stage.root}/${path}"]})`, call, { sandboxFor });
  const fine = 'escalate rule: rule ["tool"] at t.rules:1 allows it, in a sandbox of its own';
  const bent = (key: string, path: string, through: string): string =>
    `${kept} the way to the ${key} path "~/${path}" of the rule leads through "~/${through}", which can be written from inside`;
  assert.equal(await answer("write", "far"), fine);
  assert.equal(await answer("write", "link"), fine);
  assert.equal(await answer("write", "work"), fine);
  assert.equal(await answer("write", "to-work"), fine);
  assert.equal(await answer("write", "work/below"), bent("write", "work/below", "work"));
  assert.equal(await answer("write", "work/out"), bent("write", "work/out", "work"));
  assert.equal(await answer("read", "work/out"), bent("read", "work/out", "work"));
  assert.equal(await answer("write", "missing"), `${kept} the write path "~/missing" of the rule does not exist`);
  assert.equal(await answer("read", "missing"), fine);
});

test("of several rules that allow it one with bounds counts, in whatever order and however long", async (context) => {
  const { stage, call, sandboxFor } = makeTrial(context);
  const wide = ['prefix_rule(["tool"])', 'prefix_rule(["tool", "a"])'];
  const narrow = ['prefix_rule(["tool"], escalate_with = {})', 'prefix_rule(["tool", "a"], escalate_with = {})'];
  for (const one of wide)
    for (const other of narrow)
      for (const rules of [`${one}\n${other}`, `${other}\n${one}`]) {
        const caller = { ...call, argv: ["tool", "a"] };
        const { verdict } = await stage.decide(rules, caller, { sandboxFor });
        assert.ok(verdict.kind === "escalate" && verdict.bounds !== undefined, rules);
        const refused = await stage.decide(rules, caller);
        assert.equal(refused.verdict.kind, "run", rules);
      }
  // A project's rule carries nothing outside, bounded or not.
  const { verdict } = await stage.decide(narrow[0] ?? "", call, { sandboxFor, origin: "project" });
  assert.equal(verdict.kind, "run");
});

test("outside, bounds of another rule change nothing: the program above could do it all itself", async (context) => {
  const { stage, call, sandboxFor } = makeTrial(context);
  const rules = 'prefix_rule(["tool"], escalate_with = {})';
  assert.equal(
    await stage.answer(rules, { ...call, outside: true }, { sandboxFor }),
    'run rule: rule ["tool"] at t.rules:1 allows it; it goes on outside',
  );
});
