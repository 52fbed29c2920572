import assert from "node:assert/strict";
import { test } from "node:test";
import { isSallyportError } from "../src/index.ts";
import { FrameReader, FrameWriter, PayloadReader, frameCapBytes, frameKinds } from "../src/frames.ts";
import type { Frame } from "../src/frames.ts";

const odd = { base64: Buffer.from([0xff, 0x00, 0x80]).toString("base64") };

function sample(): Buffer[] {
  return [
    new FrameWriter(frameKinds.started).i32(-7).finish(),
    new FrameWriter(frameKinds.hello).finish(),
    new FrameWriter(frameKinds.exec)
      .u8(true)
      .u32(0xffffffff)
      .u64(2n ** 63n)
      .text("ü\n")
      .texts(["", odd])
      .finish(),
    new FrameWriter(frameKinds.output).bytes(Buffer.alloc(70_000, 1)).finish(),
  ];
}

function readAll(chunks: Iterable<Buffer>): Frame[] {
  const reader = new FrameReader();
  return [...chunks].flatMap((chunk) => [...reader.read(chunk)]);
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return isSallyportError(error) ? error.code : String(error);
  }
  return "nothing thrown";
}

test("what a FrameWriter wrote a PayloadReader reads", () => {
  const [, , exec] = readAll(sample());
  const payload = new PayloadReader(exec?.payload ?? Buffer.alloc(0));
  const values = [payload.u8(), payload.u32(), payload.u64(), payload.text(), payload.list(() => payload.text())];
  assert.deepEqual(values, [1, 0xffffffff, 2n ** 63n, "ü\n", ["", odd]]);
  assert.equal(
    codeOf(() => payload.u8()),
    "BROKER_PROTOCOL",
  );
});

test("count() reads every number that JavaScript holds exactly", () => {
  for (const number of [0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const [frame] = readAll([new FrameWriter(1).u64(number).finish()]);
    assert.equal(new PayloadReader(frame?.payload ?? Buffer.alloc(0)).count(), number);
  }
});

test("read() finds the same frames whatever way the stream is chopped", () => {
  const stream = Buffer.concat(sample());
  const expected = readAll([stream]);
  assert.deepEqual(
    expected.map((frame) => frame.kind),
    [102, 101, 103, 108],
  );
  for (const size of [1, 2, 3, 7, 8, 9, 4096, 65_536]) {
    const chunks = Array.from({ length: Math.ceil(stream.length / size) }, (_, at) =>
      stream.subarray(at * size, (at + 1) * size),
    );
    assert.deepEqual(readAll(chunks), expected);
  }
});

test("read() refuses another version and a length above the cap", () => {
  const other = new FrameWriter(1).finish();
  other.writeUInt8(1, 4);
  assert.equal(
    codeOf(() => readAll([other])),
    "BROKER_PROTOCOL",
  );
  const long = new FrameWriter(1).finish();
  long.writeUInt32LE(frameCapBytes + 1, 0);
  assert.equal(
    codeOf(() => readAll([long])),
    "BROKER_PROTOCOL",
  );
  long.writeUInt32LE(frameCapBytes, 0); // the negative control: this one waits for its payload
  assert.deepEqual(readAll([long]), []);
});

test("finish() refuses a payload above the cap", () => {
  assert.equal(
    codeOf(() => new FrameWriter(1).bytes(Buffer.alloc(frameCapBytes)).finish()),
    "FRAME_TOO_LARGE",
  );
  assert.equal(
    codeOf(() => new FrameWriter(1).bytes(Buffer.alloc(frameCapBytes - 4)).finish()),
    "nothing thrown",
  );
});

test("a count that lies allocates nothing", () => {
  const [frame] = readAll([new FrameWriter(1).u32(0xffffffff).finish()]);
  const payload = new PayloadReader(frame?.payload ?? Buffer.alloc(0));
  assert.equal(
    codeOf(() => payload.list(() => payload.u8())),
    "BROKER_PROTOCOL",
  );
});
