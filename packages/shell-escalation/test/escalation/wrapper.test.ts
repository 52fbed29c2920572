/** codex-execve-wrapper against a server that speaks the plain protocol and no more: what it says, and that it never guesses. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { EscalateDescriptors, EscalateRequest } from "@sallyport/protocol";
import { ownWrapperPath } from "../../src/interceptor.ts";
import { Random } from "../../../supervisor/test/support/random.ts";

const native = join(import.meta.dirname, "../../native");
const sanitized = join(native, "build/sanitized/codex-execve-wrapper");
const serverScript = join(import.meta.dirname, "../fixtures/seed-server.py");

interface Job {
  command: string[];
  answers: Buffer[];
  env?: Record<string, string>;
  outside?: string;
  cwd?: string;
  close?: number[];
  patience?: number;
}

interface Told {
  messages: string[];
  descriptors: number;
  status: number;
  stdout: string;
  stderr: string;
}

class Server {
  readonly #child = spawn("python3", [serverScript], { stdio: ["pipe", "pipe", "inherit"] });
  readonly #lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();

  async run(job: Job): Promise<Told> {
    const answers = job.answers.map((answer) => answer.toString("base64"));
    this.#child.stdin.write(`${JSON.stringify({ ...job, answers })}\n`);
    const { value } = await this.#lines.next();
    return JSON.parse(String(value)) as Told; // this test's own server
  }

  stop(): void {
    this.#child.stdin.end();
  }
}

const server = new Server();
after(() => server.stop());

function frame(message: unknown): Buffer {
  const bytes = Buffer.isBuffer(message) ? message : Buffer.from(JSON.stringify(message));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const answer = (action: unknown): Buffer => frame({ action });
const wrapped = (...words: string[]): string[] => [ownWrapperPath, ...words];
const messageOf = (told: Told, at: number): unknown =>
  JSON.parse(Buffer.from(told.messages[at] ?? "", "base64").toString());

describe("the plain protocol", () => {
  test("Run executes the program itself, with its argv and environment", async () => {
    const env = { A: "ü\n", EXEC_WRAPPER: "/w", BASH_EXEC_WRAPPER: "/w", EMPTY: "" };
    const told = await server.run({
      command: wrapped("/usr/bin/env", "zero"),
      answers: [answer("Run")],
      env,
      cwd: "/usr",
    });
    const { protocol, ...plain } = EscalateRequest.parse(messageOf(told, 0));
    assert.deepEqual(plain, { file: "/usr/bin/env", argv: ["zero"], workdir: "/usr", env: { A: "ü\n", EMPTY: "" } });
    assert.deepEqual(protocol, { version: 2, blocked: "0000000000000000" });
    assert.deepEqual([told.status, told.stderr], [0, ""]);
    const names = told.stdout.match(/^[A-Z_]+(?==)/gm)?.toSorted();
    assert.deepEqual(names, ["A", "BASH_EXEC_WRAPPER", "CODEX_ESCALATE_SOCKET", "EMPTY", "EXEC_WRAPPER"]);
  });

  test("Escalate sends the open standard descriptors and exits as it is told", async () => {
    const answers = [answer("Escalate"), frame({ exit_code: 7 })];
    const told = await server.run({ command: wrapped("/bin/false", "false"), answers, outside: "outside\n" });
    assert.deepEqual(EscalateDescriptors.parse(messageOf(told, 1)), { fds: [0, 1, 2] });
    assert.deepEqual([told.status, told.stdout, told.stderr, told.descriptors], [7, "outside\n", "", 3]);
    const closed = await server.run({ command: wrapped("/bin/false", "false"), answers, close: [0, 2] });
    assert.deepEqual([messageOf(closed, 1), closed.descriptors, closed.status], [{ fds: [1] }, 1, 7]);
  });

  for (const [action, line] of [
    [{ Deny: { reason: 'not "today" \u{1F6AB}' } }, 'Execution denied: not "today" \u{1F6AB}\n'],
    [{ Deny: { reason: null } }, "Execution denied\n"],
    [{ Deny: {} }, "Execution denied\n"],
    [{ Deny: { reason: "a\tb", more: [1, { x: null }] } }, "Execution denied: a\tb\n"],
  ] as const) {
    test(`Deny ${JSON.stringify(action.Deny)} prints one line and exits with 1`, async () => {
      const told = await server.run({ command: wrapped("/bin/echo", "echo", "ran"), answers: [answer(action)] });
      assert.deepEqual([told.status, told.stdout], [1, ""]);
      assert.equal(Buffer.from(told.stderr, "latin1").toString(), line);
    });
  }

  test("escapes in the reason are decoded, also pairs of surrogates", async () => {
    const text = Buffer.from('{"action":{"Deny":{"reason":"\\u00e9\\ud83d\\ude00\\/\\n\\"\\\\"}}}');
    const told = await server.run({ command: wrapped("/bin/echo", "echo"), answers: [frame(text)] });
    assert.equal(Buffer.from(told.stderr, "latin1").toString(), 'Execution denied: é😀/\n"\\\n');
  });

  test("bytes that are not UTF-8 are sent as base64, and run all the same", async () => {
    const odd = "a\udcffb"; // how Python's fsencode is told of the byte 0xff
    const told = await server.run({ command: wrapped("/bin/echo", "echo", odd), answers: [answer("Run")] });
    const { argv } = EscalateRequest.parse(messageOf(told, 0));
    assert.deepEqual(argv, ["echo", { base64: Buffer.from([0x61, 0xff, 0x62]).toString("base64") }]);
    assert.equal(told.stdout, "a\xffb\n");
  });
});

describe("never guesses: 125, a reason, and nothing has run", () => {
  const notUnderstood: Record<string, Buffer> = {
    "no answer": Buffer.alloc(0),
    "half a length": Buffer.from([1, 0]),
    "a message that is cut short": answer("Run").subarray(0, 10),
    "a length above the limit": Buffer.from([0xff, 0xff, 0xff, 0xff]),
    "an empty message": frame(Buffer.alloc(0)),
    "no JSON": frame(Buffer.from("Run")),
    "no object": frame(["Run"]),
    "no action": frame({}),
    "an unknown action": answer("run"),
    "no action but a number": answer(1),
    "two actions": answer({ Deny: {}, Run: {} }),
    "a reason that is no string": answer({ Deny: { reason: 1 } }),
    "something behind the object": frame(Buffer.from('{"action":"Run"} x')),
    "a NUL in it": frame(Buffer.from('{"action":"Run"\0}')),
    "half a pair of surrogates": frame(Buffer.from('{"action":{"Deny":{"reason":"\\ud800"}}}')),
    "a hundred levels": frame(Buffer.from(`{"x":${"[".repeat(100)}${"]".repeat(100)},"action":"Run"}`)),
  };
  for (const [name, bytes] of Object.entries(notUnderstood)) {
    test(name, async () => {
      const told = await server.run({ command: wrapped("/bin/echo", "echo", "ran"), answers: [bytes] });
      assert.deepEqual([told.status, told.stdout], [125, ""]);
      assert.match(told.stderr, /^codex-execve-wrapper: the server.*; the program was not run\n$/);
    });
  }

  test("a server that ends before the result", async () => {
    const told = await server.run({
      command: wrapped("/bin/false", "false"),
      answers: [answer("Escalate"), Buffer.alloc(0)],
    });
    assert.deepEqual(
      [told.status, told.stderr],
      [125, "codex-execve-wrapper: the server ended before it told how the program outside ended\n"],
    );
  });

  for (const [name, env, line] of [
    ["no socket", {}, /CODEX_ESCALATE_SOCKET is not set/],
    ["no number", { CODEX_ESCALATE_SOCKET: "x" }, /is "x", expected the number of a descriptor/],
    ["a negative number", { CODEX_ESCALATE_SOCKET: "-1" }, /is "-1", expected/],
    ["a closed descriptor", { CODEX_ESCALATE_SOCKET: "77" }, /descriptor 77, which is closed/],
    ["another socket", { CODEX_ESCALATE_SOCKET: "1" }, /descriptor 1, which is not the server's socket/],
    ["a file", { CODEX_ESCALATE_SOCKET: "0" }, /descriptor 0, which is not the server's socket/],
  ] as const) {
    test(name, () => {
      const { status, stdout, stderr } = spawnSync(ownWrapperPath, ["/bin/echo", "echo", "ran"], {
        env,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      });
      assert.deepEqual([status, stdout], [125, ""]);
      assert.match(stderr, line);
    });
  }

  test("without arguments", () => {
    const { status, stderr } = spawnSync(ownWrapperPath, [], { encoding: "utf8" });
    assert.equal(status, 125);
    assert.match(stderr, /^codex-execve-wrapper: a patched shell starts this program: /);
  });
});

test(
  "changed answers, to the wrapper with sanitizers",
  { skip: existsSync(sanitized) ? false : "make -C packages/shell-escalation/native sanitized" },
  async () => {
    const originals: Buffer[][] = [
      [answer("Run")],
      [answer({ Deny: { reason: "é\u{1F600}\n" } })],
      [frame({ action: "Run", protocol: { version: 2, errno: 2, shell: "/bin/sh" } })],
      [answer("Escalate"), frame({ exit_code: 3, signal: null })],
      [
        frame({ action: "Escalate", protocol: { version: 2 } }),
        Buffer.concat([frame({ started: true }), frame({ exit_code: 3, signal: null })]),
      ],
      [frame({ action: "Escalate", protocol: { version: 2 } }), frame({ error: "no" })],
    ];
    const seen = new Map<number, number>();
    for (let round = 0; round < 180; round++) {
      const random = new Random(round);
      const answers = (originals[round % originals.length] ?? []).map((bytes) => {
        if (random.below(3) === 0) return bytes;
        const changed = random.mutate(bytes, random.below(4) === 0 ? 0 : 4);
        if (changed.length >= 4 && random.below(4) > 0) changed.writeUInt32LE(changed.length - 4, 0);
        return changed;
      });
      const told = await server.run({ command: [sanitized, "/bin/true", "true"], answers, patience: 0.05 });
      assert.doesNotMatch(told.stderr, /Sanitizer|runtime error|did not end/, `round ${round}`);
      seen.set(told.status, (seen.get(told.status) ?? 0) + 1);
    }
    for (const status of [0, 1, 3, 125]) assert.ok((seen.get(status) ?? 0) > 3, JSON.stringify([...seen]));
  },
);

for (const compiler of ["musl-gcc", "gcc", "clang"]) {
  const isThere = spawnSync(compiler, ["--version"]).error === undefined;
  const skip = isThere || process.env["SALLYPORT_MUST_RUN"] === "1" ? false : `${compiler} is not installed`;
  test(`${compiler} builds it static, without a warning`, { skip }, (context) => {
    const build = mkdtempSync(join(tmpdir(), "sallyport-build-"));
    context.after(() => rmSync(build, { recursive: true }));
    const made = spawnSync("make", ["-s", "-C", native, `CC=${compiler}`, `BUILD=${build}`, "WERROR=1"], {
      encoding: "utf8",
    });
    assert.deepEqual([made.status, made.stderr], [0, ""]);
    const program = join(build, "codex-execve-wrapper");
    // A dynamic one would load what the caller's LD_PRELOAD names, and say that it can't.
    const { status, stderr } = spawnSync(program, [], { encoding: "utf8", env: { LD_PRELOAD: "/nowhere/planted.so" } });
    assert.deepEqual([status, stderr.split("\n").length], [125, 2]);
    if (compiler === "musl-gcc") assert.ok(statSync(program).size < 100_000, `${statSync(program).size} bytes`);
  });
}
