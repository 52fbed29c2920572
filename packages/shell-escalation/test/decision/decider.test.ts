import assert from "node:assert/strict";
import { test } from "node:test";
import { createDecider } from "../../src/decision/index.ts";
import type { DeciderOptions } from "../../src/decision/index.ts";
import { makeEvent, makeStage, ruleSetOf } from "./exec-fixture.ts";

function optionsFor(rules: string, work: string): DeciderOptions {
  return {
    ruleSet: ruleSetOf(rules),
    session: { env: [], path: "/usr/bin:/bin", cwd: work },
    wall: { walled: true, writableRoots: [work], translate: (path) => path, denyRead: [] },
    brokerIsRoot: false,
    brokerPid: process.pid,
  };
}

const neverAsked = (): never => {
  throw new Error("the broker was asked");
};

test("decide() answers the usual exec at once", (context) => {
  const stage = makeStage(context);
  const rules = Array.from(
    { length: 1000 },
    (_, index) => `prefix_rule(["program-${index}", "a"], "forbidden")\n`,
  ).join("");
  const decider = createDecider(optionsFor(rules, stage.work));
  const event = makeEvent({ file: "/bin/true", argv: ["true"], env: ["A=b".repeat(1000)] }, stage.work, []);
  const expected = {
    verdict: { kind: "run", stands: true },
    reason: { kind: "default", text: "no rule matches" },
    file: "/usr/bin/true",
  };
  assert.deepEqual(decider.decide(event, neverAsked), expected);
  const rounds = 2000;
  // Processor time, because other work on the machine is no part of it.
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) void decider.decide(event, neverAsked);
  const { user, system } = process.cpuUsage(before);
  const microseconds = (user + system) / rounds;
  // Far above what it takes, far below what an exec takes.
  assert.ok(microseconds < 100, `${microseconds} microseconds each`);
});

test("decide() answers by rule at once as well", (context) => {
  const stage = makeStage(context);
  const decider = createDecider(optionsFor('prefix_rule(["true"], "forbidden")', stage.work));
  const event = makeEvent({ file: "/bin/true", argv: ["true"] }, stage.work, []);
  const text = 'rule ["true"] at t.rules:1';
  assert.deepEqual(decider.decide(event, neverAsked), {
    verdict: { kind: "deny", reason: text },
    reason: { kind: "rule", text },
    file: "/usr/bin/true",
    decidedBy: ruleSetOf('prefix_rule(["true"], "forbidden")').rules[0],
  });
});

test("decide() denies where the decision itself fails, and never runs", (context) => {
  const stage = makeStage(context);
  const options = optionsFor('prefix_rule(["id"])', stage.work);
  let isBroken = false;
  const translate = (path: string): string => {
    if (isBroken) throw new Error("no such wall");
    return path;
  };
  const decider = createDecider({ ...options, wall: { ...options.wall, translate } });
  isBroken = true;
  const decide = (name: string): unknown =>
    decider.decide(makeEvent({ file: `/usr/bin/${name}`, argv: [name] }, stage.work, []), neverAsked);
  const text = "the decision failed: no such wall";
  assert.deepEqual(decide("id"), {
    verdict: { kind: "deny", reason: text },
    reason: { kind: "default", text },
    file: "/usr/bin/id",
  });
  // The negative control: the same decider, before it broke.
  isBroken = false;
  assert.deepEqual(decide("true"), {
    verdict: { kind: "run", stands: true },
    reason: { kind: "default", text: "no rule matches" },
    file: "/usr/bin/true",
  });
});

test("createDecider() takes rules about programs that are not there", (context) => {
  const stage = makeStage(context);
  const rules =
    'prefix_rule([["", ".", "..", "missing", "a\\0b", "/missing", "/bin/sh/x", "./x", "~/x"]], "forbidden")';
  const decider = createDecider(optionsFor(rules, stage.work));
  const event = makeEvent({ file: "/bin/true", argv: ["true"] }, stage.work, []);
  const decision = decider.decide(event, neverAsked);
  assert.ok(!(decision instanceof Promise));
  assert.equal(decision.verdict.kind, "run");
});
