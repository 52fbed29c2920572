import assert from "node:assert/strict";
import { test } from "node:test";
import { matchPrefix, patternText, strictest } from "../src/index.ts";
import { parseRules } from "../src/language.ts";
import type { PrefixRule } from "../src/index.ts";

function ruleOf(text: string): PrefixRule {
  const [rule] = parseRules(text, "a.rules").rules;
  assert.ok(rule !== undefined);
  return rule;
}

test("matchPrefix() compares whole tokens, position by position", () => {
  const rule = ruleOf('prefix_rule(["git", ["push", "fetch"], "origin"])');
  assert.deepEqual(
    [
      ["git", "push", "origin"],
      ["git", "fetch", "origin", "main"],
      ["git", "push"],
      ["git", "-C", "x", "push", "origin"],
      ["Git", "push", "origin"],
      ["/usr/bin/git", "push", "origin"],
      [],
    ].map((tokens) => matchPrefix(rule, tokens)),
    [true, true, false, false, false, false, false],
  );
});

test("matchPrefix() never matches bytes that are not UTF-8", () => {
  const rule = ruleOf(String.raw`prefix_rule(["a", "\xff"])`);
  assert.equal(matchPrefix(rule, ["a", "\u00ff"]), true);
  assert.equal(matchPrefix(rule, ["a", { base64: "/w==" }]), false);
});

test("strictest() ranks forbidden over prompt over allow in any order", () => {
  assert.equal(strictest([]), undefined);
  assert.equal(strictest(["allow"]), "allow");
  assert.equal(strictest(["allow", "prompt"]), "prompt");
  assert.equal(strictest(["forbidden", "prompt", "allow"]), "forbidden");
});

test("patternText() shows alternatives in brackets", () => {
  assert.equal(patternText(ruleOf('prefix_rule(["git", ["push", "fetch"], "a b"])')), '["git",["push","fetch"],"a b"]');
});
