import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { formatRulesError } from "@sallyport/exec-policy";
import { readManagedRules } from "../src/managed-rules.ts";
import type { ManagedRules } from "../src/managed-rules.ts";

const folder = mkdtempSync(join(tmpdir(), "managed-rules-"));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, "requirements.toml");

function read(text: string): ManagedRules {
  writeFileSync(path, text, { mode: 0o600 });
  return readManagedRules(path, process.geteuid?.() ?? 0);
}

function problems(text: string): string[] {
  const { rules, errors } = read(text);
  assert.deepEqual(rules, []);
  return errors.map((error) => formatRulesError(error).replace(folder, "~"));
}

const one = (inside: string): string => `[rules]\nprefix_rules = [{ ${inside} }]\n`;
const pattern = 'pattern = [{ token = "git" }]';
const at = "~/requirements.toml";

describe("readManagedRules()", () => {
  test("reads every kind of rule, one for each alternative of the program, with the place of its pattern", () => {
    const text = `# pattern = 1
[policy]
default = "run"
[rules]
prefix_rules = [
  { pattern = [{ token = "git" }, { any_of = ["push", "fetch"] }], decision = "prompt", justification = " pattern = x " },
  { decision = "prompt-user", pattern = [{ any_of = ["a", "b"] }], canonical_matching = true, color = "red" },
  { pattern = [{ token = "c" }], decision = "forbidden" },
]
`;
    const common = { rest: [], escalate: false, env: [], canonical: false, exact: false, origin: "managed" };
    const person = {
      ...common,
      decision: "prompt",
      canonical: true,
      onlyPerson: true,
      at: { file: path, line: 7, column: 31 },
    };
    assert.deepEqual(read(text), {
      path,
      errors: [],
      rules: [
        {
          ...common,
          program: "git",
          rest: [["push", "fetch"]],
          decision: "prompt",
          justification: " pattern = x ",
          at: { file: path, line: 6, column: 5 },
        },
        { ...person, program: "a" },
        { ...person, program: "b" },
        { ...common, program: "c", decision: "forbidden", at: { file: path, line: 8, column: 5 } },
      ],
    });
  });

  test("reads rules that are written as tables of their own", () => {
    const text = `[[rules.prefix_rules]]\ndecision = "forbidden"\n[[rules.prefix_rules.pattern]]\ntoken = "x"\n`;
    const [rule, ...others] = read(text).rules;
    assert.deepEqual(others, []);
    assert.deepEqual(
      { program: rule?.program, at: rule?.at },
      { program: "x", at: { file: path, line: 1, column: 1 } },
    );
  });

  test("has nothing to say where there is no file, no [rules], or nothing in the file", () => {
    assert.deepEqual(readManagedRules(join(folder, "no/requirements.toml"), 0), { path: null, rules: [], errors: [] });
    for (const text of ["", '[policy]\ndefault = "prompt"\n'])
      assert.deepEqual(read(text), { path, rules: [], errors: [] });
  });

  const expectedToken = 'expected exactly one of token = "..." and any_of = ["...", ...], not empty';
  const refused: [what: string, text: string, ...problems: string[]][] = [
    ["rules that are no table", "rules = 1\n", `${at}:1:1: rules is 1, expected a table with prefix_rules`],
    [
      "a misspelt key",
      "[rules]\nprefix_rule = []\n",
      `${at}:1:1: rules.prefix_rules is missing, expected a list of rules, not empty`,
    ],
    [
      "no rules",
      "[rules]\nprefix_rules = []\n",
      `${at}:1:1: rules.prefix_rules is [], expected a list of rules, not empty`,
    ],
    [
      "allow",
      one(`${pattern}, decision = "allow"`),
      `${at}:2:19: rules.prefix_rules[0].decision is "allow", expected "prompt", "prompt-user" or "forbidden"; what is managed only restricts, so allow belongs into a .rules file`,
    ],
    [
      "a rule without a decision",
      one(pattern),
      `${at}:2:19: rules.prefix_rules[0].decision is missing, expected "prompt", "prompt-user" or "forbidden"`,
    ],
    [
      "a rule without a pattern",
      one('decision = "prompt"'),
      `${at}:1:1: rules.prefix_rules[0].pattern is missing, expected a list of { token = ... } and { any_of = [...] }, not empty`,
    ],
    [
      "an empty pattern",
      one('pattern = [], decision = "prompt"'),
      `${at}:2:19: rules.prefix_rules[0].pattern is [], expected a list of { token = ... } and { any_of = [...] }, not empty`,
    ],
    ...(
      [
        ['"git"', '"git"'],
        ['{ token = "" }', '{"token":""}'],
        ["{ token = 1 }", '{"token":1}'],
        ["{ any_of = [] }", '{"any_of":[]}'],
        ['{ any_of = ["a", ""] }', '{"any_of":["a",""]}'],
        ['{ any_of = "a" }', '{"any_of":"a"}'],
        ['{ token = "a", any_of = ["b"] }', '{"token":"a","any_of":["b"]}'],
        ["{ }", "{}"],
      ] as const
    ).map(([written, shown]): [string, string, string] => [
      `the element ${written}`,
      one(`pattern = [${written}], decision = "prompt"`),
      `${at}:2:19: rules.prefix_rules[0].pattern[0] is ${shown}, ${expectedToken}`,
    ]),
    [
      "a justification that is blank",
      one(`${pattern}, decision = "prompt", justification = " "`),
      `${at}:2:19: rules.prefix_rules[0].justification is " ", expected a text that is not empty`,
    ],
    [
      "a flag that is none",
      one(`${pattern}, decision = "prompt", canonical_matching = "yes"`),
      `${at}:2:19: rules.prefix_rules[0].canonical_matching is "yes", expected true or false`,
    ],
    [
      "a key of thousands of parts",
      `rules.prefix_rules.${"a.".repeat(20_000)}b = 1\n`,
      `${at}:1:1: rules.prefix_rules is nested too deeply to be shown, expected a list of rules, not empty`,
    ],
    [
      "all that is wrong",
      '[rules]\nprefix_rules = [\n{ pattern = 1, decision = "x" },\n2]\n',
      `${at}:1:1: rules.prefix_rules[0].pattern is 1, expected a list of { token = ... } and { any_of = [...] }, not empty`,
      `${at}:1:1: rules.prefix_rules[0].decision is "x", expected "prompt", "prompt-user" or "forbidden"`,
      `${at}:1:1: rules.prefix_rules[1] is 2, expected a table with pattern and decision`,
    ],
  ];
  for (const [what, text, ...expected] of refused)
    test(`refuses ${what}`, () => assert.deepEqual(problems(text), expected));

  for (const text of ["[rules\n", "a = 1\na = 2\n", "[".repeat(70), `a = ${"[".repeat(5000)}`, "__proto__ = 1\n"]) {
    test(`refuses what is not TOML: ${JSON.stringify(text.slice(0, 20))}`, () => {
      const [problem, ...others] = problems(text);
      assert.deepEqual(others, []);
      assert.match(problem ?? "", /^~\/requirements\.toml:\d+:\d+: this is not TOML: /);
    });
  }

  test("refuses a file that is not UTF-8", () => {
    writeFileSync(path, Buffer.from([0x61, 0x0a, 0xff]));
    const { errors } = readManagedRules(path, process.geteuid?.() ?? 0);
    assert.deepEqual(
      errors.map(({ line, text }) => [line, text]),
      [[2, "bytes that are not valid UTF-8"]],
    );
  });
});
