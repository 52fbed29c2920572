/** What runs outside runs as it would have run inside: with everything that an exec hands on, and ended the same way. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { textToDisplay } from "../src/index.ts";
import type { ExecEvent, Verdict } from "../src/index.ts";
import { compileFixture, workFolder } from "./support/compiled-fixtures.ts";
import { continuesLate, pendingStop, tellsSignals } from "./support/signal-programs.ts";
import {
  decideByName,
  endsByRequest,
  escalateAsItIs,
  isRoot,
  runGuarded,
  startGuarded,
  surroundings,
} from "./support/guarded-command.ts";
import { processesWith, statusLine, until, untilNoneHas } from "./support/running-processes.ts";

const showState = compileFixture("show-state");
const changeState = compileFixture("change-state");
const exitWith = compileFixture("exit-with");
const starter = compileFixture("start-program");

/** State of a process of the same user is readable; its start is known by what it executes. */
function pidRunning(mark: string, program: string, outside: number): number {
  const found = processesWith(mark).find((pid) => {
    try {
      const isReal = Number(statusLine(pid, "PPid")) === outside;
      return isReal && readFileSync(`/proc/${pid}/comm`, "utf8").trim() === program;
    } catch {
      return false;
    }
  });
  return found ?? 0;
}

for (const { around, skip } of surroundings) {
  describe(`inside ${around}`, { skip }, () => {
    test("descriptors, umask, limits, nice, signals, cpus, groups and working directory are the caller's", async () => {
      const shown = async (verdict: "run" | "escalate"): Promise<string> => {
        const argv = ["/bin/sh", "-c", `${changeState} ${showState} "an argument" ""; true`];
        const decide = decideByName({ "show-state": verdict });
        const result = await runGuarded({ argv, around, decide, cwd: "/usr/share" });
        assert.equal(result.stderr, "");
        // Sockets and the mark differ from run to run.
        return result.stdout.replaceAll(/socket:\[\d+\]/g, "socket").replaceAll(/SALLYPORT_TEST_MARK=.*/g, "");
      };
      const inside = await shown("run");
      assert.equal(await shown("escalate"), inside);
      assert.match(inside, /^fd 511 \/dev\/null/m);
      assert.match(inside, /^fd 7 \/etc\/passwd flags \d+ at 11$/m);
      assert.doesNotMatch(inside, /^fd (0|8) /m);
      assert.match(inside, /^nice 3 cpus 1 cwd \/usr\/share /m);
      assert.match(inside, /^Umask:\s0027$/m);
    });

    test("a deleted working directory, with every low number taken by other folders", async () => {
      const script = `import os
d = "/tmp/deleted-%d" % os.getpid()
os.mkdir(d); os.chdir(d); os.rmdir(d)
f = os.open("/usr", os.O_PATH)
for i in range(4, 120): os.dup2(f, i, inheritable=True)
os.execv("${showState}", ["show-state"])`;
      const decide = decideByName({ "show-state": "escalate" });
      const result = await runGuarded({ file: "/usr/bin/python3", argv: ["python3", "-c", script], around, decide });
      assert.match(result.stdout, /cwd \/tmp\/deleted-\d+ \(deleted\) /);
      assert.equal(result.stdout.match(/^fd \d+ \/usr flags/gm)?.length, 116);
    });

    test("a program outside has the group of its pipeline's shell", async () => {
      const script = `${showState} | grep leads-group`;
      const decide = decideByName({ "show-state": "escalate" });
      const result = await runGuarded({ argv: ["/bin/sh", "-c", script], around, decide });
      assert.match(result.stdout, /leads-group 0$/m);
    });

    test("every exit code comes back", async () => {
      const script = `i=0; while [ $i -lt 256 ]; do ${exitWith} $i; [ $? = $i ] || echo "wrong $i"; i=$((i+1)); done; echo done`;
      const decide = decideByName({ "exit-with": "escalate" });
      const result = await runGuarded({ argv: ["/bin/sh", "-c", script], around, decide });
      assert.deepEqual([result.stdout, result.stderr], ["done\n", ""]);
      const codes = result.ends.filter((end) => end.how === "ended").map((end) => end.exitCode);
      assert.deepEqual(
        codes.slice(0, 256),
        Array.from({ length: 256 }, (_, code) => code),
      );
      assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
    });

    test("every death by a signal comes back", async () => {
      const numbers = [1, 2, 3, 6, 8, 9, 11, 13, 14, 15, 10, 12, 24, 31, 34, 64];
      const check = `import subprocess
for n in [${numbers.join(", ")}]: print(n, subprocess.run(["${exitWith}", "signal", str(n)], preexec_fn=lambda: __import__("resource").setrlimit(4, (0, 0))).returncode)`;
      const decide = decideByName({ "exit-with": "escalate" });
      const result = await runGuarded({ file: "/usr/bin/python3", argv: ["python3", "-c", check], around, decide });
      assert.equal(result.stdout, numbers.map((number) => `${number} -${number}\n`).join(""));
    });

    test("a killed stand-in takes the real program with it", async () => {
      const script = `/bin/sleep 61 & p=$!; while ! grep -q sleep /proc/$p/comm; do :; done; read x <$FIFO; kill -9 $p; wait $p; echo $?; read x <$FIFO-2`;
      const fifo = `${workFolder}/killed-${around}`;
      execFileSync("mkfifo", ["-m", "666", fifo, `${fifo}-2`]);
      // Not synchronous: the shell's own programs wait for our verdicts.
      const open = (path: string): Promise<unknown> => promisify(execFile)("sh", ["-c", `echo >${path}`]);
      const env = [`FIFO=${fifo}`, "PATH=/bin"];
      const decide = decideByName({ sleep: "escalate" });
      const guarded = await startGuarded({ argv: ["/bin/sh", "-c", script], around, decide, env });
      const real = (): number => pidRunning(guarded.mark, "sleep", guarded.broker.pid);
      await until("sleep runs outside", () => real() !== 0);
      await open(fifo);
      await until("sleep is gone", () => real() === 0);
      await open(`${fifo}-2`);
      assert.equal((await guarded.finished).stdout, "137\n");
    });

    test("signals to the stand-in reach the real program, and a stop comes back", async () => {
      const inside = `import os, signal, subprocess, sys
p = subprocess.Popen(["/usr/bin/env", "python3", "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
print(p.stdout.readline(), end="")
for n in [signal.SIGUSR1, signal.SIGTERM]:
    os.kill(p.pid, n); print(p.stdout.readline(), end="")
os.kill(p.pid, signal.SIGTSTP)
print(os.WSTOPSIG(os.waitpid(p.pid, os.WUNTRACED)[1]))
os.kill(p.pid, signal.SIGCONT); print(p.stdout.readline(), end="")
os.kill(p.pid, signal.SIGKILL); print(p.wait())`;
      const decide = decideByName({ env: "escalate" });
      const result = await runGuarded({
        file: "/usr/bin/python3",
        argv: ["python3", "-c", inside, tellsSignals],
        around,
        decide,
      });
      assert.equal(result.stdout, "ready\ngot 10\ngot 15\n20\ngot 18\n-9\n");
    });

    test("a SIGCONT that comes late undoes no stop but the one that the stand-in got", async () => {
      const decide = decideByName({ env: "escalate" });
      const argv = ["python3", "-c", continuesLate, pendingStop, "/usr/bin/env", "python3", "-c"];
      const result = await runGuarded({ file: "/usr/bin/python3", argv, around, decide });
      assert.equal(result.stdout, "own stop: kept\npassed stop: undone\n");
    });

    test("an exec waits through a stop and goes on", async () => {
      let waiting: (verdict: Verdict) => void = () => {};
      const decide = (event: ExecEvent): Verdict | Promise<Verdict> =>
        basename(textToDisplay(event.file)) === "start-program"
          ? new Promise((resolve) => (waiting = resolve))
          : { kind: "run" };
      for (const kind of ["run", "escalate", "deny"] as const) {
        const guarded = await startGuarded({ argv: ["/bin/sh", "-c", `${starter} word; echo $?`], around, decide });
        await until("it waits", () => guarded.execs.length === 2);
        const event = guarded.execs[1];
        if (event === undefined) throw new Error("no second exec");
        process.kill(event.pid, "SIGSTOP");
        process.kill(event.pid, "SIGCONT");
        process.kill(event.pid, "SIGSTOP");
        const verdicts = {
          run: { kind: "run" },
          deny: { kind: "deny", reason: "no" },
          escalate: escalateAsItIs(event),
        } as const;
        waiting(verdicts[kind]);
        await until("it is stopped", () => statusLine(event.pid, "State").toLowerCase().startsWith("t"));
        process.kill(event.pid, "SIGCONT");
        const result = await guarded.finished;
        assert.match(result.stdout, kind === "deny" ? /^1\n$/ : /^ppid=\d+ exe=start-program word\n7\n$/);
      }
    });

    test("below a program that runs outside execs are decided too", async () => {
      const script = `${starter} word; echo $?; ${showState} >/dev/null; echo $?`;
      const decide = decideByName({ env: "escalate", "start-program": "run", "show-state": "deny" });
      const result = await runGuarded({ argv: ["/usr/bin/env", "sh", "-c", script], around, decide });
      assert.match(result.stdout, /^ppid=\d+ exe=start-program word\n7\n1\n$/);
      assert.equal(result.stderr, "Execution denied: told so\n");
      const seen = result.execs.map((exec) => [textToDisplay(exec.file), exec.outside]);
      assert.deepEqual(
        seen,
        [
          ["/usr/bin/env", false],
          ["/bin/sh", true],
          [starter, true],
          [showState, true],
        ].map(([file, outside]) => (file === "/bin/sh" ? [seen[1]?.[0], outside] : [file, outside])),
      );
      assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
    });

    test("a program outside is escalated once more", async () => {
      const decide = decideByName({ env: "escalate", "start-program": "escalate" });
      const result = await runGuarded({ argv: ["/usr/bin/env", starter, "word"], around, decide });
      assert.deepEqual([result.stdout.replace(/\d+/, "N"), result.exitCode], ["ppid=N exe=start-program word\n", 7]);
      assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
    });

    test("strace inside: Run works, the others are refused with EACCES", async () => {
      const script = `strace -f -o /dev/null ${starter} plain VERDICT ${starter}`;
      const all = ["run", "deny", "escalate"].map((word) => script.replace("VERDICT", word)).join("; ");
      const result = await runGuarded({ argv: ["/bin/sh", "-c", all], around });
      assert.match(result.stdout, /^ppid=\d+ exe=start-program run\nerrno 13\nerrno 13\n$/);
      const failed = result.ends.filter((end) => end.how === "failed");
      assert.equal(failed.length, 2);
    });

    test("a caller without a free descriptor is refused, not left hanging", async () => {
      const limited = `import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try: os.execv("${starter}", ["x", sys.argv[1].lower()])
except OSError as e: print(e.errno)`;
      for (const word of ["DENY", "ESCALATE"]) {
        const result = await runGuarded({ file: "/usr/bin/python3", argv: ["python3", "-c", limited, word], around });
        assert.equal(result.stdout, "13\n");
      }
      // The same below a program that runs outside, where the broker is the parent.
      const decide = (event: ExecEvent): Verdict =>
        basename(textToDisplay(event.file)) === "env"
          ? escalateAsItIs(event)
          : decideByName({ "start-program": "deny" })(event);
      const argv = ["/usr/bin/env", "python3", "-c", limited, "DENY"];
      const outside = await runGuarded({ argv, around, decide });
      assert.equal(outside.stdout, "13\n");
    });

    test("nothing is left when the command ends while a program runs outside", async () => {
      const decide = decideByName({ sleep: "escalate" });
      const guarded = await startGuarded({ argv: ["/bin/sh", "-c", "/bin/sleep 62 & read x"], around, decide });
      await until("sleep runs outside", () => pidRunning(guarded.mark, "sleep", guarded.broker.pid) !== 0);
      guarded.broker.terminate(0);
      const result = await guarded.finished;
      assert.equal(result.cleanup.sure, true);
      await untilNoneHas(guarded.mark);
      assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
    });
  });
}

describe("a broker of root", { skip: isRoot ? false : "needs root" }, () => {
  const asUser = "setpriv --reuid 1000 --regid 1001 --groups 1001,1002";
  for (const { around, skip } of surroundings) {
    test(`takes the caller's user, groups and capabilities inside ${around}`, { skip }, async () => {
      const decide = decideByName({ id: "escalate", "show-state": "escalate" });
      const limits = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("limit "));
      const script = `ulimit -n 777; ulimit -c 0; ${asUser} ${showState}`;
      const shown = await runGuarded({ argv: ["/bin/sh", "-c", script], around, decide });
      assert.deepEqual(limits(shown.stdout), limits(execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" })));
      const user = await runGuarded({
        argv: ["/bin/sh", "-c", `${asUser} /usr/bin/id; /usr/bin/id -u`],
        around,
        decide,
      });
      assert.equal(user.stderr, "");
      const [line = "", root] = user.stdout.split("\n");
      assert.equal(line.replaceAll(/\([^)]*\)/g, ""), "uid=1000 gid=1001 groups=1001,1002");
      assert.equal(root, "0"); // the negative control: who is root inside is root outside
    });

    test(`gives no capability that the caller gave up inside ${around}`, { skip }, async () => {
      const decide = decideByName({ grep: "escalate" });
      const drop = "setpriv --bounding-set -chown --inh-caps -chown";
      const script = `${drop} setpriv --reuid 0 python3 -c '
import ctypes, os
libc = ctypes.CDLL(None)
h = (ctypes.c_uint32 * 2)(0x20080522, 0); d = (ctypes.c_uint32 * 6)(1 << 5, 1 << 5, 0, 0, 0, 0)
assert libc.capset(h, d) == 0
os.execv("/usr/bin/grep", ["grep", "Cap[PE]", "/proc/self/status"])'`;
      const result = await runGuarded({ argv: ["/bin/sh", "-c", script], around, decide });
      assert.equal(result.stdout, "CapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n");
    });
  }
});
