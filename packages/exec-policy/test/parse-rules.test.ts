import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRulesError, limits, parseRules } from "../src/index.ts";

function lines(text: string): string[] {
  return parseRules(text, "a.rules").errors.map(formatRulesError);
}

function patterns(text: string): unknown[] {
  const { rules, errors } = parseRules(text, "a.rules");
  assert.deepEqual(errors.map(formatRulesError), []);
  return rules.map((rule) => [rule.program, ...rule.rest]);
}

test("parseRules() reads every parameter", () => {
  const text = `# comment
prefix_rule(
    pattern = ["git", ["push", "fetch"]],  # alternatives
    decision = "prompt",
    match = ["git push origin", ["git", "fetch"], "/usr/bin/git push"],
    not_match = ["git status"],
    justification = " pushing is for people ",
    canonical_matching = False,
    escalate = True,
    env = ["AWS_PROFILE"],
)
`;
  assert.deepEqual(parseRules(text, "a.rules"), {
    errors: [],
    rules: [
      {
        program: "git",
        rest: [["push", "fetch"]],
        decision: "prompt",
        justification: " pushing is for people ",
        escalate: true,
        env: ["AWS_PROFILE"],
        at: { file: "a.rules", line: 2, column: 1 },
      },
    ],
  });
});

test("parseRules() takes positional arguments in order and fills in defaults", () => {
  const text = 'prefix_rule(["rm"], "forbidden", ["rm x"], ["ls"], "no"); prefix_rule(["ls"])';
  const at = { file: "a.rules", line: 1 };
  assert.deepEqual(parseRules(text, "a.rules").rules, [
    {
      program: "rm",
      rest: [],
      decision: "forbidden",
      justification: "no",
      escalate: false,
      env: [],
      at: { ...at, column: 1 },
    },
    { program: "ls", rest: [], decision: "allow", escalate: false, env: [], at: { ...at, column: 59 } },
  ]);
});

test("parseRules() makes one rule per alternative of the first token", () => {
  assert.deepEqual(patterns('prefix_rule([["a", "b"], "c", ["d"]])'), [
    ["a", ["c"], ["d"]],
    ["b", ["c"], ["d"]],
  ]);
});

test("parseRules() reads strings as the language has them", () => {
  const cases: [string, string][] = [
    [`'it'`, "it"],
    [`"""a\nb\r\n"c"""`, 'a\nb\n"c'],
    [String.raw`r"a\n\"b\\"`, String.raw`a\n"b\\`],
    [String.raw`"\n\t\\\"\'\a"`, "\n\t\\\"'\u0007"],
    [String.raw`"\0\12\141\777\1234"`, "\0\na\u01ffS4"],
    [String.raw`"\xe9\u00e9\U0001F600"`, "éé😀"],
    [String.raw`"\q\$\8"`, String.raw`\q\$\8`],
    ['"a\\\nb"', "ab"],
    [`""`, ""],
  ];
  for (const [literal, value] of cases) assert.deepEqual(patterns(`prefix_rule(["p", ${literal}])`), [["p", [value]]]);
});

test("parseRules() accepts CRLF, joined lines, blank lines with tabs and an empty file", () => {
  assert.deepEqual(patterns('prefix_rule(\r\n["a"],\r\n)\r\n\t \r\n\t# tab\r\nprefix_rule\\\n(["b"]);'), [
    ["a"],
    ["b"],
  ]);
  assert.deepEqual(patterns(""), []);
  assert.deepEqual(patterns("# only a comment"), []);
});

test("parseRules() says where, what and what was expected", () => {
  const cases: [string, string[]][] = [
    [
      'prefix_rule(["a"], "maybe")',
      ['a.rules:1:20: invalid decision: "maybe", expected "allow", "prompt" or "forbidden"'],
    ],
    [
      "prefix_rule([])",
      ["a.rules:1:13: invalid pattern element: pattern cannot be empty, expected at least the program"],
    ],
    [
      'prefix_rule(["a", []])',
      [
        "a.rules:1:19: invalid pattern element: pattern alternatives cannot be empty, expected at least one alternative",
      ],
    ],
    [
      'prefix_rule(["a", 1])',
      [
        "a.rules:1:19: invalid pattern element: pattern element must be a string or list of strings (got int), expected a string or a list of strings",
      ],
    ],
    [
      'prefix_rule(["a", ["b", None]])',
      ["a.rules:1:25: invalid pattern element: pattern alternative must be a string (got NoneType), expected a string"],
    ],
    [
      'prefix_rule("a")',
      ['a.rules:1:13: Type of parameter `pattern` doesn\'t match, expected `list`, actual `string (repr: "a")`'],
    ],
    [
      'prefix_rule(decision = "allow")',
      ["a.rules:1:1: Missing parameter `pattern` for call to `prefix_rule`, expected a list of tokens"],
    ],
    [
      'prefix_rule(["a"], under = "/usr")',
      [
        'a.rules:1:20: Found "under" extra named parameter(s) for call to prefix_rule, expected one of pattern, decision, match, not_match, justification, canonical_matching, escalate, env',
      ],
    ],
    [
      'prefix_rule(["a"], pattern = ["b"])',
      ["a.rules:1:20: Argument `pattern` occurs more than once, expected `pattern` once"],
    ],
    [
      'prefix_rule(pattern = ["a"], pattern = ["b"])',
      ["a.rules:1:30: repeated named argument, expected `pattern` once"],
    ],
    [
      'prefix_rule(["a"], justification = " ")',
      ["a.rules:1:36: invalid rule: justification cannot be empty, expected a reason, or no justification at all"],
    ],
    [
      'prefix_rule(["a"], canonical_matching = True)',
      [
        "a.rules:1:41: canonical_matching = True is not read by this version, expected canonical_matching = False, or nothing: tokens match exactly",
      ],
    ],
    [
      'prefix_rule(["a"], "forbidden", escalate = True)',
      ["a.rules:1:44: `escalate` has no meaning in a forbidden rule, expected decision allow or prompt"],
    ],
    [
      'prefix_rule(["a"], env = ["LD_PRELOAD"])',
      [
        "a.rules:1:27: invalid env: LD_PRELOAD decides what code is loaded, expected a variable that an escalated program may take over",
      ],
    ],
    [
      'prefix_rule(["a"], env = ["A=1"])',
      ['a.rules:1:27: invalid env: "A=1" is not the name of a variable, expected names such as "AWS_PROFILE"'],
    ],
    [
      'prefix_rule(["a"], match = ["b"])',
      ['a.rules:1:29: the example "b" does not match, expected every example to match at least one rule'],
    ],
    [
      'prefix_rule(["a"], not_match = ["a b"])',
      ['a.rules:1:33: the example "a b" matches, expected example to not match rule "[\\"a\\"]"'],
    ],
    [
      'prefix_rule(["a"], match = ["a \'"])',
      [
        "a.rules:1:29: invalid example: example string has invalid shell syntax, expected finished quotes and no backslash at the end",
      ],
    ],
    [
      'prefix_rule(["a"], match = ["# a"])',
      ["a.rules:1:29: invalid example: example cannot be an empty string, expected a command"],
    ],
    [
      'prefix_rule(["a"], match = [[]])',
      ["a.rules:1:29: invalid example: example cannot be an empty list, expected a command"],
    ],
    [
      'prefix_rule(["é", 1])',
      [
        "a.rules:1:19: invalid pattern element: pattern element must be a string or list of strings (got int), expected a string or a list of strings",
      ],
    ],
    [
      'prefix_rule(["😀", 1])',
      [
        "a.rules:1:19: invalid pattern element: pattern element must be a string or list of strings (got int), expected a string or a list of strings",
      ],
    ],
    ['prefix_rule(["a" "b"])', ['a.rules:1:18: two strings side by side are not joined, expected "," or "]"']],
    ['prefix_rule(["a" + "b"])', ['a.rules:1:18: the operator "+" is not read by this version, expected "," or "]"']],
    [
      "prefix_rule([x])",
      [
        'a.rules:1:14: the name "x" is not read as a value by this version, expected a string, a list, True or False written out',
      ],
    ],
    ['prefix_rule(["a"]', ['a.rules:1:18: unexpected end of file, expected "," or ")"']],
    ['prefix_rule(["a")', ['a.rules:1:17: unexpected ")", expected "]"']],
    ['prefix_rule(["a])', ['a.rules:1:14: unfinished string literal, expected " before the end of the line']],
    ['prefix_rule([f"a"])', ["a.rules:1:14: f-strings are not read by this version, expected a plain string"]],
    ['prefix_rule([u"a"])', ["a.rules:1:14: unknown string prefix u, expected a plain string or r before the quote"]],
    [
      String.raw`prefix_rule(["\ud800"])`,
      [String.raw`a.rules:1:15: escape \ud800 is not a character, expected a Unicode scalar value`],
    ],
    [
      'host_executable("git", [])',
      ['a.rules:1:1: "host_executable" is not read by this version, expected a call of prefix_rule(...)'],
    ],
    ["x = 1", ["a.rules:1:1: variables are not read by this version, expected a call of prefix_rule(...)"]],
    ["def f():\n    pass\n", ['a.rules:1:1: "def" is not read by this version, expected a call of prefix_rule(...)']],
    [' prefix_rule(["a"])', ["a.rules:1:2: unexpected indentation, expected a statement in column 1"]],
    ['\tprefix_rule(["a"])', ["a.rules:1:1: tabs are not allowed, expected spaces"]],
    ['\ufeffprefix_rule(["a"])', ['a.rules:1:1: invalid input "\\u{feff}", expected code, a comment or a string']],
    ['prefix_rule(["a"]);;', ['a.rules:1:20: unexpected ";", expected a call of prefix_rule(...)']],
    [
      'prefix_rule(["a"], *b)',
      ["a.rules:1:20: arguments spread with * are not read by this version, expected arguments written out"],
    ],
  ];
  for (const [text, expected] of cases) assert.deepEqual(lines(text), expected, text);
});

test("parseRules() reports every problem of a file, in order", () => {
  const text = `prefix_rule([], "maybe")
for x in ["a"]:
    prefix_rule([x])
prefix_rule(["good"])
y = ["a"]
prefix_rule(["open"
prefix_rule(["b"], match = ["c", "d"])
`;
  assert.deepEqual(
    parseRules(text, "a.rules").errors.map(({ line, column, text: what }) => [line, column, what]),
    [
      [1, 13, "invalid pattern element: pattern cannot be empty"],
      [1, 17, 'invalid decision: "maybe"'],
      [2, 1, '"for" is not read by this version'],
      [5, 1, "variables are not read by this version"],
      [7, 1, 'unexpected "prefix_rule"'],
      [7, 29, 'the example "c" does not match'],
      [7, 34, 'the example "d" does not match'],
    ],
  );
});

test("parseRules() shows the line at fault with a caret", () => {
  const [error] = parseRules('\nprefix_rule(["a"], "maybe")', "a.rules").errors;
  assert.equal(error?.excerpt, '2 | prefix_rule(["a"], "maybe")\n  |                    ^^^^^^^');
});

test("parseRules() gives no rules when anything is wrong", () => {
  assert.deepEqual(parseRules('prefix_rule(["a"])\nx = 1', "a.rules").rules, []);
  assert.equal(parseRules('prefix_rule(["a"])\n', "a.rules").rules.length, 1);
});

test("parseRules() keeps its limits", () => {
  const cases: [string, string, string][] = [
    [
      `prefix_rule(${"[".repeat(200)}`,
      `prefix_rule(${"[".repeat(199)}"a"${"]".repeat(199)})`,
      "too many brackets inside brackets",
    ],
    [
      `prefix_rule(["${"a".repeat(limits.stringLength + 1)}"])`,
      `prefix_rule(["${"a".repeat(limits.stringLength)}"])`,
      "the string is too long",
    ],
    ["#".repeat(limits.fileSize + 1), "#".repeat(limits.fileSize), "the file is too large"],
    [
      `prefix_rule([[${'"a",'.repeat(limits.rules + 1)}]])`,
      `prefix_rule([[${'"a",'.repeat(limits.rules)}]])`,
      "too many rules",
    ],
  ];
  for (const [tooMuch, enough, what] of cases) {
    assert.equal(parseRules(tooMuch, "a.rules").errors[0]?.text, what);
    assert.notEqual(parseRules(enough, "a.rules").errors[0]?.text, what);
  }
  assert.equal(parseRules("x()\n".repeat(1000), "a.rules").errors.length, limits.errors);
});
