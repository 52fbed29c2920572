/** A question outlives its server: killed with SIGKILL or told to end, over stdio and a socket; another server asks again. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { KillableServer } from "./support/killable-server.ts";
import type { RemoteClient, ServerSetup } from "./support/killable-server.ts";
import type { Message, Parsed } from "./support/server.ts";

const base = mkdtempSync(join(tmpdir(), "sallyport-waiting-"));
after(() => rmSync(base, { recursive: true, force: true }));
const noTime = { timeout: 240_000 };

const input = [{ type: "text", text: "go" }];
const shell = (command: string): object => ({ name: "shell", arguments: { command } });
const patch = (text: string): object => ({ name: "apply_patch", arguments: { input: text } });
const calls = (...tool_calls: object[]): object => ({ tool_calls });

let places = 0;

/** A home with a project and a model's script, for one thread and the servers that come and go. */
class Place {
  readonly home: string;
  readonly project: string;
  readonly script: string;

  constructor() {
    places += 1;
    const folder = join(base, String(places));
    this.home = join(folder, "home");
    this.project = join(folder, "project");
    this.script = join(folder, "script.jsonl");
    mkdirSync(join(this.home, "rules"), { recursive: true, mode: 0o700 });
    mkdirSync(this.project);
    const rule = 'prefix_rule(["/usr/bin/touch"], decision = "prompt", justification = "touching is sensitive")\n';
    writeFileSync(join(this.home, "rules", "test.rules"), rule, { mode: 0o600 });
    const hooks = { UserPromptSubmit: [{ hooks: [{ type: "command", command: "true" }] }] };
    writeFileSync(join(this.home, "hooks.json"), JSON.stringify({ hooks }), { mode: 0o600 });
  }

  /** A thread that is resumed begins with the first answer again. */
  answers(...answers: object[]): void {
    writeFileSync(this.script, answers.map((answer) => JSON.stringify(answer)).join("\n"));
  }

  server(options: Partial<ServerSetup> = {}): KillableServer {
    return new KillableServer({ home: this.home, project: this.project, listen: "stdio", ...options });
  }

  path(name: string): string {
    return join(this.project, name);
  }
}

const isQuestion = ({ id, method }: Message): boolean => id !== undefined && method !== undefined;
const isCompleted = ({ method }: Message): boolean => method === "turn/completed";

interface Waiting {
  place: Place;
  threadId: string;
  turnId: string;
  question: Message;
}

/** A turn whose first call waits for an answer, and whose server is gone. */
async function waitAndEnd(
  call: object,
  {
    place = new Place(),
    params = { approvalPolicy: "untrusted" },
    end = "SIGKILL",
    listen = "stdio",
    until = "thread/status/changed",
  }: {
    place?: Place;
    params?: object;
    end?: "SIGKILL" | "SIGTERM";
    listen?: ServerSetup["listen"];
    until?: string;
  } = {},
): Promise<Waiting> {
  place.answers(call);
  const server = place.server({ listen });
  const client = await server.client();
  const start = { model: `scripted:${place.script}`, config: { bypass_hook_trust: true }, ...params };
  const { result: started } = await client.ask("thread/start", start);
  const threadId = started.thread.id as string;
  const { result } = await client.ask("turn/start", { threadId, input });
  const question = await client.next(isQuestion);
  await client.next(({ method }) => method === until);
  await server.end(end);
  return { place, threadId, turnId: result.turn.id as string, question };
}

async function resume({ threadId }: Waiting, client: RemoteClient): Promise<{ thread: Parsed; question: Message }> {
  const config = { bypass_hook_trust: true };
  const { result, error } = await client.ask("thread/resume", { threadId, config });
  assert.equal(error, undefined);
  return { thread: result.thread, question: await client.next(isQuestion) };
}

function sameQuestion({ question: { method, params } }: { question: Message }): object {
  const { startedAtMs, ...rest } = params;
  assert.equal(typeof startedAtMs, "number");
  return { method, params: rest };
}

async function storedTurn(client: RemoteClient, { threadId }: Waiting): Promise<Parsed> {
  const { result } = await client.ask("thread/read", { threadId, includeTurns: true });
  assert.equal(result.thread.turns.length, 1);
  return result.thread.turns[0];
}

async function ended(client: RemoteClient, waiting: Waiting): Promise<Parsed> {
  const { params } = await client.next(isCompleted);
  assert.equal(params.turn.id, waiting.turnId);
  return await storedTurn(client, waiting);
}

function lastItem(turn: Parsed, type = "commandExecution"): Parsed {
  return turn.items.findLast((item: Parsed) => item.type === type);
}

describe("a command that waits for a yes before it starts", () => {
  for (const listen of ["stdio", "unix"] as const) {
    for (const end of ["SIGKILL", "SIGTERM"] as const) {
      test(`is asked about again after ${end} on ${listen}, and a yes runs it, once`, noTime, async () => {
        const waiting = await waitAndEnd(calls(shell("echo ran >> out; echo hello")), { listen, end });
        const { place } = waiting;
        assert.equal(existsSync(place.path("out")), false);
        place.answers({ expect: "hello", text: "done" });
        const client = await place.server({ listen }).client();
        const read = await storedTurn(client, waiting);
        assert.deepEqual([read.status, lastItem(read).status], ["inProgress", "inProgress"]);
        const again = await resume(waiting, client);
        assert.deepEqual(again.thread.status, { type: "active", activeFlags: ["waitingOnApproval"] });
        assert.deepEqual(sameQuestion(again), sameQuestion(waiting));
        client.answer(again.question.id, { decision: "accept" });
        const turn = await ended(client, waiting);
        const { status, aggregatedOutput, id } = lastItem(turn);
        assert.deepEqual([turn.status, status, aggregatedOutput], ["completed", "completed", "hello\n"]);
        assert.equal(id, waiting.question.params.itemId);
        assert.equal(readFileSync(place.path("out"), "utf8"), "ran\n");
        assert.deepEqual(
          turn.hookRuns.map((run: Parsed) => [run.eventName, run.status]),
          [["userPromptSubmit", "completed"]],
        );
        const told = client.messages.filter(({ method }) => method === "serverRequest/resolved");
        assert.deepEqual(
          told.map(({ params }) => params),
          [{ threadId: waiting.threadId, requestId: again.question.id }],
        );
        assert.equal(client.messages.filter(({ method }) => method === "turn/started").length, 0);
      });
    }
  }

  test("is not run after a no, and the model is told", noTime, async () => {
    const waiting = await waitAndEnd(calls(shell("echo ran > out")));
    waiting.place.answers({ expect: "The command was not run: rejected by the user", text: "done" });
    const client = await waiting.place.server().client();
    const { question } = await resume(waiting, client);
    client.answer(question.id, { decision: "decline" });
    const turn = await ended(client, waiting);
    assert.deepEqual([turn.status, lastItem(turn).status], ["completed", "declined"]);
    assert.equal(existsSync(waiting.place.path("out")), false);
  });

  test("is refused when nobody answers in the time that counts from the new question", noTime, async () => {
    const waiting = await waitAndEnd(calls(shell("echo ran > out")));
    waiting.place.answers({ expect: "no answer within 0.2 s", text: "done" });
    const client = await waiting.place.server({ answerWithinMs: 200 }).client();
    const { question } = await resume(waiting, client);
    assert.ok(question.params.startedAtMs > waiting.question.params.startedAtMs);
    const turn = await ended(client, waiting);
    assert.deepEqual([turn.status, lastItem(turn).status], ["completed", "declined"]);
    assert.equal(existsSync(waiting.place.path("out")), false);
  });

  test("is asked of all who attach; the first of two answers counts, and both are told", noTime, async () => {
    const waiting = await waitAndEnd(calls(shell("echo ran > out")), { listen: "unix" });
    waiting.place.answers({ text: "done" });
    const server = waiting.place.server({ listen: "unix" });
    const clients = [await server.client(), await server.client()];
    const ids: Message["id"][] = [];
    for (const client of clients) ids.push((await resume(waiting, client)).question.id);
    assert.equal(ids[0], ids[1]);
    for (const client of clients) client.answer(ids[0], { decision: client === clients[0] ? "accept" : "decline" });
    const turns = [];
    for (const client of clients) {
      turns.push(await ended(client, waiting));
      assert.equal(client.messages.filter(({ method }) => method === "serverRequest/resolved").length, 1);
    }
    const status = lastItem(turns[0]).status as string;
    assert.deepEqual(turns[1], turns[0]);
    assert.deepEqual(
      [["completed", "declined"].includes(status), existsSync(waiting.place.path("out"))],
      [true, status === "completed"],
    );
  });

  test("is asked about again however often the server dies, whether somebody resumed it or not", noTime, async () => {
    const waiting = await waitAndEnd(calls(shell("echo ran >> out")));
    waiting.place.answers({ text: "done" });
    for (const attaches of [true, false, true]) {
      const server = waiting.place.server();
      const client = await server.client();
      const named = await client.ask("thread/name/set", { threadId: waiting.threadId, name: "waits" });
      assert.equal(named.error, undefined);
      if (attaches) await resume(waiting, client);
      await server.end("SIGKILL");
    }
    const client = await waiting.place.server().client();
    const again = await resume(waiting, client);
    assert.deepEqual(sameQuestion(again), sameQuestion(waiting));
    client.answer(again.question.id, { decision: "accept" });
    assert.equal((await ended(client, waiting)).status, "completed");
    assert.equal(readFileSync(waiting.place.path("out"), "utf8"), "ran\n");
  });

  test("is followed by the calls that were still to be made", noTime, async () => {
    const waiting = await waitAndEnd(calls(shell("echo one >> out"), shell("echo two >> out")));
    waiting.place.answers({ text: "done" });
    const client = await waiting.place.server().client();
    const { question } = await resume(waiting, client);
    client.answer(question.id, { decision: "accept" });
    const second = await client.next((message) => isQuestion(message) && message.id !== question.id);
    client.answer(second.id, { decision: "accept" });
    await ended(client, waiting);
    assert.equal(readFileSync(waiting.place.path("out"), "utf8"), "one\ntwo\n");
  });

  test("is interrupted with its turn where the client asks for that", noTime, async () => {
    const waiting = await waitAndEnd(calls(shell("echo ran > out")));
    waiting.place.answers({ text: "again" });
    const client = await waiting.place.server().client();
    await resume(waiting, client);
    const { threadId, turnId } = waiting;
    await client.ask("turn/interrupt", { threadId, turnId });
    const turn = await ended(client, waiting);
    assert.deepEqual([turn.status, existsSync(waiting.place.path("out"))], ["interrupted", false]);
    // And the thread is usable.
    const { error } = await client.ask("turn/start", { threadId, input });
    assert.equal(error, undefined);
    await client.next(({ method, params }) => method === "turn/completed" && params.turn.id !== turnId);
  });
});

test(
  "a patch that waited is applied after a yes; where the files have changed it is not what was shown",
  noTime,
  async () => {
    const text = "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+two\n*** End Patch";
    for (const changed of [false, true]) {
      const place = new Place();
      writeFileSync(place.path("a.txt"), "one\n");
      const waiting = await waitAndEnd(calls(patch(text)), { place });
      if (changed) writeFileSync(place.path("a.txt"), "zero\none\n");
      const expect = changed ? "the files were changed while its question waited" : "Applied";
      place.answers({ expect, text: "done" });
      const client = await place.server().client();
      const { result } = await client.ask("thread/resume", { threadId: waiting.threadId });
      assert.equal(result.thread.turns[0].status, "inProgress");
      if (!changed) client.answer((await client.next(isQuestion)).id, { decision: "accept" });
      const turn = await ended(client, waiting);
      assert.deepEqual(
        [turn.status, lastItem(turn, "fileChange").status],
        ["completed", changed ? "failed" : "completed"],
      );
      assert.equal(readFileSync(place.path("a.txt"), "utf8"), changed ? "zero\none\n" : "two\n");
      assert.equal(client.messages.some(isQuestion), !changed);
    }
  },
);

describe("a program of a running command that waits for a yes", () => {
  const command = "echo begun; touch a; echo $?";

  test("can't go on: the answer is for the retry, which is not asked again, and holds once", noTime, async () => {
    const until = "item/commandExecution/outputDelta";
    const waiting = await waitAndEnd(calls(shell(command)), { params: {}, until });
    const { place } = waiting;
    place.answers(
      { expect: "The user has allowed this program of it: /usr/bin/touch a", ...calls(shell(command)) },
      { expect: "exit code: 0", ...calls(shell(command)) },
      { text: "done" },
    );
    const client = await place.server().client();
    const { question, thread } = await resume(waiting, client);
    const cut = lastItem(thread.turns[0]);
    assert.deepEqual([cut.status, cut.interrupted, cut.aggregatedOutput], ["failed", true, "begun\n"]);
    const { itemId, approvalId, command: asked, reason } = waiting.question.params;
    assert.deepEqual(
      [question.params.itemId, question.params.approvalId, question.params.command],
      [itemId, approvalId, asked],
    );
    assert.ok(String(question.params.reason).startsWith(`${reason}. The command was cut short`));
    client.answer(question.id, { decision: "accept" });
    // The retry ran unasked, so this is about the third start.
    const third = await client.next((message) => isQuestion(message) && message.id !== question.id);
    assert.notEqual(third.params.itemId, itemId);
    assert.ok(existsSync(place.path("a")));
    client.answer(third.id, { decision: "decline" });
    const turn = await ended(client, waiting);
    const statuses = turn.items.flatMap((item: Parsed) => (item.type === "commandExecution" ? [item.status] : []));
    assert.deepEqual([turn.status, statuses], ["completed", ["failed", "completed", "completed"]]);
  });

  test("a no is told to the model, and the retry is asked about", noTime, async () => {
    const waiting = await waitAndEnd(calls(shell(command)), { params: {}, end: "SIGTERM" });
    const { place } = waiting;
    place.answers(
      { expect: "The program was refused: rejected by the user. Program: /usr/bin/touch a", ...calls(shell(command)) },
      { text: "done" },
    );
    const client = await place.server().client();
    const { question } = await resume(waiting, client);
    client.answer(question.id, { decision: "decline" });
    const retried = await client.next((message) => isQuestion(message) && message.id !== question.id);
    client.answer(retried.id, { decision: "cancel" });
    assert.equal((await ended(client, waiting)).status, "interrupted");
    assert.equal(existsSync(place.path("a")), false);
  });
});

test(
  "the control: a turn of a killed server that asked nothing reads as interrupted, and nobody is asked",
  noTime,
  async () => {
    const place = new Place();
    place.answers(calls(shell("echo begun; sleep 600")));
    const server = place.server();
    const client = await server.client();
    const { result } = await client.ask("thread/start", { model: `scripted:${place.script}` });
    const threadId = result.thread.id as string;
    await client.ask("turn/start", { threadId, input });
    await client.next(({ method }) => method === "item/commandExecution/outputDelta");
    await server.end("SIGKILL");
    const later = await place.server().client();
    const { result: again } = await later.ask("thread/resume", { threadId });
    assert.deepEqual([again.thread.status.type, again.thread.turns[0].status], ["idle", "interrupted"]);
    assert.deepEqual(lastItem(again.thread.turns[0]).interrupted, true);
    // Questions come right behind the answer: a round trip later one would be here.
    await later.ask("thread/read", { threadId });
    assert.equal(later.messages.some(isQuestion), false);
  },
);

test(
  "a question about permissions waits too, in the peer's form, and what is granted holds for the turn that goes on",
  noTime,
  async () => {
    const place = new Place();
    writeFileSync(join(place.home, "config.toml"), "[features]\nrequest_permissions_tool = true\n", { mode: 0o600 });
    const permissions = { network: { enabled: true } };
    const call = calls({ name: "request_permissions", arguments: { reason: "to fetch", permissions } });
    const waiting = await waitAndEnd(call, { place, params: {} });
    place.answers(
      { expect: '{"network":{"enabled":true}', ...calls(shell("ls /sys/class/net | wc -l")) },
      { text: "ok" },
    );
    const client = await place.server().client();
    const again = await resume(waiting, client);
    assert.deepEqual(sameQuestion(again), sameQuestion(waiting));
    const { environmentId, cwd, reason, permissions: asked } = again.question.params;
    assert.deepEqual(
      [again.question.method, environmentId, cwd, reason, asked],
      ["item/permissions/requestApproval", null, place.project, "to fetch", { ...permissions, fileSystem: null }],
    );
    client.answer(again.question.id, { permissions, scope: "turn" });
    assert.equal((await ended(client, waiting)).status, "completed");
  },
);
