/** The short ways of reading a file (plain calls, statements without tokens, run while it is read, calls without places) say the same as the
 *  long one, rule for rule and error for error. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseRulesAsWhole } from "../src/parse-rules.ts";
import { parseRules } from "../src/language.ts";
import { Parser } from "../src/parser.ts";
import { RulesFailure } from "../src/rules-error.ts";
import type { Statement } from "../src/syntax.ts";
import { randomNumbers } from "./random-numbers.ts";

const lines = [
  'prefix_rule(["a", "b"])',
  'prefix_rule(["a", ["b", "c"]], "prompt", match = ["a b", ["a", "c"]], not_match = ["b"])  # why',
  "prefix_rule(\n    pattern = ['x', 'y z'],  # first\n    justification = \"it's so\",\n)",
  'prefix_rule(pattern = ["a" + "b", READ], decision = HOW)',
  String.raw`prefix_rule(["a\"b", '\x41', "\q"], canonical_matching = True)`,
  'READ = ["status", "log"]',
  'HOW = "prompt"',
  'BOTH = READ + ["show"]',
  'host_executable("a", ["/bin/a", "/usr/bin/a"])',
  'host_executable(name = "b", paths = [])',
  'network_rule("a.example", "https", "allow")',
  'def allow(program, *rest, why = "w"):\n    prefix_rule([program] + list(rest), "allow", justification = why)',
  'allow("p", "q", why = "because")',
  'for i in range(3):\n    prefix_rule(["p" + str(i), f"s{i}"])',
  '[prefix_rule(["c%d" % i]) for i in range(2)]',
  "str = 1",
  'allow = READ; prefix_rule(["s"])',
  'if READ: prefix_rule(["t"])',
  'prefix_rule(["a"], match = ["/bin/a b"], not_match = ["c"])',
  'prefix_rule(["u"], escalate = True, env = ["B"])',
  "# only a comment",
  "",
];
const pieces = [
  "(",
  ")",
  "[",
  "]",
  '"',
  "'",
  "\\",
  "\n",
  "\r\n",
  "\r",
  "\t",
  " ",
  ",",
  "=",
  "==",
  "+",
  "+=",
  "#",
  ";",
  ".",
  "é",
  "\0",
];
const words = [
  "None",
  "True",
  "READ",
  "HOW",
  "f",
  "r",
  "in",
  "if",
  "not",
  "match",
  "decision = ",
  "exact = False",
  "7",
  "*",
  "**",
  '""',
  '"""',
];

function someFile(random: (below: number) => number): string {
  const chosen = Array.from({ length: 1 + random(6) }, () => lines[random(lines.length)] ?? "");
  let text = `${chosen.join(random(8) === 0 ? "\r\n" : "\n")}\n`;
  for (let count = random(4); count > 0; count -= 1) {
    const from = random(text.length + 1);
    const known = random(2) === 0 ? pieces : words;
    text = text.slice(0, from) + (known[random(known.length)] ?? "") + text.slice(from + random(4));
  }
  return text;
}

/** Up to where it fails, and how. */
function treeOf(text: string, byTokens: boolean): (Statement | string)[] {
  const parser = new Parser(text, 0, { byTokens });
  const found: (Statement | string)[] = [];
  try {
    for (let line = parser.nextLine(); line !== null; line = parser.nextLine()) found.push(...line);
  } catch (error) {
    assert.ok(error instanceof RulesFailure);
    found.push(`${error.start} ${error.end} ${error.message} ${error.expected}`);
  }
  return found;
}

const rounds = 3000;

test("parseRules() says the same by its short ways as by the long one", () => {
  const random = randomNumbers(20261123);
  const outcomes = { good: 0, broken: 0 };
  for (let round = 0; round < rounds; round += 1) {
    const text = someFile(random);
    const whole = parseRulesAsWhole(text, "t.rules");
    assert.deepEqual(parseRules(text, "t.rules"), whole, text);
    outcomes[whole.errors.length === 0 ? "good" : "broken"] += 1;
  }
  assert.ok(outcomes.good > 300 && outcomes.broken > 300, JSON.stringify(outcomes));
});

test("parseRules() says the same by its short ways for every recorded case of the peer", () => {
  const recorded = readFileSync(new URL("recorded/peer-answers.jsonl", import.meta.url), "utf8")
    .trim()
    .split("\n");
  for (const text of new Set(recorded.flatMap((line) => (JSON.parse(line) as { rules: string[] }).rules)))
    assert.deepEqual(parseRules(text, "t.rules"), parseRulesAsWhole(text, "t.rules"), text);
});

test("Parser makes the same tree without tokens as with them", () => {
  const random = randomNumbers(20261124);
  for (let round = 0; round < rounds; round += 1) {
    const text = someFile(random);
    assert.deepEqual(treeOf(text, false), treeOf(text, true), text);
  }
});

test("parseRules() reads a call without places as it does one with them", () => {
  const random = randomNumbers(20261125);
  const values = [
    '["a", "b"]',
    '[["a", "c"], "b"]',
    "[]",
    "[[]]",
    '["a", 1]',
    '"allow"',
    '"prompt"',
    '"no"',
    '" "',
    '"why"',
    "True",
  ];
  const examples = ['["a b"]', '["a b", ["c"]]', "[1]", '["\'"]', '[""]', "[[]]", "None", "1"];
  const known = [...values, ...examples];
  const names = ["pattern", "decision", "match", "not_match", "justification", "canonical_matching", "other"];
  const one = (list: readonly string[]): string => list[random(list.length)] ?? "";
  const outcomes = { good: 0, broken: 0 };
  for (let round = 0; round < rounds; round += 1) {
    const first = random(4) === 0 ? one(known) : one(values.slice(0, 2));
    const more = Array.from({ length: random(3) }, () =>
      random(3) > 0 ? `${one(names)} = ${one(known)}` : one(known),
    );
    const call = `prefix_rule(${[first, ...more].join(", ")}`;
    // A parameter of ours is read the other way, and changes nothing here.
    const [short, long] = [")", ", exact = False)"].map((end) => parseRulesAsWhole(`${call}${end}\n`, "t.rules"));
    assert.ok(short !== undefined && long !== undefined);
    const places = (found: typeof short): unknown[] =>
      found.errors.map(({ line, column, text, expected }) => ({ line, column, text, expected }));
    assert.deepEqual({ rules: short.rules, errors: places(short) }, { rules: long.rules, errors: places(long) }, call);
    outcomes[short.errors.length === 0 ? "good" : "broken"] += 1;
  }
  assert.ok(outcomes.good > 300 && outcomes.broken > 300, JSON.stringify(outcomes));
});
