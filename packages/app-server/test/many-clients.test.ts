/** Several clients of one thread: whoever comes, at whichever event, ends with the picture of who was there from the start. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ThreadPicture } from "@sallyport/client";
import type { ServerNotification, Thread } from "@sallyport/protocol";
import type { AppServer } from "../src/app-server.ts";
import { ServerPlace, TestClient } from "./support/server.ts";
import type { Message } from "./support/server.ts";

const place = new ServerPlace();
const bypass = { config: { bypass_hook_trust: true } };
const hook = (command: string): object[] => [{ hooks: [{ type: "command", command }] }];
writeFileSync(
  join(place.home, "hooks.json"),
  JSON.stringify({ hooks: { UserPromptSubmit: hook("true"), PreToolUse: hook("true"), Stop: hook("true") } }),
  { mode: 0o600 },
);
const server = place.server();
const extensions = { sallyport: {} };

/** Everything that a turn can tell of. Thirty milliseconds apart, so that the output comes in pieces. */
const everything = [
  { tool_calls: [{ name: "update_plan", arguments: { plan: [{ step: "write", status: "in_progress" }] } }] },
  { tool_calls: [{ name: "shell", arguments: { command: "for i in 1 2 3; do echo $i; sleep 0.03; done" } }] },
  {
    tool_calls: [
      { name: "apply_patch", arguments: { input: "*** Begin Patch\n*** Add File: new.txt\n+one\n*** End Patch" } },
    ],
  },
  { reasoning: "because", text: "in pieces", chunk_size: 2, chunk_delay_ms: 2, usage: { input_tokens: 3 } },
];

/** Puts what it is told into a picture, from its answer to thread/resume on. */
class Follower {
  readonly #client: TestClient;
  readonly ended: Promise<void>;
  readonly events: Message[] = [];
  picture: ThreadPicture | null = null;
  /** Called inside the telling of each event. */
  onEvent: () => void = () => {};
  readonly attached: Promise<void>;
  readonly #end: () => void;
  readonly #attach: () => void;

  constructor(on: AppServer, threadId: string) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
    const attached = Promise.withResolvers<void>();
    this.attached = attached.promise;
    this.#attach = attached.resolve;
    this.#client = new TestClient(on, (message) => this.#take(message));
    const clientInfo = { name: "follower", version: "1" };
    this.#client.send({ id: 1, method: "initialize", params: { clientInfo, capabilities: { extensions } } });
    this.#client.send({ id: 2, method: "thread/resume", params: { threadId } });
  }

  close(): void {
    this.#client.connection.close();
  }

  #take(message: Message): void {
    if (message.id === 2 && message.method === undefined) {
      assert.equal(message.error, undefined);
      this.picture = new ThreadPicture(message.result.thread as Thread);
      this.#attach();
    } else if (this.picture !== null && message.method !== undefined) {
      this.events.push(message);
      this.picture.apply({ method: message.method, params: message.params } as ServerNotification);
      this.onEvent();
    }
    const turn = this.picture?.thread.turns.at(-1);
    if (turn !== undefined && turn.status !== "inProgress" && this.picture?.thread.status.type === "idle") this.#end();
  }
}

/** What a person would see. */
function seen({ picture }: Follower): object {
  assert.ok(picture !== null);
  const { thread, tokenUsage, diffs, plans } = picture;
  return { status: thread.status, turns: thread.turns, tokenUsage, diffs: [...diffs], plans: [...plans] };
}

/** Runs a turn of everything; `atEvent` is called inside the telling of each event to the one who started it. */
async function runEverything(atEvent: (threadId: string) => void): Promise<Follower> {
  const starter = await TestClient.initialized(server, { extensions });
  const thread = await starter.startThread(place.script(everything), { ...bypass, sandbox: "danger-full-access" });
  const first = new Follower(server, thread.id);
  await first.attached;
  first.onEvent = () => atEvent(thread.id);
  await starter.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  await first.ended;
  return first;
}

test("a client that attaches at any event of a turn ends with the picture of one that was there from the start", async () => {
  const late: Follower[] = [];
  const first = await runEverything((threadId) => late.push(new Follower(server, threadId)));
  // Pieces that come close together are told as one, so a busy machine tells of fewer.
  assert.ok(late.length > 15, `only ${late.length} events`);
  for (const [index, follower] of late.entries()) {
    await follower.ended;
    assert.deepEqual(seen(follower), seen(first), `attached at event ${index}`);
    follower.close();
  }
});

test("a client that drops its connection and returns at every event misses nothing and gets nothing twice", async () => {
  let returning: Follower | null = null;
  let returns = 0;
  const first = await runEverything((threadId) => {
    // Not before it was there: a client that never hears anything proves nothing.
    if (returning !== null && returning.picture === null) return;
    returning?.close();
    returning = new Follower(server, threadId);
    returns += 1;
  });
  const last = returning as Follower | null;
  assert.ok(last !== null && returns > 5, `only ${returns} returns`);
  await last.ended;
  assert.deepEqual(seen(last), seen(first));
});

writeRule();
const asks = { tool_calls: [{ name: "shell", arguments: { command: "/usr/bin/id -u" } }] };

test("a question is asked of all, the first answer counts, all are told, and it outlives the client that was asked", async () => {
  const starter = await TestClient.initialized(server);
  const thread = await starter.startThread(place.script([asks, { text: "done" }]));
  await starter.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  const question = await starter.next(isQuestion);
  starter.connection.close();
  const clients = [await TestClient.initialized(server), await TestClient.initialized(server)];
  for (const client of clients) {
    await client.call("thread/resume", { threadId: thread.id });
    assert.deepEqual(asked(await client.next(isQuestion)), asked(question));
  }
  clients[1]?.send({ id: question.id ?? 0, result: { decision: "decline" } });
  clients[0]?.send({ id: question.id ?? 0, result: { decision: "accept" } });
  for (const client of clients) {
    await client.next(({ method }) => method === "turn/completed");
    const told = client.messages.filter(({ method }) => method === "serverRequest/resolved");
    assert.deepEqual(
      told.map(({ params }) => params),
      [{ threadId: thread.id, requestId: question.id }],
    );
    const item = client.messages.findLast(
      ({ method, params }) => method === "item/completed" && params.item.type === "commandExecution",
    );
    assert.equal(item?.params.item.status, "declined");
  }
});

test("at the server's end a question is not taken back: whoever resumes the thread is asked again", async () => {
  const dying = place.server();
  const starter = await TestClient.initialized(dying);
  const model = place.script([asks, { text: "done" }]);
  const thread = await starter.startThread(model);
  await starter.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  const question = await starter.next(isQuestion);
  await dying.close();
  assert.equal(
    starter.messages.some(({ method }) => method === "serverRequest/resolved"),
    false,
  );
  const later = await TestClient.initialized(place.server());
  const { thread: again } = await later.call("thread/resume", { threadId: thread.id });
  assert.deepEqual([again.status.type, again.turns[0].status], ["active", "inProgress"]);
  // Its command ran already, so its processes ended with the server.
  const item = again.turns[0].items.find(({ type }: { type: string }) => type === "commandExecution");
  assert.deepEqual([item.status, item.interrupted], ["failed", true]);
  const { id, params } = await later.next(isQuestion);
  assert.deepEqual([params.itemId, params.approvalId], [question.params.itemId, question.params.approvalId]);
  later.send({ id, result: { decision: "cancel" } });
  assert.equal((await later.turnCompleted(params.turnId as string)).status, "interrupted");
});

function writeRule(): void {
  mkdirSync(join(place.home, "rules"), { mode: 0o700 });
  const rule = 'prefix_rule(pattern = ["id"], decision = "prompt", justification = "who are you?")\n';
  writeFileSync(join(place.home, "rules", "test.rules"), rule, { mode: 0o600 });
}

function isQuestion({ method }: Message): boolean {
  return method === "item/commandExecution/requestApproval";
}

function asked({ id, method, params }: Message): object {
  return { id, method, params };
}

test("the attack: who was not asked answers, and nobody hears it", async () => {
  const owner = await TestClient.initialized(server);
  const thread = await owner.startThread(place.script([asks, { text: "done" }]));
  const { turn } = await owner.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  const question = await owner.next(isQuestion);
  const stranger = await TestClient.initialized(server);
  const unknown = new TestClient(server); // without a handshake
  for (const client of [stranger, unknown]) client.send({ id: question.id ?? 0, result: { decision: "accept" } });
  // Whoever is asked decides.
  owner.send({ id: question.id ?? 0, result: { decision: "decline" } });
  await owner.turnCompleted(turn.id as string);
  const { thread: read } = await owner.call("thread/read", { threadId: thread.id, includeTurns: true });
  const statuses = read.turns[0].items.flatMap((item: { status?: string }) => item.status ?? []);
  assert.deepEqual(statuses, ["declined"]);
});
