/** What holds for every set of rules: a further forbidden or prompt rule never loosens a decision, and order never matters. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, linkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeStage } from "./exec-fixture.ts";
import type { Call, Stage } from "./exec-fixture.ts";

const rounds = 60;
const strictness = { escalate: 0, run: 1, deny: 2 } as const;

/** mulberry32: the same numbers on every machine. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below);
  };
}

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
