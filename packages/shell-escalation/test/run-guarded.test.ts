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
    policy: { kind: "rules", ruleSet: { rules: [], hosts: new Map(), files: [] } },
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

/** Lets the first `/bin/echo` stand, and gives `later` for every further one. */
function changingItsMind(later: Decider["decide"]): Partial<GuardedRunOptions> {
  let echoes = 0;
  const decide: Decider["decide"] = (event, resolve) => {
    if (event.argv[0] !== "/bin/echo") return runDecision();
    echoes += 1;
    return echoes === 1 ? { ...runDecision(), verdict: { kind: "run", stands: true } } : later(event, resolve);
  };
  return { ...own(decide), argv: ["sh", "-c", "/bin/echo 1; /bin/echo 2; sleep 60; echo survived"] };
}

test("a verdict that stands is decided and recorded again for each program", async () => {
  const stands: Decider["decide"] = () => ({ ...runDecision(), verdict: { kind: "run", stands: true } });
  const argv = ["sh", "-c", "/bin/echo 1; /bin/echo 2; /bin/echo 3"];
  const { summary, stdout, records } = await run({ ...own(stands), argv });
  assert.deepEqual([summary.exitStatus, summary.execs, stdout], [0, { run: 4, escalate: 0, deny: 0 }, "1\n2\n3\n"]);
  const ids = records.filter(({ durationMs }) => durationMs === null).map(({ id }) => id);
  assert.deepEqual([ids.length, ids.toSorted()], [4, ids]);
});

const changes: Record<string, { later: Decider["decide"]; kind: string }> = {
  denies: {
    later: () => ({
      ...runDecision(),
      verdict: { kind: "deny", reason: "no" },
      reason: { kind: "hook", text: "no" },
    }),
    kind: "hook",
  },
  "takes its time": { later: async () => runDecision(), kind: "default" },
};
for (const [name, { later, kind }] of Object.entries(changes)) {
  test(`a policy that ${name} what it let stand ends the command, and the record says that it ran`, async () => {
    const { summary, stdout, records } = await run(changingItsMind(later));
    assert.deepEqual(
      [summary.exitStatus, summary.failures.map(({ code }) => code), stdout.includes("survived")],
      [125, ["VERDICT_CHANGED"], false],
    );
    const second = records.find(({ argv }) => argv[1] === "2");
    assert.deepEqual([second?.decision, second?.reason.kind], ["run", kind]);
    assert.match(second?.reason.text ?? "", /an earlier verdict stood, so the command was ended$/);
  });
}

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
