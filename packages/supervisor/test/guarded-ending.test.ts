/** However it ends, nothing is left and nothing hangs. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { isSallyportError, textToDisplay } from "../src/index.ts";
import type { ExecEvent, Verdict } from "../src/index.ts";
import { compileFixture, workFolder } from "./support/compiled-fixtures.ts";
import { decideByName, endsByRequest, runGuarded, startGuarded, surroundings } from "./support/guarded-command.ts";
import { processesWith, until, untilNoneHas } from "./support/running-processes.ts";

const starter = compileFixture("start-program");

for (const { around, skip } of surroundings) {
  describe(`inside ${around}`, { skip }, () => {
    const how = around === "bubblewrap" ? "pid-namespace" : "process-walk";

    test("what the command leaves behind ends with it", async () => {
      const script = "(setsid sleep 70 &); (sh -c 'sleep 70 & sleep 70' &); exit 3";
      const guarded = await startGuarded({ argv: ["/bin/sh", "-c", script], around });
      const result = await guarded.finished;
      assert.deepEqual([result.exitCode, result.cleanup.how, result.cleanup.sure], [3, how, true]);
      await untilNoneHas(guarded.mark);
      assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
    });

    test("terminate() with grace ends what ignores TERM", async () => {
      const guarded = await startGuarded({
        argv: ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.01; done"],
        around,
      });
      await until("it runs", () => guarded.execs.length > 2);
      guarded.broker.terminate(100);
      const result = await guarded.finished;
      assert.equal(result.cleanup.sure, true);
      await untilNoneHas(guarded.mark);
    });

    test("an exec that waits for its verdict when the end comes is told as vanished", async () => {
      const decide = (event: ExecEvent): Verdict | Promise<Verdict> =>
        textToDisplay(event.file) === starter ? new Promise(() => {}) : { kind: "run" };
      const guarded = await startGuarded({
        argv: ["/bin/sh", "-c", `${starter} one & ${starter} two & wait`],
        around,
        decide,
      });
      await until("both wait", () => guarded.execs.length === 3);
      guarded.broker.terminate(0);
      const result = await guarded.finished;
      const ends = result.ends.toSorted((a, b) => a.requestId - b.requestId).map((end) => [end.requestId, end.how]);
      assert.deepEqual(ends, [
        [1, "ended"],
        [2, "vanished"],
        [3, "vanished"],
      ]);
      await untilNoneHas(guarded.mark);
    });

    test("a caller that is killed while it waits is told as vanished", async () => {
      const decide = (event: ExecEvent): Verdict | Promise<Verdict> =>
        textToDisplay(event.file) === starter ? new Promise(() => {}) : { kind: "run" };
      const script = `${starter} word & p=$!; /bin/sleep 0.2; kill $p; wait $p; echo $?`;
      const guarded = await startGuarded({ argv: ["/bin/sh", "-c", script], around, decide });
      const result = await guarded.finished;
      assert.equal(result.stdout, "143\n");
      const waited = result.execs.find((exec) => textToDisplay(exec.file) === starter)?.requestId;
      assert.deepEqual(
        result.ends.filter((end) => end.requestId === waited).map((end) => end.how),
        ["vanished"],
      );
    });

    test("kill -9 of the broker: execs that wait and later ones fail, nothing hangs", async () => {
      const out = `${workFolder}/after-${around}`;
      const decide = (event: ExecEvent): Verdict | Promise<Verdict> =>
        textToDisplay(event.file) === starter ? new Promise(() => {}) : { kind: "run" };
      const python = `import os, subprocess, errno
def attempt():
    try: return os.execv("${starter}", ["x"])
    except OSError as e: return errno.errorcode[e.errno]
with open("${out}", "w") as f:
    f.write(attempt() + "\\n" + attempt() + "\\n")`;
      const guarded = await startGuarded({ argv: ["/usr/bin/python3", "-c", python], around, decide });
      await until("it waits", () => guarded.execs.length === 2);
      process.kill(guarded.broker.pid, "SIGKILL");
      const failure = await guarded.finished.catch((error: unknown) => error);
      assert.ok(isSallyportError(failure));
      assert.equal(failure.code, "BROKER_DIED");
      await untilNoneHas(guarded.mark);
      // With a pid namespace the broker's death is the death of all; without, the caller goes on and is told ENOSYS.
      if (around === "nothing") assert.equal(readFileSync(out, "utf8"), "ENOSYS\nENOSYS\n");
    });

    test("launch() resolves when a command starts that is not intercepted", async () => {
      const guarded = await startGuarded({ argv: ["/bin/sh", "-c", "sleep 71"], around, launch: { intercept: false } });
      await until("it runs", () => processesWith(guarded.mark).length > 1);
      let launched = false;
      void guarded.launched.then(() => (launched = true));
      await until("launch() resolved", () => launched);
      guarded.broker.terminate(0);
      await guarded.finished;
      await untilNoneHas(guarded.mark);
      assert.deepEqual(guarded.execs, []);
    });

    test("the command's own exec is decided as any other", async () => {
      const result = await runGuarded({
        argv: [starter, "word"],
        around,
        decide: decideByName({ "start-program": "deny" }),
      });
      assert.deepEqual([result.exitCode, result.stdout, result.stderr], [1, "", "Execution denied: told so\n"]);
    });

    test("a command that can't be executed", async () => {
      const missing = await runGuarded({ argv: ["/no/such/program"], around }).catch((error: unknown) => error);
      assert.ok(isSallyportError(missing));
      assert.deepEqual([missing.code, missing.data], ["LAUNCH_FAILED", { stage: "exec", errno: 2 }]);
    });
  });
}
