/** What `.rules` files have here and not elsewhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isExpired, matchPrefix } from "../src/index.ts";
import { parseRules } from "../src/language.ts";
import type { PrefixRule } from "../src/index.ts";

function ruleOf(text: string): PrefixRule {
  const { rules, errors } = parseRules(text, "a.rules");
  assert.deepEqual(errors, []);
  const [rule] = rules;
  assert.ok(rule !== undefined);
  return rule;
}

test("prefix_rule() carries every addition, and the file says which it uses", () => {
  const text = `prefix_rule(["curl"], escalate = True, env = ["A"], exact = True, expires = "2027-01-31",
  sha256 = "${"AB".repeat(32)}", under = "/usr/../opt/", escalate_with = {"write": ["/w/../x"], "network": True, "env": ["B"]})`;
  const { own } = parseRules(text, "a.rules");
  assert.deepEqual(own, [
    { line: 1, column: 1, parameters: ["escalate", "env", "exact", "expires", "sha256", "under", "escalate_with"] },
  ]);
  assert.deepEqual(ruleOf(text), {
    program: "curl",
    rest: [],
    decision: "allow",
    escalate: true,
    env: ["A"],
    canonical: false,
    exact: true,
    expires: "2027-01-31",
    sha256: "ab".repeat(32),
    under: "/opt",
    escalateWith: { write: ["/x"], read: [], network: true, env: ["B"] },
    at: { file: "a.rules", line: 1, column: 1 },
  });
});

test("exact = True matches the whole command only", () => {
  const rule = ruleOf('prefix_rule(["git", ["pull", "fetch"]], exact = True)');
  const commands = [["git", "pull"], ["git", "fetch"], ["git", "pull", "-f"], ["git"]];
  assert.deepEqual(
    commands.map((tokens) => matchPrefix(rule, tokens)),
    [true, true, false, false],
  );
});

test("isExpired() is true from the start of the day on, in UTC", () => {
  const rule = ruleOf('prefix_rule(["a"], expires = "2027-01-31")');
  assert.equal(isExpired(rule, Date.UTC(2027, 0, 30, 23, 59, 59, 999)), false);
  assert.equal(isExpired(rule, Date.UTC(2027, 0, 31)), true);
  assert.equal(isExpired(ruleOf('prefix_rule(["a"])'), Number.MAX_SAFE_INTEGER), false);
});

test("canonical matching folds case and composition, and nothing else", () => {
  const rule = ruleOf('prefix_rule(["Straße", "É"], canonical_matching = True)');
  const commands = [
    ["STRASSE", "e\u0301"],
    ["strasse", "É"],
    ["straße", "e"],
    ["strase", "é"],
    ["ＳＴＲＡＳＳＥ", "é"],
  ];
  assert.deepEqual(
    commands.map((tokens) => matchPrefix(rule, tokens)),
    [true, true, false, false, false],
  );
});

test("canonical matching compares with a huge token at once", () => {
  const rule = ruleOf('prefix_rule(["a", "é"], canonical_matching = True)');
  const huge = "é".repeat(2_000_000);
  const startedAtMs = performance.now();
  for (let round = 0; round < 1000; round += 1) assert.equal(matchPrefix(rule, ["a", huge]), false);
  assert.ok(performance.now() - startedAtMs < 30_000);
});
