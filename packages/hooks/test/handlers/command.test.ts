/** Real programs: how they are started, what they get, how they end, what they leave. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { RunLimit } from "../../src/handlers/run-limit.ts";
import { accountShell } from "../../src/handlers/shell.ts";
import type { HandlerAction } from "../../src/types.ts";
import { quietExit, readable, runOnce, shellAction, workFolder } from "../support/handlers.ts";
import { makeMark, processesWith, until } from "../support/processes.ts";

function execAction(command: string, ...args: string[]): HandlerAction {
  return { type: "command", command, args, async: false, passEnv: [] };
}

function script(name: string, text: string, mode = 0o755): string {
  const path = join(workFolder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** Waits for the program that was started last: until then it is a copy of the shell, and named like it. */
const untilItSleeps = 'until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done;';

describe("the shell form", () => {
  test("gives the command to the account's shell, with the input on stdin", async () => {
    const result = await runOnce(shellAction('cat; echo; echo "$0" >&2'), { input: { a: "ü" } });
    const stderr = `${accountShell()}\n`;
    assert.deepEqual(readable(result), { ...quietExit, stdout: '{"a":"ü"}\n', stderr });
  });

  test("asks the user database for the shell, and no variable", async () => {
    const result = await runOnce(shellAction("readlink -f /proc/$$/exe >/dev/null; echo $0"), {
      session: { env: { PATH: "/usr/bin:/bin", SHELL: "/bin/false" } },
    });
    assert.equal(result.stdout.bytes.toString(), `${accountShell(userInfo().shell)}\n`);
  });

  test("takes /bin/sh for accounts that nobody logs into", () => {
    const shells = ["/usr/sbin/nologin", "/bin/false", "", null, "/bin/zsh"].map((shell) => accountShell(shell));
    assert.deepEqual(shells, ["/bin/sh", "/bin/sh", "/bin/sh", "/bin/sh", "/bin/zsh"]);
  });

  test("runs in the turn's folder, in a session of its own without a terminal", async () => {
    const result = await runOnce(shellAction('pwd; ps -o sid= -p $$ | tr -d " "; echo $$; tty'));
    const [folder, session, pid, terminal] = result.stdout.bytes.toString().split("\n");
    assert.deepEqual([folder, session, terminal], [workFolder, pid, "not a tty"]);
  });

  test("standard streams can be opened by name", async () => {
    const result = await runOnce(shellAction("cat /dev/stdin > /dev/stdout; echo oops > /dev/stderr"), { input: {} });
    assert.deepEqual(readable(result), { ...quietExit, stdout: "{}", stderr: "oops\n" });
  });
});

describe("the exec form", () => {
  test("starts the program without a shell, by path or by PATH", async () => {
    const path = script("print-arguments", '#!/bin/sh\nprintf "[%s]" "$@"\n');
    const byPath = await runOnce(execAction(path, "a b", "$HOME", ""));
    const relative = await runOnce(execAction("./print-arguments", "*"));
    const byName = await runOnce(execAction("print-arguments", "x"), {
      session: { env: { PATH: `/nope:${workFolder}` } },
    });
    assert.deepEqual(
      [byPath, relative, byName].map((result) => result.stdout.bytes.toString()),
      ["[a b][$HOME][]", "[*]", "[x]"],
    );
  });

  test("tells what is missing from what may not be executed", async () => {
    script("no-x-bit", "#!/bin/sh\n", 0o644);
    script("no-such-interpreter", "#!/no/such/interpreter\n");
    script("no-program", "just text\n");
    mkdirSync(join(workFolder, "folder"), { recursive: true });
    const names = ["./nothing", "no-such-program", "./no-x-bit", "./folder", "./no-such-interpreter", "./no-program"];
    const results = await Promise.all(names.map((name) => runOnce(execAction(name))));
    assert.deepEqual(
      results.map(({ outcome, startFailure }) => `${outcome}: ${startFailure ?? ""}`),
      [
        "notStarted: notFound",
        "notStarted: notFound",
        "notStarted: notExecutable",
        "notStarted: notExecutable",
        "notStarted: notFound",
        "notStarted: notExecutable",
      ],
    );
    assert.equal(results[1]?.problem, '"no-such-program" was not found: it is in no folder of the PATH');
  });
});

describe("how a run ends", () => {
  test("a folder that is gone is told as such", async () => {
    const result = await runOnce(shellAction("true"), { cwd: "/no/such/folder" });
    assert.deepEqual(readable(result), {
      ...quietExit,
      outcome: "notStarted",
      exitCode: null,
      startFailure: "other",
      problem: 'working directory "/no/such/folder": no such file or directory',
    });
  });

  test("exit codes, and deaths by a signal", async () => {
    const commands = ["exit 0", "exit 2", "exit 255", "kill -9 $$", "kill -SEGV $$"];
    const results = await Promise.all(commands.map((command) => runOnce(shellAction(`ulimit -c 0; ${command}`))));
    assert.deepEqual(
      results.map(({ outcome, exitCode, signal }) => [outcome, exitCode, signal]),
      [
        ["exited", 0, null],
        ["exited", 2, null],
        ["exited", 255, null],
        ["signaled", null, "SIGKILL"],
        ["signaled", null, "SIGSEGV"],
      ],
    );
  });

  test("a program that never reads its input, or closes it, is no failure", async () => {
    const input = { large: "x".repeat(1_000_000) };
    const commands = ["exit 0", "exec 0<&-; sleep 0.05", "head -c 10 >/dev/null"];
    const results = await Promise.all(commands.map((command) => runOnce(shellAction(command), { input })));
    assert.deepEqual(results.map(readable), [quietExit, quietExit, quietExit]);
  });

  test("large texts go both ways at once", async () => {
    const input = { large: "x".repeat(700_000) };
    const result = await runOnce(shellAction("cat; cat /dev/zero | head -c 300000 >&2"), { input });
    assert.deepEqual([result.stdout.totalBytes, result.stderr.totalBytes], [JSON.stringify(input).length, 300_000]);
    assert.equal(result.stdout.bytes.toString(), JSON.stringify(input));
  });

  test("a timeout ends the whole tree and keeps what was printed", async () => {
    const mark = makeMark();
    const result = await runOnce(shellAction("echo part; echo trouble >&2; setsid sleep 71 & sleep 71"), {
      timeoutMs: 1500,
      session: { env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value } },
    });
    assert.deepEqual(readable(result), {
      ...quietExit,
      outcome: "timedOut",
      exitCode: null,
      signal: "SIGTERM",
      stdout: "part\n",
      stderr: "trouble\n",
    });
    assert.deepEqual(processesWith(mark), []);
  });

  test("a program that ignores TERM is killed, in a session of its own too", async () => {
    const mark = makeMark();
    const deaf = "trap '' TERM; setsid sh -c \"trap '' TERM; sleep 72; sleep 72\" & sleep 72; sleep 72";
    const result = await runOnce(shellAction(deaf), {
      timeoutMs: 1000,
      session: { env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value } },
    });
    assert.deepEqual([result.outcome, result.signal, processesWith(mark)], ["timedOut", "SIGKILL", []]);
    assert.ok(result.durationMs >= 3000, `KILL came after ${result.durationMs} ms, expected 2 s of grace`);
  });

  test("a program that cleans up on TERM has the time to", async () => {
    const file = join(workFolder, "cleaned-up");
    const tidy = `trap 'sleep 0.1; echo done > ${file}; exit 0' TERM; echo ready; while :; do sleep 0.01; done`;
    const result = await runOnce(shellAction(tidy), { timeoutMs: 1000 });
    assert.deepEqual([result.outcome, result.exitCode, readFileSync(file, "utf8")], ["timedOut", 0, "done\n"]);
  });

  test("the longest timeout that can be configured is not a short one", async () => {
    const result = await runOnce(shellAction("sleep 0.05"), { timeoutMs: 99_999_999_000 });
    assert.equal(result.outcome, "exited");
  });

  test("cancelling while it starts waits until what has started has ended", async () => {
    await runOnce(shellAction("true")); // whatever is needed for starting programs is there now
    const mark = makeMark();
    const limit = new RunLimit(30_000);
    const running = runOnce(shellAction("sleep 83"), {
      limit,
      session: { env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value } },
    });
    await new Promise((resolve) => setImmediate(resolve));
    // Without giving way, so that nobody here has heard of the program when it is there.
    const deadlineMs = Date.now() + 60_000;
    while (processesWith(mark).length === 0) assert.ok(Date.now() < deadlineMs, "it never ran");
    limit.cancel();
    assert.equal((await running).outcome, "cancelled");
    assert.deepEqual(processesWith(mark), []);
  });

  test("cancelling ends the tree, also before it began", async () => {
    const mark = makeMark();
    const limit = new RunLimit(30_000);
    const running = runOnce(shellAction("echo part; setsid sleep 73 & sleep 73"), {
      limit,
      session: { env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value } },
    });
    await until("it runs", () => processesWith(mark).length >= 3);
    limit.cancel();
    const { outcome, stdout } = await running;
    assert.deepEqual([outcome, stdout.bytes.toString(), processesWith(mark)], ["cancelled", "part\n", []]);

    const early = new RunLimit(30_000);
    early.cancel();
    const file = join(workFolder, "never-made");
    const never = await runOnce(shellAction(`touch ${file}`), { limit: early });
    assert.equal(never.outcome, "cancelled");
    assert.throws(() => statSync(file), { code: "ENOENT" });
  });

  test("a child that holds the pipes does not hold the run; it is ended and named", async () => {
    const mark = makeMark();
    const result = await runOnce(
      shellAction(`sleep 74 & ${untilItSleeps} setsid sleep 74 & ${untilItSleeps} echo out`),
      {
        session: { env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value } },
      },
    );
    assert.deepEqual(readable(result), { ...quietExit, stdout: "out\n", leftBehind: ["sleep", "sleep"] });
    assert.deepEqual(processesWith(mark), []);
  });

  test("time that passes after the program's own end is not its timeout", async () => {
    const mark = makeMark();
    const limit = new RunLimit(30_000);
    const stopClock = limit.stopClock.bind(limit);
    const leftAtStop: number[] = [];
    limit.stopClock = (): void => {
      leftAtStop.push(processesWith(mark).length);
      stopClock();
    };
    const session = { env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value } };
    const result = await runOnce(shellAction(`sleep 75 & ${untilItSleeps} exit 0`), { limit, session });
    assert.deepEqual([result.outcome, result.leftBehind, leftAtStop[0]], ["exited", ["sleep"], 1]);
  });

  test("what a child still prints in the moment after the end is kept", async () => {
    const result = await runOnce(shellAction("(sleep 0.01; echo late) & exit 0"));
    assert.deepEqual(readable(result), { ...quietExit, stdout: "late\n" });
  });

  test("names of programs come without control characters", async () => {
    const path = script("a\u001b[31mb", "#!/bin/sh\n: > is-there; sleep 76; :\n");
    const result = await runOnce(shellAction(`'${path}' & until [ -e is-there ]; do sleep 0.01; done`));
    assert.ok(result.leftBehind.includes("a?[31mb"), String(result.leftBehind));
  });

  test("a hook whose pinned files changed does not run", async () => {
    const file = join(workFolder, "never-made-either");
    const result = await runOnce(shellAction(`touch ${file}`), { recheck: () => '"guard.sh" was changed' });
    assert.deepEqual(
      [result.outcome, result.startFailure, result.problem],
      ["notStarted", "other", '"guard.sh" was changed'],
    );
    assert.throws(() => statSync(file), { code: "ENOENT" });
    assert.deepEqual(readable(await runOnce(shellAction("exit 0"), { recheck: () => null })), quietExit);
  });
});

describe("what a hook can't be given or does to its keeper", () => {
  test("a NUL in its command, environment or folder is told as such, and not shown", async () => {
    const problem = "its command, environment or folder holds a NUL character, which no program can be given";
    const env = { PATH: "/usr/bin:/bin", SOME: "sec\0ret" };
    for (const result of [
      await runOnce(shellAction("echo a\0b")),
      await runOnce(execAction("echo", "a\0b")),
      await runOnce(shellAction("true"), { session: { env } }),
      await runOnce(shellAction("true"), { cwd: "/tmp/a\0b" }),
    ]) {
      const { outcome, startFailure, problem: said } = result;
      assert.deepEqual([outcome, startFailure, said], ["notStarted", "other", problem]);
    }
  });

  test("one that kills its keeper has ended itself, and what it printed is kept", async () => {
    const result = await runOnce(shellAction("echo before; echo why >&2; kill -9 $PPID; sleep 60"));
    assert.deepEqual(readable(result), {
      ...quietExit,
      outcome: "signaled",
      exitCode: null,
      signal: "SIGKILL",
      problem: "the process of Sallyport's that watches over it was killed, and the hook with it",
      stdout: "before\n",
      stderr: "why\n",
    });
  });

  test("one that stops its keeper is ended at the end of its time", async () => {
    const result = await runOnce(shellAction("kill -STOP $PPID; echo before; sleep 60"), { timeoutMs: 300 });
    assert.deepEqual([result.outcome, result.stdout.bytes.toString()], ["timedOut", "before\n"]);
  });
});

describe("what is printed", () => {
  test("past 1 MiB goes to a file, whole", async () => {
    const result = await runOnce(shellAction("yes 12345678 | head -c 3000000; yes | head -c 1048576 >&2"));
    assert.deepEqual([result.stdout.bytes.length, result.stdout.totalBytes], [1_048_576, 3_000_000]);
    const file = result.stdout.spillFile ?? "";
    const whole = readFileSync(file);
    assert.deepEqual([whole.length, whole.subarray(0, 1_048_576).equals(result.stdout.bytes)], [3_000_000, true]);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual([result.stderr.totalBytes, result.stderr.spillFile], [1_048_576, null]);
  });

  test("past 64 MiB is only counted, and the program is not held up", async () => {
    const result = await runOnce(shellAction("head -c 80000000 /dev/zero"));
    assert.deepEqual([result.outcome, result.stdout.totalBytes], ["exited", 80_000_000]);
    assert.equal(statSync(result.stdout.spillFile ?? "").size, 64 * 1024 * 1024);
  });

  test("a folder that can't be written costs the file and not the run", async () => {
    const folder = join(script("a-file", ""), "below-a-file");
    const result = await runOnce(shellAction("head -c 2000000 /dev/zero"), { session: { folder } });
    assert.deepEqual(
      [result.outcome, result.stdout.bytes.length, result.stdout.totalBytes, result.stdout.spillFile],
      ["exited", 1_048_576, 2_000_000, null],
    );
  });
});

test("200 programs started at once by a hook end with it", async () => {
  const mark = makeMark();
  const storm = "i=0; while [ $i -lt 200 ]; do setsid sleep 77 & i=$((i + 1)); done; exit 0";
  const result = await runOnce(shellAction(storm), {
    session: { env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value } },
  });
  assert.deepEqual([result.outcome, result.leftBehind.length, processesWith(mark)], ["exited", 16, []]);
});
