/** What Codex's own evaluator answered to files and commands of ours (`execpolicy check` of @openai/codex 0.169.0), recorded with its
 *  decisions, matched prefixes, and the kinds and places of its errors. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { checkTokens, parseRules } from "../src/language.ts";
import type { HostExecutables, PrefixRule, RulesError } from "../src/index.ts";
import type { CheckResult } from "../src/language.ts";

interface PeerError {
  exit: number;
  file?: number;
  line?: number;
  column?: number;
  kind: "syntax" | "call" | "example";
}

interface Recorded {
  rules: string[];
  args: string[];
  resolve?: boolean;
  result: CheckResult | PeerError;
}

const recorded = readFileSync(new URL("recorded/peer-answers.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Recorded);

/** Where ours points elsewhere: at the end of an unclosed bracket or empty block, not at 1:1; at the call whose result has the
 *  wrong type, not into the function; at the line that fits no block, not at the end of the line before. */
const otherLines = new Set([
  'prefix_rule(["p"], justification = "=" + str((1))\n',
  'def f() -> int:\n    return "a"\nf()\n',
  'if True:\n  prefix_rule(["p"])\n prefix_rule(["q"])\n',
  "def f():\n    # only\n",
]);

function answer({ rules: texts, args, resolve }: Recorded): CheckResult | { file: number; error: RulesError } {
  const rules: PrefixRule[] = [];
  let hosts: HostExecutables = new Map();
  for (const [file, text] of texts.entries()) {
    const parsed = parseRules(text, `f${file}.rules`, hosts);
    const [error] = parsed.errors;
    if (error !== undefined) return { file, error };
    hosts = parsed.hosts;
    rules.push(...parsed.rules);
  }
  const options = { hosts, resolveHostExecutables: resolve === true, folder: "/folder", home: "/home/someone" };
  return checkTokens(rules, args, options);
}

test("the recorded cases are enough, and a third of them are errors", () => {
  const errors = recorded.filter(({ result }) => "exit" in result).length;
  assert.ok(recorded.length >= 300 && errors >= recorded.length / 3, `${errors} of ${recorded.length}`);
});

test("checkTokens() answers as Codex does, in all its matches, their order and the decision", () => {
  for (const one of recorded) {
    if ("exit" in one.result) continue;
    assert.deepEqual(answer(one), one.result, JSON.stringify(one));
  }
});

test("parseRules() refuses what Codex refuses, in the same file and line", () => {
  for (const one of recorded) {
    if (!("exit" in one.result)) continue;
    const found = answer(one);
    const text = JSON.stringify(one);
    assert.ok("error" in found, text);
    if (one.result.file !== undefined) assert.equal(found.file, one.result.file, text);
    if (one.result.line === undefined || otherLines.has(one.rules[0] ?? "")) continue;
    assert.equal(found.error.line, one.result.line, text);
  }
});
