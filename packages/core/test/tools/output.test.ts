import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedOutput, unfinishedBytes } from "../../src/tools/output-limits.ts";
import { OutputStream } from "../../src/tools/output-stream.ts";
import type { OutputDelta } from "../../src/tools/output-stream.ts";

test("BoundedOutput gives back what fits, whatever the pieces were", () => {
  const output = new BoundedOutput(10);
  for (const piece of ["ab", "cdefg", "", "hij"]) output.add(Buffer.from(piece));
  assert.deepEqual([output.text(), output.totalBytes], ["abcdefghij", 10]);
});

test("BoundedOutput keeps both ends and says how much is missing", () => {
  const output = new BoundedOutput(10);
  for (let index = 0; index < 100_000; index += 1) output.add(Buffer.from(String(index % 10)));
  assert.equal(output.text(), "01234\n[... 99990 bytes left out ...]\n56789");
  assert.equal(output.text(4), "01\n[... 99996 bytes left out ...]\n89");
});

test("BoundedOutput cuts between characters", () => {
  const output = new BoundedOutput(20);
  output.add(Buffer.from("äöü€".repeat(10)));
  assert.doesNotMatch(output.text(), /\uFFFD/);
  assert.doesNotMatch(output.text(7), /\uFFFD/);
});

test("unfinishedBytes() finds the beginning of a character, and no more", () => {
  const bytes = Buffer.from("a€😀");
  const found = [1, 2, 3, 4, 5, 6, 7, 8].map((length) => unfinishedBytes(bytes.subarray(0, length)));
  assert.deepEqual(found, [0, 1, 2, 0, 1, 2, 3, 0]);
  assert.deepEqual([unfinishedBytes(Buffer.from([0xff])), unfinishedBytes(Buffer.from([0x80, 0x80]))], [0, 0]);
});

async function stream(pieces: readonly Buffer[]): Promise<OutputDelta[]> {
  const deltas: OutputDelta[] = [];
  const output = new OutputStream((delta) => {
    deltas.push(delta);
    return Promise.resolve();
  });
  for (const piece of pieces) await output.add(piece);
  await output.close();
  return deltas;
}

test("OutputStream sends every byte once, in order, with its place", async () => {
  const bytes = Buffer.from("äö€😀x".repeat(200_000));
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 7777) pieces.push(bytes.subarray(at, at + 7777));
  const deltas = await stream(pieces);
  assert.ok(deltas.length > 1);
  assert.equal(deltas.map(({ delta }) => delta).join(""), bytes.toString());
  let offset = 0;
  for (const { delta, byteOffset } of deltas) {
    assert.equal(byteOffset, offset);
    offset += Buffer.byteLength(delta);
  }
});

test("OutputStream shows bytes that are not UTF-8, and counts them as they came", async () => {
  const deltas = await stream([Buffer.from([0x61, 0xff, 0xe2, 0x82])]);
  assert.deepEqual(deltas, [{ delta: "a\uFFFD\uFFFD", byteOffset: 0 }]);
});

test("OutputStream tells of a delta that could not be stored", async () => {
  const output = new OutputStream(() => Promise.reject(new Error("no room")));
  void output.add(Buffer.from("a"));
  await assert.rejects(output.close(), { message: "no room" });
});
