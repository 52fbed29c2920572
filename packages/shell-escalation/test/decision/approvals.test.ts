/** Kept approvals in the decision: when one answers, what a yes may be kept for, and what never is answered by one. */
import assert from "node:assert/strict";
import { appendFileSync, chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { openApprovals, readApprovals, revokeApprovals } from "@sallyport/rules-store";
import type { ApprovalBook, ApprovalKeep } from "@sallyport/rules-store";
import type { ExecAnswer, ExecQuestion } from "../../src/decision/index.ts";
import { makeStage } from "./exec-fixture.ts";
import type { Call, Stage } from "./exec-fixture.ts";

type Changes = NonNullable<Parameters<Stage["decide"]>[2]>;

interface Desk {
  stage: Stage;
  home: string;
  approvals: ApprovalBook;
  /** What was asked, oldest first. */
  asked: ExecQuestion[];
  /** What the person says to the next question. */
  say: { answer(question: ExecQuestion): ExecAnswer };
  /** "run", "escalate" or "deny", and how many questions it took. */
  decide: (rules: string, call: Call, changes?: Changes) => Promise<string>;
}

function makeDesk(context: TestContext): Desk {
  const stage = makeStage(context);
  const home = join(stage.root, "home");
  mkdirSync(home, { mode: 0o700 });
  const asked: ExecQuestion[] = [];
  const approvals = openApprovals({ home, onWarning: (message) => assert.fail(message) });
  const say: Desk["say"] = { answer: () => ({ kind: "deny", reason: "no" }) };
  const ask = async (question: ExecQuestion): Promise<ExecAnswer> => {
    asked.push(question);
    return say.answer(question);
  };
  const decide: Desk["decide"] = async (rules, call, changes = {}) => {
    const before = asked.length;
    const { verdict } = await stage.decide(rules, call, { ask, approvals, ...changes });
    return `${verdict.kind}, asked ${asked.length - before}`;
  };
  return { stage, home, approvals, asked, say, decide };
}

function yes(keep?: (question: ExecQuestion) => ApprovalKeep): Desk["say"]["answer"] {
  return (question) => ({ kind: "allow", by: "the user", ...(keep === undefined ? {} : { keep: keep(question) }) });
}

function always(index: number): (question: ExecQuestion) => ApprovalKeep {
  return ({ proposals }) => {
    const proposal = proposals[index];
    assert.ok(proposal !== undefined);
    return { scope: "always", proposal };
  };
}

const session = (): ApprovalKeep => ({ scope: "session" });

/** A program of the user's own, outside of what can be written from inside. */
function addTool(stage: Stage, name: string, folder: string = stage.bin): string {
  const path = join(folder, name);
  copyFileSync("/usr/bin/true", path);
  return path;
}

const prompt = 'prefix_rule(["tool"], "prompt", justification = "tools are for people")';

describe("an approval", () => {
  test("kept for good answers the same call from then on, as the yes did", async (context) => {
    const { stage, say, decide, home } = makeDesk(context);
    const call = { file: addTool(stage, "tool"), argv: ["tool", "a"] };
    say.answer = yes(always(0));
    assert.equal(await decide(prompt, call), "escalate, asked 1");
    assert.equal(await decide(prompt, call), "escalate, asked 0");
    const [record] = readApprovals(home);
    assert.ok(record !== undefined);
    assert.deepEqual(record.origin, {
      by: "the user",
      for: 'tools are for people (rule ["tool"] at t.rules:1)',
    });
    const { reason } = await stage.decide(prompt, call, { approvals: openApprovals({ home, onWarning: assert.fail }) });
    assert.deepEqual(reason, {
      kind: "approval",
      text: `tools are for people (rule ["tool"] at t.rules:1) allows it; approved by approval ${record.id}`,
    });
    revokeApprovals(home, () => true);
    assert.equal(await decide(prompt, call), "escalate, asked 1");
  });

  test("is named in the record of the yes that made it", async (context) => {
    const { stage, say, approvals, home } = makeDesk(context);
    const call = { file: addTool(stage, "tool"), argv: ["tool"] };
    say.answer = yes(always(0));
    const { reason } = await stage.decide(prompt, call, { approvals, ask: async (question) => say.answer(question) });
    assert.match(reason.text, new RegExp(`; approved by the user, kept as approval ${readApprovals(home)[0]?.id}$`));
  });

  test("for once and for the session leaves nothing behind", async (context) => {
    const { stage, say, decide, home } = makeDesk(context);
    const call = { file: addTool(stage, "tool"), argv: ["tool"] };
    say.answer = yes();
    assert.equal(await decide(prompt, call), "escalate, asked 1");
    say.answer = yes(session);
    assert.equal(await decide(prompt, call), "escalate, asked 1");
    assert.equal(await decide(prompt, call), "escalate, asked 0");
    assert.equal(await decide(prompt, { ...call, argv: ["tool", "b"] }), "escalate, asked 1");
    assert.deepEqual(readApprovals(home), []);
  });

  test("answers where there is nobody to ask", async (context) => {
    const { stage, say, decide, approvals } = makeDesk(context);
    const call = { file: addTool(stage, "tool"), argv: ["tool"] };
    say.answer = yes(always(0));
    await decide(prompt, call);
    assert.equal((await stage.decide(prompt, call, { approvals })).verdict.kind, "escalate");
    assert.equal((await stage.decide(prompt, { ...call, argv: ["tool", "b"] }, { approvals })).verdict.kind, "deny");
  });

  test("never answers a forbidden, whichever rule comes first", async (context) => {
    const { stage, say, decide } = makeDesk(context);
    const call = { file: addTool(stage, "tool"), argv: ["tool", "a"] };
    say.answer = yes(always(2));
    assert.equal(await decide(prompt, call), "escalate, asked 1");
    const forbidden = 'prefix_rule(["tool", "a"], "forbidden")';
    for (const rules of [`${prompt}\n${forbidden}`, `${forbidden}\n${prompt}`, forbidden])
      assert.equal(await decide(rules, call), "deny, asked 0");
    assert.equal(await decide(prompt, call), "escalate, asked 0");
  });

  test("never answers a hook's no, and answers a hook's question", async (context) => {
    const { stage, say, decide } = makeDesk(context);
    const call = { file: addTool(stage, "tool"), argv: ["tool"] };
    const consult = (decision: "deny" | "ask"): Changes => ({
      consult: async () => ({ decision, reason: "the audit", by: 'hook "audit"' }),
    });
    say.answer = yes(always(0));
    assert.equal(await decide("", call, consult("ask")), "run, asked 1");
    assert.equal(await decide("", call, consult("ask")), "run, asked 0");
    assert.equal(await decide("", call, consult("deny")), "deny, asked 0");
  });

  test("answers default = prompt, and a yes to that does not carry outside", async (context) => {
    const { stage, say, decide } = makeDesk(context);
    const call = { file: addTool(stage, "tool"), argv: ["tool"] };
    say.answer = yes(always(0));
    assert.equal(await decide("", call, { defaultDecision: "prompt" }), "run, asked 1");
    assert.equal(await decide("", call, { defaultDecision: "prompt" }), "run, asked 0");
    assert.equal(await decide("", call, { defaultDecision: "forbidden" }), "deny, asked 0");
  });

  test("of a program that was replaced or changed asks again", async (context) => {
    const { stage, say, decide, asked } = makeDesk(context);
    const path = addTool(stage, "tool");
    const call = { file: path, argv: ["tool"] };
    say.answer = yes(always(1));
    assert.equal(await decide(prompt, call), "escalate, asked 1");
    assert.match(asked[0]?.proposals[0]?.sha256 ?? "", /^[0-9a-f]{64}$/);
    copyFileSync("/usr/bin/true", path);
    assert.equal(await decide(prompt, call), "escalate, asked 0", "the same content is the same program");
    appendFileSync(path, "x");
    assert.equal(await decide(prompt, call), "escalate, asked 1");
  });

  test("of a script asks again when its interpreter is another one", async (context) => {
    const { stage, say, decide } = makeDesk(context);
    const interpreter = addTool(stage, "reader");
    const path = join(stage.bin, "greet");
    writeFileSync(path, `#!${interpreter}\n`, { mode: 0o755 });
    const rules = 'prefix_rule(["greet"], "prompt")';
    const call = { file: path, argv: ["greet"] };
    say.answer = yes(always(0));
    assert.equal(await decide(rules, call), "escalate, asked 1");
    assert.equal(await decide(rules, call), "escalate, asked 0");
    appendFileSync(interpreter, "x");
    assert.equal(await decide(rules, call), "escalate, asked 1");
  });

  test("for one LD_PRELOAD is for the session, and not for the next one", async (context) => {
    const { stage, say, decide, asked, home } = makeDesk(context);
    for (const name of ["a.so", "b.so"]) writeFileSync(join(stage.work, name), "");
    const call = { file: addTool(stage, "tool"), argv: ["tool"] };
    const loading = (name: string): Call => ({ ...call, env: [`LD_PRELOAD=./${name}`] });
    say.answer = yes(session);
    assert.equal(await decide("", loading("a.so")), "run, asked 1");
    assert.deepEqual(asked[0]?.proposals, []);
    assert.equal(await decide("", loading("a.so")), "run, asked 0");
    assert.equal(await decide("", loading("b.so")), "run, asked 1");
    assert.deepEqual(readApprovals(home), []);
  });

  test("for a plain call does not answer the call with LD_PRELOAD", async (context) => {
    const { stage, say, decide } = makeDesk(context);
    writeFileSync(join(stage.work, "a.so"), "");
    const call = { file: addTool(stage, "tool"), argv: ["tool"] };
    say.answer = yes(always(1));
    assert.equal(await decide(prompt, call), "escalate, asked 1");
    say.answer = () => ({ kind: "deny", reason: "no" });
    assert.equal(await decide(prompt, { ...call, env: ["LD_PRELOAD=./a.so"] }), "deny, asked 1");
    assert.equal(await decide(prompt, call), "escalate, asked 0");
  });

  test("for one value of a variable that the rule hands on does not answer for the next", async (context) => {
    const { stage, say, decide, asked, home } = makeDesk(context);
    const rules = 'prefix_rule(["tool"], "prompt", env = ["TARGET"])';
    const call = { file: addTool(stage, "tool"), argv: ["tool"] };
    const to = (target: string): Call => ({ ...call, env: [`TARGET=${target}`] });
    say.answer = yes(session);
    assert.equal(await decide(rules, to("staging")), "escalate, asked 1");
    assert.deepEqual(asked[0]?.proposals, []);
    assert.equal(await decide(rules, to("staging")), "escalate, asked 0");
    assert.equal(await decide(rules, to("production")), "escalate, asked 1");
    say.answer = yes(always(1));
    assert.equal(await decide(rules, call), "escalate, asked 1");
    assert.equal(readApprovals(home).length, 1);
    say.answer = () => ({ kind: "deny", reason: "no" });
    assert.equal(await decide(rules, to("elsewhere")), "deny, asked 1");
    assert.equal(await decide(rules, call), "escalate, asked 0");
  });

  test("is not fooled by another name for the program", async (context) => {
    const { stage, say, decide } = makeDesk(context);
    const path = addTool(stage, "tool");
    symlinkSync(path, join(stage.bin, "other"));
    say.answer = yes(always(0));
    assert.equal(await decide(prompt, { file: path, argv: ["tool"] }), "escalate, asked 1");
    assert.equal(await decide(prompt, { file: path, argv: [path] }), "escalate, asked 0");
    say.answer = () => ({ kind: "deny", reason: "no" });
    assert.equal(await decide(prompt, { file: join(stage.bin, "other"), argv: ["other"] }), "deny, asked 1");
    const impostor = addTool(stage, "tool", stage.work);
    appendFileSync(impostor, "x");
    assert.equal(await decide(prompt, { file: impostor, argv: ["tool"] }), "deny, asked 1");
  });

  test("that was not proposed is refused, whoever sends it", async (context) => {
    const { stage, say, decide, home } = makeDesk(context);
    const call = { file: addTool(stage, "tool"), argv: ["tool", "a"] };
    say.answer = yes(({ proposals }) => ({
      scope: "always",
      proposal: { ...(proposals[0] ?? assert.fail()), pattern: ["tool"], exact: false },
    }));
    assert.equal(await decide(prompt, call), "deny, asked 1");
    assert.deepEqual(readApprovals(home), []);
  });

  test("that can't be written still was a yes, for this once", async (context) => {
    const { stage, say, home, approvals } = makeDesk(context);
    const call = { file: addTool(stage, "tool"), argv: ["tool"] };
    chmodSync(home, 0o770);
    say.answer = yes(always(0));
    const ask = async (question: ExecQuestion): Promise<ExecAnswer> => say.answer(question);
    const quiet = { ...approvals, find: () => null, keep: approvals.keep.bind(approvals) };
    const warnings: string[] = [];
    const onPolicyWarning = (message: string): void => void warnings.push(message);
    const { verdict, reason } = await stage.decide(prompt, call, { ask, approvals: quiet, onPolicyWarning });
    assert.equal(verdict.kind, "escalate");
    assert.match(reason.text, /approved by the user, for this once: File ".*" can't be written/);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", /^The yes for longer holds for this once: File ".*" can't be written/);
  });

  test("that came while a question waited is told to whoever asks next", async (context) => {
    const { stage, say, decide, asked } = makeDesk(context);
    const call = { file: addTool(stage, "tool"), argv: ["tool"] };
    say.answer = yes(session);
    await decide(prompt, call);
    assert.match(asked[0]?.keptMeanwhile() ?? "", /^[0-9a-f-]{36}$/);
    say.answer = yes();
    await decide(prompt, { ...call, argv: ["tool", "b"] });
    assert.equal(asked[1]?.keptMeanwhile(), null);
  });
});

describe("a question", () => {
  async function questionOf(context: TestContext, make: (stage: Stage) => Call, rules = prompt): Promise<ExecQuestion> {
    const desk = makeDesk(context);
    await desk.decide(rules, make(desk.stage));
    const [question] = desk.asked;
    assert.ok(question !== undefined);
    return question;
  }
  const patterns = ({ proposals }: ExecQuestion): string[] =>
    proposals.map(
      ({ pattern, exact, cwd }) => `${pattern.join(" ")}${exact ? "" : " *"}${cwd === null ? "" : ", here"}`,
    );

  test("proposes the narrowest first", async (context) => {
    const question = await questionOf(context, (stage) => ({
      file: addTool(stage, "tool"),
      argv: ["tool", "sub", "--x", "y"],
    }));
    assert.deepEqual(patterns(question), ["tool sub --x y, here", "tool sub --x y", "tool sub *", "tool *"]);
  });

  test("proposes a shorter start only behind a word that looks like a subcommand", async (context) => {
    const question = await questionOf(context, (stage) => ({
      file: addTool(stage, "tool"),
      argv: ["tool", "-v", "y"],
    }));
    assert.deepEqual(patterns(question), ["tool -v y, here", "tool -v y", "tool *"]);
  });

  for (const [what, name, source] of [
    ["a shell", "sh", "/bin/sh"],
    ["an interpreter with a version", "python3.11", "/usr/bin/true"],
    ["a launcher", "env", "/usr/bin/env"],
    ["what removes files", "rm", "/usr/bin/rm"],
  ] as const) {
    test(`proposes no prefix for ${what}`, async (context) => {
      const rules = `prefix_rule(["${name}"], "prompt")`;
      const question = await questionOf(
        context,
        (stage) => {
          copyFileSync(source, join(stage.bin, name));
          return { file: join(stage.bin, name), argv: [name, "a", "b"] };
        },
        rules,
      );
      assert.deepEqual(patterns(question), [`${name} a b, here`, `${name} a b`]);
    });
  }

  test("proposes no prefix for a launcher under an innocent name, told by its file", async (context) => {
    const question = await questionOf(context, (stage) => {
      symlinkSync("/usr/bin/env", join(stage.bin, "tool"));
      return { file: join(stage.bin, "tool"), argv: ["tool", "a", "b"] };
    });
    assert.deepEqual(patterns(question), ["tool a b, here", "tool a b"]);
    assert.equal(question.proposals[0]?.file, "/usr/bin/env");
    assert.equal(question.proposals[0].sha256, null, "root's file in root's folders is known by its path");
  });

  test("proposes nothing for bytes that are no text", async (context) => {
    const question = await questionOf(context, (stage) => ({
      file: addTool(stage, "tool"),
      argv: ["tool", { base64: "/w==" }],
    }));
    assert.deepEqual(question.proposals, []);
  });

  test("tells what differs in the environment, and the programs above", async (context) => {
    const desk = makeDesk(context);
    const env = ["PATH=/elsewhere", "TERM=dumb", "NEW=1"];
    const call = { file: addTool(desk.stage, "tool"), argv: ["tool"], env };
    await desk.decide(prompt, call, { parentsOf: () => ["/bin/sh", "/usr/bin/make"] });
    const { changedEnv, droppedEnv, parents, rule } = desk.asked[0] ?? assert.fail();
    assert.deepEqual(
      { changedEnv, droppedEnv, parents, rule },
      {
        changedEnv: ["PATH=/elsewhere", "NEW=1"],
        droppedEnv: ["HOME=/home/somebody"],
        parents: ["/bin/sh", "/usr/bin/make"],
        rule: 'tools are for people (rule ["tool"] at t.rules:1)',
      },
    );
  });
});
