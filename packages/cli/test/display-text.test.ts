import assert from "node:assert/strict";
import { test } from "node:test";
import { cutToWidth, displayArgument, displayText, displayWidth, wrapToWidth } from "../src/display-text.ts";

const hostile: [what: string, text: string, shown: string][] = [
  ["colours and cursor moves", "\u001b[2J\u001b[31mok", "\\x1b[2J\\x1b[31mok"],
  ["8-bit controls", "\u009b31m", "\\x9b31m"],
  ["new lines", "a\nb\r\tc", "a\\nb\\r\\tc"],
  ["bidi overrides", "txt.\u202eexe", "txt.\\u{202e}exe"],
  ["bidi isolates", "\u2066a\u2069", "\\u{2066}a\\u{2069}"],
  ["zero width characters", "r\u200bm\ufeff", "r\\u{200b}m\\u{feff}"],
  ["letters that are drawn as nothing", "a\u3164\u115fb", "a\\u{3164}\\u{115f}b"],
  ["blanks that are not the blank", "a\u00a0\u3000b", "a\\xa0\\u{3000}b"],
  ["line separators", "a\u2028b", "a\\u{2028}b"],
  ["tag characters", "a\u{e0041}", "a\\u{e0041}"],
  ["half of a surrogate pair", "a\ud800b", "a\\u{d800}b"],
];
for (const [what, text, shown] of hostile) {
  test(`displayText() escapes ${what}`, () => assert.equal(displayText(text), shown));
}

test("displayText() leaves the world's letters alone", () => {
  const text = "naïve Straße 日本語 Ελλάδα 🙂 (a|b) --x=1";
  assert.equal(displayText(text), text);
});

test("displayText() shows bytes that are not UTF-8 by their numbers", () => {
  assert.equal(displayText({ base64: Buffer.from([0x61, 0xff, 0x1b, 0x62]).toString("base64") }), "a\\xff\\x1bb");
});

test("displayArgument() quotes what a shell would take apart", () => {
  assert.deepEqual(["-l", "a b", "", "it's", "$HOME", "a\nb", "x=1"].map(displayArgument), [
    "-l",
    "'a b'",
    "''",
    "'it\\'s'",
    "'$HOME'",
    "'a\\nb'",
    "x=1",
  ]);
});

test("cutToWidth() counts columns, not characters", () => {
  assert.deepEqual(
    [cutToWidth("日本語", 6), cutToWidth("日本語", 5), cutToWidth("abc", 2), cutToWidth("abc", 0)],
    ["日本語", "日本…", "a…", ""],
  );
  assert.deepEqual([displayWidth("日本"), displayWidth("e\u0301")], [4, 1]);
});

test("wrapToWidth() breaks at blanks and keeps long words", () => {
  assert.deepEqual(wrapToWidth("one two longerthanthat x", 8), ["one two", "longerthanthat", "x"]);
  assert.deepEqual(wrapToWidth("", 8), []);
});
