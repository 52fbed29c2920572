/** The values of the language, module by module: what an expression gives, as `repr()` writes it, or why it fails. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseRules } from "@sallyport/exec-policy/language";

function valueOf(expression: string): string {
  const { rules, errors } = parseRules(`prefix_rule([repr(${expression})])\n`, "t.rules");
  const [error] = errors;
  return error === undefined ? (rules[0]?.program ?? "no rule") : `error: ${error.text}`;
}

const tables: Record<string, readonly (readonly [string, string])[]> = {
  "string-methods": [
    ['"a,b,,c".split(",")', '["a", "b", "", "c"]'],
    ['" a  b ".split()', '["a", "b"]'],
    ['"a,b,c".rsplit(",", 1)', '["a,b", "c"]'],
    ['"a-b-c".partition("-")', '("a", "-", "b-c")'],
    ['"a-b-c".rpartition("-")', '("a-b", "-", "c")'],
    ['"x".join(["a", "b"])', '"axb"'],
    ['"abcabc".replace("b", "X", 1)', '"aXcabc"'],
    ['"  a ".strip() + "|" + " a ".lstrip() + "|" + " a ".rstrip()', '"a|a | a"'],
    ['"abc".removeprefix("a") + "abc".removesuffix("c")', '"bcab"'],
    ['["abc".find("c"), "abc".find("x"), "abca".rfind("a"), "aba".count("a")]', "[2, -1, 3, 2]"],
    ['["abc".startswith("ab"), "abc".endswith(("x", "c"))]', "[True, True]"],
    ['"ß".upper() + "ABC".lower() + "a bc".title() + "abc".capitalize()', '"SSabcA BcAbc"'],
    [
      '["1".isdigit(), "a1".isalnum(), "a".isalpha(), " ".isspace(), "A".isupper(), "a".islower(), "A B".istitle()]',
      "[True, True, True, True, True, True, True]",
    ],
    ['list("é".elems())', '["\\xe9"]'],
    ['"a\\nb\\r\\nc".splitlines()', '["a", "b", "c"]'],
    ['"{} {x} {{}}".format("a", x = 1)', '"a 1 {}"'],
    ['"abc".index("x")', "error: the text is not in the string"],
  ],
  "list-methods": [
    ["[[1, 2], [3].append(4), [1, 2].pop(), [1].index(1)]", "[[1, 2], None, 2, 0]"],
    ["[x for x in [3, 1, 2] if x != 1]", "[3, 2]"],
    ["sorted([3, 1, 2], reverse = True)", "[3, 2, 1]"],
    ["[].pop()", "error: pop is out of range"],
  ],
  "dict-methods": [
    ['{"a": 1}.get("b", 2)', "2"],
    ['[{"a": 1}.keys(), {"a": 1}.values(), {"a": 1}.items()]', '[["a"], [1], [("a", 1)]]'],
    ['{"a": 1} | {"b": 2}', '{"a": 1, "b": 2}'],
    ['{"a": 1}["b"]', 'error: the key "b" is not in the dict'],
  ],
  operators: [
    ["[7 // 2, -7 // 2, 7 % 3, -7 % 3, 7 / 2]", "[3, -4, 1, 2, 3.5]"],
    ["[1 << 70, 6 & 3, 6 | 3, 6 ^ 3, ~0]", "[1180591620717411303424, 2, 7, 5, -1]"],
    ["[1 == 1.0, 1 < 2, 'a' < 'b', [1] < [1, 2], not 0]", "[True, True, True, True, True]"],
    ['["a" * 3, [1] * 2, "a" in "cab", 1 in [1], "a" not in {"a": 1}]', '["aaa", [1, 1], True, True, False]'],
    ["1 // 0", "error: division by zero"],
    ['1 + "a"', "error: + is not known for int and string"],
  ],
  "percent-format": [
    ['"%s %r %d %x %o %%" % ("a", "b", 3, 255, 8)', '"a \\"b\\" 3 ff 10 %"'],
    ['"%s" % ("a", "b")', "error: too many values for the format"],
  ],
  elements: [
    ['["abcd"[1:3], "abcd"[::-1], [1, 2, 3][-1], (1, 2, 3)[:2], "abc"[5:]]', '["bc", "dcba", 3, (1, 2), ""]'],
    ["[1, 2][2]", "error: the index 2 is out of range"],
  ],
  "text-of": [
    ["[True, None, 1.5, 1e30, (1,), (), {}]", "[True, None, 1.5, 1e+30, (1,), (), {}]"],
    ['"\\"\\\\\\n\\t"', '"\\"\\\\\\n\\t"'],
  ],
  builtins: [
    [
      "[len([1]), abs(-2), min(3, 1), max([1, 5]), bool([]), int('12'), str(1), ord('a'), chr(98)]",
      '[1, 2, 1, 5, False, 12, "1", 97, "b"]',
    ],
    [
      "[list(range(5, 0, -2)), [x for x in zip([1, 2], 'ab'.elems())], list(enumerate(['a']))]",
      '[[5, 3, 1], [(1, "a"), (2, "b")], [(0, "a")]]',
    ],
    [
      "[any([0, 1]), all([]), reversed([1, 2]), type(1), hasattr('a', 'upper'), tuple([1])]",
      '[True, True, [2, 1], "int", True, (1,)]',
    ],
    ['fail("why", 1)', "error: fail: why 1"],
  ],
  interpreter: [
    ["(lambda x, y = 2, *more, **named: [x, y, more, named])(1, 3, 4, z = 5)", '[1, 3, (4,), {"z": 5}]'],
    ["1 if [] else 2", "2"],
    ["[x + y for x in [1, 2] for y in [10] if x > 1]", "[12]"],
    ['f"{1 + 1} {"a"!r} {{}}"', '"2 \\"a\\" {}"'],
  ],
};

for (const [module, rows] of Object.entries(tables)) {
  describe(module, () => {
    for (const [expression, expected] of rows) test(expression, () => assert.equal(valueOf(expression), expected));
  });
}
