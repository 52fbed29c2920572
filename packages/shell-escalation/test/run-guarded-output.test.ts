import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { ExecRecord } from "@sallyport/protocol";
import { loadRules } from "@sallyport/rules-store";
import { runGuarded } from "../src/run-guarded.ts";
import type { GuardedRunOptions, RunSummary } from "../src/run-guarded.ts";
import type { ExecQuestion } from "../src/decision/index.ts";
import { readEnvironment } from "../src/session-bytes.ts";
import { noPatchedBash, patchedBash } from "./patched-bash.ts";

interface Outcome {
  summary: RunSummary;
  output: Buffer;
  records: ExecRecord[];
}

async function run(script: string, changes: Partial<GuardedRunOptions> = {}, rules = ""): Promise<Outcome> {
  const base = mkdtempSync(join(tmpdir(), "run-guarded-output-"));
  after(() => rmSync(base, { recursive: true, force: true }));
  for (const folder of ["project", "home"]) mkdirSync(join(base, folder), { mode: 0o700 });
  const rulesFile = join(base, "test.rules");
  writeFileSync(rulesFile, rules, { mode: 0o600 });
  const chunks: Buffer[] = [];
  const records: ExecRecord[] = [];
  const summary = await runGuarded({
    argv: ["sh", "-c", script],
    cwd: join(base, "project"),
    env: readEnvironment(),
    home: join(base, "home"),
    policy: { kind: "rules", ruleSet: loadRules({ home: join(base, "home"), files: [rulesFile], discover: false }) },
    rulesFiles: [rulesFile],
    sandbox: {
      mode: "workspace-write",
      writable: [],
      network: false,
      denyRead: [],
      allowGitInit: false,
      sockets: [],
      wall: "auto",
    },
    interceptor: "kernel",
    passSignals: false,
    onOutput: (chunk) => void chunks.push(Buffer.from(chunk)),
    onRecord: (record) => void records.push(record),
    ...changes,
  });
  return { summary, output: Buffer.concat(chunks), records };
}

test("onOutput gets stdout and stderr in the order in which they were written", async () => {
  const script = "i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";
  const { output } = await run(script);
  const expected = Array.from({ length: 200 }, (_, index) => `out ${index}\nerr ${index}\n`).join("");
  assert.equal(output.toString(), expected);
});

test("onOutput gets every byte, also while its taker is slow, and what is left when the command has ended", async () => {
  const bytes = 3_000_000;
  let taken = 0;
  const { summary } = await run(`head -c ${bytes} /dev/zero; printf end`, {
    onOutput: async (chunk) => {
      taken += chunk.length;
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  assert.deepEqual([summary.exitStatus, taken], [0, bytes + 3]);
});

test("/dev/stdout and /dev/stderr can be opened, as at a terminal", async () => {
  const { output } = await run("echo a >/dev/stdout; echo b >/dev/stderr; cat </dev/stdin");
  assert.equal(output.toString(), "a\nb\n");
});

test("a taker that fails ends the command", async () => {
  const { summary } = await run("echo first; exec sleep 100", {
    onOutput: () => Promise.reject(new Error("no room")),
  });
  assert.equal(summary.exitStatus, 125);
  assert.match(summary.failures[0]?.message ?? "", /Taking a command's output failed: Error: no room/);
});

test("signal ends the whole tree, and one that was aborted before does too", async () => {
  const abort = new AbortController();
  const started = await run("setsid sleep 1000 & echo up; wait", {
    signal: abort.signal,
    onOutput: () => abort.abort(),
  });
  assert.deepEqual([started.summary.exitCode, started.summary.cleanup?.sure], [null, true]);
  const { summary } = await run("sleep 1000", { signal: AbortSignal.abort() });
  assert.deepEqual([summary.exitCode, summary.timedOut], [null, false]);
});

const askForEcho = 'prefix_rule(["/bin/echo"], decision = "prompt", justification = "echo is loud")\n';

test("a prompt rule asks, and yes lets the program run", async () => {
  const questions: ExecQuestion[] = [];
  const { output, records } = await run(
    "/bin/echo heard",
    {
      ask: (question) => {
        questions.push(question);
        return Promise.resolve({ kind: "allow", by: "the test" });
      },
    },
    askForEcho,
  );
  const [question] = questions;
  assert.equal(questions.length, 1);
  assert.deepEqual(question?.argv, ["/bin/echo", "heard"]);
  assert.match(question?.reason ?? "", /^echo is loud \(rule /);
  assert.equal(output.toString(), "heard\n");
  const record = records.findLast(({ argv }) => argv[0] === "/bin/echo");
  assert.match(record?.reason.text ?? "", /approved by the test$/);
});

test("a prompt rule asks, and no denies with the reason; nobody to ask denies as well", async () => {
  const no = await run(
    "/bin/echo heard",
    { ask: () => Promise.resolve({ kind: "deny", reason: "not now" }) },
    askForEcho,
  );
  assert.match(no.output.toString(), /^Execution denied: echo is loud .*: not now\n$/);
  assert.equal(no.records.findLast(({ argv }) => argv[0] === "/bin/echo")?.reason.kind, "approval");
  const nobody = await run("/bin/echo heard", {}, askForEcho);
  assert.match(nobody.output.toString(), /nobody was asked\n$/);
});

test("ask() that rejects denies", async () => {
  const { output } = await run("/bin/echo heard", { ask: () => Promise.reject(new Error("broken")) }, askForEcho);
  assert.match(output.toString(), /^Execution denied: the decision failed: broken\n$/);
});

test("forbidden is never asked about", async () => {
  const { output } = await run(
    "/bin/echo heard",
    { ask: () => Promise.resolve({ kind: "allow", by: "the test" }) },
    `${askForEcho}prefix_rule(["/bin/echo"], decision = "forbidden", justification = "never")\n`,
  );
  assert.match(output.toString(), /^Execution denied: never /);
});

test("the time in which an answer is awaited does not count against the command's", async () => {
  const { summary, output } = await run(
    "/bin/echo heard",
    {
      timeoutMs: 1500,
      ask: () => new Promise((resolve) => setTimeout(resolve, 2000, { kind: "allow", by: "the test" })),
    },
    askForEcho,
  );
  assert.deepEqual([summary.timedOut, output.toString()], [false, "heard\n"]);
});

test("a question whose program was killed is taken back", async () => {
  const abort = new AbortController();
  let withdrawn = false;
  await run(
    "/bin/echo heard",
    {
      signal: abort.signal,
      ask: (_question, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            withdrawn = true;
            resolve({ kind: "deny", reason: "withdrawn" });
          });
          abort.abort();
        }),
    },
    askForEcho,
  );
  assert.equal(withdrawn, true);
});

describe("through a patched shell", { skip: noPatchedBash }, () => {
  const throughBash = { interceptor: "bash", shell: patchedBash } as const;

  test("output, questions and standing in for another shell are as with the kernel's interceptor", async () => {
    const questions: ExecQuestion[] = [];
    const { output, records, summary } = await run(
      "for i in 1 2 3; do /bin/true; done; /bin/echo heard; echo err >&2",
      {
        ...throughBash,
        argv: ["/bin/sh", "-c", "for i in 1 2 3; do /bin/true; done; /bin/echo heard; echo err >&2"],
        isShellCommand: true,
        ask: (question) => {
          questions.push(question);
          return Promise.resolve({ kind: "allow", by: "the test" });
        },
      },
      askForEcho,
    );
    assert.deepEqual([output.toString(), summary.exitStatus, questions.length], ["heard\nerr\n", 0, 1]);
    assert.deepEqual(questions[0]?.argv, ["/bin/echo", "heard"]);
    // The same program three times, and each time its own question: no verdict stands for a wrapper.
    assert.equal(records.filter(({ argv, exitCode }) => argv[0] === "/bin/true" && exitCode === null).length, 3);
    assert.deepEqual(summary.execs, { run: 4, escalate: 1, deny: 0 });
  });

  test("another shell that is not said to be one starts its programs undecided", async () => {
    const argv = ["/bin/sh", "-c", "/bin/echo heard"];
    const { output, summary } = await run("", { ...throughBash, argv }, askForEcho);
    assert.deepEqual([output.toString(), summary.execs], ["heard\n", { run: 1, escalate: 0, deny: 0 }]);
  });

  test("consult() may refuse, and signal takes back a question and ends the tree", async () => {
    const argv = ["bash", "-c", "/bin/echo heard; /bin/true"];
    const consulted = await run("", {
      ...throughBash,
      argv,
      consult: ({ argv: words }) =>
        Promise.resolve(words[0] === "/bin/echo" ? { decision: "deny", reason: "not today", by: "the test" } : null),
    });
    assert.match(consulted.output.toString(), /^Execution denied: .*not today\n$/);
    const abort = new AbortController();
    let isWithdrawn = false;
    const { summary } = await run(
      "",
      {
        ...throughBash,
        argv,
        signal: abort.signal,
        ask: (_question, withdrawn) =>
          new Promise((resolve) => {
            withdrawn.addEventListener("abort", () => {
              isWithdrawn = true;
              resolve({ kind: "deny", reason: "withdrawn" });
            });
            abort.abort();
          }),
      },
      askForEcho,
    );
    assert.deepEqual([isWithdrawn, summary.exitCode, summary.cleanup?.sure], [true, null, true]);
  });
});
