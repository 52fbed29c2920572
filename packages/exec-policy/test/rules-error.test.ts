import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Positions, formatRulesError, quoted, shown } from "../src/rules-error.ts";

describe("Positions", () => {
  test("counts lines and columns from 1, columns in characters", () => {
    const positions = new Positions("ab\n\u{1f600}c\n");
    assert.deepEqual(
      [0, 1, 3, 5, 6, 7].map((offset) => positions.at(offset)),
      [
        { line: 1, column: 1 },
        { line: 1, column: 2 },
        { line: 2, column: 1 },
        { line: 2, column: 2 },
        { line: 2, column: 3 },
        { line: 3, column: 1 },
      ],
    );
    assert.deepEqual(positions.at(1), { line: 1, column: 2 }, "also backwards");
  });

  test("shows the line at fault, without what paints, and of bounded length", () => {
    assert.equal(new Positions("a = \u001b[2J\nb").excerpt(4, 8), "1 | a =  [2J\n  |     ^^^^");
    const long = new Positions(`${"x".repeat(500)}!${"y".repeat(500)}`).excerpt(500, 501);
    assert.ok(long.split("\n").every((line) => line.length <= 110));
    assert.match(long, /x!y/);
  });
});

test("quoted() and shown() escape what paints, and cut what is long", () => {
  assert.equal(quoted("a\u001b\u202e\u2028\u0007"), '"a\\u001b\\u{202e}\\u{2028}\\u0007"');
  assert.equal(quoted("x".repeat(100)), `"${"x".repeat(60)}..."`);
  assert.equal(shown("y".repeat(600)), `${"y".repeat(500)}...`);
  assert.equal(shown("a\nb"), "a\\u{a}b");
});

test("formatRulesError() is one line", () => {
  const error = { file: "a\nb.rules", line: 1, column: 2, text: "bad", expected: "good", excerpt: "" };
  assert.equal(formatRulesError(error), "a\\u{a}b.rules:1:2: bad, expected good");
});
