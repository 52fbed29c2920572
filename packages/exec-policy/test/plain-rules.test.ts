/** The quick reader says the same as the language, or nothing. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parseRules } from "@sallyport/exec-policy/language";
import { readPlainRules } from "@sallyport/exec-policy/plain";

/** An assignment is nothing for the quick reader, so the language reads the whole file. */
function byLanguage(text: string): ReturnType<typeof parseRules> {
  return parseRules(`${text}\nunused = 1\n`, "t.rules");
}

function assertSame(text: string): boolean {
  const plain = readPlainRules(text, "t.rules");
  if (plain === null) return false;
  const { rules, hosts, own, errors } = byLanguage(text);
  assert.deepEqual(errors, [], text);
  assert.deepEqual(plain, { rules, hosts, own }, text);
  return true;
}

describe("readPlainRules()", () => {
  for (const text of [
    "",
    "\n\n# only a comment",
    'prefix_rule(["a"])',
    "prefix_rule(['a', 'b\"c'], 'prompt')\n",
    'prefix_rule(pattern=["a"], decision="allow")\nprefix_rule(pattern=["b"], decision="forbidden")\n',
    'prefix_rule(\n  [\n    ["a", "b"],\n    ["c"],\n    "d",\n  ],\n  decision = "prompt",\n)\n\n# x\nprefix_rule(["e"]) \n',
    'prefix_rule(["a"], justification = " why ", canonical_matching = True, exact = False)',
    'prefix_rule(["a"], escalate = True, env = ["B", "C"], expires = "2027-01-31", under = "/usr")',
    `prefix_rule(["a"], sha256 = "${"A".repeat(64)}")`,
    'prefix_rule(["a", "é", "{x}", "\t", "\u0001"], match = ["a é {x} \'\t\' \u0001 z", ["a", "é", "{x}", "\t", "\u0001"]])',
    'prefix_rule(["a"], match = [], not_match = ["b a", ["b"]])',
    'prefix_rule(["A"], match = ["a b"], canonical_matching = True)',
    'prefix_rule([""])',
    'prefix_rule(["a"]) # why',
    'prefix_rule(  # why\n  ["a",  # one "a"\n   "b"],\n)  # end\nprefix_rule(["c"])',
    String.raw`prefix_rule(["a\n\x41\"", 'b\'', "\\"], justification = "it\"s \q")` + '\nprefix_rule(["c"])',
    'host_executable("a", ["/bin/a"])',
    'host_executable(paths = ["/bin/a", "/usr/bin/a", "/bin/a"], name = "a")\nprefix_rule(["a"], match = ["a b"])',
    'host_executable("a", [])\nhost_executable("b", ["/b"])\nhost_executable("a", ["/bin/a"])',
  ])
    test(`reads ${JSON.stringify(text)} as the language does`, () => assert.ok(assertSame(text)));

  for (const text of [
    ' prefix_rule(["a"])',
    'prefix_rule(["a"]);',
    'prefix_rule(["a"\t])',
    'prefix_rule(["a"])\r\n',
    'prefix_rule(["a" "b"])',
    'prefix_rule(["a\\\nb"])',
    'prefix_rule(["a\\x4"])',
    'prefix_rule(["a\\"])',
    'prefix_rule(["""a"""])',
    'prefix_rule([r"a"])',
    'prefix_rule([["a", ["b"]]])',
    "prefix_rule([])",
    "prefix_rule([[]])",
    'prefix_rule(["a"], "maybe")',
    'prefix_rule(["a"], decision == "allow")',
    'prefix_rule(["a"], pattern = ["a"])',
    'prefix_rule(["a"], exact = True, exact = True)',
    'prefix_rule(decision = "allow", ["a"])',
    'prefix_rule(["a"], justification = " ")',
    'prefix_rule(["a"], expires = "2027-02-31")',
    'prefix_rule(["a"], under = "/usr/../x")',
    'prefix_rule(["a"], under = "usr")',
    'prefix_rule(["a"], env = ["LD_PRELOAD"])',
    'prefix_rule(["a"], "forbidden", escalate = True)',
    'prefix_rule(["a"], match = ["b"])',
    'prefix_rule(["a"], not_match = ["a"])',
    'prefix_rule(["a"], match = ["/bin/a"])',
    'prefix_rule(["a"], match = ["a \'"])',
    'prefix_rule(["a"], match = [""])',
    'prefix_rule(["a"], exact = 1)',
    'prefix_rule(["a"',
    'prefix_rule(["a"]) prefix_rule(["b"])',
    'prefix_rule(["a"], *[])',
    'host_executable("a", ["/bin/b"])',
    'host_executable("a", ["/bin/./a"])',
    'host_executable("a", ["bin/a"])',
    'host_executable("..", [])',
    'host_executable("a/b", [])',
    'host_executable("a")',
    'host_executable("a", [["/bin/a"]])',
    'host_executable("a", [], "allow")',
    'host_executable("a", [], decision = "allow")',
    'host_executable(["a"], [])',
    'prefix_rule(["a"], name = "a")',
    'network_rule("a.example", "https", "allow")',
    "x = 1",
  ])
    test(`leaves ${JSON.stringify(text)} to the language`, () => assert.equal(readPlainRules(text, "t.rules"), null));

  test("says the same as the language for every recorded case of the peer", () => {
    const lines = readFileSync(new URL("recorded/peer-answers.jsonl", import.meta.url), "utf8")
      .trim()
      .split("\n");
    const texts = new Set(lines.flatMap((line) => (JSON.parse(line) as { rules: string[] }).rules));
    const read = [...texts].filter(assertSame);
    assert.ok(read.length > 10, `${read.length} of ${texts.size} were for the quick reader`);
  });

  test("says the same as the language, or nothing, for files made of pieces", () => {
    const pieces = [
      'prefix_rule(["a"])',
      "prefix_rule(",
      "[",
      "]",
      ")",
      ",",
      '"a"',
      "'b'",
      '""',
      "decision",
      "=",
      "True",
      "match = ",
      "\n",
      " ",
      "#",
      "\\",
      "exact",
      "# x\n",
      '"a\\n"',
      '\nhost_executable("a", ["/bin/a"])',
      "\nhost_executable(",
      '"/bin/a"',
      "name",
      "paths = ",
      "pattern",
      "\t",
      "(",
      '["a", "b"]',
      "not_match = ",
    ];
    let state = 20261123;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >>> 8) % below;
    };
    let read = 0;
    for (let round = 0; round < 4000; round += 1) {
      const middle = Array.from({ length: random(8) }, () => pieces[random(pieces.length)] ?? "").join("");
      if (assertSame(`prefix_rule(["x"]${middle})\n`)) read += 1;
    }
    assert.ok(read > 20, `${read} were for the quick reader`);
  });
});
