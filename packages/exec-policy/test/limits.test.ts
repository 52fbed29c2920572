/** Files that try to make their reader hang or crash. A project's files are read when a session starts, so each of these would be an
 *  attack by whoever wrote the project. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRules } from "../src/language.ts";

function refusal(text: string): string {
  const [first] = parseRules(text, "a.rules").errors;
  return first === undefined ? "accepted" : first.text;
}

const tooMuchWork = "the file takes too much work";
const tooLong = "the string is too long";
const long = 's = "a" * 1000000\n';

const endless: Record<string, [text: string, refusal: string]> = {
  "a copy of a long list in a loop": ["x = list(range(100000))\nfor i in range(900000): tuple(x)\n", tooMuchWork],
  "long loops that are left at once": ["for i in range(100000):\n  for j in range(1000000):\n    break\n", tooMuchWork],
  "one long statement in a loop": [`for i in range(900000): [${"1,".repeat(5000)}]\n`, tooMuchWork],
  "a loop without an end": [
    "def f(n):\n  for i in range(1000000): pass\nfor i in range(1000000): f(i)\n",
    "the file takes too many steps",
  ],
  "a long key": [`${long}d = {}\nfor i in range(400000): d[s] = i\n`, tooMuchWork],
  "a key of pairs of pairs": ["t = (1,)\nfor i in range(60): t = (t, t)\nd = {t: 1}\n", tooMuchWork],
  "a text compared with itself": [
    "t = [1]\nfor i in range(60): t = [t, t]\nu = [1]\nfor i in range(60): u = [u, u]\nt == u\n",
    tooMuchWork,
  ],
  "digits that are searched again and again": ['float("1" * 1000000 + "x")\n', "the text is too long for a number"],
  "a search for nearly the whole text": [`${long}("a" * 1000000).find("a" * 500000 + "b")\n`, tooMuchWork],
  "hashes of a long text": [`${long}for i in range(400000): hash(s)\n`, tooMuchWork],
  "types of a long list": ["l = [1] * 100000\ndef f(x: list[int]): pass\nfor i in range(300000): f(l)\n", tooMuchWork],
  "entries of a large dict": ["d = {i: i for i in range(100000)}\nfor i in range(300000): d.items()\n", tooMuchWork],
  "many long examples": [
    'm = ["a " + "b" * 100000] * 1000\nfor i in range(100000): prefix_rule(["a"], match = m)\n',
    tooMuchWork,
  ],
  "a long pattern in a loop": ['p = ["b"] * 1000\nfor i in range(100000): prefix_rule(["a"] + p)\n', tooMuchWork],
  "many examples in a loop": [
    'm = ["a b c d e f"] * 1000\nfor i in range(2000): prefix_rule(["a"], match = m)\n',
    tooMuchWork,
  ],
  "many examples for many rules": [
    'prefix_rule([["p" + str(i) for i in range(90000)]], match = [["p1"]] * 50000)\n',
    "the examples take too much work",
  ],
};

const huge: Record<string, [text: string, refusal: string]> = {
  "a doubled string": ['s = "a"\nfor i in range(40): s += s\n', tooLong],
  "a repeated string": ['s = "a" * 2000000000\n', tooLong],
  "a format with %": [`${long}x = ("%s" * 2000) % tuple([s] * 2000)\n`, tooLong],
  "a format with {}": [`${long}x = ("{0}" * 2000).format(s)\n`, tooLong],
  "an f-string": [`${long}x = f"${"{s}".repeat(2000)}"\n`, tooLong],
  "joined strings": [`${long}x = "".join([s] * 2000)\n`, tooLong],
  "a failure's message": [`${long}fail(*([s] * 2000))\n`, tooLong],
  "a list": ["x = [0] * 2000000000\n", "too many elements"],
  "a list of a range": ["x = list(range(50000000))\n", "too many elements"],
  arguments: ["def f(*a): pass\nf(*range(1000000))\n", "too many elements"],
  "an integer": ["x = 1 << 1000000000\n", "the number is too large"],
  "a growing integer": ["x = 3\nfor i in range(40): x *= x\n", "the number is too large"],
};

const numbered = (count: number, one: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => one(index)).join(",");

/** Each took the square of its length once: hours. */
const wide: Record<string, [text: string, refusal: string]> = {
  arguments: [`len(${"1,".repeat(300_000)})\n`, "too many positional arguments for call to len"],
  "arguments of a rule": [`prefix_rule(${"1,".repeat(300_000)})\n`, "Type of parameter `pattern` doesn't match"],
  "named arguments": [
    `prefix_rule(${numbered(200_000, (index) => `a${index}=1`)})\n`,
    'Found "a0" extra named parameter(s) for call to prefix_rule',
  ],
  parameters: [`def f(${numbered(300_000, (index) => `a${index}`)}): pass\n`, "accepted"],
  "parameters with defaults": [`def f(${numbered(200_000, (index) => `a${index}=1`)}): pass\n`, "accepted"],
  "parts of an f-string": [`x = f"${"{1}".repeat(300_000)}"\n`, "accepted"],
  "unknown names": ["a\n".repeat(300_000), 'the name "a" is not known'],
  "values of one statement": [`x = [${"[1],".repeat(400_000)}]\n`, "the statement is too long"],
  "statements of one line": [`x = 1${";x = 1".repeat(400_000)}\n`, "the statement is too long"],
  "loops of one list": [`x = [1 ${"for i in [1] ".repeat(300_000)}]\n`, "too many loops and conditions in one list"],
  "conditions of one list": [
    `x = [1 for i in [1] ${"if 1 ".repeat(300_000)}]\n`,
    "too many loops and conditions in one list",
  ],
};

const blocks = Array.from({ length: 100 }, (_, depth) => `${" ".repeat(depth + 1)}if True:\n`).join("");
const deep: Record<string, [text: string, refusal: string]> = {
  "calls in blocks": [`def f(n):\n${blocks}${" ".repeat(101)}f(n)\nf(1)\n`, "too deeply nested"],
  "operators in a row": [`x = ${"1+".repeat(100000)}1\n`, "the expression has too many operators in a row"],
  "attributes in a row": [`x = "a"${".b".repeat(100000)}\n`, "the expression has too many operators in a row"],
  "calls in a row": [`x = len${"()".repeat(100000)}\n`, "the expression has too many operators in a row"],
  "signs in a row": [`x = ${"-".repeat(100000)}1\n`, "expressions or blocks are too deeply nested"],
  "branches in a row": [
    `if 1: pass\n${"elif 1: pass\n".repeat(100000)}`,
    "expressions or blocks are too deeply nested",
  ],
  "a list in a list in a list": [
    "l = []\nfor i in range(1000): l = [l]\nx = l == l\n",
    "the values are too deeply nested to compare",
  ],
};

for (const [kind, cases] of Object.entries({ endless, huge, wide, deep })) {
  for (const [name, [text, expected]] of Object.entries(cases)) {
    test(`parseRules() comes to an end with what is ${kind}: ${name}`, { timeout: 60_000 }, () => {
      assert.equal(refusal(text), expected);
    });
  }
}

test("parseRules() accepts the same in small", () => {
  const text = `x = list(range(1000))
for i in range(100): tuple(x)
def f(n): return 0 if n == 0 else 1 + f(n - 1)
s = "a" * f(40)
d = {(s, (1, 2)): x}
y = ("%s {}" % s).format(f"{s}") + "".join([s] * 10) + str(1 << 1000)
prefix_rule([s, y], match = [[s, y]] * 10)
`;
  assert.equal(refusal(text), "accepted");
});

test("parseRules() reads a line of a hundred thousand statements in a block", () => {
  assert.equal(refusal(`def f():\n  ${"pass;".repeat(200_000)}\n`), "accepted");
});

test("parseRules() shows a hostile value as text, and not all of it", () => {
  const [error] = parseRules('host_executable("a", ["\\x1b[2Jyes" + "b" * 500000])\n', "a.rules").errors;
  assert.ok(error !== undefined && error.text.length < 600);
  assert.match(error.text, /\(got \\u\{1b\}\[2Jyesb/);
});
