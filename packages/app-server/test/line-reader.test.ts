import assert from "node:assert/strict";
import { test } from "node:test";
import { LineReader } from "../src/line-reader.ts";
import { readMessage } from "../src/message.ts";

const maxBytes = 64;

/** Numbers that look random and are the same each time. */
function makeRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("lines are the same however the bytes are cut", () => {
  const lines = ['{"id":1}', "", "ä€😀", "x".repeat(maxBytes), "y".repeat(maxBytes + 1), "last"];
  const bytes = Buffer.from(`${lines.join("\n")}\n`);
  const expected = lines.map((line) => (Buffer.byteLength(line) > maxBytes ? null : line));
  for (let seed = 0; seed < 200; seed += 1) {
    const random = makeRandom(seed);
    const reader = new LineReader(maxBytes);
    const got: (string | null)[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = 1 + random(20);
      got.push(...reader.read(bytes.subarray(at, at + size)));
      at += size;
    }
    assert.deepEqual(got, expected, `seed ${seed}`);
  }
});

test("a line that never ends is not kept", () => {
  const reader = new LineReader(maxBytes);
  const chunk = Buffer.alloc(1_048_576, "x");
  const beforeBytes = process.memoryUsage().arrayBuffers;
  for (let round = 0; round < 200; round += 1) assert.deepEqual(reader.read(chunk), []);
  assert.ok(process.memoryUsage().arrayBuffers - beforeBytes < 50_000_000);
  assert.deepEqual(reader.read(Buffer.from("\nnext\n")), [null, "next"]);
});

test("readMessage() tells the kinds apart by their fields", () => {
  const samples: [text: string, kind: string | undefined][] = [
    ['{"id":1,"method":"a"}', "request"],
    ['{"jsonrpc":"2.0","id":"x","method":"a","params":null}', "request"],
    ['{"id":-3,"method":"a"}', "request"],
    ['{"method":"initialized"}', "notification"],
    ['{"id":0,"result":null}', "response"],
    ['{"id":0,"error":{}}', "response"],
    ['{"id":77}', undefined],
    ['{"id":1.5,"method":"a"}', undefined],
    ['{"id":null,"method":"a"}', undefined],
    ['{"id":1e300,"method":"a"}', undefined],
    ['{"id":1,"method":7}', undefined],
    ['[{"id":1,"method":"a"}]', undefined],
    ["", undefined],
    ["null", undefined],
    ['"text"', undefined],
    ["{", undefined],
  ];
  assert.deepEqual(
    samples.map(([text]) => [text, readMessage(text)?.kind]),
    samples,
  );
});

test("readMessage() never throws, whatever the bytes", () => {
  const sample =
    '{"id":1,"method":"turn/start","params":{"threadId":"t","input":[{"type":"text","text":"\\u00e4"}]},"error":null}';
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    '"',
    ",",
    ":",
    "null",
    "1e999",
    "\\",
    "\u0000",
    "\ud800",
    '"id"',
    '"__proto__"',
    "-",
  ];
  const kinds = new Set<string>();
  for (let seed = 0; seed < 20_000; seed += 1) {
    const random = makeRandom(seed);
    let text = sample;
    for (let change = 0; change <= random(4); change += 1) {
      const at = random(text.length);
      text = text.slice(0, at) + (pieces[random(pieces.length)] ?? "") + text.slice(at + random(6));
    }
    kinds.add(readMessage(text)?.kind ?? "none");
  }
  assert.ok(kinds.has("none") && kinds.has("request"), "both good and bad texts were tried");
});
