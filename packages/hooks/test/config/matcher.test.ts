import assert from "node:assert/strict";
import { test } from "node:test";
import { compileMatcher } from "../../src/config/matcher.ts";
import type { MatcherDialect } from "../../src/config/matcher.ts";

function takes(matcher: string | null, values: string[], dialect: MatcherDialect = "codex"): boolean {
  const compiled = compileMatcher(matcher, dialect);
  assert.ok("matches" in compiled, `"${matcher}" is not valid`);
  return compiled.matches(values);
}

const rows: [matcher: string | null, value: string, expected: boolean][] = [
  [null, "x", true],
  ["", "x", true],
  ["*", "x", true],
  ["Bash", "Bash", true],
  ["Ba", "Bash", false],
  ["mcp__lab", "mcp__lab__echo", false],
  ["mcp__lab__.*", "mcp__lab__echo", true],
  ["bash", "Bash", false],
  ["(?i)bash", "Bash", true],
  ["Edit|Write", "Write", true],
  ["Edit|Write", "Rewrite", false],
  ["Edit|Write.*", "Rewrite", false],
  ["Edit|Write.*", "WriteFile", true],
  ["Bash,Edit", "Bash", false],
  ["Edit, Write", "Write", false],
  ["^Ba", "Bash", true],
  ["as", "Bash", false],
  ["a.", "Bash", true],
  ["B-sh", "B-sh", true],
  ["B-s", "B-sh", true],
  ["/usr/bin/", "/usr/bin/git", true],
];

for (const [matcher, value, expected] of rows) {
  test(`matcher ${JSON.stringify(matcher)} ${expected ? "takes" : "does not take"} "${value}"`, () => {
    assert.equal(takes(matcher, [value]), expected);
  });
}

test("one of several values is enough, and no value is none", () => {
  assert.equal(takes("Write", ["apply_patch", "Write", "Edit"]), true);
  assert.equal(takes("Write", []), false);
  assert.equal(takes(null, []), true);
});

test("in files of Claude Code, commas, blanks and dashes make lists of names", () => {
  assert.equal(takes("Edit, Write", ["Write"], "claude"), true);
  assert.equal(takes("Edit, Write", ["Rewrite"], "claude"), false);
  assert.equal(takes("my-tool", ["my-tool-2"], "claude"), false);
  assert.equal(takes("my-tool.*", ["my-tool-2"], "claude"), true);
});

test("a matcher that is no regular expression, or one that only backtracking engines have, is a problem in words", () => {
  for (const bad of ["[a", "(?=x)y", "(?<=a)b", "(a)\\1", "a{1001}", "((a{100}){100}){100}", "(", "a".repeat(4097)]) {
    const compiled = compileMatcher(bad);
    assert.ok("problem" in compiled && compiled.problem.length > 0, bad);
  }
});

test("patterns that make backtracking engines hang take no time", () => {
  const value = `${"a".repeat(50_000)}!`;
  const startedAtMs = performance.now();
  for (const evil of ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
    takes(evil, [value]);
  assert.ok(performance.now() - startedAtMs < 20_000);
});

test("random matchers never throw", () => {
  const pieces = [
    "a",
    "B",
    "|",
    "*",
    "(",
    ")",
    "[",
    "]",
    "{2,3}",
    "+",
    "?",
    "\\",
    ".",
    "^",
    "$",
    "(?i)",
    "\\p{L}",
    "é",
    "😀",
    "\ud800",
    "\0",
  ];
  let seed = 7;
  const next = (limit: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * limit);
  };
  let valid = 0;
  for (let round = 0; round < 3000; round += 1) {
    const matcher = Array.from({ length: next(12) }, () => pieces[next(pieces.length)]).join("");
    const compiled = compileMatcher(matcher, round % 2 === 0 ? "codex" : "claude");
    if ("matches" in compiled) {
      compiled.matches(["Bash", "aB", "\ud800", ""]);
      valid += 1;
    }
  }
  assert.ok(valid > 300 && valid < 2700, String(valid));
});
