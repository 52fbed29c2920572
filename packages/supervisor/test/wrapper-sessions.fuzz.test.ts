/** Random bytes and descriptors from inside, in every state that a session can be in: the broker goes on, with nothing for its
 *  sanitizers to say, and ends as the command does. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { brokerPath, nativeBuildFolder } from "../src/index.ts";
import { FrameReader, FrameWriter, PayloadReader, frameKinds } from "../src/frames.ts";
import { Random } from "./support/random.ts";
import { makeMark, untilNoneHas } from "./support/running-processes.ts";
import { launchBytes, startRawBroker } from "./support/raw-broker.ts";

const sanitized = `${nativeBuildFolder}/sanitized/sallyport-broker`;
const fuzzer = join(import.meta.dirname, "fixtures/fuzz-sessions.py");
const socketNumber = 100;

/** Answers as Node might: in order, but with any answer. Returns how many of each frame it has seen. */
function answerAnyhow(control: ReturnType<typeof startRawBroker>["control"], random: Random): Map<number, number> {
  const seen = new Map<number, number>();
  const reader = new FrameReader();
  const granted = new Set<number>();
  const send = (frame: Buffer): unknown => control.writable && control.write(frame);
  control.on("data", (chunk: Buffer) => {
    for (const { kind, payload } of reader.read(chunk)) {
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
      const values = new PayloadReader(payload);
      if (kind === frameKinds.session) {
        const id = values.count();
        send(new FrameWriter(frameKinds.sessionResolve).u64(id).u64(id).u8(true).text("").text("/bin/true").finish());
        const next = 1 + random.below(3);
        if (next === 3) granted.add(id);
        send(new FrameWriter(frameKinds.sessionSend).u64(id).u8(next).text("{}").finish());
      }
      if (kind === frameKinds.sessionMessage) answerMessage(values.count(), values.u32());
      if (kind === frameKinds.execEnd)
        send(new FrameWriter(frameKinds.sessionSend).u64(values.count()).u8(4).text("{}").finish());
    }
  });
  const answerMessage = (id: number, count: number): void => {
    if (!granted.delete(id)) return void send(new FrameWriter(frameKinds.sessionSignal).u64(id).i32(0).u8(0).finish());
    const numbers = random.bytes(4 * (random.below(3) === 0 ? random.below(5) : count));
    for (let at = 0; at < numbers.length; at += 4) if (random.below(9) > 0) numbers.writeUInt32LE(at / 4, at);
    const start = new FrameWriter(frameKinds.sessionStart).u64(id).u32(0).texts(["true"]).texts([]).text("/").texts([]);
    const isBounded = random.below(4) === 0;
    start.bytes(numbers).u64(0).u64(0).u8(isBounded);
    send((isBounded ? start.texts(["/nosuch/bwrap", "@init"]).bytes(random.bytes(30)) : start).finish());
  };
  return seen;
}

async function fuzz(path: string, seed: number): Promise<Map<number, number>> {
  const mark = makeMark();
  const { control, end } = startRawBroker(path);
  const seen = answerAnyhow(control, new Random(seed));
  const env = [mark, "PATH=/usr/bin:/bin", `CODEX_ESCALATE_SOCKET=${socketNumber}`];
  const argv = ["python3", fuzzer, String(seed), "2500"];
  const spec = { intercept: false, escalateSocket: socketNumber, file: "/usr/bin/python3", argv, env };
  control.write(launchBytes(spec));
  const { code, signal, stderr } = await end;
  assert.deepEqual([code, signal, stderr], [0, null, ""], `seed ${seed}`);
  await untilNoneHas(mark);
  return seen;
}

for (const [name, path, seeds] of [
  ["as it ships", brokerPath, [1, 2, 3, 6, 7]],
  ["with sanitizers", sanitized, [4, 5, 8, 9, 10, 11]],
] as const) {
  const skip = existsSync(path) ? false : "make -C packages/supervisor/native sanitized";
  test(`the broker ${name}`, { skip }, async () => {
    const all = new Map<number, number>();
    for (const seed of seeds) {
      const seen = await fuzz(path, seed);
      assert.equal(seen.get(frameKinds.ended), 1);
      for (const [kind, count] of seen) all.set(kind, (all.get(kind) ?? 0) + count);
    }
    // The way was gone to its end, or else this says nothing.
    for (const kind of [frameKinds.session, frameKinds.sessionMessage, frameKinds.sessionState, frameKinds.execEnd])
      assert.ok((all.get(kind) ?? 0) > 0, `kind ${kind}: ${JSON.stringify([...all])}`);
  });
}
