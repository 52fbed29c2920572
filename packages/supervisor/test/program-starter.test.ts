/** Many plain programs below one starter: each has its own streams, tree and end, whatever the others and hostile ones do. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { isSallyportError, startPlainProgram } from "../src/index.ts";
import type { PlainProgram, RunResult } from "../src/index.ts";
import { countDescriptors, makeMark, processesWith, until, untilNoneHas } from "./support/running-processes.ts";

const prlimit = "/usr/bin/prlimit";
const sure = { how: "process-walk", sure: true, killed: 0 } as const;

function start(script: string, mark: string = "A=B", argv: string[] = []): Promise<PlainProgram> {
  return startPlainProgram({
    file: "/bin/sh",
    argv: ["sh", "-c", script, "sh", ...argv],
    env: ["PATH=/usr/bin:/bin", "LC_ALL=C", mark],
    cwd: "/tmp",
    lingerMs: 250,
    onLingering: () => {},
  });
}

interface Ended {
  result: RunResult;
  stdout: string;
}

async function endOf(program: PlainProgram, input = ""): Promise<Ended> {
  program.stdin.on("error", () => {}); // the program need not read
  program.stdin.end(input);
  program.stderr.resume();
  const [stdout, result] = await Promise.all([text(program.stdout), program.finished]);
  return { result, stdout };
}

/** The first line that a program prints; the rest is read and forgotten. */
async function firstLine(program: PlainProgram): Promise<string> {
  program.stderr.resume();
  let printed = "";
  program.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString("utf8")));
  while (!printed.includes("\n")) await once(program.stdout, "data");
  return printed.slice(0, printed.indexOf("\n"));
}

async function failureOf(program: PlainProgram): Promise<unknown> {
  const failure = await program.finished.catch((error: unknown) => error);
  assert.ok(isSallyportError(failure), JSON.stringify(failure));
  return [failure.code, failure.data];
}

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 4).split(" ")[0]);
}

function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
}

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return children === "" ? [] : children.split(" ").map(Number);
}

async function starterPid(): Promise<number> {
  const program = await start("echo $PPID; read line");
  const keeper = Number(await firstLine(program));
  const starter = parentOf(keeper);
  assert.deepEqual([nameOf(starter), parentOf(starter)], ["sallyport-start", process.pid]);
  program.stdin.end();
  await program.finished;
  return starter;
}

describe("programs below a starter", () => {
  test("every exit code, and many at once, each with its own input and output", async () => {
    const codes = Array.from({ length: 256 }, (_, code) => code);
    for (let at = 0; at < 256; at += 64) {
      const some = codes.slice(at, at + 64);
      const ended = await Promise.all(
        some.map(async (code) => endOf(await start('cat; exit "$1"', "A=B", [String(code)]), `input ${code}`)),
      );
      assert.deepEqual(
        ended,
        some.map((exitCode) => ({
          result: { exitCode, signal: null, cleanup: sure },
          stdout: `input ${exitCode}`,
        })),
      );
    }
  });

  test("a program has no descriptor of another, and the limits of this process", async () => {
    const others = await Promise.all(Array.from({ length: 5 }, () => start("cat")));
    const { stdout } = await endOf(await start('ls /proc/self/fd | tr "\\n" " "; ulimit -n'));
    const limit = /Max open files\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    assert.equal(stdout, `0 1 2 3 ${limit}\n`); // 3 is the folder that ls reads
    // An end of input that another program or keeper held would never come.
    for (const other of others) assert.equal((await endOf(other, "x")).stdout, "x");
  });

  test("terminate() ends one tree and no other", async () => {
    const [mark, otherMark] = [makeMark(), makeMark()];
    const script = "trap '' TERM; setsid sleep 81 & sleep 82 & echo ready; wait; wait";
    const [one, other] = await Promise.all([start(script, mark), start(script, otherMark)]);
    await Promise.all([firstLine(one), firstLine(other)]);
    one.terminate(10);
    const { signal } = await one.finished;
    assert.equal(signal, 9);
    await untilNoneHas(mark);
    assert.equal(processesWith(otherMark).length, 3);
    other.terminate(0);
    await other.finished;
    await untilNoneHas(otherMark);
  });

  test("a keeper that is killed is one program's failure, and its orphans are ended", async () => {
    const mark = makeMark();
    const other = await start("cat");
    const program = await start("setsid sh -c 'sleep 83 & sleep 83' & echo $PPID; exec sleep 84", mark);
    const keeper = Number(await firstLine(program));
    process.kill(keeper, "SIGKILL");
    assert.deepEqual(await failureOf(program), ["BROKER_DIED", { code: null, signal: "SIGKILL" }]);
    assert.deepEqual(await endOf(other, "still here"), {
      result: { exitCode: 0, signal: null, cleanup: sure },
      stdout: "still here",
    });
    await untilNoneHas(mark);
  });

  test("SIGTERM to the starter ends what runs, with time to end in order, and it stays", async () => {
    const starter = await starterPid();
    const program = await start("trap 'echo in order; exit 5' TERM; echo ready; while :; do sleep 0.02; done");
    const lines: string[] = [];
    program.stdout.on("data", (chunk: Buffer) => lines.push(chunk.toString("utf8")));
    await firstLine(program);
    process.kill(starter, "SIGTERM");
    assert.equal((await program.finished).exitCode, 5);
    await until("all was read", () => lines.join("") === "ready\nin order\n");
    assert.equal(await starterPid(), starter);
  });

  test("a starter that is killed fails what runs, takes it along, and is replaced", async () => {
    const mark = makeMark();
    const starter = await starterPid();
    const programs = await Promise.all(
      [1, 2, 3].map(() => start("setsid sleep 85 & echo ready; trap '' TERM; sleep 86", mark)),
    );
    await Promise.all(programs.map(firstLine));
    process.kill(starter, "SIGKILL");
    for (const program of programs) {
      assert.deepEqual(await failureOf(program), ["BROKER_DIED", { code: null, signal: "SIGKILL" }]);
    }
    await untilNoneHas(mark);
    assert.equal((await endOf(await start("echo again"))).stdout, "again\n");
    assert.notEqual(await starterPid(), starter);
  });

  test("a program that stops its keeper is ended all the same", async () => {
    const program = await start("kill -STOP $PPID; echo done; exec sleep 87");
    await firstLine(program);
    program.terminate(0);
    assert.equal((await program.finished).signal, 9);
  });

  test("a program that stops the starter is ended all the same, and the next one starts", async () => {
    const starter = await starterPid();
    const program = await start('kill -STOP "$1"; echo done; exec sleep 88', "A=B", [String(starter)]);
    await firstLine(program);
    await until("the starter has stopped", () => readFileSync(`/proc/${starter}/stat`, "latin1").includes(") T "));
    program.terminate(0);
    assert.equal((await program.finished).signal, 9);
    process.kill(starter, "SIGSTOP");
    assert.equal((await endOf(await start("echo next"))).stdout, "next\n");
  });

  test("a program that stops the starter over and over does not keep anybody waiting for ever", async () => {
    const mark = makeMark();
    const starter = await starterPid();
    const program = await start('echo ready; while :; do kill -STOP "$1"; done', mark, [String(starter)]);
    await firstLine(program);
    program.terminate(0);
    // Woken it ends the program; and if it never gets as far, it is killed itself.
    await program.finished.catch((error: unknown) =>
      assert.ok(isSallyportError(error) && error.code === "BROKER_DIED"),
    );
    await untilNoneHas(mark);
    assert.equal((await endOf(await start("echo next"))).stdout, "next\n");
  });

  test("what can't be launched leaves neither process nor descriptor", async () => {
    const starter = await starterPid();
    await until("it is quiet", () => childrenOf(starter).length === 0);
    const [ours, its] = [countDescriptors(process.pid), countDescriptors(starter)];
    for (let round = 0; round < 20; round++) {
      const program = await startPlainProgram({
        file: "/no/such/program",
        argv: ["x"],
        env: [],
        cwd: "/",
        lingerMs: 0,
        onLingering: () => {},
      });
      program.stdin.on("error", () => {});
      program.stdin.end("input");
      program.stdout.resume();
      program.stderr.resume();
      assert.deepEqual(await failureOf(program), ["LAUNCH_FAILED", { stage: "exec", errno: 2 }]);
    }
    await until("no keeper is left", () => childrenOf(starter).length === 0);
    await until("their descriptors are closed", () => countDescriptors(starter) === its);
    await until("our descriptors are closed", () => countDescriptors(process.pid) <= ours);
  });
});

/** Another process that uses this package: it runs `script`, which prints one line. `before`: a program that becomes Node. */
function startOtherNode(
  script: string,
  before: string[] = [],
): { child: ReturnType<typeof spawn>; line: Promise<string> } {
  const module = JSON.stringify(join(import.meta.dirname, "..", "src", "index.ts"));
  const source = `
    const { startPlainProgram } = await import(${module});
    const start = async (script) => {
      const env = ["PATH=/usr/bin:/bin", process.env.MARK ?? "A=B"];
      const options = { file: "/bin/sh", argv: ["sh", "-c", script], env, cwd: "/", lingerMs: 0, onLingering() {} };
      const program = await startPlainProgram(options);
      program.stderr.resume();
      return program;
    };
    const outputOf = async (program) => {
      let all = "";
      for await (const chunk of program.stdout) all += chunk;
      await program.finished;
      return all.trim();
    };
    ${script}`;
  const words = [...before, process.execPath, "--input-type=module", "--conditions=sallyport-source", "-e", source];
  const child = spawn(words[0] ?? "", words.slice(1), {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", MARK: script.match(/MARK=(\S+)/)?.[1] ?? "A=B" },
  });
  const { stdout } = child;
  assert.ok(stdout);
  const line = once(stdout, "data").then(([chunk]) => String(chunk as Buffer).trim());
  return { child, line };
}

describe("when descriptors run out", () => {
  test("in the starter, what can't start says so, and what runs goes on", async () => {
    const starter = await starterPid();
    const runs = await start("cat");
    execFileSync(prlimit, ["--pid", String(starter), `--nofile=${countDescriptors(starter) + 3}:`]);
    const failure = await start("true").catch((error: unknown) => error);
    assert.ok(isSallyportError(failure));
    const data = { stage: "starting a process with pipes", errno: 24 };
    assert.deepEqual([failure.code, failure.data], ["LAUNCH_FAILED", data]);
    assert.equal((await endOf(runs, "still here")).stdout, "still here");
    await until("no keeper is left", () => childrenOf(starter).length === 0);
    execFileSync(prlimit, ["--pid", String(starter), "--nofile=1000:"]);
    assert.equal((await endOf(await start("echo again"))).stdout, "again\n");
  });

  test("in Node, what can't start says so and is ended, and what runs goes on", async () => {
    const mark = makeMark();
    const { child, line } = startOtherNode(
      `
      // MARK=${mark}
      const running = [];
      let failure = null;
      while (failure === null && running.length < 100) {
        await start("cat").then((program) => running.push(program), (error) => (failure = error));
      }
      for (const program of running) program.stdin.end("x");
      const outputs = await Promise.all(running.map(outputOf));
      const again = await outputOf(await start("echo again"));
      console.log(failure.code, JSON.stringify(failure.data), outputs.every((text) => text === "x"), again);`,
      [prlimit, "--nofile=80", "--"],
    );
    assert.equal(await line, 'LAUNCH_FAILED {"stage":"opening the program\'s pipes","errno":24} true again');
    if (child.exitCode === null) await once(child, "exit");
    await untilNoneHas(mark);
  });
});

describe("a starter's own end", { concurrency: true }, () => {
  test("comes by itself when nobody needs it", async () => {
    const starter = await starterPid();
    await until("it has ended", () => !childrenOf(process.pid).includes(starter), 20_000);
  });

  test("does not keep its Node waiting", async () => {
    const { child, line } = startOtherNode(`
      await outputOf(await start("echo words"));
      const endedAtMs = performance.now();
      process.on("exit", () => console.log(performance.now() - endedAtMs));`);
    const waitedMs = Number(await line);
    assert.ok(waitedMs < 4000, `Node lived on for ${waitedMs} ms, and an idle starter lives for 5000`);
    if (child.exitCode === null) await once(child, "exit");
    assert.equal(child.exitCode, 0);
  });

  test("comes with a Node that is killed, and so does the end of every tree", async () => {
    const mark = makeMark();
    const { child, line } = startOtherNode(`
      // MARK=${mark}
      const script = "trap '' TERM HUP INT; setsid sleep 88 & (setsid sleep 89 &); echo ready; sleep 90";
      const programs = await Promise.all([1, 2, 3, 4].map(() => start(script)));
      await Promise.all(programs.map((program) => new Promise((resolve) => program.stdout.once("data", resolve))));
      console.log("ready");
      await new Promise(() => setTimeout(() => {}, 60_000));`);
    assert.equal(await line, "ready");
    const starters = childrenOf(child.pid ?? 0);
    assert.deepEqual(starters.map(nameOf), ["sallyport-start"]);
    assert.ok(processesWith(mark).length >= 8);
    child.kill("SIGKILL");
    await untilNoneHas(mark);
  });

  test(
    "comes for one that has rights which its Node gave up",
    { skip: process.getuid?.() !== 0 && "needs root to become another user" },
    async () => {
      const { child, line } = startOtherNode(`
        const running = await start("cat; id -u");
        const ids = [await outputOf(await start("id -u"))];
        process.setgroups([]);
        process.setgid(1000);
        process.setuid(1000);
        ids.push(await outputOf(await start("id -u")));
        running.stdin.end();
        ids.push(await outputOf(running));
        console.log(ids.join(" "));`);
      assert.equal(await line, "0 1000 0"); // what ran already goes on as it was
      if (child.exitCode === null) await once(child, "exit");
      assert.equal(child.exitCode, 0);
    },
  );
});
