/** Turns whose question waited when their server ended, and who takes them up. With killed processes: the App Server's tests. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ModuleHook } from "@sallyport/hooks";
import type { TurnRecord } from "../../src/store/index.ts";
import type { ThreadsOptions } from "../../src/session/threads.ts";
import { Heard, makeStage, moduleHook, startThread } from "../support/stage.ts";
import type { Stage } from "../support/stage.ts";

const input = [{ type: "text" as const, text: "go", text_elements: [] }];
const asks = { tool_calls: [{ name: "shell", arguments: { command: "touch a" } }] };

/** A stage that was closed with a question open, and opened anew. */
async function waitAndReopen(
  options: Partial<ThreadsOptions>,
  changes: Partial<ThreadsOptions> & { answers?: readonly object[] },
): Promise<{ stage: Stage; threadId: string; turnId: string }> {
  const before = makeStage(options);
  const model = before.script([asks]);
  const { session, heard } = await startThread(before, { model, approvalPolicy: "untrusted" });
  const { id: turnId } = await session.startTurn({ input });
  await heard.until(({ requests }) => requests[0]);
  const { answers = [], ...other } = changes;
  const stage = await before.reopen(other);
  writeFileSync(model.slice("scripted:".length), answers.map((answer) => JSON.stringify(answer)).join("\n"));
  return { stage, threadId: session.id, turnId };
}

async function turnOf(stage: Stage, threadId: string, turnId: string): Promise<TurnRecord> {
  const turn = await stage.store.readTurn(threadId, turnId, "full");
  assert.ok(turn !== null);
  return turn;
}

function shown({ status, items }: TurnRecord): unknown[] {
  const item = items.find(({ type }) => type === "commandExecution");
  return item?.type === "commandExecution" ? [status, item.status, item.interrupted === true] : [status];
}

test("nobody is there to ask: the turn is interrupted, and the next one works", async () => {
  const { stage, threadId, turnId } = await waitAndReopen({}, { canAsk: false, answers: [{ text: "ok" }] });
  assert.deepEqual(shown(await turnOf(stage, threadId, turnId)), ["inProgress", "inProgress", false]);
  const session = await stage.threads.resume(threadId);
  assert.deepEqual(shown(await turnOf(stage, threadId, turnId)), ["interrupted", "failed", true]);
  assert.deepEqual([session.status, await stage.store.readApprovals(threadId)], [{ type: "idle" }, []]);
  const heard = new Heard(session);
  const { id } = await session.startTurn({ input, approvalPolicy: "never" });
  assert.equal((await heard.completedTurn(id)).status, "completed");
});

test("a model that can't be made any more interrupts the turn", async () => {
  const { stage, threadId, turnId } = await waitAndReopen({}, { answers: [{ no: "script" }] });
  const session = await stage.threads.resume(threadId);
  assert.deepEqual([session.status.type, session.activeTurnId], ["idle", null]);
  assert.deepEqual(shown(await turnOf(stage, threadId, turnId)), ["interrupted", "failed", true]);
});

test("a SessionStart hook that stops the session refuses what waits", async () => {
  const stops = moduleHook("SessionStart", () => ({ continue: false, stopReason: "not today" }));
  const { stage, threadId, turnId } = await waitAndReopen({}, { modules: [stops], answers: [{ text: "never" }] });
  const session = await stage.threads.resume(threadId);
  await session.idle();
  const turn = await turnOf(stage, threadId, turnId);
  const item = turn.items.find(({ type }) => type === "commandExecution");
  assert.ok(item?.type === "commandExecution");
  assert.deepEqual(
    [turn.status, item.status, item.declinedBy],
    ["completed", "declined", { hookRunId: turn.hookRuns.at(-1)?.id }],
  );
  assert.deepEqual(await stage.store.readApprovals(threadId), []);
  assert.equal(existsSync(join(stage.project, "a")), false);
});

test("hooks before the question are not asked a second time, those behind it are, and what they added is kept", async () => {
  const fired: string[] = [];
  const spy = (event: ModuleHook["event"], context: string | null): ModuleHook =>
    moduleHook(event, () => {
      fired.push(event);
      return context === null
        ? undefined
        : { hookSpecificOutput: { hookEventName: event, additionalContext: context } };
    });
  const modules = [
    spy("UserPromptSubmit", null),
    spy("PreToolUse", "said before"),
    spy("PermissionRequest", null),
    spy("PostToolUse", null),
    spy("Stop", null),
  ];
  const answers = [{ expect: "said before", text: "ok" }];
  const { stage, threadId, turnId } = await waitAndReopen({ modules }, { answers });
  assert.deepEqual(fired.splice(0), ["UserPromptSubmit", "PreToolUse", "PermissionRequest"]);
  const session = await stage.threads.resume(threadId);
  const heard = new Heard(session);
  const { requestId } = await heard.until(({ requests }) => requests[0] ?? session.waitingApprovals[0]);
  session.answerApproval(requestId, "accept");
  const turn = await heard.completedTurn(turnId);
  assert.deepEqual([turn.status, fired], ["completed", ["PostToolUse", "Stop"]]);
  assert.deepEqual(
    turn.hookRuns.map(({ eventName }) => eventName),
    ["userPromptSubmit", "preToolUse", "permissionRequest", "postToolUse", "stop"],
  );
  const [answered] = await stage.store.readApprovals(threadId);
  assert.equal((answered?.answer as { kind?: string } | null)?.kind, "allow");
});

test("what the client wants changed when it resumes does not reach the turn that waits", async () => {
  const { stage, threadId, turnId } = await waitAndReopen({}, { answers: [{ text: "ok" }] });
  const session = await stage.threads.resume(threadId, { sandbox: "danger-full-access", approvalPolicy: "never" });
  assert.deepEqual(
    [session.settings.sandboxPolicy.type, session.settings.approvalPolicy],
    ["workspaceWrite", "untrusted"],
  );
  const heard = new Heard(session);
  const { requestId } = await heard.until(({ requests }) => requests[0] ?? session.waitingApprovals[0]);
  session.answerApproval(requestId, "decline");
  // The first answer counts: a second one finds nothing, and nothing is remembered of it.
  assert.throws(() => session.answerApproval(requestId, "acceptForSession"), { code: "APPROVAL_UNKNOWN" });
  assert.equal((await heard.completedTurn(turnId)).status, "completed");
});

test("words that were steered into a turn before its server ended are taken up when it goes on", async () => {
  const before = makeStage();
  const model = before.script([asks]);
  const thread = await startThread(before, { model, approvalPolicy: "untrusted" });
  const { id } = await thread.session.startTurn({ input });
  await thread.heard.until(({ requests }) => requests[0]);
  thread.session.steerTurn(id, [{ type: "text", text: "also this", text_elements: [] }]);
  const stage = await before.reopen();
  writeFileSync(model.slice("scripted:".length), JSON.stringify({ expect: "also this", text: "ok" }));
  const session = await stage.threads.resume(thread.session.id);
  const heard = new Heard(session);
  const { requestId } = await heard.until(({ requests }) => requests[0] ?? session.waitingApprovals[0]);
  session.answerApproval(requestId, "decline");
  const turn = await heard.completedTurn(id);
  assert.deepEqual([turn.status, turn.untakenInput], ["completed", undefined]);
});

test("a question waits on where the next server ends before it has asked it", async () => {
  const begun = Promise.withResolvers<void>();
  const stalls = moduleHook("SessionStart", async (_, signal) => {
    begun.resolve();
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    return undefined;
  });
  const { stage, threadId, turnId } = await waitAndReopen({}, { modules: [stalls], answers: [{ text: "ok" }] });
  const asking = await stage.threads.resume(threadId);
  await begun.promise;
  assert.deepEqual([asking.status.type, asking.waitingApprovals], ["active", []]);
  const later = await stage.reopen({ modules: [] });
  const session = await later.threads.resume(threadId);
  const heard = new Heard(session);
  const { requestId } = await heard.until(({ requests }) => requests[0] ?? session.waitingApprovals[0]);
  session.answerApproval(requestId, "decline");
  assert.equal((await heard.completedTurn(turnId)).status, "completed");
});
