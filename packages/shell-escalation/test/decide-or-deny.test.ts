import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "@sallyport/supervisor";
import type { Decider, Decision } from "../src/decision/index.ts";
import { decideOrDeny } from "../src/decide-or-deny.ts";
import { execEvent, runDecision } from "./exec-events.ts";

const resolve: Broker["resolve"] = async () => ({ errno: 2 });

function answersOf(decide: Decider["decide"], timeoutMs = 10_000): Decision[] {
  const answers: Decision[] = [];
  decideOrDeny(execEvent(1), { decider: { decide }, resolve, timeoutMs }, (decision) => answers.push(decision));
  return answers;
}

function answerOf(decide: Decider["decide"], timeoutMs = 10_000): Promise<Decision> {
  return new Promise((answer) => {
    decideOrDeny(execEvent(1), { decider: { decide }, resolve, timeoutMs }, answer);
  });
}

function denial(text: string): Decision {
  return { verdict: { kind: "deny", reason: text }, reason: { kind: "default", text }, file: "/usr/bin/true" };
}

test("a synchronous decision is passed on at once", () => {
  assert.deepEqual(answersOf(runDecision), [runDecision()]);
});

test("a promised decision is passed on", async () => {
  assert.deepEqual(await answerOf(async () => runDecision()), runDecision());
});

test("a promised decision does not stand, and one that stands has to be there at once", async () => {
  const stands = { ...runDecision(), verdict: { kind: "run", stands: true } } as const;
  assert.deepEqual(await answerOf(async () => stands), runDecision());
  const answers: Decision[] = [];
  const answered = execEvent(1, { answeredAtMs: 1 });
  const options = { decider: { decide: async () => stands }, resolve, timeoutMs: 10_000 };
  decideOrDeny(answered, options, (decision) => answers.push(decision));
  assert.deepEqual(answers, [denial("the decision takes time, although an earlier one stands for it")]);
  // The negative control: the same decision without waiting.
  decideOrDeny(answered, { ...options, decider: { decide: () => stands } }, (decision) => answers.push(decision));
  assert.deepEqual(answers[1], stands);
});

test("denies when the policy throws", () => {
  const decide = (): Decision => {
    throw new Error("broken");
  };
  assert.deepEqual(answersOf(decide), [denial("the decision failed: broken")]);
});

test("denies when the policy rejects", async () => {
  assert.deepEqual(await answerOf(() => Promise.reject(new Error("broken"))), denial("the decision failed: broken"));
});

test("denies when the policy does not answer in time, and takes no later answer", async () => {
  const { promise, resolve: answerLate } = Promise.withResolvers<Decision>();
  const answers: Decision[] = [];
  await new Promise<void>((done) => {
    decideOrDeny(execEvent(1), { decider: { decide: () => promise }, resolve, timeoutMs: 5 }, (decision) => {
      answers.push(decision);
      done();
    });
  });
  answerLate(runDecision());
  await promise;
  assert.deepEqual(answers, [denial("no decision within 0.005 s")]);
});

const nonsense = [
  undefined,
  null,
  {},
  { verdict: { kind: "allow" }, reason: { text: "" }, file: "" },
  { verdict: { kind: "run" } },
];
for (const answer of nonsense) {
  test(`denies when the policy answers ${JSON.stringify(answer)}`, () => {
    const [decision] = answersOf(() => answer as never);
    assert.equal(decision?.verdict.kind, "deny");
  });
}
