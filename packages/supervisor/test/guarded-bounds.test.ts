/** A program in a bounded sandbox of its own is the caller's in everything but what it can reach, and ends like one. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { textToDisplay } from "../src/index.ts";
import type { ExecEvent, Verdict } from "../src/index.ts";
import { compileFixture, workFolder } from "./support/compiled-fixtures.ts";
import { continuesLate, pendingStop, tellsSignals } from "./support/signal-programs.ts";
import {
  decideByName,
  endsByRequest,
  escalateInBounds,
  isRoot,
  runGuarded,
  startGuarded,
  surroundings,
} from "./support/guarded-command.ts";
import { processesWith, until, untilNoneHas } from "./support/running-processes.ts";

const showState = compileFixture("show-state");
const changeState = compileFixture("change-state");
const exitWith = compileFixture("exit-with");
const starter = compileFixture("start-program");
const inNamespaces = surroundings.find(({ around }) => around === "bubblewrap");
const skip = inNamespaces?.skip ?? "no bubblewrap";
const around = "bubblewrap";

describe("in a bounded sandbox", { skip }, () => {
  test("descriptors, umask, limits, nice, signals, cpus, groups and working directory are the caller's", async () => {
    const shown = async (verdict: "run" | "bounded"): Promise<string> => {
      const argv = ["/bin/sh", "-c", `${changeState} ${showState} "an argument" ""; true`];
      const result = await runGuarded({
        argv,
        around,
        decide: decideByName({ "show-state": verdict }),
        cwd: "/usr/share",
      });
      assert.equal(result.stderr, "");
      return result.stdout.replaceAll(/socket:\[\d+\]/g, "socket").replaceAll(/SALLYPORT_TEST_MARK=.*/g, "");
    };
    const inside = await shown("run");
    assert.equal(await shown("bounded"), inside);
    assert.match(inside, /^fd 7 \/etc\/passwd flags \d+ at 11$/m);
    assert.doesNotMatch(inside, /^fd (0|8) /m);
  });

  test("every exit code and death by a signal comes back", async () => {
    const script = `for i in 0 1 7 125 126 127 128 255; do ${exitWith} $i; echo $?; done; for n in 1 9 11 15; do ${exitWith} signal $n; echo $?; done`;
    const decide = decideByName({ "exit-with": "bounded" });
    const result = await runGuarded({
      argv: ["/bin/sh", "-c", `ulimit -c 0; exec 2>/dev/null; ${script}`],
      around,
      decide,
    });
    assert.equal(result.stdout, "0\n1\n7\n125\n126\n127\n128\n255\n129\n137\n139\n143\n");
    const ends = result.ends
      .filter(({ how }) => how === "ended")
      .map(({ exitCode, signal }) => exitCode ?? -(signal ?? 0));
    assert.deepEqual(ends.slice(0, 12), [0, 1, 7, 125, 126, 127, 128, 255, -1, -9, -11, -15]);
    assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
  });

  test("signals to the stand-in reach the program, and a stop comes back", async () => {
    const inside = `import os, signal, subprocess, sys
p = subprocess.Popen(["/usr/bin/env", "python3", "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
print(p.stdout.readline(), end="")
for n in [signal.SIGUSR1, signal.SIGTERM]:
    os.kill(p.pid, n); print(p.stdout.readline(), end="")
os.kill(p.pid, signal.SIGTSTP)
print(os.WSTOPSIG(os.waitpid(p.pid, os.WUNTRACED)[1]))
os.kill(p.pid, signal.SIGCONT); print(p.stdout.readline(), end="")
os.kill(p.pid, signal.SIGKILL); print(p.wait())`;
    const decide = decideByName({ env: "bounded" });
    const argv = ["python3", "-c", inside, tellsSignals];
    const result = await runGuarded({ file: "/usr/bin/python3", argv, around, decide });
    assert.equal(result.stdout, "ready\ngot 10\ngot 15\n20\ngot 18\n-9\n");
  });

  test("a SIGCONT that comes late undoes no stop but the one that the stand-in got", async () => {
    const decide = decideByName({ env: "bounded" });
    const argv = ["python3", "-c", continuesLate, pendingStop, "/usr/bin/env", "python3", "-c"];
    const result = await runGuarded({ file: "/usr/bin/python3", argv, around, decide });
    assert.equal(result.stdout, "own stop: kept\npassed stop: undone\n");
  });

  test("it has the group of its pipeline's shell, and a pipe ends with it", async () => {
    const decide = decideByName({ "show-state": "bounded" });
    const result = await runGuarded({ argv: ["/bin/sh", "-c", `${showState} | grep leads-group`], around, decide });
    assert.match(result.stdout, /leads-group 0$/m);
  });

  test("it sees no process of outside or of the command", async () => {
    const decide = decideByName({ ls: "bounded" });
    const script = `/bin/ls /proc | grep -c '^[0-9]'; cat /proc/$$/comm >/dev/null && echo the control sees itself`;
    const result = await runGuarded({ argv: ["/bin/sh", "-c", script], around, decide });
    assert.equal(result.stdout, "2\nthe control sees itself\n");
  });

  test("what it leaves behind ends with it", async () => {
    const decide = decideByName({ env: "bounded" });
    const script = `/usr/bin/env sh -c 'sleep 63 >/dev/null & echo started'; while read -r line; do echo "$line"; done`;
    const guarded = await startGuarded({ argv: ["/bin/sh", "-c", `${script} </dev/null`], around, decide });
    const result = await guarded.finished;
    assert.equal(result.stdout, "started\n");
    assert.equal(
      result.execs.some(({ argv }) => argv[0] === "sleep"),
      true,
    );
    await untilNoneHas(guarded.mark);
  });

  test("a killed stand-in takes it along", async () => {
    const fifo = `${workFolder}/killed-bounded`;
    execFileSync("mkfifo", ["-m", "666", fifo, `${fifo}-2`]);
    const script = `/bin/sleep 64 & p=$!; while ! grep -q sleep /proc/$p/comm; do :; done; read x <$FIFO; kill -9 $p; wait $p; echo $?; read x <$FIFO-2`;
    const open = (path: string): Promise<unknown> => promisify(execFile)("sh", ["-c", `echo >${path}`]);
    const decide = decideByName({ sleep: "bounded" });
    const env = [`FIFO=${fifo}`, "PATH=/bin"];
    const guarded = await startGuarded({ argv: ["/bin/sh", "-c", script], around, decide, env });
    const sleeping = (): number => programsNamed(guarded.mark, "/bin/sleep");
    await until("sleep runs in its sandbox", () => sleeping() === 1);
    await open(fifo);
    await until("sleep is gone", () => sleeping() === 0);
    await open(`${fifo}-2`);
    assert.equal((await guarded.finished).stdout, "137\n");
  });

  test("what it starts is decided too, and goes on in the same sandbox", async () => {
    const script = `${starter} word; echo $?; ${showState} >/dev/null; echo $?`;
    const decide = decideByName({ env: "bounded", "start-program": "run", "show-state": "deny" });
    const result = await runGuarded({ argv: ["/usr/bin/env", "sh", "-c", script], around, decide });
    assert.match(result.stdout, /^ppid=\d+ exe=start-program word\n7\n1\n$/);
    assert.equal(result.stderr, "Execution denied: told so\n");
    const seen = result.execs.map(({ file, outside, inBounds }) => [textToDisplay(file), outside, inBounds]);
    assert.deepEqual(seen.at(0), ["/usr/bin/env", false, undefined]);
    assert.deepEqual(seen.slice(-2), [
      [starter, true, true],
      [showState, true, true],
    ]);
    assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
  });

  test("fails closed: a sandbox that can't be built runs nothing, and says why", async () => {
    const broken = (event: ExecEvent, change: (argv: string[]) => string[]): Verdict => {
      const verdict = event.argv[0] === "cat" ? escalateInBounds(event) : ({ kind: "run" } as const);
      if (verdict.kind !== "escalate" || verdict.bounds === undefined) return verdict;
      return { ...verdict, bounds: { ...verdict.bounds, outerArgv: change(verdict.bounds.outerArgv) } };
    };
    const tries: [name: string, change: (argv: string[]) => string[], message: RegExp][] = [
      ["a mount that fails", ([bwrap = "", ...rest]) => [bwrap, "--bind", "/no-such", "/mnt", ...rest], /no-such/],
      ["no bubblewrap", ([, ...rest]) => ["/no-such-bwrap", ...rest], /starting bubblewrap/],
    ];
    for (const [name, change, message] of tries) {
      const decide = (event: ExecEvent): Verdict => broken(event, change);
      const argv = ["/bin/sh", "-c", "cat /etc/hostname; echo $?"];
      const result = await runGuarded({ argv, around, decide });
      assert.equal(result.stdout, "125\n", name);
      assert.match(result.stderr, /^sallyport: cannot run this outside: /, name);
      assert.match(result.stderr, message, name);
      assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
    }
  });

  test("a deleted working directory has no name there, so the program does not run", async () => {
    const script = "mkdir /tmp/deleted-$$; cd /tmp/deleted-$$; rmdir /tmp/deleted-$$; /bin/echo ran; echo $?";
    const decide = decideByName({ echo: "bounded" });
    const result = await runGuarded({ argv: ["/bin/sh", "-c", script], around, decide });
    assert.equal(result.stdout, "125\n");
    assert.match(result.stderr, /working directory/);
  });

  test("nothing is left when the command ends meanwhile", async () => {
    const decide = decideByName({ sleep: "bounded" });
    const guarded = await startGuarded({ argv: ["/bin/sh", "-c", "/bin/sleep 65 & read x"], around, decide });
    await until("sleep runs in its sandbox", () => programsNamed(guarded.mark, "/bin/sleep") === 1);
    guarded.broker.terminate(0);
    const result = await guarded.finished;
    assert.equal(result.cleanup.sure, true);
    await untilNoneHas(guarded.mark);
    assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
  });

  test("gives root's caller its own user", { skip: isRoot ? false : "needs root" }, async () => {
    const decide = decideByName({ id: "bounded" });
    const script =
      "setpriv --reuid 1000 --regid 1001 --groups 1001,1002 /usr/bin/id; /usr/bin/id -u; grep CapEff /proc/self/status";
    const result = await runGuarded({ argv: ["/bin/sh", "-c", script], around, decide });
    const [line = "", root] = result.stdout.split("\n");
    assert.equal(line.replaceAll(/\([^)]*\)/g, ""), "uid=1000 gid=1001 groups=1001,1002");
    assert.equal(root, "0"); // the negative control
  });
});

/** How many of the run's processes execute the program under that name; a stand-in executes something else. */
function programsNamed(mark: string, name: string): number {
  return processesWith(mark).filter((pid) => {
    try {
      const { cmdline, executable } = describeProcess(pid);
      return cmdline === name && !executable.includes("stand-in");
    } catch {
      return false;
    }
  }).length;
}

function describeProcess(pid: number): { cmdline: string; executable: string } {
  const cmdline = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0")[0] ?? "";
  return { cmdline, executable: readlinkSync(`/proc/${pid}/exe`) };
}
