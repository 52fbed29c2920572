/** Random and mutated frames on a real broker's control socket: it ends with 125 and one line, or goes on; nothing is left. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { brokerPath, nativeBuildFolder } from "../src/index.ts";
import { FrameWriter, frameHeaderBytes, frameKinds } from "../src/frames.ts";
import { Random } from "./support/random.ts";
import { makeMark, untilNoneHas } from "./support/running-processes.ts";
import { launchBytes, startRawBroker } from "./support/raw-broker.ts";
import type { RawBroker, RawBrokerEnd } from "./support/raw-broker.ts";

const sanitized = `${nativeBuildFolder}/sanitized/sallyport-broker`;
const endedByItself = "";

/** Every kind of frame that Node sends. */
function frames(launch: Buffer): Buffer[] {
  return [
    launch,
    new FrameWriter(frameKinds.verdict).u64(1).u8(0).finish(),
    new FrameWriter(frameKinds.verdict).u64(1).u8(3).finish(),
    new FrameWriter(frameKinds.verdict).u64(1).u8(2).text("no").finish(),
    new FrameWriter(frameKinds.verdict).u64(1).u8(1).u32(0).texts(["true"]).texts(["A=B"]).text("/").texts([]).finish(),
    new FrameWriter(frameKinds.resolve).u64(1).u64(9).text("true").finish(),
    new FrameWriter(frameKinds.sessionResolve).u64(1).u64(9).u8(true).text("/").text("true").finish(),
    new FrameWriter(frameKinds.sessionSend).u64(1).u8(1).text("{}").finish(),
    sessionStart().u8(false).finish(),
    sessionStart().u8(true).texts(["/nosuch/bwrap", "@init"]).bytes(Buffer.alloc(9)).finish(),
    new FrameWriter(frameKinds.sessionSignal).u64(1).i32(15).u8(false).finish(),
    new FrameWriter(frameKinds.resize).u32(24).u32(80).finish(),
    new FrameWriter(frameKinds.input).bytes(Buffer.from("typed\n")).finish(),
    new FrameWriter(frameKinds.acknowledge).u32(0).finish(),
    new FrameWriter(frameKinds.revoke).finish(),
    new FrameWriter(frameKinds.signal).i32(0).finish(),
    new FrameWriter(frameKinds.terminate).u32(1).finish(),
  ];
}

function sessionStart(): FrameWriter {
  const program = new FrameWriter(frameKinds.sessionStart).u64(1).u32(0).texts(["true"]).texts(["A=B"]);
  return program.text("/").texts([]).bytes(Buffer.alloc(4)).u64(0).u64(0);
}

/** Sends what a round says and gives the broker a moment; then Node goes away, and the broker has to end. */
async function endOf(path: string, stream: Buffer): Promise<RawBrokerEnd> {
  const broker = startRawBroker(path);
  broker.control.end(stream);
  return endSoon(broker);
}

async function endSoon({ child, end }: RawBroker): Promise<RawBrokerEnd> {
  const late = delay(10_000, "late" as const, { ref: false });
  const first = await Promise.race([end, late]);
  if (first !== "late") return first;
  child.kill("SIGKILL");
  return { ...(await end), signal: "it did not end within 10 s" };
}

function complaint({ code, signal, stderr }: RawBrokerEnd): string {
  const lines = stderr.split("\n").filter((line) => line !== "");
  if (signal !== null) return `signal ${signal} ${stderr}`;
  if (/Sanitizer|runtime error/.test(stderr)) return stderr;
  if (code === 0) return endedByItself;
  // A child on its way to its program tells what it failed at by itself.
  return code === 125 && lines.length >= 1 && lines.every((line) => line.startsWith("sallyport-broker: "))
    ? endedByItself
    : `exit ${code}: ${stderr}`;
}

async function fuzz(path: string, rounds: number): Promise<void> {
  const seen = { zero: 0, refused: 0 };
  const mark = makeMark();
  for (let round = 0; round < rounds; round++) {
    const random = new Random(round);
    const spec = { file: "/bin/true", argv: ["true"], env: [mark, "A=B"] };
    const launch = launchBytes({
      ...spec,
      mode: random.below(2) === 0 ? "plain" : "guarded",
      pty: random.below(3) === 0 ? { rows: 5, columns: 7 } : null,
    });
    const all = frames(launch);
    const parts = random.below(4) === 0 ? [] : [launch];
    for (let count = random.below(5); count >= 0; count--) {
      const original = all[random.below(all.length)] ?? launch;
      const from = random.below(5) === 0 ? 0 : frameHeaderBytes; // most keep a true header
      const payload = random.mutate(original, from);
      if (from > 0) payload.writeUInt32LE(payload.length - frameHeaderBytes, 0);
      parts.push(payload);
    }
    const ended = await endOf(path, Buffer.concat(parts));
    assert.equal(complaint(ended), endedByItself, `round ${round}`);
    seen[ended.code === 0 ? "zero" : "refused"]++;
  }
  await untilNoneHas(mark);
  assert.ok(seen.zero > rounds / 20 && seen.refused > rounds / 20, JSON.stringify(seen));
}

/** Every kind of frame that Node sends to a starter. */
function starterFrames(mark: string, random: Random): Buffer[] {
  const { launch, program, programOpened, programTerminate } = frameKinds;
  const spec = { intercept: false, file: "/bin/sh", argv: ["sh", "-c", "sleep 0.01 & exit 3"], env: [mark] };
  const mode = random.below(8) === 0 ? "guarded" : "plain";
  const launched = launchBytes({ ...spec, mode, lingerMs: random.below(2) * 20, mergedOutput: random.below(8) === 0 });
  const start = (id: number): Buffer =>
    new FrameWriter(program).u32(id).raw(launched.subarray(frameHeaderBytes)).finish();
  return [
    start(1),
    start(2),
    start(3),
    new FrameWriter(programOpened).u32(1 + random.below(4)).finish(),
    new FrameWriter(programOpened).u32(1).finish(),
    new FrameWriter(programTerminate)
      .u32(1 + random.below(4))
      .u32(random.below(3))
      .finish(),
    new FrameWriter(random.below(20) === 0 ? launch : programTerminate).u32(2).u32(0).finish(),
  ];
}

/** Node goes away when all that has started is over, or after a moment. */
async function endOfStarter(path: string, stream: Buffer): Promise<RawBrokerEnd> {
  const broker = startRawBroker(path, ["--starter"]);
  const { control, frames } = broker;
  control.write(stream);
  const count = (kind: number): number => frames.filter((frame) => frame.kind === kind).length;
  const started = (): number => count(frameKinds.programPipes);
  const isOver = (): boolean => started() > 0 && count(frameKinds.programGone) >= started();
  const deadlineMs = Date.now() + 200;
  while (!isOver() && !control.destroyed && Date.now() < deadlineMs) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  control.end();
  return endSoon(broker);
}

async function fuzzStarter(path: string, rounds: number): Promise<void> {
  const seen = { zero: 0, refused: 0, gone: 0 };
  const mark = makeMark();
  for (let round = 0; round < rounds; round++) {
    const random = new Random(round);
    const all = starterFrames(mark, random);
    const parts: Buffer[] = [];
    for (let count = 1 + random.below(6); count > 0; count--) {
      const original = all[random.below(all.length)] ?? Buffer.alloc(0);
      const from = random.below(5) === 0 ? 0 : frameHeaderBytes; // most keep a true header
      const frame = random.below(2) === 0 ? random.mutate(original, from) : original;
      if (from > 0) frame.writeUInt32LE(frame.length - frameHeaderBytes, 0);
      parts.push(frame);
    }
    const ended = await endOfStarter(path, Buffer.concat(parts));
    assert.equal(complaint(ended), endedByItself, `round ${round}`);
    for (const { kind, payload } of ended.frames) {
      if (kind !== frameKinds.programGone) continue;
      // Its keeper ended well, refused what it was told; no sanitizer ended it.
      const status = payload.readInt32LE(4);
      assert.ok([0, 125 << 8].includes(status), `round ${round}: wait status ${status}`);
      seen.gone++;
    }
    seen[ended.code === 0 ? "zero" : "refused"]++;
  }
  await untilNoneHas(mark);
  const few = rounds / 20;
  assert.ok(seen.zero > few && seen.refused > few && seen.gone > few, JSON.stringify(seen));
}

describe("frames that Node would never send", () => {
  test("to a starter as it ships", () => fuzzStarter(brokerPath, 100));

  test(
    "to a starter with sanitizers",
    { skip: existsSync(sanitized) ? false : "make -C packages/supervisor/native sanitized" },
    () => fuzzStarter(sanitized, 60),
  );

  test("to the broker as it ships", () => fuzz(brokerPath, 300));

  test(
    "to the broker with sanitizers",
    { skip: existsSync(sanitized) ? false : "make -C packages/supervisor/native sanitized" },
    () => fuzz(sanitized, 150),
  );

  test("a malformed frame ends the broker with one line, and the tree with it", async () => {
    for (const mode of ["plain", "guarded"] as const) {
      const mark = makeMark();
      const { control, end } = startRawBroker();
      const script = "setsid sleep 63 & sleep 63";
      control.write(
        launchBytes({
          mode,
          intercept: false,
          file: "/bin/sh",
          argv: ["sh", "-c", script],
          env: [mark, "PATH=/bin:/usr/bin"],
        }),
      );
      control.write(new FrameWriter(200).finish());
      const { code, stderr } = await end;
      assert.deepEqual([code, stderr], [125, "sallyport-broker: Node sent a frame of unknown kind 200\n"]);
      await untilNoneHas(mark);
    }
  });

  const refusals: Record<string, [Buffer, RegExp]> = {
    "another version": [versioned(9), /^sallyport-broker: Node speaks frame version 9, expected 2: .*\n$/],
    "a length above the cap": [
      withLength(0xffffffff),
      /^sallyport-broker: Node sent a frame of 4294967295 bytes, at most 16777216 .*\n$/,
    ],
    "a launch that ends too early": [new FrameWriter(1).u8(1).finish(), /malformed launch specification\n$/],
    "a launch with bytes behind its end": [
      new FrameWriter(1).bytes(Buffer.alloc(0)).finish(),
      /malformed launch specification\n$/,
    ],
    "a verdict that ends too early": [new FrameWriter(2).u32(1).finish(), /malformed verdict\n$/],
    "a verdict of unknown kind": [new FrameWriter(2).u64(1).u8(6).finish(), /malformed verdict\n$/],
    "a question that ends too early": [new FrameWriter(5).u64(1).finish(), /malformed question\n$/],
    "a question with a NUL": [new FrameWriter(5).u64(1).u64(1).text("a\0b").finish(), /malformed question\n$/],
    "an acknowledgement that ends too early": [new FrameWriter(8).u8(1).finish(), /malformed frame of kind 8\n$/],
    "an acknowledgement of what was not answered": [new FrameWriter(8).u32(1).finish(), /not answered\n$/],
    "a wrapper's question that ends too early": [new FrameWriter(10).u64(1).finish(), /malformed question\n$/],
    "an answer for a wrapper that ends too early": [
      new FrameWriter(11).u64(1).u8(1).finish(),
      /malformed answer for a wrapper\n$/,
    ],
    "an answer for a wrapper of unknown kind": [
      new FrameWriter(11).u64(1).u8(6).text("").finish(),
      /malformed answer for a wrapper\n$/,
    ],
    "a start that ends too early": [new FrameWriter(12).u64(1).u32(0).finish(), /malformed start\n$/],
    "a hold that ends too early": [new FrameWriter(30).finish(), /malformed frame of kind 30\n$/],
    "a text to show that ends too early": [new FrameWriter(31).u8(1).u32(1).finish(), /malformed frame of kind 31\n$/],
    "a letting go that ends too early": [new FrameWriter(32).finish(), /malformed frame of kind 32\n$/],
    "a second hold": [
      Buffer.concat([new FrameWriter(30).u8(0).finish(), new FrameWriter(30).u8(0).finish()]),
      /Node held the tree twice\n$/,
    ],
    "a signal that ends too early": [new FrameWriter(3).u8(1).finish(), /malformed frame of kind 3\n$/],
  };
  for (const [name, [bytes, line]] of Object.entries(refusals)) {
    test(`${name} is refused`, async () => {
      const ended = await endOf(brokerPath, bytes);
      assert.equal(ended.code, 125);
      assert.match(ended.stderr, line);
    });
  }
});

function versioned(version: number): Buffer {
  const frame = new FrameWriter(3).i32(0).finish();
  frame.writeUInt8(version, 4);
  return frame;
}

function withLength(length: number): Buffer {
  const frame = new FrameWriter(3).i32(0).finish();
  frame.writeUInt32LE(length, 0);
  return frame;
}
