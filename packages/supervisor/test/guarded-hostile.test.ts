/** Code inside that works against the broker. */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { describe, test } from "node:test";
import { textToDisplay } from "../src/index.ts";
import type { ExecEvent, Verdict } from "../src/index.ts";
import { FrameReader, FrameWriter, frameKinds } from "../src/frames.ts";
import { compileFixture } from "./support/compiled-fixtures.ts";
import { decideByName, escalateAsItIs, runGuarded, startGuarded, surroundings } from "./support/guarded-command.ts";
import { countDescriptors, makeMark, statusLine, until, untilNoneHas } from "./support/running-processes.ts";
import { launchBytes, startRawBroker } from "./support/raw-broker.ts";

const flip = compileFixture("flip-path");
const denied = compileFixture("start-program", { as: "denied-one" });
const other = compileFixture("start-program", { as: "escalated1" });
const steal = compileFixture("steal-stand-in-socket");
const last = compileFixture("exit-with");

for (const { around, skip } of surroundings) {
  describe(`inside ${around}`, { skip }, () => {
    test("a path that another thread changes never carries the denied program outside", async () => {
      const decide = decideByName({ "denied-one": "deny", escalated1: "escalate" });
      const result = await runGuarded({ argv: [flip, "300", denied, other], around, decide, timeoutMs: 40_000 });
      const ran = result.stdout.split("\n").filter((line) => line.startsWith("ppid="));
      const outside = ran.filter((line) => line.startsWith(`ppid=${result.brokerPid} `));
      assert.deepEqual(new Set(outside), new Set([`ppid=${result.brokerPid} exe=escalated1`]));
      // The negative control: what was raced for did happen, both were asked about.
      const asked = new Set(result.execs.slice(1).map((exec) => basename(textToDisplay(exec.file))));
      assert.deepEqual([...asked].sort(), ["denied-one", "escalated1"]);
    });

    test("who takes a stand-in's socket neither fills the broker's descriptors nor makes it wait", async () => {
      let held = 0;
      let broker = 0;
      const decide = (event: ExecEvent): Verdict => {
        const name = basename(textToDisplay(event.file));
        if (name === "exit-with") held = countDescriptors(broker);
        return name === "sleep" ? escalateAsItIs(event) : { kind: "run" };
      };
      const guarded = await startGuarded({ argv: [steal, "/bin/sleep", last], around, decide });
      broker = guarded.broker.pid;
      const result = await guarded.finished;
      assert.deepEqual([result.stdout, result.exitCode], ["stolen 1\n", 5]);
      assert.ok(held > 0 && held < 60, `${held} descriptors`);
    });
  });
}

describe("a Node that does not read", () => {
  const budget = 12 * 1024; // kilobytes; without a limit it grows by hundreds of megabytes a second

  test("stops the output of a pty, and does not fill the broker's memory", async () => {
    const mark = makeMark();
    const { child, control, end } = startRawBroker();
    control.pause();
    const argv = ["sh", "-c", "exec cat /dev/zero"];
    control.write(
      launchBytes({
        mode: "plain",
        intercept: false,
        file: "/bin/sh",
        argv,
        env: [mark, "PATH=/bin"],
        pty: { rows: 1, columns: 1 },
      }),
    );
    const pid = child.pid ?? -1;
    const used = (): number => Number.parseInt(statusLine(pid, "VmHWM"), 10);
    let samples = 0;
    const written = (): number => samples++;
    await until("it had time to fill", () => written() > 20_000 || used() > budget, 20_000);
    assert.ok(used() < budget, `${used()} kB`);
    control.destroy();
    await end;
    await untilNoneHas(mark);
  });

  test("is asked again when it reads again", async () => {
    const { control, end } = startRawBroker();
    control.removeAllListeners("data");
    const reader = new FrameReader();
    let asked = 0;
    control.pause();
    const count = 500;
    const script = `for i in $(seq ${count}); do /bin/true & done; wait`;
    control.write(
      launchBytes({
        file: "/bin/sh",
        argv: ["sh", "-c", script],
        env: ["PATH=/bin:/usr/bin", `BIG=${"x".repeat(60_000)}`],
      }),
    );
    control.on("data", (chunk: Buffer) => {
      for (const frame of reader.read(chunk)) {
        if (frame.kind !== frameKinds.exec) continue;
        asked++;
        control.write(new FrameWriter(frameKinds.verdict).u64(frame.payload.readBigUInt64LE(0)).u8(0).finish());
        if (asked % 100 === 0) {
          control.pause();
          setImmediate(() => control.resume());
        }
      }
    });
    control.resume();
    const { code } = await end;
    assert.deepEqual([code, asked], [0, count + 2]);
  });
});
