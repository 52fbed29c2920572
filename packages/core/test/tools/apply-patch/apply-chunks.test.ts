import assert from "node:assert/strict";
import { test } from "node:test";
import { applyChunks } from "../../../src/tools/apply-patch/apply-chunks.ts";
import { parsePatch } from "../../../src/tools/apply-patch/parse-patch.ts";

function apply(text: string, body: string): string {
  const [action] = parsePatch(`*** Begin Patch\n*** Update File: f\n${body}\n*** End Patch`);
  assert.ok(action?.kind === "update");
  return applyChunks(text, action.chunks, "f");
}

const cases: [name: string, text: string, body: string, expected: string][] = [
  ["replaces a line", "a\nb\nc\n", " a\n-b\n+B\n c", "a\nB\nc\n"],
  ["finds later chunks behind earlier ones", "x\ny\nx\ny\n", "-y\n+1\n@@\n-y\n+2", "x\n1\nx\n2\n"],
  ["looks below an anchor", "f()\n  x\ng()\n  x\n", "@@ g()\n-  x\n+  y", "f()\n  x\ng()\n  y\n"],
  ["adds below an anchor", "f()\ng()\n", "@@ f()\n+  x", "f()\n  x\ng()\n"],
  ["adds at the end where nothing says where", "a\n", "+b", "a\nb\n"],
  ["adds to an empty file", "", "+b", "b\n"],
  ["takes the last place at the end of the file", "x\ny\nx\n", "-x\n+z\n*** End of File", "x\ny\nz\n"],
  ["forgives lost blanks at the ends of lines", "a  \nb\t\n", " a\n-b\n+c", "a  \nc\n"],
  ["forgives a wrong indentation, and keeps the file's own", "  a\n  b\n", " a\n-b\n+  c", "  a\n  c\n"],
  ["keeps Windows line ends", "a\r\nb\r\n", " a\n-b\n+c\n+d", "a\r\nc\r\nd\r\n"],
  ["keeps the bytes of kept lines in a file of mixed line ends", "a\r\nb\nc\n", " a\n-b\n+B\n c", "a\r\nB\nc\n"],
  ["keeps a missing newline at the end", "a\nb\nc", " a\n-b\n+B", "a\nB\nc"],
  ["gives a replaced last line its newline", "a\nb", " a\n-b\n+B", "a\nB\n"],
  ["removes everything", "a\nb\n", "-a\n-b", ""],
];

for (const [name, text, body, expected] of cases) {
  test(`applyChunks() ${name}`, () => {
    assert.equal(apply(text, body), expected);
  });
}

test("applyChunks() refuses what does not stand there, and says what", () => {
  const message = /^"f" does not have these lines:\nnot there$/;
  assert.throws(() => apply("a\n", "-not there\n+x"), { name: "PatchError", message });
});

test("applyChunks() refuses chunks in another order than the file's", () => {
  assert.throws(() => apply("a\nb\n", "-b\n+B\n@@\n-a\n+A"), { name: "PatchError" });
});

test("the attack: a search that would take minutes is given up; one of a long file that ends is not", () => {
  const lines = "a\n".repeat(100_000);
  const chunk = " a\n".repeat(2000);
  assert.throws(() => apply(lines, `${chunk}-b\n+c`), { name: "PatchError", message: /not found in reasonable time/ });
  assert.equal(apply(`${lines}b\n`, "-b\n+c"), `${lines}c\n`);
});
