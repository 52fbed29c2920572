/** A managed rule that wants a person's own word: only who shows it to a person is asked, and only a word for this once counts. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ServerPlace, TestClient } from "./support/server.ts";
import type { Message } from "./support/server.ts";

const place = new ServerPlace();
const systemFolder = join(place.base, "machine");
mkdirSync(systemFolder, { mode: 0o700 });
writeFileSync(
  join(systemFolder, "requirements.toml"),
  `[rules]\nprefix_rules = [{ pattern = [{ token = "/usr/bin/touch" }], decision = "prompt-user", justification = "ask me" }]\n`,
  { mode: 0o600 },
);
const server = place.server({ systemFolder });
const isQuestion = ({ method }: Message): boolean => method === "item/commandExecution/requestApproval";

const touch = (name: string): object => ({
  tool_calls: [{ name: "shell", arguments: { command: `touch ${name} 2>&1; echo status $?` } }],
});

async function onTurn(
  client: TestClient,
  name: string,
  expected: string,
): Promise<{ threadId: string; turnId: string; question: () => Promise<Message> }> {
  const model = place.script([touch(name), { expect: expected, text: "ok" }]);
  const { id: threadId } = await client.startThread(model);
  const { turn } = await client.call("turn/start", { threadId, input: [{ type: "text", text: "go" }] });
  const question = (): Promise<Message> =>
    client.next((message) => isQuestion(message) && message.params.threadId === threadId);
  return { threadId, turnId: turn.id as string, question };
}

test("a client that shows it to a person is asked, another one is not and cannot answer", async () => {
  const person = await TestClient.initialized(server, { requiredHumanApproval: true });
  const other = await TestClient.initialized(server);
  const { threadId, turnId, question } = await onTurn(person, "a", "status 0");
  const { id, params } = await question();
  await other.call("thread/resume", { threadId });
  assert.deepEqual(
    [params.kind, params.reason, params.availableDecisions, params.proposedExecpolicyAmendment],
    [
      "humanCommand",
      `ask me (rule ["/usr/bin/touch"] at ${systemFolder}/requirements.toml:2); this requires human approval`,
      ["accept", "decline", "cancel"],
      null,
    ],
  );
  assert.ok(id !== undefined);
  // The attack: an agent's own client answers what a person is asked.
  other.send({ id, result: { decision: "accept" } });
  await other.call("thread/loaded/list", {});
  assert.deepEqual([other.messages.filter(isQuestion), existsSync(join(place.project, "a"))], [[], false]);
  // And each of several comes to it: also one that attaches later.
  const later = await TestClient.initialized(server, { requiredHumanApproval: true });
  await later.call("thread/resume", { threadId });
  assert.equal((await later.next(isQuestion)).id, id);
  later.send({ id, result: { decision: "accept" } });
  assert.equal((await person.turnCompleted(turnId)).error, null);
  assert.equal(existsSync(join(place.project, "a")), true);
});

for (const decision of [
  "acceptForSession",
  { acceptWithExecpolicyAmendment: { execpolicy_amendment: ["touch", "b"] } },
  "decline",
]) {
  test(`${JSON.stringify(decision)} is no word for this once`, async () => {
    const person = await TestClient.initialized(server, { requiredHumanApproval: true });
    const { turnId, question } = await onTurn(person, "b", "status 1");
    const { id } = await question();
    person.send({ id: id ?? "", result: { decision } });
    assert.equal((await person.turnCompleted(turnId)).error, null);
    assert.equal(existsSync(join(place.project, "b")), false);
  });
}

test("where no such client is there it is refused at once", async () => {
  const other = await TestClient.initialized(server);
  const { turnId } = await onTurn(other, "c", "no client that is here shows questions to one");
  assert.equal((await other.turnCompleted(turnId)).error, null);
  assert.deepEqual([other.messages.filter(isQuestion), existsSync(join(place.project, "c"))], [[], false]);
});
