/** Seeded: a failure names its round, and the same round fails again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isSallyportError } from "../src/index.ts";
import { FrameReader, FrameWriter, PayloadReader, frameKinds } from "../src/frames.ts";
import { readProgramFrame } from "../src/program-frames.ts";
import { Random } from "./support/random.ts";

const rounds = 20_000;

test("whatever arrives, a FrameReader gives frames or throws a SallyportError", () => {
  const original = Buffer.concat([1, 2, 3].map((kind) => new FrameWriter(kind).text("some text").u64(kind).finish()));
  const seen = { frames: 0, errors: 0 };
  for (let round = 0; round < rounds; round++) {
    const random = new Random(round);
    const stream = random.below(4) === 0 ? random.bytes(random.below(200)) : random.mutate(original);
    const reader = new FrameReader();
    try {
      for (let at = 0; at < stream.length;) {
        const end = Math.min(stream.length, at + 1 + random.below(40));
        seen.frames += [...reader.read(stream.subarray(at, end))].length;
        at = end;
      }
    } catch (error) {
      assert.ok(isSallyportError(error), `round ${round}: ${String(error)}`);
      seen.errors++;
    }
  }
  assert.ok(seen.frames > 1000 && seen.errors > 1000, JSON.stringify(seen));
});

test("whatever a payload holds, a PayloadReader gives values or throws a SallyportError", () => {
  let errors = 0;
  for (let round = 0; round < rounds; round++) {
    const random = new Random(round);
    const payload = new PayloadReader(random.bytes(random.below(60)));
    const reads = [
      (): unknown => payload.u8(),
      (): unknown => payload.u32(),
      (): unknown => payload.i32(),
      (): unknown => payload.u64(),
      (): unknown => payload.count(),
      (): unknown => payload.bytes(),
      (): unknown => payload.text(),
      (): unknown => payload.list(() => payload.text()),
    ];
    try {
      for (let count = 0; count < 100; count++) reads[random.below(reads.length)]?.();
      assert.fail(`round ${round}: 100 reads of 60 bytes`);
    } catch (error) {
      assert.ok(isSallyportError(error), `round ${round}: ${String(error)}`);
      errors++;
    }
  }
  assert.equal(errors, rounds);
});

test("whatever a starter says, readProgramFrame() gives an event or throws a SallyportError", () => {
  const { hello, started, lingering, failed, ended, programPipes, programEvent, programGone } = frameKinds;
  const event = (kind: number): FrameWriter => new FrameWriter(programEvent).u32(1).u8(kind);
  const originals = [
    new FrameWriter(hello).i32(7).finish(),
    new FrameWriter(programPipes).u32(1).i32(9).i32(10).i32(11).finish(),
    event(started).i32(77).finish(),
    event(lingering).finish(),
    event(failed).text("exec").i32(2).text("").finish(),
    event(ended).u8(1).i32(256).u8(2).u8(1).u64(3).texts(["sleep", "cat"]).finish(),
    new FrameWriter(programGone).u32(1).i32(9).i32(0).finish(),
    new FrameWriter(programGone).u32(1).i32(0).i32(24).finish(),
  ];
  const seen = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const random = new Random(round);
    const stream = random.mutate(originals[random.below(originals.length)] ?? Buffer.alloc(0), 5);
    stream.writeUInt32LE(stream.length - 8 < 0 ? 0 : stream.length - 8, 0);
    let what: string = "none";
    try {
      for (const frame of new FrameReader().read(stream)) what = readProgramFrame(frame)?.event.kind ?? "own";
    } catch (error) {
      assert.ok(isSallyportError(error), `round ${round}: ${String(error)}`);
      what = error.code;
    }
    seen.set(what, (seen.get(what) ?? 0) + 1);
  }
  const all = ["BROKER_PROTOCOL", "ended", "failed", "gone", "lingering", "own", "pipes", "started"];
  assert.deepEqual(
    all.filter((what) => (seen.get(what) ?? 0) < 100),
    [],
    JSON.stringify([...seen]),
  );
});
