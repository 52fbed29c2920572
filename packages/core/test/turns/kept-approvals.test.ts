import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ApprovalDecision } from "../../src/session/approvals.ts";
import { makeStage, startThread } from "../support/stage.ts";
import type { Heard, Stage } from "../support/stage.ts";
import type { ThreadSession } from "../../src/session/thread-session.ts";

const input = [{ type: "text" as const, text: "go", text_elements: [] }];
const rules = 'prefix_rule(["/usr/bin/touch"], decision = "prompt", justification = "touching is sensitive")\n';
const shell = (command: string): object => ({
  tool_calls: [{ name: "shell", arguments: { command } }],
});

async function turnOf(
  { session, heard }: { session: ThreadSession; heard: Heard },
  decide: (proposed: string[] | null) => ApprovalDecision,
): Promise<number> {
  const before = heard.requests.length;
  const stop = session.subscribe({
    request: (request) => {
      if (request.method !== "item/commandExecution/requestApproval") return;
      session.answerApproval(request.requestId, decide(request.params.proposedExecpolicyAmendment));
    },
  });
  const { id } = await session.startTurn({ input });
  await heard.completedTurn(id);
  await session.idle();
  stop();
  return heard.requests.length - before;
}

function threadOf(stage: Stage, commands: string[]): Promise<{ session: ThreadSession; heard: Heard }> {
  const model = stage.script(commands.flatMap((command) => [shell(command), { text: "ok" }]));
  return startThread(stage, { model });
}

test("a yes that is kept for good is asked once, in this thread and the next, and only for just that", async () => {
  const stage = makeStage({ rules });
  const thread = await threadOf(stage, ["touch a", "touch a", "touch b"]);
  const proposed: unknown[] = [];
  const keep = (amendment: string[] | null): ApprovalDecision => {
    proposed.push(amendment);
    return { acceptWithExecpolicyAmendment: { execpolicy_amendment: amendment ?? [] } };
  };
  assert.equal(await turnOf(thread, keep), 1);
  const [request] = thread.heard.requests;
  assert.ok(request?.method === "item/commandExecution/requestApproval");
  assert.deepEqual(request.params.availableDecisions, [
    "accept",
    "acceptForSession",
    { acceptWithExecpolicyAmendment: { execpolicy_amendment: ["touch", "a"] } },
    "decline",
    "cancel",
  ]);
  assert.deepEqual(proposed, [["touch", "a"]]);
  assert.match(readFileSync(join(stage.home, "approvals.rules"), "utf8"), /touch/);
  assert.equal(await turnOf(thread, keep), 0);
  assert.equal(await turnOf(thread, () => "decline"), 1);
  const next = await threadOf(stage, ["touch a"]);
  assert.equal(await turnOf(next, () => "decline"), 0);
});

test("a yes for the session holds in the thread and in no other, and not for the same program with LD_PRELOAD", async () => {
  const stage = makeStage({ rules });
  const thread = await threadOf(stage, ["touch a", "touch a", "LD_PRELOAD=/tmp/x.so touch a"]);
  assert.equal(await turnOf(thread, () => "acceptForSession"), 1);
  assert.equal(await turnOf(thread, () => "decline"), 0);
  assert.equal(await turnOf(thread, () => "decline"), 1);
  const other = await threadOf(stage, ["touch a"]);
  assert.equal(await turnOf(other, () => "decline"), 1);
});
