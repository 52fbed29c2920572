import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRulesError } from "../src/index.ts";
import { parseRules } from "../src/language.ts";
import { randomNumbers } from "./random-numbers.ts";

const seeds = [
  'prefix_rule(["git", ["push", "fetch"]], "prompt", match = ["git push \'a\'"], not_match = [["git"]])\n',
  'prefix_rule(\n    pattern = [r"a\\"", """b\nc"""],\n    escalate = True,  # why\n    env = ["A"],\n)\r\n',
  String.raw`prefix_rule(["\x41\u00e9\U0001F600\777"], justification = "no"); x = f"{y}"` + "\n\tfor a in b:\n",
];
const pieces = [
  "(",
  ")",
  "[",
  "]",
  "{",
  '"',
  "'",
  '"""',
  "\\",
  "\\x",
  "\n",
  "\r",
  "\t",
  ",",
  "=",
  "#",
  ";",
  "é",
  "\ud800",
  "\0",
  "prefix_rule",
  "None",
  "0x",
  "1e5",
  "**",
  "f'",
];

function mutate(text: string, random: (below: number) => number): string {
  let result = text;
  for (let count = 1 + random(4); count > 0; count -= 1) {
    const from = random(result.length + 1);
    const piece = pieces[random(pieces.length)] ?? "";
    const insert = random(4) === 0 ? piece.repeat(random(300)) : piece;
    result = result.slice(0, from) + insert + result.slice(from + random(6));
  }
  return result;
}

test("parseRules() neither throws nor hangs on 2,000 broken files", () => {
  const random = randomNumbers(20261122);
  const startedAtMs = performance.now();
  const outcomes = { good: 0, broken: 0 };
  for (let round = 0; round < 2000; round += 1) {
    const text = mutate(seeds[round % seeds.length] ?? "", random);
    const { rules, errors } = parseRules(text, "fuzz.rules");
    for (const error of errors) {
      assert.match(formatRulesError(error), /^fuzz\.rules:[1-9][0-9]*:[1-9][0-9]*: .+, expected [^\n]+$/);
      const line = text.split("\n")[error.line - 1];
      assert.ok(line !== undefined && error.column <= line.length + 1, JSON.stringify(text));
    }
    assert.ok(errors.length === 0 || rules.length === 0);
    outcomes[errors.length === 0 ? "good" : "broken"] += 1;
  }
  // Both kinds occur, so neither half of the reader went untried.
  assert.ok(outcomes.good > 20 && outcomes.broken > 1000, JSON.stringify(outcomes));
  assert.ok(performance.now() - startedAtMs < 60_000);
});

test("parseRules() stays linear where a file invites it not to", () => {
  const size = 900_000;
  const nasty = ["(", "[\n", '"', "\\\n", 'x("""\n', "prefix_rule(", "prefix_rule([1]);", "é\n", "#\n", "\t"];
  for (const piece of nasty) {
    const startedAtMs = performance.now();
    parseRules(piece.repeat(size / piece.length), "fuzz.rules");
    assert.ok(performance.now() - startedAtMs < 30_000, JSON.stringify(piece));
  }
});
