/** What holds for every set of rules: a further forbidden or prompt rule never loosens a decision, and order never matters. And for every
 *  approval that is kept: it answers its own call, nothing that is forbidden, and nothing once it is revoked. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openApprovals, readApprovals, revokeApprovals } from "@sallyport/rules-store";
import type { Decision, ExecQuestion } from "../../src/decision/index.ts";
import { makeStage } from "./exec-fixture.ts";
import type { Call, Stage } from "./exec-fixture.ts";
import { randomNumbers } from "../../../exec-policy/test/random-numbers.ts";

const rounds = 60;
const strictness = { escalate: 0, run: 1, deny: 2 } as const;

function makeCalls(stage: Stage): Call[] {
  const { bin, work } = stage;
  for (const name of ["one", "two"]) copyFileSync("/usr/bin/true", join(bin, name));
  writeFileSync(join(bin, "one"), "#!/bin/true\n");
  chmodSync(join(bin, "one"), 0o755);
  copyFileSync(join(bin, "two"), join(work, "copy"));
  linkSync(join(bin, "one"), join(work, "hard"));
  symlinkSync(join(bin, "two"), join(work, "soft"));
  const files = [join(bin, "one"), join(bin, "two"), join(work, "copy"), join(work, "hard"), "./soft"];
  return files.flatMap((file) => [["a"], ["a", "b"], []].map((args) => ({ file, argv: [file, ...args] })));
}

function makeRule(stage: Stage, random: (below: number) => number, decisions: readonly string[]): string {
  const pick = (values: readonly string[]): string => values[random(values.length)] ?? "";
  const program = pick(["one", "two", "copy", "./soft", `${stage.bin}/one`, `${stage.work}/copy`, "TWO", "true"]);
  const tokens = [
    program,
    ...pick(["", "a", "a b", "b"])
      .split(" ")
      .filter((token) => token !== ""),
  ];
  const condition = pick([
    "",
    "",
    ", exact = True",
    ", canonical_matching = True",
    ', expires = "2001-01-01"',
    `, under = "${stage.bin}"`,
    `, sha256 = "${"0".repeat(64)}"`,
  ]);
  return `prefix_rule(${JSON.stringify(tokens)}, "${pick(decisions)}"${condition})`;
}

function shuffled(values: readonly string[], random: (below: number) => number): string[] {
  return values
    .map((value) => ({ value, key: random(1_000_000) }))
    .toSorted((left, right) => left.key - right.key)
    .map(({ value }) => value);
}

test("a further forbidden or prompt rule never loosens a decision, and order never matters", async (context) => {
  const stage = makeStage(context);
  const calls = makeCalls(stage);
  const random = randomNumbers(20261122);
  const seen = { escalate: 0, run: 0, deny: 0, tightened: 0 };
  for (let round = 0; round < rounds; round += 1) {
    const rules = Array.from({ length: 1 + random(5) }, () =>
      makeRule(stage, random, ["allow", "allow", "prompt", "forbidden"]),
    );
    const more = makeRule(stage, random, ["prompt", "forbidden"]);
    const call = calls[random(calls.length)];
    assert.ok(call !== undefined);
    const kindOf = async (lines: readonly string[]): Promise<keyof typeof strictness> =>
      (await stage.decide(lines.join("\n"), call)).verdict.kind;
    const before = await kindOf(rules);
    const after = await kindOf(shuffled([...rules, more], random));
    const text = JSON.stringify({ rules, more, call });
    assert.ok(strictness[after] >= strictness[before], text);
    assert.equal(await kindOf(shuffled(rules, random)), before, text);
    seen[before] += 1;
    if (strictness[after] > strictness[before]) seen.tightened += 1;
  }
  // Every kind occurs, so the property was tried where it could fail.
  assert.ok(
    Object.values(seen).every((count) => count > 0),
    JSON.stringify(seen),
  );
});

test("a kept approval: replayed it never asks, forbidden it never answers, revoked it asks again", async (context) => {
  const stage = makeStage(context);
  const calls = makeCalls(stage);
  const random = randomNumbers(20261123);
  const home = join(stage.root, "home");
  mkdirSync(home, { mode: 0o700 });
  const approvals = openApprovals({ home, onWarning: assert.fail });
  const seen = { escalate: 0, run: 0, deny: 0, kept: 0, forbidden: 0, others: 0 };
  for (let round = 0; round < rounds; round += 1) {
    const call = calls[random(calls.length)];
    const other = calls[random(calls.length)];
    assert.ok(call !== undefined && other !== undefined);
    const rules = Array.from({ length: 1 + random(4) }, () => makeRule(stage, random, ["allow", "prompt", "prompt"]));
    const choice = random(4);
    const decide = async (lines: readonly string[], of: Call, asked: ExecQuestion[]): Promise<Decision> =>
      await stage.decide(shuffled(lines, random).join("\n"), of, {
        approvals,
        ask: async (question) => {
          asked.push(question);
          const proposal = question.proposals[Math.min(choice, question.proposals.length - 1)];
          assert.ok(proposal !== undefined);
          return { kind: "allow", by: "the user", keep: { scope: "always", proposal } };
        },
      });
    const text = JSON.stringify({ rules, call, choice });
    const first: ExecQuestion[] = [];
    const before = await decide(rules, call, first);
    seen[before.verdict.kind] += 1;
    if (first.length > 0) {
      seen.kept += 1;
      const again: ExecQuestion[] = [];
      const replayed = await decide(rules, call, again);
      assert.deepEqual([again.length, replayed.verdict.kind], [0, before.verdict.kind], `replayed: ${text}`);

      // Strictest wins: the forbidden one is on what the program is called, however it is called.
      const forbidden = `prefix_rule([${JSON.stringify(call.file === "./soft" ? "two" : call.file)}], "forbidden")`;
      const denied = await decide([...rules, forbidden], call, again);
      assert.deepEqual([again.length, denied.verdict.kind], [0, "deny"], `forbidden: ${text}`);
      seen.forbidden += 1;

      // Whoever is not asked about was approved: by the very record that says so.
      const others: ExecQuestion[] = [];
      const withRecord = await decide(rules, other, others);
      const [record] = readApprovals(home);
      assert.ok(record !== undefined);
      if (others.length === 0 && withRecord.reason.text.includes("approved by")) {
        const argv = other.argv.slice(1);
        const start = record.pattern.slice(1);
        assert.ok(
          start.every((token, index) => token === argv[index]),
          `another's: ${text} ${JSON.stringify(other)}`,
        );
        assert.ok(!record.exact || start.length === argv.length, `exact: ${text} ${JSON.stringify(other)}`);
        seen.others += 1;
      }

      revokeApprovals(home, () => true);
      const revoked: ExecQuestion[] = [];
      await decide(rules, call, revoked);
      assert.equal(revoked.length, 1, `revoked: ${text}`);
      revokeApprovals(home, () => true);
    }
  }
  assert.ok(
    seen.escalate > 0 && seen.run > 0 && seen.kept > 5 && seen.forbidden > 5 && seen.others > 0,
    JSON.stringify(seen),
  );
});
