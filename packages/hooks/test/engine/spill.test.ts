import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeSpill } from "../../src/engine/spill.ts";
import { workFolder } from "../support/handlers.ts";

const folder = join(workFolder, "spilled");
const spill = makeSpill(folder);

test("a text of 2500 tokens passes, one byte more is shortened; bytes count, not characters", () => {
  assert.equal(spill("x".repeat(10_000), null), "x".repeat(10_000));
  assert.notEqual(spill("x".repeat(10_001), null), "x".repeat(10_001));
  assert.equal(spill("ü".repeat(5000), null), "ü".repeat(5000));
  assert.notEqual(spill("ü".repeat(5001), null), "ü".repeat(5001));
});

test("a limit of a handler's own counts, and 0 is none", () => {
  assert.equal(spill("x".repeat(28), 7), "x".repeat(28));
  assert.match(spill("x".repeat(29), 7), /^\[hook output shortened: about 8 tokens\]\n/);
  assert.equal(spill("x".repeat(1_000_000), 0), "x".repeat(1_000_000));
});

test("the model gets head, tail and where all of it is, a file for its owner alone", () => {
  const text = Array.from({ length: 100 }, (_, at) => `line ${String(at).padStart(2, "0")}`).join("\n");
  const copy = spill(text, 10);
  const path = /\[all of it: (.*)\]$/.exec(copy)?.[1] ?? "";
  assert.equal(
    copy,
    [
      "[hook output shortened: about 200 tokens]",
      "[100 lines in all]",
      "line 00\nline 01\nline",
      "[... about 190 tokens left out ...]",
      "e 97\nline 98\nline 99",
      `[all of it: ${path}]`,
    ].join("\n"),
  );
  assert.deepEqual([readFileSync(path, "utf8"), statSync(path).mode & 0o777], [text, 0o600]);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
});

test("no character is cut in two", () => {
  for (const character of ["ü", "€", "😀"]) {
    for (let shift = 0; shift < 4; shift++) {
      const copy = spill("a".repeat(shift) + character.repeat(100), 10);
      assert.ok(!copy.includes("\ufffd"), copy);
    }
  }
});

test("nothing is written for a text that passes", () => {
  const before = readdirSync(folder).length;
  spill("short", null);
  assert.equal(readdirSync(folder).length, before);
});

test("a folder that can't be written costs the file and not the preview", () => {
  const file = join(workFolder, "a-plain-file");
  writeFileSync(file, "");
  const copy = makeSpill(join(file, "below"))("x".repeat(100), 5);
  assert.match(copy, /^\[hook output shortened: about 25 tokens\]\n[^]*\n\[the rest could not be kept: ENOTDIR\]$/);
});
