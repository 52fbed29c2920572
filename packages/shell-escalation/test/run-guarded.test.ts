import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, openSync, closeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ExecRecord } from "@sallyport/protocol";
import { runGuarded } from "../src/run-guarded.ts";
import type { GuardedRunOptions, RunSummary } from "../src/run-guarded.ts";
import type { Decider } from "../src/decision/index.ts";
import { readEnvironment } from "../src/session-bytes.ts";
import { runDecision } from "./exec-events.ts";

interface Outcome {
  summary: RunSummary;
  stdout: string;
  stderr: string;
  records: ExecRecord[];
}

async function run(changes: Partial<GuardedRunOptions>): Promise<Outcome> {
  const base = mkdtempSync(join(tmpdir(), "run-guarded-test-"));
  after(() => rmSync(base, { recursive: true, force: true }));
  mkdirSync(join(base, "project"));
  const outputs = ["stdout", "stderr"].map((name) => join(base, name));
  const [out = 1, err = 2] = outputs.map((path) => openSync(path, "w"));
  const records: ExecRecord[] = [];
  const summary = await runGuarded({
    argv: ["true"],
    cwd: join(base, "project"),
    env: readEnvironment(),
    home: join(base, "home"),
    policy: { kind: "rules", ruleSet: { rules: [], files: [] } },
    rulesFiles: [],
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
    stdio: ["ignore", out, err],
    passSignals: false,
    onRecord: (record) => records.push(record),
    ...changes,
  });
  for (const descriptor of [out, err]) closeSync(descriptor);
  const [stdout = "", stderr = ""] = outputs.map((path) => readFileSync(path, "utf8"));
  return { summary, stdout, stderr, records };
}

function own(decide: Decider["decide"]): Partial<GuardedRunOptions> {
  return { argv: ["sh", "-c", "/bin/echo ran"], policy: { kind: "own", decider: { decide } } };
}

test("each record comes twice, when decided and when ended", async () => {
  const { summary, records } = await run({ argv: ["sh", "-c", "exit 3"] });
  const [decided, ended] = records;
  assert.equal(records.length, 2);
  assert.deepEqual([decided?.exitCode, decided?.durationMs, ended?.exitCode, ended?.id], [null, null, 3, decided?.id]);
  assert.deepEqual([summary.exitStatus, summary.exitCode, summary.execs], [3, 3, { run: 1, escalate: 0, deny: 0 }]);
});

test("a decider of one's own decides", async () => {
  const deny = {
    verdict: { kind: "deny", reason: "not today" },
    reason: { kind: "hook", text: "not today" },
    file: "/bin/echo",
  } as const;
  const { summary, stdout, stderr } = await run(own((event) => (event.argv[0] === "/bin/echo" ? deny : runDecision())));
  assert.deepEqual(
    [summary.execs, stdout, stderr],
    [{ run: 1, escalate: 0, deny: 1 }, "", "Execution denied: not today\n"],
  );
});

test("denies when the policy throws", async () => {
  const { summary, stdout, stderr } = await run(
    own(() => {
      throw new Error("broken");
    }),
  );
  assert.deepEqual([summary.exitStatus, stdout, stderr], [1, "", "Execution denied: the decision failed: broken\n"]);
});

test("denies when the policy does not answer in time", async () => {
  const never = own(() => new Promise(() => undefined));
  const { summary, stderr } = await run({ ...never, decisionTimeoutMs: 50 });
  assert.deepEqual([summary.exitStatus, stderr], [1, "Execution denied: no decision within 0.05 s\n"]);
});

test("a slow policy delays and loses nothing", async () => {
  const slow = own(() => new Promise((resolve) => setTimeout(resolve, 30, runDecision())));
  const { summary, stdout } = await run(slow);
  assert.deepEqual([summary.exitStatus, stdout], [0, "ran\n"]);
});

test("a command that is ended while it waits for a decision has no record", async () => {
  const { summary, records } = await run({ ...own(() => new Promise(() => undefined)), timeoutMs: 200 });
  assert.deepEqual([summary.exitStatus, summary.timedOut, records], [124, true, []]);
});

test("rejects and runs nothing where the program is not there", async () => {
  await assert.rejects(run({ argv: ["no-such-program"] }), { code: "PROGRAM_NOT_FOUND" });
});
