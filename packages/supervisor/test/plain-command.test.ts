/** Plain mode: the program as it is, and the end of its whole tree. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isSallyportError, startBroker } from "../src/index.ts";
import type { BrokerOptions, LaunchSpec, RunResult } from "../src/index.ts";
import { compileFixture } from "./support/compiled-fixtures.ts";
import { launchSpec } from "./support/raw-broker.ts";
import { makeMark, processesWith, until, untilNoneHas } from "./support/running-processes.ts";

const exitWith = compileFixture("exit-with");

interface Plain {
  result: RunResult;
  output: string;
}

async function startPlain(
  argv: string[],
  changes: Partial<LaunchSpec> = {},
  handlers: Partial<BrokerOptions["handlers"]> = {},
) {
  const mark = makeMark();
  const broker = await startBroker({
    stdio: ["pipe", "pipe", "inherit"],
    handlers: { onExec: () => {}, onExecEnd: () => {}, ...handlers },
  });
  const chunks: string[] = [];
  broker.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk.toString("utf8")));
  const env = ["PATH=/usr/bin:/bin", "LC_ALL=C", mark];
  const launched = broker.launch(
    launchSpec({ mode: "plain", intercept: false, file: argv[0] ?? "", argv, env, ...changes }),
  );
  launched.catch(() => {}); // `finished` tells the same
  return { broker, mark, output: (): string => chunks.join(""), launched };
}

async function runPlain(argv: string[], changes: Partial<LaunchSpec> = {}): Promise<Plain> {
  const { broker, output } = await startPlain(argv, changes);
  broker.stdin?.end();
  const closed = new Promise((resolve) => broker.stdout?.once("close", resolve));
  const result = await broker.finished;
  await closed;
  return { result, output: output() };
}

const nothingKilled = { how: "process-walk", sure: true, killed: 0 } as const;

describe("plain mode", () => {
  test("every exit code", async () => {
    const codes = Array.from({ length: 256 }, (_, code) => code);
    for (let at = 0; at < 256; at += 8) {
      const some = codes.slice(at, at + 8);
      const results = await Promise.all(some.map((code) => runPlain([exitWith, String(code)])));
      assert.deepEqual(
        results.map((one) => one.result),
        some.map((exitCode) => ({ exitCode, signal: null, cleanup: nothingKilled })),
      );
    }
  });

  test("deaths by a signal", async () => {
    for (const signal of [1, 2, 6, 9, 11, 15, 34, 64]) {
      const { result } = await runPlain(["/bin/sh", "-c", `ulimit -c 0; exec ${exitWith} signal ${signal}`]);
      assert.deepEqual(result, { exitCode: null, signal, cleanup: nothingKilled });
    }
  });

  test("a program that can't be executed", async () => {
    const missing = await runPlain(["/no/such/program"]).catch((error: unknown) => error);
    assert.ok(isSallyportError(missing));
    assert.deepEqual([missing.code, missing.data], ["LAUNCH_FAILED", { stage: "exec", errno: 2 }]);
    const folder = await runPlain(["/bin/true"], { cwd: "/no/such/folder" }).catch((error: unknown) => error);
    assert.ok(isSallyportError(folder));
    assert.deepEqual(
      [folder.code, folder.data],
      ["LAUNCH_FAILED", { stage: "entering the working directory", errno: 2 }],
    );
  });

  test("input, output and their ends", async () => {
    const { broker, output } = await startPlain(["/bin/cat"]);
    const ended = new Promise((resolve) => broker.stdout?.once("end", resolve));
    broker.stdin?.end("some text\n");
    await ended;
    assert.deepEqual(await broker.finished, { exitCode: 0, signal: null, cleanup: nothingKilled });
    assert.equal(output(), "some text\n");
  });

  test("output ends when the program ends, though a process that it left holds it", async () => {
    const { broker, output } = await startPlain(["/bin/sh", "-c", "setsid sleep 64 & echo out"]);
    const closed = new Promise((resolve) => broker.stdout?.once("close", resolve));
    const result = await broker.finished;
    await closed;
    assert.deepEqual([output(), result.exitCode, result.cleanup.sure], ["out\n", 0, true]);
    assert.ok(result.cleanup.killed >= 1);
  });

  test("a process that forked twice and one in a session of its own end with the program", async () => {
    const script =
      "(setsid sleep 65 &) ; (sh -c 'sleep 65 & sleep 65' &) ; setsid sh -c 'trap \"\" TERM HUP INT; sleep 65' & sleep 0.1";
    const { broker, mark } = await startPlain(["/bin/sh", "-c", script]);
    await broker.finished;
    await untilNoneHas(mark);
  });

  test("the caller's limit of open files, ignored signals and no extra descriptors", async () => {
    const caller = { nofileSoft: 777, ignoredSignals: 1n << 9n, closedDescriptors: 0 }; // SIGUSR1
    const script = "ulimit -n; grep SigIgn /proc/self/status; ls /proc/self/fd | tr '\\n' ' '";
    const { output } = await runPlain(["/bin/sh", "-c", script], { caller });
    assert.equal(output, "777\nSigIgn:\t0000000000000200\n0 1 2 3 "); // 3 is the folder that ls reads
    const without = await runPlain(["/bin/sh", "-c", "ulimit -n"]);
    assert.equal(without.output, execFileSync("/bin/sh", ["-c", "ulimit -n"], { encoding: "utf8" }));
  });

  test("terminate() ends what listens to TERM, and after the grace what does not", async () => {
    const polite = await startPlain(["/bin/sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done"]);
    await until("it is ready", () => polite.output() === "ready\n");
    polite.broker.terminate(10_000);
    const { exitCode, signal } = await polite.broker.finished;
    assert.deepEqual({ exitCode, signal }, { exitCode: 9, signal: null });

    const deaf = await startPlain(["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"]);
    await until("it is ready", () => deaf.output() === "ready\n");
    deaf.broker.terminate(100);
    const result = await deaf.broker.finished;
    assert.deepEqual({ exitCode: result.exitCode, signal: result.signal }, { exitCode: null, signal: 9 });
    await untilNoneHas(deaf.mark);
  });

  test("signal() reaches the program's group", async () => {
    const { broker, output, mark } = await startPlain([
      "/bin/sh",
      "-c",
      "trap 'exit 5' USR1; echo ready; while :; do sleep 0.01; done",
    ]);
    await until("it is ready", () => output() === "ready\n");
    broker.signal(10);
    await broker.finished;
    await untilNoneHas(mark);
  });

  test("kill -9 of the broker ends the program and is told", async () => {
    const { broker, output, mark } = await startPlain(["/bin/sh", "-c", "echo ready; exec sleep 66"]);
    await until("it is ready", () => output() === "ready\n");
    process.kill(broker.pid, "SIGKILL");
    const failure = await broker.finished.catch((error: unknown) => error);
    assert.ok(isSallyportError(failure));
    assert.deepEqual([failure.code, failure.data], ["BROKER_DIED", { code: null, signal: "SIGKILL" }]);
    await untilNoneHas(mark);
  });

  test("the end of Node ends the tree", async () => {
    for (const mode of ["plain", "guarded"]) {
      const mark = makeMark();
      const driver = join(import.meta.dirname, "support", "start-and-wait.ts");
      const argv = ["--conditions=sallyport-source", driver, mode, mark];
      const node = spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"] });
      const running = (): number => processesWith(mark).length;
      await until("its tree runs", () => running() >= 3, 10_000);
      node.kill("SIGKILL");
      await untilNoneHas(mark);
    }
  });
});

describe("a pty", () => {
  const size = { rows: 31, columns: 77 };

  async function startPty(argv: string[]) {
    const chunks: string[] = [];
    const onOutput = (chunk: Buffer): void => void chunks.push(chunk.toString("utf8"));
    const started = await startPlain(argv, { pty: size }, { onOutput });
    return { ...started, output: (): string => chunks.join("") };
  }

  test("is a terminal of the size asked for, and its last output is never lost", async () => {
    for (let round = 0; round < 20; round++) {
      const { broker, output } = await startPty([
        "/bin/sh",
        "-c",
        "test -t 0 && test -t 1 && test -t 2 && stty size && tty >/dev/tty",
      ]);
      const { exitCode } = await broker.finished;
      assert.equal(exitCode, 0);
      assert.match(output(), /^31 77\r\n\/dev\/pts\/\d+\r\n$/);
    }
  });

  test("much output, all of it", async () => {
    const { broker, output } = await startPty(["/bin/sh", "-c", "seq 100000"]);
    await broker.finished;
    assert.equal(output(), Array.from({ length: 100_000 }, (_, at) => `${at + 1}\r\n`).join(""));
  });

  test("resize() is told to the program", async () => {
    const { broker, output } = await startPty([
      "/bin/sh",
      "-c",
      "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done",
    ]);
    await until("it is ready", () => output().includes("ready"));
    broker.resize(40, 100);
    await broker.finished;
    assert.equal(output(), "ready\r\n40 100\r\n");
  });

  test("Ctrl-C typed interrupts the foreground program", async () => {
    const { broker, output } = await startPty([
      "/bin/sh",
      "-c",
      "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.01; done",
    ]);
    await until("it is ready", () => output().includes("ready"));
    broker.input(Buffer.from("\x03"));
    const { exitCode } = await broker.finished;
    assert.equal(exitCode, 3);
    assert.match(output(), /interrupted/);
  });

  test("more input than the pty takes at once arrives whole", async () => {
    const { broker, output } = await startPty(["/bin/sh", "-c", "stty raw -echo; echo ready; head -c 400000 | md5sum"]);
    await until("it is ready", () => output().includes("ready"));
    broker.input(Buffer.alloc(400_000, "x"));
    await broker.finished;
    const sum = execFileSync("md5sum", { input: Buffer.alloc(400_000, "x"), encoding: "utf8" });
    assert.equal(output().replace(/^ready\r?\n/, ""), sum);
  });
});
