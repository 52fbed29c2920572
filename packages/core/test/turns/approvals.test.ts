import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { CommandExecutionItem, Turn } from "@sallyport/protocol";
import { Approvals } from "../../src/session/approvals.ts";
import type { ApprovalDecision, ApprovalRequest } from "../../src/session/approvals.ts";
import { ThreadLog } from "../../src/session/thread-log.ts";
import type { ThreadSession } from "../../src/session/thread-session.ts";
import { makeStage, moduleHook, runTurn, startThread } from "../support/stage.ts";
import type { Heard, Stage } from "../support/stage.ts";

const input = [{ type: "text" as const, text: "go", text_elements: [] }];
const rules = 'prefix_rule(["/usr/bin/touch"], decision = "prompt", justification = "touching is sensitive")\n';
const shell = (command: string): object => ({ tool_calls: [{ name: "shell", arguments: { command } }] });

async function answering(
  { session, heard }: { session: ThreadSession; heard: Heard },
  decisions: ApprovalDecision[],
): Promise<{ turn: Turn; requests: ApprovalRequest[] }> {
  const { id } = await session.startTurn({ input });
  for (const [index, decision] of decisions.entries()) {
    const request = await heard.until(({ requests }) => requests[index]);
    session.answerApproval(request.requestId, decision);
  }
  const turn = await heard.completedTurn(id);
  await session.idle();
  return { turn, requests: heard.requests };
}

async function commandsOf(stage: Stage, session: ThreadSession, turn: Turn): Promise<CommandExecutionItem[]> {
  const stored = await stage.store.readTurn(session.id, turn.id, "full");
  return (stored?.items ?? []).filter((item) => item.type === "commandExecution");
}

test("a prompt rule asks about the exact program; accept lets it run once", async () => {
  const stage = makeStage({ rules });
  const model = stage.script([shell("touch a; echo $?"), shell("touch a; echo $?"), { text: "ok" }]);
  const thread = await startThread(stage, { model });
  const { turn, requests } = await answering(thread, ["accept", "decline"]);
  const [first, second] = requests;
  assert.ok(first?.method === "item/commandExecution/requestApproval");
  const { params } = first;
  assert.deepEqual(
    [params.threadId, params.turnId, params.command, params.cwd, params.availableDecisions],
    [
      thread.session.id,
      turn.id,
      "/usr/bin/touch a",
      stage.project,
      [
        "accept",
        "acceptForSession",
        { acceptWithExecpolicyAmendment: { execpolicy_amendment: ["touch", "a"] } },
        "decline",
        "cancel",
      ],
    ],
  );
  assert.match(params.reason ?? "", /^touching is sensitive \(rule /);
  assert.notEqual(first.requestId, second?.requestId);
  const items = await commandsOf(stage, thread.session, turn);
  assert.deepEqual(
    items.map(({ status, aggregatedOutput }) => [status, aggregatedOutput?.trim().split("\n").at(-1)]),
    [
      ["completed", "0"],
      ["completed", "1"],
    ],
  );
  assert.ok(existsSync(join(stage.project, "a")));
  assert.equal(turn.status, "completed");
  const runs = await stage.store.listExecRuns(thread.session.id, turn.id, {});
  const touches = runs.data.map(({ record }) => record).filter(({ argv }) => argv[0] === "touch");
  assert.deepEqual(
    touches.map(({ decision, reason }) => [decision, reason.kind]),
    [
      // A yes is as an allow rule: the program is out of reach for code inside, so it goes outside.
      ["escalate", "approval"],
      ["deny", "approval"],
    ],
  );
});

test("the thread waits on approval while it is asked, and clients hear when it is resolved", async () => {
  const stage = makeStage({ rules });
  const thread = await startThread(stage, { model: stage.script([shell("touch a"), { text: "ok" }]) });
  await answering(thread, ["accept"]);
  const { outline } = thread.heard;
  const at = outline.indexOf("serverRequest/resolved");
  assert.deepEqual(outline.slice(at - 1, at + 2), [
    "thread/status/changed active",
    "serverRequest/resolved",
    "thread/status/changed active",
  ]);
  const flags = thread.heard.notifications.flatMap(({ method, params }) =>
    method === "thread/status/changed" && params.status.type === "active" ? [params.status.activeFlags] : [],
  );
  assert.deepEqual(flags, [[], ["waitingOnApproval"], []]);
  assert.deepEqual(thread.session.waitingApprovals, []);
});

test("acceptForSession holds for the same program and arguments, in later turns too", async () => {
  const stage = makeStage({ rules });
  const model = stage.script([shell("touch a"), { text: "one" }, shell("touch a"), shell("touch b"), { text: "two" }]);
  const thread = await startThread(stage, { model });
  await answering(thread, ["acceptForSession"]);
  const { id } = await thread.session.startTurn({ input });
  const request = await thread.heard.until(({ requests }) => requests[1]);
  assert.equal(
    request.method === "item/commandExecution/requestApproval" && request.params.command,
    "/usr/bin/touch b",
  );
  thread.session.answerApproval(request.requestId, "decline");
  await thread.heard.completedTurn(id);
  assert.equal(thread.heard.requests.length, 2);
});

test("cancel refuses and ends the turn as interrupted", async () => {
  const stage = makeStage({ rules });
  const thread = await startThread(stage, { model: stage.script([shell("touch a"), { text: "never" }]) });
  const { turn } = await answering(thread, ["cancel"]);
  assert.equal(turn.status, "interrupted");
  assert.equal(existsSync(join(stage.project, "a")), false);
});

test("where nobody can be asked, or policy says never, a prompt rule denies at once", async () => {
  for (const [options, reason] of [
    [{ canAsk: false }, /nobody is there to ask/],
    [{ config: 'approval_policy = "never"\n' }, /the approval policy is never to ask/],
  ] as const) {
    const stage = makeStage({ rules, ...options });
    const thread = await startThread(stage, { model: stage.script([shell("touch a"), { text: "ok" }]) });
    const { turn } = await answering(thread, []);
    const [item] = await commandsOf(stage, thread.session, turn);
    assert.deepEqual([item?.status, thread.heard.requests], ["declined", []]);
    assert.match(item?.aggregatedOutput ?? "", reason);
  }
});

test("what is asked about is the program that runs, whatever the caller calls it", async () => {
  const stage = makeStage({ rules });
  const script = "(exec -a 'ls -l' touch a); (exec -a $'ls\\u202e' touch b)";
  const thread = await startThread(stage, { model: stage.script([shell(script), { text: "ok" }]) });
  await answering(thread, ["decline", "decline"]);
  const asked = thread.heard.requests.map(
    (request) => request.method === "item/commandExecution/requestApproval" && request.params.command,
  );
  assert.deepEqual(asked, ["exec -a 'ls -l' /usr/bin/touch a", String.raw`exec -a $'ls\u202e' /usr/bin/touch b`]);
});

test("the policy untrusted asks before every command, and decline leaves a declined item", async () => {
  const stage = makeStage();
  const model = stage.script([
    shell("touch a"),
    { expect: "The command was not run: rejected by the user. Command: touch a", text: "ok" },
  ]);
  const thread = await startThread(stage, { model, approvalPolicy: "untrusted" });
  const { turn } = await answering(thread, ["decline"]);
  const [item] = await commandsOf(stage, thread.session, turn);
  assert.deepEqual([item?.status, item?.exitCode, turn.status], ["declined", null, "completed"]);
  assert.equal(existsSync(join(stage.project, "a")), false);
});

test("a PermissionRequest hook answers in place of a person, and a deny of one beats the allow of another", async () => {
  const decide = (behavior: "allow" | "deny"): object => ({
    hookSpecificOutput: {
      hookEventName: "PermissionRequest",
      decision: behavior === "deny" ? { behavior, message: "not by me" } : { behavior },
    },
  });
  const seen: unknown[] = [];
  const allowing = moduleHook("PermissionRequest", ({ tool_name: name, tool_input: given }) => {
    seen.push([name, (given as Record<string, unknown>)["command"]]);
    return decide("allow");
  });
  const stage = makeStage({ rules, modules: [allowing] });
  const thread = await startThread(stage, { model: stage.script([shell("touch a"), { text: "ok" }]) });
  await answering(thread, []);
  assert.ok(existsSync(join(stage.project, "a")));
  assert.deepEqual(seen, [["Bash", "/usr/bin/touch a"]]);

  const denying = moduleHook("PermissionRequest", () => decide("deny"), { name: "denies" });
  const strict = makeStage({ rules, modules: [allowing, denying] });
  const other = await startThread(strict, { model: strict.script([shell("touch a"), { text: "ok" }]) });
  const { turn } = await answering(other, []);
  const [item] = await commandsOf(strict, other.session, turn);
  assert.match(item?.aggregatedOutput ?? "", /not by me/);
  assert.deepEqual([existsSync(join(strict.project, "a")), other.heard.requests], [false, []]);
});

test("a guard hook that fails and says ask makes the command a question", async () => {
  const guard = moduleHook(
    "PreToolUse",
    () => {
      throw new Error("broken");
    },
    { onError: "ask" },
  );
  const stage = makeStage({ modules: [guard] });
  const thread = await startThread(stage, { model: stage.script([shell("touch a"), { text: "ok" }]) });
  const { requests } = await answering(thread, ["accept"]);
  assert.equal(requests.length, 1);
  assert.ok(existsSync(join(stage.project, "a")));
});

test("an interrupt takes an open question back", async () => {
  const stage = makeStage({ rules });
  const { session, heard } = await startThread(stage, { model: stage.script([shell("touch a")]) });
  const { id } = await session.startTurn({ input });
  const request = await heard.until(({ requests }) => requests[0]);
  session.interrupt(id);
  const turn = await heard.completedTurn(id);
  assert.equal(turn.status, "interrupted");
  assert.ok(heard.outline.indexOf("serverRequest/resolved") < heard.outline.indexOf("turn/completed"));
  assert.throws(() => session.answerApproval(request.requestId, "accept"), { code: "APPROVAL_UNKNOWN" });
  assert.equal(existsSync(join(stage.project, "a")), false);
});

test("an answer that is none refuses, and the turn goes on", async () => {
  const stage = makeStage({ rules });
  const { session, heard } = await startThread(stage, { model: stage.script([shell("touch a"), { text: "ok" }]) });
  const { id } = await session.startTurn({ input });
  const { requestId } = await heard.until(({ requests }) => requests[0]);
  session.failApproval(requestId, "the client sent no decision");
  assert.equal((await heard.completedTurn(id)).status, "completed");
  assert.equal(existsSync(join(stage.project, "a")), false);
});

test("while a question waits the command's time does not run", async () => {
  const stage = makeStage({ rules });
  const call = { name: "shell", arguments: { command: "touch a && echo done", timeout_ms: 400 } };
  const thread = await startThread(stage, { model: stage.script([{ tool_calls: [call] }, { text: "ok" }]) });
  const { id } = await thread.session.startTurn({ input });
  const { requestId } = await thread.heard.until(({ requests }) => requests[0]);
  // Longer than the command may take: what is waited for is that time itself.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  thread.session.answerApproval(requestId, "accept");
  const turn = await thread.heard.completedTurn(id);
  const [item] = await commandsOf(stage, thread.session, turn);
  assert.deepEqual([item?.status, item?.aggregatedOutput], ["completed", "done\n"]);
  // The control: the limit itself holds.
  const slow = { name: "shell", arguments: { command: "sleep 30", timeout_ms: 400 } };
  const other = await startThread(stage, { model: stage.script([{ tool_calls: [slow] }, { text: "ok" }]) });
  const ended = await answering(other, []);
  const [late] = await commandsOf(stage, other.session, ended.turn);
  assert.equal(late?.status, "failed");
});

test("a granular policy says for rules and for whole actions whether they are asked about", async () => {
  const guard = moduleHook(
    "PreToolUse",
    () => {
      throw new Error("broken");
    },
    { onError: "ask" },
  );
  for (const [granular, asked] of [
    [{ rules: true, sandbox_approval: true }, 2],
    [{ rules: false, sandbox_approval: true }, 1],
    [{ rules: true, sandbox_approval: false }, 0],
  ] as const) {
    const stage = makeStage({ rules, modules: [guard] });
    const model = stage.script([shell("touch a"), { text: "ok" }]);
    const thread = await startThread(stage, { model, approvalPolicy: { granular } });
    const { requests } = await answering(thread, Array(asked).fill("accept"));
    assert.equal(requests.length, asked, JSON.stringify(granular));
    assert.equal(existsSync(join(stage.project, "a")), asked === 2);
  }
});

test("a yes is kept for what was proposed, and for nothing that a client makes up", async () => {
  const stage = makeStage();
  const { session, heard } = await startThread(stage, { model: stage.script([{ text: "ok" }]) });
  const { id: turnId } = await runTurn({ session, heard }, "go");
  const proposals = ["/a", null].map((cwd) => ({
    pattern: ["git", "push"],
    exact: true,
    file: "/usr/bin/git",
    sha256: null,
    cwd,
  }));
  const approvals = new Approvals({
    threadId: session.id,
    log: new ThreadLog(stage.store, session.id),
    nextRequestId: () => 1,
    onFlags: (activeFlags) => ({
      method: "thread/status/changed",
      params: { threadId: session.id, status: { type: "active", activeFlags } },
    }),
    answerWithinMs: 30_000,
  });
  const ask = async (decision: ApprovalDecision): Promise<unknown> => {
    const params = { threadId: session.id, turnId: "", itemId: "", startedAtMs: 0, reason: null, grantRoot: null };
    const unsubscribe = approvals.subscribe({
      request: ({ requestId }) => approvals.answer(requestId, decision),
      reachesPerson: () => false,
    });
    try {
      return await approvals.ask(
        {
          question: { method: "item/fileChange/requestApproval", params },
          scope: { rememberAs: JSON.stringify(decision), proposals },
          askedBefore: null,
          turnId,
          waitingItemId: null,
          programIdentity: null,
          progress: { outputSchema: null, rounds: 0, lastText: null, granted: [], call: null },
        },
        new AbortController().signal,
      );
    } finally {
      unsubscribe();
    }
  };
  const keep = (...pattern: string[]): ApprovalDecision => ({
    acceptWithExecpolicyAmendment: { execpolicy_amendment: pattern },
  });
  assert.deepEqual(await ask(keep("git", "push")), {
    kind: "allow",
    by: "the user",
    keep: { scope: "always", proposal: proposals[0] },
  });
  assert.deepEqual(await ask("accept"), { kind: "allow", by: "the user" });
  assert.deepEqual(await ask("acceptForSession"), {
    kind: "allow",
    by: "the user, for this session",
    keep: { scope: "session" },
  });
  for (const pattern of [["git"], [], ["git", "push", "--force"], ["sh"]]) {
    assert.deepEqual(await ask(keep(...pattern)), {
      kind: "deny",
      reason: "the approval request failed: what the client wants to keep was not proposed",
      decision: "decline",
    });
  }
});

const patch = (path: string): object => ({
  tool_calls: [
    { name: "apply_patch", arguments: { input: `*** Begin Patch\n*** Add File: ${path}\n+x\n*** End Patch` } },
  ],
});
const reasonOf = (request: ApprovalRequest): string | null | undefined =>
  request.method === "item/fileChange/requestApproval" ? request.params.reason : undefined;
const statuses = async (stage: Stage, session: ThreadSession, turn: Turn): Promise<string[]> =>
  ((await stage.store.readTurn(session.id, turn.id, "full"))?.items ?? []).flatMap((item) =>
    item.type === "fileChange" ? [item.status] : [],
  );

test("a patch that writes elsewhere is asked about with the place, and a yes is for that place alone", async () => {
  const stage = makeStage();
  const elsewhere = mkdtempSync(join(tmpdir(), "sallyport-elsewhere-"));
  after(() => rmSync(elsewhere, { recursive: true }));
  const model = stage.script([
    patch(join(elsewhere, "a")),
    { ...patch(join(elsewhere, "b")), expect: `Applied:\nA ${elsewhere}/a` },
    { ...patch(join(elsewhere, "c")), expect: `"${elsewhere}/b" lies outside the writable folders ${stage.project}; ` },
    { text: "ok", expect: `Applied:\nA ${elsewhere}/c` },
    patch(join(elsewhere, "b")),
    { text: "ok", expect: `"${elsewhere}/b" lies outside` },
  ]);
  const thread = await startThread(stage, { model });
  const { turn, requests } = await answering(thread, ["accept", "decline", "acceptForSession"]);
  assert.equal(turn.error, null);
  assert.deepEqual(
    requests.map((request) => [request.method, reasonOf(request)]),
    ["a", "b", "c"].map((name) => [
      "item/fileChange/requestApproval",
      `"${elsewhere}/${name}" lies outside the writable folders ${stage.project}`,
    ]),
  );
  assert.deepEqual(await statuses(stage, thread.session, turn), ["completed", "declined", "completed"]);
  assert.deepEqual(readdirSync(elsewhere), ["a", "c"]);
  // What was answered for one file says nothing of another.
  const { id } = await thread.session.startTurn({ input });
  const fourth = await thread.heard.until((heard) => heard.requests[3]);
  thread.session.answerApproval(fourth.requestId, "decline");
  const second = await thread.heard.completedTurn(id);
  assert.deepEqual([second.error, readdirSync(elsewhere)], [null, ["a", "c"]]);
});

test("no yes makes a patch write what is protected, unreadable or Sallyport's own, and with never nothing is asked", async () => {
  const stage = makeStage();
  const elsewhere = mkdtempSync(join(tmpdir(), "sallyport-elsewhere-"));
  after(() => rmSync(elsewhere, { recursive: true }));
  const refused = [
    join(elsewhere, ".git/hooks/post-checkout"),
    join(elsewhere, ".codex/hooks.json"),
    join(stage.home, "rules/x.rules"),
    join(homedir(), ".ssh/authorized_keys"),
    join(homedir(), ".bashrc"),
    "/proc/self/comm",
    "/x",
  ];
  for (const path of refused) {
    const model = stage.script([patch(path), { text: "ok", expect: "The patch was not applied: " }]);
    const thread = await startThread(stage, { model });
    const { turn, requests } = await answering(thread, []);
    assert.deepEqual([turn.error, requests], [null, []], path);
  }
  const model = stage.script([
    patch(join(elsewhere, "a")),
    { text: "ok", expect: "lies outside the writable folders" },
  ]);
  const thread = await startThread(stage, { model, approvalPolicy: "never" });
  const { turn, requests } = await answering(thread, []);
  assert.deepEqual([turn.error, requests, await statuses(stage, thread.session, turn)], [null, [], ["failed"]]);
  assert.deepEqual(readdirSync(elsewhere), []);
});

test("in a read-only sandbox every patch is asked about", async () => {
  const stage = makeStage();
  const model = stage.script([patch("a"), { ...patch("b"), expect: "Applied:" }, { text: "ok", expect: "read-only" }]);
  const thread = await startThread(stage, { model, sandbox: "read-only" });
  const { turn, requests } = await answering(thread, ["accept", "decline"]);
  assert.deepEqual(
    [turn.error, requests.map(reasonOf)],
    [null, ["a", "b"].map((name) => `"${join(stage.project, name)}" can't be written: the sandbox is read-only`)],
  );
  assert.deepEqual(await statuses(stage, thread.session, turn), ["completed", "declined"]);
  assert.deepEqual([existsSync(join(stage.project, "a")), existsSync(join(stage.project, "b"))], [true, false]);
});
