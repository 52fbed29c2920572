/** What is said of the ground that commands run on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runShellCommand } from "../../src/tools/shell-command.ts";
import { ThreadLog } from "../../src/session/thread-log.ts";
import { warnOnce } from "../../src/turns/thread-warnings.ts";
import { makeStage, startThread } from "../support/stage.ts";

test("warnOnce() stores and tells each sentence once for a thread", async () => {
  const stage = makeStage();
  const { session } = await startThread(stage, { model: stage.script([{ text: "ok" }]) });
  const log = new ThreadLog(stage.store, session.id);
  const told: string[] = [];
  log.subscribe(({ notification: { method, params } }) => {
    if (method === "warning") told.push(params.message);
  });
  const context = { threadId: session.id, log };
  await Promise.all([warnOnce(context, "a"), warnOnce(context, "b"), warnOnce(context, "a")]);
  await warnOnce(context, "a");
  assert.deepEqual(told, ["a", "b"]);
  await warnOnce({ threadId: session.id, log: new ThreadLog(stage.store, session.id) }, "a");
  assert.deepEqual(told, ["a", "b"], "the other log has listeners of its own");
});

test("a sandbox without namespaces says what it leaves open, before anything runs", async () => {
  const stage = makeStage();
  const heard: string[] = [];
  await runShellCommand({
    argv: ["/bin/sh", "-c", "echo ran"],
    cwd: stage.project,
    env: [`PATH=${process.env["PATH"] ?? ""}`],
    home: stage.home,
    rules: () => ({ policy: { kind: "rules", ruleSet: { rules: [], hosts: new Map(), files: [] } } }),
    approvals: null,
    sandbox: {
      mode: "workspace-write",
      writable: [],
      network: false,
      denyRead: [],
      allowGitInit: false,
      sockets: [],
      wall: "landlock",
    },
    timeoutMs: 30_000,
    signal: new AbortController().signal,
    onOutput: ({ delta }) => {
      heard.push(delta.trim());
      return Promise.resolve();
    },
    onRecords: () => Promise.resolve(),
    onRecord: () => {},
    ask: () => Promise.resolve({ kind: "deny", reason: "nobody is there to ask" }),
    consult: null,
    onWeakness: (sentence) => heard.push(sentence),
  });
  assert.equal(heard.at(-1), "ran");
  assert.ok(heard.length > 1);
  for (const sentence of heard.slice(0, -1)) assert.match(sentence, /^The sandbox is not whole here: /);
});
