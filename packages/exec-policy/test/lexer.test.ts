import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Lexer } from "../src/lexer.ts";
import { RulesFailure } from "../src/rules-error.ts";

/** Each token as its kind, or its text where it has one. */
function tokensOf(text: string): string[] {
  const lexer = new Lexer(text);
  const found: string[] = [];
  for (;;) {
    const token = lexer.next();
    if (token.kind === "end") return found;
    const said = "text" in token ? token.text : "value" in token ? JSON.stringify(token.value) : token.kind;
    found.push(said);
  }
}

describe("Lexer", () => {
  for (const [text, expected] of [
    ["", []],
    ["a", ["a", "newline"]],
    ["a\n\n  # only\n\t\nb\n", ["a", "newline", "b", "newline"]],
    ["a\r\nb", ["a", "newline", "b", "newline"]],
    ["f(a,\n  'b') # x", ["f", "(", "a", ",", '"b"', ")", "newline"]],
    ["a \\\n b", ["a", "b", "newline"]],
    ["if x:\n  a\nb", ["if", "x", ":", "newline", "indent", "a", "newline", "dedent", "b", "newline"]],
    ["a//=1<<2 ...", ["a", "//=", "1", "<<", "2", "...", "newline"]],
    ["r'\\d' b'x' '''a\nb'''", ['"\\\\d"', '"x"', '"a\\nb"', "newline"]],
    ["0x1f 1.5e3 0o17", ["0x1f", "1.5e3", "0o17", "newline"]],
  ] as const)
    test(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(tokensOf(text), expected));

  for (const [text, at, message] of [
    ["a\tb", 1, "tabs are not allowed"],
    ["é", 0, 'invalid input "é"'],
    ["'a", 0, "unfinished string literal"],
    ["017", 0, 'invalid number "017"'],
    ["(]", 1, 'unexpected "]"'],
    ["  a\n b", 5, "the indentation fits no block above"],
    ["u'a'", 0, "unknown string prefix u"],
  ] as const) {
    test(`refuses ${JSON.stringify(text)} at ${at}`, () => {
      assert.throws(
        () => tokensOf(text),
        (error) => error instanceof RulesFailure && error.start === at && error.message === message,
      );
    });
  }
});
