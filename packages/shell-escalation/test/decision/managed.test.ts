/** Managed rules in the decision: neither what a user allows, nor what was kept, nor whoever may answer by itself loosens them. */
import assert from "node:assert/strict";
import { copyFileSync, linkSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { parseRules } from "@sallyport/exec-policy/language";
import { openApprovals, readApprovals } from "@sallyport/rules-store";
import type { ApprovalBook, ApprovalKeep, RuleOrigin, RuleSet, StoredRule } from "@sallyport/rules-store";
import { createDecider } from "../../src/decision/index.ts";
import type { DeciderOptions, Decision, ExecAnswer, ExecQuestion } from "../../src/decision/index.ts";
import { makeEvent, makeStage } from "./exec-fixture.ts";
import type { Call } from "./exec-fixture.ts";

interface Desk {
  tool: Call;
  home: string;
  bin: string;
  asked: ExecQuestion[];
  keep: { as: ((question: ExecQuestion) => ApprovalKeep) | null };
  approvals: ApprovalBook;
  decide: (ruleSet: RuleSet, changes?: Partial<DeciderOptions>, call?: Call) => Promise<Decision>;
}

/** The person says yes to everything. */
function makeDesk(context: TestContext): Desk {
  const { root, work, bin } = makeStage(context);
  const home = join(root, "home");
  mkdirSync(home, { mode: 0o700 });
  const file = join(bin, "tool");
  copyFileSync("/usr/bin/true", file);
  const tool: Call = { file, argv: ["tool", "a"] };
  const asked: ExecQuestion[] = [];
  const keep: Desk["keep"] = { as: null };
  const approvals = openApprovals({ home, onWarning: assert.fail });
  const path = `${bin}:/usr/bin`;
  const descriptors: number[] = [];
  const decide: Desk["decide"] = async (ruleSet, changes = {}, call = tool) => {
    const decider = createDecider({
      ruleSet,
      session: { env: [`PATH=${path}`], path, cwd: work },
      wall: { walled: true, writableRoots: [work], translate: (name) => name, denyRead: [] },
      brokerIsRoot: false,
      brokerPid: process.pid,
      approvals,
      ask: async (question): Promise<ExecAnswer> => {
        asked.push(question);
        return { kind: "allow", by: "the user", ...(keep.as === null ? {} : { keep: keep.as(question) }) };
      },
      ...changes,
    });
    return await decider.decide(makeEvent(call, work, descriptors), async () => ({ errno: 2 }));
  };
  return { tool, home, bin, asked, keep, approvals, decide };
}

function rulesOf(...layers: [origin: RuleOrigin, text: string, changes?: Partial<StoredRule>][]): RuleSet {
  const rules = layers.flatMap(([origin, text, changes]) =>
    parseRules(text, `${origin}.rules`).rules.map((rule): StoredRule => ({ ...rule, origin, ...changes })),
  );
  return { rules, hosts: new Map(), files: [] };
}

const always = ({ proposals: [proposal] }: ExecQuestion): ApprovalKeep => {
  assert.ok(proposal !== undefined);
  return { scope: "always", proposal };
};
const session = (): ApprovalKeep => ({ scope: "session" });

const users = rulesOf(["user", 'prefix_rule(["tool"], "prompt")']);
const managed = rulesOf(["managed", 'prefix_rule(["tool"], "prompt")']);
const person = rulesOf(
  ["managed", 'prefix_rule(["tool"], "prompt", justification = "ask me")', { onlyPerson: true }],
  ["user", 'prefix_rule(["tool", "a"], "prompt", justification = "whoever")'],
);

describe("a managed rule", () => {
  test("that forbids is not loosened by what any other source allows", async (context) => {
    const { decide } = makeDesk(context);
    const allow = 'prefix_rule(["tool"], escalate = True)';
    const verdicts = await Promise.all(
      (["system", "user", "project", "flag"] as const).flatMap((origin) => [
        decide(rulesOf([origin, allow], ["managed", 'prefix_rule(["tool"], "forbidden")'])),
        decide(rulesOf([origin, allow])),
      ]),
    );
    const outside = ["deny", "escalate"];
    assert.deepEqual(
      verdicts.map(({ verdict }) => verdict.kind),
      [...outside, ...outside, "deny", "run", ...outside],
    );
  });

  test("that asks is not answered by a yes that was kept for good, which answers a user's rule", async (context) => {
    const { decide, keep, asked, home } = makeDesk(context);
    keep.as = always;
    assert.equal((await decide(users)).verdict.kind, "escalate");
    assert.equal(readApprovals(home).length, 1);
    keep.as = null;
    assert.equal((await decide(users)).verdict.kind, "escalate");
    assert.equal(asked.length, 1);
    assert.equal((await decide(managed)).verdict.kind, "escalate");
    assert.deepEqual([asked.length, asked[1]?.proposals, asked[1]?.answeredBy], [2, [], "anybody"]);
    assert.equal(asked[1]?.keptMeanwhile(), null);
    // Strictest wins: together they are as the managed one.
    await decide({ ...users, rules: [...users.rules, ...managed.rules] });
    assert.equal(asked.length, 3);
  });

  test("that asks is not answered for good because a client says so", async (context) => {
    const { decide, keep, home, approvals, asked } = makeDesk(context);
    keep.as = always;
    await decide(users);
    const proposal = asked[0]?.proposals[0];
    assert.ok(proposal !== undefined);
    keep.as = () => ({ scope: "always", proposal });
    const { verdict } = await decide(managed, { approvals });
    assert.equal(verdict.kind, "deny");
    assert.equal(readApprovals(home).length, 1);
  });

  test("that asks takes a yes for the session", async (context) => {
    const { decide, keep, asked } = makeDesk(context);
    keep.as = session;
    await decide(managed);
    assert.equal((await decide(managed)).verdict.kind, "escalate");
    assert.equal(asked.length, 1);
  });

  test("that wants a person is answered by nothing that was kept, and its yes holds once", async (context) => {
    const { decide, keep, asked } = makeDesk(context);
    keep.as = session;
    await decide(users);
    await decide(users);
    assert.equal(asked.length, 1);
    const decision = await decide(person);
    assert.equal(decision.verdict.kind, "escalate");
    assert.deepEqual(
      { reason: asked[1]?.reason, answeredBy: asked[1]?.answeredBy, proposals: asked[1]?.proposals },
      { reason: 'ask me (rule ["tool"] at managed.rules:1)', answeredBy: "person", proposals: [] },
    );
    await decide(person);
    assert.equal(asked.length, 3);
  });

  test("that wants a person denies where there is none", async (context) => {
    const { decide } = makeDesk(context);
    const { verdict } = await decide(person, { ask: async () => Promise.reject(new Error("nobody")) });
    assert.equal(verdict.kind, "deny");
  });

  test("that wants a person does not outrank what is forbidden", async (context) => {
    const { decide, asked } = makeDesk(context);
    const { verdict, reason } = await decide({
      ...person,
      rules: [...rulesOf(["user", 'prefix_rule(["tool"], "forbidden")']).rules, ...person.rules],
    });
    assert.deepEqual([verdict.kind, reason.text, asked.length], ["deny", 'rule ["tool"] at user.rules:1', 0]);
  });
});

test("a decision names the rule that it was taken by, whatever it was", async (context) => {
  const { decide, keep } = makeDesk(context);
  const no: Partial<DeciderOptions> = { ask: async () => ({ kind: "deny", reason: "no" }) };
  const longer = 'prefix_rule(["tool", "a"], "forbidden")';
  const byWhich = async (text: string, changes: Partial<DeciderOptions> = {}): Promise<string> => {
    const { verdict, decidedBy } = await decide(rulesOf(["user", text]), changes);
    return `${verdict.kind} by ${decidedBy === undefined ? "none" : `${decidedBy.decision} ${decidedBy.rest.length}`}`;
  };
  const asks = 'prefix_rule(["tool"], "prompt")';
  const outcomes = [
    await byWhich(`prefix_rule(["tool"], "forbidden")\n${longer}\nprefix_rule(["tool"])`),
    await byWhich(`${asks}\nprefix_rule(["tool", "a"])`),
    await byWhich(asks, no),
    await byWhich(`prefix_rule(["tool"])\nprefix_rule(["tool", "a"])`),
    await byWhich('prefix_rule(["tool"])', {
      wall: { walled: false, writableRoots: [], translate: (name) => name, denyRead: [] },
    }),
    await byWhich('prefix_rule(["tool", "b"])'),
    await byWhich("", { defaultDecision: "forbidden" }),
  ];
  keep.as = always;
  outcomes.push(await byWhich(asks), await byWhich(asks, no));
  assert.deepEqual(outcomes, [
    "deny by forbidden 1",
    "escalate by prompt 0",
    "deny by prompt 0",
    "escalate by allow 1",
    "run by allow 0",
    "run by none",
    "deny by none",
    "escalate by prompt 0",
    "escalate by prompt 0",
  ]);
});

describe("a list of places", () => {
  // Another name and another content than the tool on the PATH, so that only the list gives it away.
  const place = (bin: string): { path: string; call: Call } => {
    const path = join(bin, "elsewhere");
    mkdirSync(path);
    copyFileSync("/usr/bin/false", join(path, "tool"));
    linkSync(join(path, "tool"), join(path, "other"));
    return { path: join(path, "tool"), call: { file: join(path, "other"), argv: ["other"] } };
  };

  test("takes no file out of what an earlier list forbids", async (context) => {
    const { decide, bin } = makeDesk(context);
    const { path, call } = place(bin);
    const forbidden = rulesOf(["system", 'prefix_rule(["tool"], "forbidden")']);
    const later = { hosts: new Map([["tool", [join(bin, "tool")]]]) };
    assert.equal(
      (await decide({ ...forbidden, ...later, listed: new Map([["tool", [path]]]) }, {}, call)).verdict.kind,
      "deny",
    );
    assert.equal((await decide({ ...forbidden, ...later }, {}, call)).verdict.kind, "run");
  });

  test("of a project does not make the user's allow rule one for another file", async (context) => {
    const { decide, bin } = makeDesk(context);
    const { path, call: other } = place(bin);
    rmSync(other.file); // what has a second name is not carried outside
    const call = { file: path, argv: ["tool"] };
    const allow = rulesOf(["user", 'prefix_rule(["tool"])']);
    const projects = new Map([["tool", [path]]]);
    assert.equal((await decide({ ...allow, projectHosts: projects, listed: projects }, {}, call)).verdict.kind, "run");
    assert.equal((await decide({ ...allow, hosts: projects }, {}, call)).verdict.kind, "escalate");
  });
});
