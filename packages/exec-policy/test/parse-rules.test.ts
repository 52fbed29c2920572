import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRulesError, limits } from "../src/index.ts";
import { parseRules } from "../src/language.ts";

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
        canonical: false,
        exact: false,
        at: { file: "a.rules", line: 2, column: 1 },
      },
    ],
    networkRules: [],
    hosts: new Map(),
    own: [{ line: 2, column: 1, parameters: ["escalate", "env"] }],
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
      canonical: false,
      exact: false,
      at: { ...at, column: 1 },
    },
    {
      program: "ls",
      rest: [],
      decision: "allow",
      escalate: false,
      env: [],
      canonical: false,
      exact: false,
      at: { ...at, column: 59 },
    },
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
      'prefix_rule(["\u00e9", 1])',
      [
        "a.rules:1:19: invalid pattern element: pattern element must be a string or list of strings (got int), expected a string or a list of strings",
      ],
    ],
    [
      'prefix_rule(["\ud83d\ude00", 1])',
      [
        "a.rules:1:19: invalid pattern element: pattern element must be a string or list of strings (got int), expected a string or a list of strings",
      ],
    ],
    [
      'prefix_rule(["a" "b"])',
      ["a.rules:1:18: two strings side by side are not joined, expected one string, or + between"],
    ],
    [
      "prefix_rule([x])",
      [
        'a.rules:1:14: the name "x" is not known, expected a variable of this file, or one of prefix_rule, host_executable, network_rule',
      ],
    ],
    ['prefix_rule(["a"]', ['a.rules:1:18: unexpected end of line, expected ")", end of the arguments']],
    ['prefix_rule(["a")', ['a.rules:1:17: unexpected ")", expected "]"']],
    ['prefix_rule(["a])', ['a.rules:1:14: unfinished string literal, expected " before the end of the line']],
    ['prefix_rule([u"a"])', ["a.rules:1:14: unknown string prefix u, expected r, f, fr, b, rb or br before the quote"]],
    ['prefix_rule(["\\ud800"])', ["a.rules:1:15: escape \\ud800 is not a character, expected a Unicode scalar value"]],
    [' prefix_rule(["a"])', ["a.rules:1:2: unexpected indentation, expected a statement in column 1"]],
    ['\tprefix_rule(["a"])', ["a.rules:1:1: tabs are not allowed, expected spaces"]],
    ['\ufeffprefix_rule(["a"])', ['a.rules:1:1: invalid input "\\u{feff}", expected code, a comment or a string']],
    ['prefix_rule(["a"]);;', ['a.rules:1:20: unexpected ";", expected a value']],
    [
      'prefix_rule(["a"], *b)',
      ['a.rules:1:21: the name "b" is not known, expected a variable of this file, or one of bool, bytes'],
    ],
    [
      'prefix_rule(["a"], lower = 1)',
      [
        'a.rules:1:20: Found "lower" extra named parameter(s) for call to prefix_rule, expected one of pattern, decision, match, not_match, justification, canonical_matching, escalate, env, exact, expires, sha256, under, escalate_with',
      ],
    ],
    [
      'prefix_rule(["a"], expires = "2027-02-30")',
      ['a.rules:1:30: invalid expires: "2027-02-30" is not a day, expected a day such as "2027-01-31"'],
    ],
    [
      'prefix_rule(["a"], sha256 = "12")',
      ['a.rules:1:29: invalid sha256: "12", expected 64 hexadecimal digits, as sha256sum prints them'],
    ],
    [
      'prefix_rule(["a"], under = "usr")',
      ['a.rules:1:28: invalid under: "usr" is not absolute, expected a folder that starts with /'],
    ],
    [
      'prefix_rule(["a"], escalate_with = {"network": 1})',
      [
        'a.rules:1:36: invalid escalate_with: "network" with an int, expected write, read and env with lists of strings, network with True or False',
      ],
    ],
    [
      'prefix_rule(["a"], escalate_with = {"write": ["x"]})',
      ['a.rules:1:36: invalid escalate_with: write has "x", expected absolute paths'],
    ],
    [
      'prefix_rule(["a"], escalate_with = {"env": ["LD_X"]})',
      [
        "a.rules:1:36: invalid env: LD_X decides what code is loaded, expected a variable that an escalated program may take over",
      ],
    ],
    [
      'prefix_rule(["a"], "forbidden", escalate_with = {})',
      ["a.rules:1:49: `escalate_with` has no meaning in a forbidden rule, expected decision allow or prompt"],
    ],
    [
      'host_executable("a/b", [])',
      [
        "a.rules:1:17: invalid rule: host_executable name must be a bare executable name (got a/b), expected a name without slashes",
      ],
    ],
    [
      'host_executable("a", ["/x/b"])',
      ['a.rules:1:23: invalid rule: host_executable path "/x/b" must have basename "a", expected the same name'],
    ],
    [
      'host_executable("a", ["\\x1b[31m"])',
      [
        "a.rules:1:23: invalid rule: host_executable paths must be absolute (got \\u{1b}[31m), expected a path that starts with /",
      ],
    ],
    [
      'network_rule("a.com", "https", "ask")',
      ['a.rules:1:32: invalid decision: ask, expected "allow", "prompt", "forbidden", "deny"'],
    ],
    ["x = 1 +\n", ["a.rules:1:8: unexpected end of line, expected a value"]],
    ["x = 1 < 2 < 3", ['a.rules:1:11: comparisons do not chain, expected comparisons joined with "and"']],
    ["a = b = 1", ['a.rules:1:7: unexpected "=", expected one assignment a statement']],
    ["x = (1,\n", ['a.rules:2:1: unexpected end of line, expected ")", closing bracket']],
    ["while True: pass", ['a.rules:1:1: "while" is a reserved word, expected a value']],
    ["x = y\ny = 1\n", ['a.rules:1:5: the variable "y" has no value yet, expected an assignment that runs before']],
    ['if True:\nprefix_rule(["a"])\n', ['a.rules:2:1: unexpected "prefix_rule", expected an indented block']],
    ['load("a", "b")', ["a.rules:1:1: no imports are available, expected all in one file"]],
    ["x = [1][2]\n", ["a.rules:1:5: the index 2 is out of range, expected one below 1"]],
    ['x = {"a": 1}["b"]', ['a.rules:1:5: the key "b" is not in the dict, expected a key that is there']],
    ["x = 1 // 0", ["a.rules:1:5: division by zero, expected another number"]],
    ['"a" + 1', ["a.rules:1:1: + is not known for string and int, expected two values that go together"]],
    ["len(1)", ["a.rules:1:1: an int cannot be gone through, expected a list, tuple, dict or range"]],
    ['fail("because")', ["a.rules:1:1: fail: because, expected the file's own conditions to hold"]],
    ["def f(a): return a\nf()\n", ["a.rules:2:1: Missing parameter `a` for call to `f`, expected a value for it"]],
    [
      "def f(n): return f(n)\nf(1)\n",
      ["a.rules:1:18: call stack overflow: functions call functions too deeply, expected at most 50 levels"],
    ],
    ["f = 1\nf()\n", ["a.rules:2:1: an int cannot be called, expected a function"]],
    ["return 1", ['a.rules:1:1: "return" stands outside a function, expected a def around it']],
    ['"\\N" "b"', ["a.rules:1:6: two strings side by side are not joined, expected one string, or + between"]],
  ];
  for (const [text, expected] of cases) assert.deepEqual(lines(text), expected, text);
});

function places(text: string): unknown[] {
  return parseRules(text, "a.rules").errors.map(({ line, column, text: what }) => [line, column, what]);
}

test("parseRules() reports every bad call of a file, in order", () => {
  const text = `prefix_rule([], "maybe")
for x in ["a", "b"]:
    prefix_rule([x], x)
prefix_rule(["good"])
prefix_rule(["c"], match = ["d"])
network_rule("", "", "")
`;
  assert.deepEqual(places(text), [
    [1, 13, "invalid pattern element: pattern cannot be empty"],
    [1, 17, 'invalid decision: "maybe"'],
    [3, 22, 'invalid decision: "a"'],
    [3, 22, 'invalid decision: "b"'],
    [6, 14, "invalid rule: network_rule host cannot be empty"],
    [6, 18, "invalid rule: network_rule protocol must be one of http, https, socks5_tcp, socks5_udp (got )"],
    [6, 22, "invalid decision: "],
  ]);
  assert.deepEqual(places('prefix_rule(["c"], match = ["d", "c"], not_match = ["c"])'), [
    [1, 29, 'the example "d" does not match'],
    [1, 53, 'the example "c" matches'],
  ]);
});

test("parseRules() reports every line that cannot be read, and then runs nothing", () => {
  const text = `prefix_rule(["a"], "maybe")
prefix_rule(["open"
prefix_rule(["b"])
x = = 1
prefix_rule(["c"])
y = "
`;
  assert.deepEqual(places(text), [
    [3, 1, 'unexpected "prefix_rule"'],
    [4, 5, 'unexpected "="'],
    [6, 5, "unfinished string literal"],
  ]);
});

test("parseRules() reports every unknown name before it runs anything", () => {
  assert.deepEqual(places('prefix_rule(["a"], "maybe")\nprefix_rul(["b"])\ndef f(): return prnt\n'), [
    [2, 1, 'the name "prefix_rul" is not known'],
    [3, 17, 'the name "prnt" is not known'],
  ]);
});

test("parseRules() shows the line at fault with a caret", () => {
  const [error] = parseRules('\nprefix_rule(["a"], "maybe")', "a.rules").errors;
  assert.equal(error?.excerpt, '2 | prefix_rule(["a"], "maybe")\n  |                    ^^^^^^^');
});

test("parseRules() gives no rules when anything is wrong", () => {
  assert.deepEqual(parseRules('prefix_rule(["a"])\nx = y', "a.rules").rules, []);
  assert.equal(parseRules('prefix_rule(["a"])\n', "a.rules").rules.length, 1);
});

test("parseRules() keeps its limits", () => {
  const cases: [string, string, string][] = [
    [
      `prefix_rule(${"[".repeat(200)}`,
      `x = ${"[".repeat(198)}"a"${"]".repeat(198)}`,
      "too many brackets inside brackets",
    ],
    [
      `prefix_rule(["${"a".repeat(limits.stringLength + 1)}"])`,
      `prefix_rule(["${"a".repeat(limits.stringLength)}"])`,
      "the string is too long",
    ],
    ["#".repeat(limits.fileSize + 1), "#".repeat(limits.fileSize), "the file is too large"],
    [
      `for i in range(2): prefix_rule([[${'"a",'.repeat(limits.rules / 2 + 1)}]])`,
      `for i in range(2): prefix_rule([[${'"a",'.repeat(limits.rules / 2)}]])`,
      "too many rules",
    ],
  ];
  for (const [tooMuch, enough, what] of cases) {
    assert.equal(parseRules(tooMuch, "a.rules").errors[0]?.text, what);
    assert.notEqual(parseRules(enough, "a.rules").errors[0]?.text, what);
  }
  assert.equal(parseRules("x()\n".repeat(1000), "a.rules").errors.length, limits.errors);
});
