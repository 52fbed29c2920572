import assert from "node:assert/strict";
import { test } from "node:test";
import { splitShellWords } from "../src/shell-words.ts";

test("splitShellWords() knows quotes, backslashes and comments and nothing else", () => {
  const cases: [string, string[] | null][] = [
    [" a\tb\nc ", ["a", "b", "c"]],
    ["a\rb\u00a0c", ["a\rb\u00a0c"]],
    [String.raw`'a\ b' "c d"e f\ g`, [String.raw`a\ b`, "c de", "f g"]],
    [String.raw`"\$\q\"\\"`, [String.raw`$\q"` + "\\"]],
    ["a\\\nb \\\n c", ["ab", "c"]],
    ["a #b c\nd e#f \\#g", ["a", "d", "e#f", "#g"]],
    [`"" ''`, ["", ""]],
    ["a && b | c; $X *", ["a", "&&", "b", "|", "c;", "$X", "*"]],
    ["", []],
    ["'a", null],
    ['"a', null],
    ["a\\", null],
  ];
  for (const [text, words] of cases) assert.deepEqual(splitShellWords(text), words, JSON.stringify(text));
});
