import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { CommandExecutionItem } from "@sallyport/protocol";
import { textToDisplay } from "@sallyport/supervisor";
import { makeStage, moduleHook, runTurn, startThread } from "../support/stage.ts";
import type { Stage } from "../support/stage.ts";

const permission = (decision: string, reason: string): object => ({
  hookSpecificOutput: { hookEventName: "PreExec", permissionDecision: decision, permissionDecisionReason: reason },
});
const shell = (command: string): object => ({ tool_calls: [{ name: "shell", arguments: { command } }] });

async function runCommand(
  stage: Stage,
  command: string,
): Promise<{ item: CommandExecutionItem; reasons: [string, string, string][] }> {
  const thread = await startThread(stage, { model: stage.script([shell(command), { text: "ok" }]) });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  const stored = await stage.store.readTurn(thread.session.id, turn.id, "full");
  const item = stored?.items.find(({ type }) => type === "commandExecution");
  assert.ok(item?.type === "commandExecution");
  const runs = await stage.store.listExecRuns(thread.session.id, turn.id, {});
  const reasons = runs.data.map(({ record }): [string, string, string] => [
    textToDisplay(record.argv[0] ?? ""),
    record.decision,
    record.reason.kind,
  ]);
  return { item, reasons };
}

test("a PreExec hook sees each program and denies one, with its reason", async () => {
  const seen: unknown[] = [];
  const hook = moduleHook(
    "PreExec",
    ({ file, argv, workdir, parents, rule, tool_use_id: id }) => {
      seen.push([file, argv, workdir, (parents as unknown[]).length, rule, typeof id]);
      return permission("deny", "no truth here");
    },
    { matcher: "true" },
  );
  const stage = makeStage({ modules: [hook] });
  const { item, reasons } = await runCommand(stage, "/bin/true; /bin/echo still");
  assert.match(item.aggregatedOutput ?? "", /^Execution denied: no truth here\nstill\n$/);
  assert.deepEqual(seen, [["/usr/bin/true", ["/bin/true"], stage.project, 1, null, "string"]]);
  assert.deepEqual(
    reasons.filter(([program]) => program === "/bin/true"),
    [["/bin/true", "deny", "hook"]],
  );
});

test("the attack: a turn is interrupted while a PreExec hook thinks; the program does not start in the moment of grace", async () => {
  const hook = moduleHook(
    "PreExec",
    (_input, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined))),
    { matcher: "touch" },
  );
  const stage = makeStage({ modules: [hook] });
  const { session, heard } = await startThread(stage, { model: stage.script([shell('trap "" TERM; touch made')]) });
  const { id } = await session.startTurn({ input: [] });
  await heard.until(({ outline }) => (outline.includes("hook/started preExec") ? true : undefined));
  session.interrupt(id);
  const turn = await heard.completedTurn(id);
  assert.deepEqual([turn.status, existsSync(join(stage.project, "made"))], ["interrupted", false]);
});

test("a PreExec hook can't loosen what a rule forbids, and is not asked about it", async () => {
  let asked = 0;
  const hook = moduleHook(
    "PreExec",
    () => {
      asked += 1;
      return permission("escalate", "go");
    },
    { matcher: "true" },
  );
  const stage = makeStage({
    modules: [hook],
    rules: 'prefix_rule(["/bin/true"], decision = "forbidden", justification = "never")\n',
  });
  const { item } = await runCommand(stage, "/bin/true");
  assert.match(item.aggregatedOutput ?? "", /^Execution denied: never/);
  assert.equal(asked, 0);
});

test("a PreExec hook that says run keeps inside what a rule would carry outside; without it that goes outside", async () => {
  const rules = 'prefix_rule(["/bin/true"])\n';
  const free = await runCommand(makeStage({ rules }), "/bin/true; :");
  assert.deepEqual(free.reasons.at(-1), ["/bin/true", "escalate", "rule"]);
  const seen: unknown[] = [];
  const hook = moduleHook("PreExec", ({ rule }) => {
    seen.push(rule);
    return permission("run", "stay in");
  });
  const kept = await runCommand(makeStage({ rules, modules: [hook] }), "/bin/true; :");
  assert.deepEqual(kept.reasons.at(-1), ["/bin/true", "run", "hook"]);
  assert.deepEqual(seen.at(-1), { decision: "allow", justification: null });
});

test("a PreExec hook that says ask makes a program a question", async () => {
  const hook = moduleHook("PreExec", () => permission("ask", "is this right?"), { matcher: "true" });
  const stage = makeStage({ modules: [hook] });
  const { session, heard } = await startThread(stage, {
    model: stage.script([shell("/bin/true && echo yes"), { text: "ok" }]),
  });
  const { id } = await session.startTurn({ input: [] });
  const request = await heard.until(({ requests }) => requests[0]);
  assert.deepEqual(
    request.method === "item/commandExecution/requestApproval" && [request.params.command, request.params.reason],
    ["/usr/bin/true", "is this right?"],
  );
  session.answerApproval(request.requestId, "accept");
  await heard.completedTurn(id);
  const outputs = heard.notifications.flatMap(({ method, params }) =>
    method === "item/commandExecution/outputDelta" ? [params.delta] : [],
  );
  assert.equal(outputs.join(""), "yes\n");
});

test("PostExec hooks hear how each program ended, before the command is completed", async () => {
  const seen: unknown[] = [];
  const hook = moduleHook(
    "PostExec",
    ({ file, exit_code: code, signal, duration_ms: ms }) => void seen.push([file, code, signal, Number(ms) >= 0]),
    { matcher: "sleep" },
  );
  const stage = makeStage({ modules: [hook] });
  const { item } = await runCommand(stage, "sleep 0.05; sleep x");
  assert.equal(item.status, "failed");
  assert.deepEqual(
    seen.map((entry) => [(entry as unknown[])[0], (entry as unknown[])[3]]),
    [
      ["/usr/bin/sleep", true],
      ["/usr/bin/sleep", true],
    ],
  );
});

test("the attack: a command that starts many programs at once gets at most eight hook programs at once", async () => {
  const programs = 30;
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  let ended = 0;
  const hook = moduleHook(
    "PostExec",
    async () => {
      running += 1;
      most = Math.max(most, running);
      await opened;
      running -= 1;
      ended += 1;
    },
    { matcher: "true" },
  );
  const stage = makeStage({ modules: [hook] });
  const command = `for i in $(seq ${programs}); do /bin/true & done; wait`;
  const { session, heard } = await startThread(stage, { model: stage.script([shell(command), { text: "ok" }]) });
  const { id } = await session.startTurn({ input: [] });
  await heard.until(({ notifications }) => {
    const ends = notifications.filter(
      ({ method, params }) => method === "exec/completed" && params.run.file === "/usr/bin/true",
    );
    return ends.length === programs ? true : undefined;
  });
  open();
  await heard.completedTurn(id);
  assert.deepEqual([most, ended], [8, programs]);
});

test("hooks_may_escalate: a hook carries outside what no rule is about, by the conditions of a rule; without it nothing leaves", async () => {
  const hook = moduleHook("PreExec", () => permission("escalate", "it is harmless"), { matcher: "true|env" });
  const decisions = async (options: Parameters<typeof makeStage>[0]): Promise<unknown[]> => {
    const stage = makeStage({ modules: [hook], ...options });
    const thread = await startThread(stage, {
      model: stage.script([shell("/bin/true; /usr/bin/env true; :"), { text: "ok" }]),
    });
    const turn = await runTurn(thread, "go");
    const { data } = await stage.store.listExecRuns(thread.session.id, turn.id, {});
    return data.map(({ record }) => [record.decision, record.reason.kind, record.reason.text]).slice(1, 3);
  };
  const config = "hooks_may_escalate = true\n";
  const by = 'hook "module:test-PreExec:pre_exec:0:0"';
  const told = await decisions({ config });
  assert.deepEqual(told[0], ["escalate", "hook", `it is harmless: carried outside by ${by}`]);
  // A launcher leaves on no hook's word.
  assert.deepEqual(told[1], [
    "run",
    "launcher",
    `it is harmless: ${by} wants it outside, but it is kept inside: it runs its arguments as a program, and the rule does not say escalate = True`,
  ]);
  assert.deepEqual((await decisions({}))[0], ["run", "default", "no rule matches"]);
  const asks = await decisions({ config, rules: 'prefix_rule(["true"], "forbidden")\n' });
  assert.deepEqual([asks[0]].flat().slice(0, 2), ["deny", "rule"]);
});

test("PostExec hooks hear which rule it was", async () => {
  const seen: unknown[] = [];
  const hook = moduleHook("PostExec", ({ file, rule }) => void seen.push([file, rule]), { matcher: "true|sleep" });
  const stage = makeStage({ modules: [hook], rules: 'prefix_rule(["true"], justification = "so it is")\n' });
  await runCommand(stage, "/bin/true; sleep 0.01; :");
  assert.deepEqual(
    seen.toSorted((one, other) => String(one).localeCompare(String(other))),
    [
      ["/usr/bin/sleep", null],
      ["/usr/bin/true", { decision: "allow", justification: "so it is" }],
    ],
  );
});
