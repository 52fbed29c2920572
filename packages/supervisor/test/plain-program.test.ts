/** A program with pipes: what it can open, what it leaves behind, and the same without a broker. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { isSallyportError, startPlainProgram } from "../src/index.ts";
import type { PlainProgram, PlainProgramOptions, RunResult } from "../src/index.ts";
import { startInProcessGroup } from "../src/process-group.ts";
import { makeMark, processesWith, until, untilNoneHas } from "./support/running-processes.ts";

type Start = (options: PlainProgramOptions) => PlainProgram | Promise<PlainProgram>;

interface Ended {
  result: RunResult;
  stdout: string;
  stderr: string;
  lingered: boolean;
}

function optionsFor(script: string, changes: Partial<PlainProgramOptions> = {}): PlainProgramOptions {
  return {
    file: "/bin/sh",
    argv: ["sh", "-c", script],
    env: ["PATH=/usr/bin:/bin", "LC_ALL=C"],
    cwd: "/tmp",
    lingerMs: 250,
    onLingering: () => {},
    ...changes,
  };
}

async function run(
  start: Start,
  script: string,
  changes: Partial<PlainProgramOptions> = {},
  input = "",
): Promise<Ended> {
  let lingered = false;
  const program = await start(optionsFor(script, { ...changes, onLingering: () => (lingered = true) }));
  program.stdin.on("error", () => {}); // the program need not read
  program.stdin.end(input);
  const [stdout, stderr, result] = await Promise.all([text(program.stdout), text(program.stderr), program.finished]);
  return { result, stdout, stderr, lingered };
}

/** Waits for the program that was started last: until then it is a copy of the shell, and named like it. */
const untilItSleeps = 'until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done;';
const sure = { how: "process-walk", sure: true, killed: 0 } as const;

describe("startPlainProgram()", () => {
  test("gives pipes, which a program can open by name", async () => {
    const script = "cat /dev/stdin > /dev/stderr; readlink /proc/self/fd/0 | cut -d: -f1 > /dev/stdout";
    const { result, stdout, stderr } = await run(startPlainProgram, script, {}, "the input");
    assert.deepEqual([result, stdout, stderr], [{ exitCode: 0, signal: null, cleanup: sure }, "pipe\n", "the input"]);
  });

  test("gives a session of its own without a terminal, and no descriptor more", async () => {
    const script = 'ps -o sid= -p $$ | tr -d " "; echo $$; tty; ls /proc/self/fd | tr "\\n" " "';
    const { stdout } = await run(startPlainProgram, script);
    const [session, pid, terminal, descriptors] = stdout.split("\n");
    assert.deepEqual([session, terminal, descriptors], [pid, "not a tty", "0 1 2 3 "]); // 3 is the folder that ls reads
  });

  test("moves large texts both ways at once", async () => {
    const input = "x".repeat(3_000_000);
    const { stdout } = await run(startPlainProgram, "cat", {}, input);
    assert.equal(stdout, input);
  });

  test("ends and names what the program left behind, wherever it went", async () => {
    const mark = makeMark();
    const { result, lingered } = await run(
      startPlainProgram,
      `sleep 61 & ${untilItSleeps} setsid sleep 62 & ${untilItSleeps} exit 4`,
      {
        env: ["PATH=/usr/bin:/bin", mark],
      },
    );
    const { exitCode, leftBehind, cleanup } = result;
    assert.deepEqual([exitCode, leftBehind, cleanup.sure, lingered], [4, ["sleep", "sleep"], true, true]);
    assert.ok(cleanup.killed >= 2);
    await untilNoneHas(mark);
  });

  test("waits for what ends within the time, and names nothing", async () => {
    const { result, stdout, lingered } = await run(startPlainProgram, "(sleep 0.1; echo late) & exit 0", {
      lingerMs: 10_000,
    });
    assert.deepEqual([result, stdout, lingered], [{ exitCode: 0, signal: null, cleanup: sure }, "late\n", true]);
  });

  test("terminate() while others linger ends them at once", async () => {
    const lingering = Promise.withResolvers<void>();
    const program = await startPlainProgram(
      optionsFor(`trap '' TERM; sleep 63 & ${untilItSleeps} exit 0`, {
        lingerMs: 60_000,
        onLingering: lingering.resolve,
      }),
    );
    program.stdout.resume();
    program.stderr.resume();
    await lingering.promise;
    program.terminate(60_000);
    const { exitCode, leftBehind } = await program.finished;
    assert.deepEqual([exitCode, leftBehind], [0, ["sleep"]]);
  });

  test("tells a working directory from a program that can't be executed", async () => {
    const stages = [];
    for (const changes of [{ cwd: "/no/such/folder" }, { file: "/no/such/program" }, { file: "/etc/passwd" }]) {
      const failure = await run(startPlainProgram, "true", changes).catch((error: unknown) => error);
      assert.ok(isSallyportError(failure));
      stages.push([failure.code, failure.data]);
    }
    assert.deepEqual(stages, [
      ["LAUNCH_FAILED", { stage: "entering the working directory", errno: 2 }],
      ["LAUNCH_FAILED", { stage: "exec", errno: 2 }],
      ["LAUNCH_FAILED", { stage: "exec", errno: 13 }],
    ]);
  });

  test("the broker's own output descriptors are nobody's", async () => {
    // A broker that kept an end of a pipe would keep its reader waiting for ever: text() above would not resolve.
    const program = await startPlainProgram(optionsFor("echo $PPID; exec sleep 64"));
    const [parent] = (await once(program.stdout, "data")) as [Buffer];
    const kept = (): string[] => [0, 1, 2].map((fd) => readlinkSync(`/proc/${Number(parent)}/fd/${fd}`));
    // It lets go of them when it knows that the program was executed, and that may be a moment after its first words.
    await until("its keeper has let go of all three", () => kept().every((name) => name === "/dev/null"));
    program.stdout.resume();
    program.stderr.resume();
    program.terminate(0);
    await program.finished;
  });
});

describe("a process group in the broker's place", () => {
  test("says so, and gives status and output", async () => {
    const { result, stdout } = await run(startInProcessGroup, "cat; exit 7", {}, "some text");
    const cleanup = { how: "process-group", sure: false, killed: 0 } as const;
    assert.deepEqual([result, stdout], [{ exitCode: 7, signal: null, cleanup }, "some text"]);
  });

  test("ends what stayed in the group, and only that", async () => {
    const mark = makeMark();
    const { result } = await run(
      startInProcessGroup,
      "setsid sleep 65 >/dev/null 2>&1 & sleep 66 & sleep 0.2; exit 0",
      {
        env: ["PATH=/usr/bin:/bin", mark],
      },
    );
    assert.deepEqual(result.leftBehind, ["a program of its process group"]);
    await until("one is left", () => processesWith(mark).length === 1);
    process.kill(processesWith(mark)[0] ?? 0, "SIGKILL");
    await untilNoneHas(mark);
  });

  test("terminate() ends what ignores TERM after the grace", async () => {
    const program = startInProcessGroup(optionsFor("trap '' TERM; echo ready; while :; do sleep 0.01; done"));
    program.stderr.resume();
    const ready = Promise.withResolvers<void>();
    program.stdout.on("data", () => ready.resolve());
    await ready.promise;
    program.terminate(50);
    const { exitCode, signal } = await program.finished;
    assert.deepEqual([exitCode, signal], [null, 9]);
  });

  test("tells why a program could not start", async () => {
    const stages = [];
    for (const changes of [{ cwd: "/no/such/folder" }, { file: "/no/such/program" }]) {
      const program = startInProcessGroup(optionsFor("true", changes));
      const failure = await program.finished.catch((error: unknown) => error);
      assert.ok(isSallyportError(failure));
      stages.push(failure.data);
    }
    assert.deepEqual(stages, [
      { stage: "entering the working directory", errno: 2 },
      { stage: "exec", errno: 2 },
    ]);
  });
});
