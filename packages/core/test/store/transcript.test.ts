import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Transcript } from "../../src/store/sqlite/transcript.ts";
import type { TranscriptState } from "../../src/store/sqlite/transcript.ts";

const first = '{"line":1}\n';
const second = '{"line":"zwölf"}\n';
const whole = first + second;

let folder: string;
let path: string;
let saved: TranscriptState[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-transcript-"));
  path = join(folder, "2026", "rollout.jsonl");
  saved = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (state: TranscriptState): Transcript =>
  new Transcript(path, state, { allText: () => "anew\n", save: (each) => void saved.push(each) });
const stored: TranscriptState = { start: Buffer.byteLength(first), lines: second };

test("a writer that takes over finds the last lines missing, cut, whole or followed by others", () => {
  mkdirSync(join(folder, "2026"));
  for (const found of [first, `${first}${second.slice(0, 5)}`, whole, `${whole}{"line`]) {
    writeFileSync(path, found);
    open(stored).write(stored);
    assert.equal(readFileSync(path, "utf8"), whole, JSON.stringify(found));
  }
  assert.deepEqual(saved, []);
});

test("a file that is too short is written anew, and its state is saved before it is complete", () => {
  mkdirSync(join(folder, "2026"));
  writeFileSync(path, first.slice(0, 4));
  const transcript = open(stored);
  transcript.write(stored);
  assert.equal(readFileSync(path, "utf8"), "anew\n");
  assert.deepEqual(saved, [{ start: 5, lines: "" }]);
  assert.deepEqual(transcript.next(second), { start: 5, lines: second });
});

test("next() goes on behind what was written, and keeps what could not be", () => {
  const transcript = open({ start: 0, lines: first });
  writeFileSync(join(folder, "2026"), "a file where the folder should be");
  transcript.write({ start: 0, lines: first });
  assert.deepEqual(transcript.next(second), { start: 0, lines: whole });
  rmSync(join(folder, "2026"));
  transcript.write(transcript.next(second));
  assert.equal(readFileSync(path, "utf8"), whole);
  assert.deepEqual(transcript.next(first), { start: statSync(path).size, lines: first });
});

test("lines that could not be written after others that were are not lost", () => {
  const transcript = open({ start: 0, lines: first });
  transcript.write({ start: 0, lines: first });
  renameSync(join(folder, "2026"), join(folder, "away"));
  writeFileSync(join(folder, "2026"), "a file where the folder should be");
  transcript.write(transcript.next(second));
  rmSync(join(folder, "2026"));
  renameSync(join(folder, "away"), join(folder, "2026"));
  transcript.write(transcript.next(first));
  assert.equal(readFileSync(path, "utf8"), whole + first);
  assert.deepEqual(saved, []);
});
