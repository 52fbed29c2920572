/** At every event of a turn one client is cut off and comes back, over a real socket. The event is exact: a client destroys its socket
 *  when it has read that many.
 *
 *      steady     e0 e1 e2 ... the whole turn
 *      client k   e0 ... ek | cut, thread/resume: snapshot | what the snapshot does not hold
 *
 *  All of them follow one turn, so what they heard can be compared event by event. At two gates and at a question the turn stands still until everybody
 *  who is cut by then is back: their snapshots hold half a turn for certain. Between the gates it does not wait. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { ThreadPicture } from "@sallyport/client";
import type { ServerNotification, Thread } from "@sallyport/protocol";
import { WebSocket } from "ws";
import type { Message } from "./support/server.ts";
import { SocketPlace, SocketTestClient, urlOf } from "./support/socket-place.ts";

const place = new SocketPlace();
const hook = (command: string): object[] => [{ hooks: [{ type: "command", command }] }];
writeFileSync(
  join(place.home, "hooks.json"),
  JSON.stringify({
    hooks: {
      UserPromptSubmit: hook("echo be kind"),
      PreToolUse: hook("true"),
      PostToolUse: hook("true"),
      Stop: hook("true"),
    },
  }),
  { mode: 0o600 },
);
mkdirSync(join(place.home, "rules"), { mode: 0o700 });
writeFileSync(
  join(place.home, "rules", "test.rules"),
  'prefix_rule(pattern = ["id"], decision = "prompt", justification = "who are you?")\n',
  { mode: 0o600 },
);
const gates = await Promise.all(["first", "second"].map((name) => makeGate(join(place.base, name))));

/** Everything that a turn can tell of. The command prints a piece before, between and behind its gates. */
const everything = [
  { tool_calls: [{ name: "update_plan", arguments: { plan: [{ step: "write", status: "in_progress" }] } }] },
  {
    tool_calls: [
      {
        name: "shell",
        arguments: {
          command: `/bin/true; echo one; read -r _ <${gates[0]?.path}; echo two; read -r _ <${gates[1]?.path}; echo three`,
        },
      },
    ],
  },
  { tool_calls: [{ name: "shell", arguments: { command: "/usr/bin/id -u" } }] },
  {
    tool_calls: [
      { name: "apply_patch", arguments: { input: "*** Begin Patch\n*** Add File: new.txt\n+one\n*** End Patch" } },
    ],
  },
  { tool_calls: [{ name: "update_plan", arguments: { plan: [{ step: "write", status: "completed" }] } }] },
  // Goes on while clients are away and come back.
  { reasoning: "because", text: "in pieces ".repeat(12), chunk_size: 2, chunk_delay_ms: 2, usage: { input_tokens: 3 } },
];

/** More than the turn has events: who is never cut shows that there were not more. */
const mostEvents = 160;
const deadlineMs = 60_000;
/** Told again behind the answer to a resume, because no turn has a field for them. */
const toldAgain: ReadonlySet<string> = new Set(["turn/plan/updated", "turn/diff/updated", "thread/tokenUsage/updated"]);

/** A turn's command reads one line here. Open for reading and writing, so that neither side waits for the other to open it. */
async function makeGate(path: string): Promise<{ path: string; open: () => Promise<unknown> }> {
  execFileSync("mkfifo", [path]);
  const pipe = await openFile(path, "r+");
  after(() => pipe.close());
  return { path, open: () => pipe.write("go\n") };
}

class Follower {
  readonly cutAfter: number;
  readonly #url: string;
  readonly #threadId: string;
  readonly #onMessage: () => void;
  #socket: WebSocket | null = null;
  #isGreeted = false;
  /** What was read on the first connection, and on the one after the cut. */
  readonly before: Message[] = [];
  readonly behind: Message[] = [];
  picture: ThreadPicture | null = null;
  wasCut = false;
  isSettled = false;

  constructor(url: string, threadId: string, { cutAfter, onMessage }: { cutAfter: number; onMessage: () => void }) {
    this.#url = url;
    this.#threadId = threadId;
    this.cutAfter = cutAfter;
    this.#onMessage = onMessage;
    this.#join();
  }

  answer(id: number | string, decision: string): void {
    this.#send({ id, result: { decision } });
  }

  /** The turn has ended for this one. */
  get isOver(): boolean {
    const turn = this.picture?.thread.turns.at(-1);
    return turn !== undefined && turn.status !== "inProgress" && this.picture?.thread.status.type === "idle";
  }

  /** Everything that the server sent before it answers this has been read then. */
  settle(): void {
    this.#send({ id: 3, method: "thread/loaded/list", params: {} });
  }

  /** What a person would see. */
  get seen(): object {
    assert.ok(this.picture !== null);
    const { thread, tokenUsage, diffs, plans } = this.picture;
    return { status: thread.status, turns: thread.turns, tokenUsage, diffs: [...diffs], plans: [...plans] };
  }

  #send(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #join(): void {
    const socket = new WebSocket(this.#url, { perMessageDeflate: false });
    this.#socket = socket;
    this.picture = null;
    this.#isGreeted = false;
    after(() => socket.terminate());
    socket.on("error", () => {}); // then nothing more comes, and the deadline tells
    socket.on("open", () => {
      const clientInfo = { name: "follower", version: "1" };
      const capabilities = { extensions: { sallyport: {} } };
      this.#send({ id: 1, method: "initialize", params: { clientInfo, capabilities } });
      this.#send({ id: 2, method: "thread/resume", params: { threadId: this.#threadId } });
    });
    socket.on("message", (data: Buffer) => {
      // What lies in the buffers of the connection that was cut is what a client that is gone never reads.
      if (socket !== this.#socket) return;
      this.#take(JSON.parse(data.toString()) as Message);
      this.#onMessage();
    });
  }

  #take(message: Message): void {
    const { id, method, params, result, error } = message;
    assert.equal(error, undefined);
    if (method === undefined) {
      if (id === 2) this.picture = new ThreadPicture(result.thread as Thread);
      if (id === 3) this.isSettled = true;
    } else if (this.picture !== null) {
      // Right behind the answer each is told the status; the turn did not begin with that.
      const isGreeting = !this.#isGreeted && method === "thread/status/changed";
      this.#isGreeted = true;
      if (!isGreeting) (this.wasCut ? this.behind : this.before).push(message);
      if (id === undefined) this.picture.apply({ method, params } as ServerNotification);
      if (this.wasCut || isGreeting || this.before.length - 1 !== this.cutAfter) return;
      this.wasCut = true;
      this.#socket?.terminate();
      this.#join();
    }
  }
}

test("at every event of a turn a client is cut off and returns: it misses nothing and gets nothing twice", async () => {
  const listening = await place.listen("unix");
  const url = urlOf(listening);
  const starter = await SocketTestClient.initialized(url);
  const params = {
    model: place.script(everything),
    sandbox: "danger-full-access",
    config: { bypass_hook_trust: true },
  };
  const threadId = (await starter.ask("thread/start", params)).result.thread.id as string;
  // Questions are answered by a client that stays, not by this one.
  await starter.ask("thread/unsubscribe", { threadId });

  const wakes = new Set<() => void>();
  const onMessage = (): void => {
    for (const wake of wakes) wake();
  };
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`not in time: ${what}`)), deadlineMs);
    const wake = (): void => (holds() ? resolve() : undefined);
    wakes.add(wake);
    wake();
    await promise.finally(() => clearTimeout(timer));
    wakes.delete(wake);
  };

  const steady = new Follower(url, threadId, { cutAfter: Infinity, onMessage });
  const dropping = Array.from(
    { length: mostEvents },
    (_, cutAfter) => new Follower(url, threadId, { cutAfter, onMessage }),
  );
  const all = [steady, ...dropping];
  await until("everybody hears of the thread", () => all.every(({ picture }) => picture !== null));
  /** Has heard all that the steady one has, and where it was cut with that, is back. */
  const isThere = ({ before, cutAfter, picture }: Follower): boolean =>
    picture !== null && before.length >= Math.min(steady.before.length, cutAfter + 1);
  const everybodyAt = async (what: string, steadyIs: () => boolean): Promise<void> =>
    await until(what, () => steadyIs() && dropping.every(isThere));

  const turnStarted = starter.ask("turn/start", { threadId, input: [{ type: "text", text: "go" }] });
  await everybodyAt("the first gate", () => output(steady).includes("one\n"));
  const cutsBefore = [dropping.filter(({ wasCut }) => wasCut).length];
  await gates[0]?.open();
  await everybodyAt("the second gate", () => output(steady).includes("two\n"));
  cutsBefore.push(dropping.filter(({ wasCut }) => wasCut).length);
  await gates[1]?.open();
  await everybodyAt("the question", () => steady.before.some(isQuestion));
  cutsBefore.push(dropping.filter(({ wasCut }) => wasCut).length);
  steady.answer(steady.before.find(isQuestion)?.id ?? "", "accept");
  assert.equal((await turnStarted).error, undefined);
  await until("the turn's end", () => all.every(({ isOver }) => isOver));
  for (const follower of all) follower.settle();
  await until("all is read", () => all.every(({ isSettled }) => isSettled));

  const whole = steady.before;
  assert.ok(whole.length < mostEvents, `${whole.length} events`);
  assert.deepEqual(
    dropping.map(({ wasCut }) => wasCut),
    dropping.map(({ cutAfter }) => cutAfter < whole.length),
  );
  // A turn that held nothing of this would prove nothing.
  const methods = new Set(whole.map(({ method }) => method));
  for (const method of mustBeTold) assert.ok(methods.has(method), `no ${method}`);
  for (const [index, cuts] of cutsBefore.entries())
    assert.ok(cuts > (cutsBefore[index - 1] ?? 4), cutsBefore.join(" "));

  const told = whole.map(comparable);
  for (const follower of dropping) {
    const { cutAfter, before, behind } = follower;
    assert.deepEqual(before.map(comparable), told.slice(0, cutAfter + 1), `before the cut after event ${cutAfter}`);
    assert.deepEqual(follower.seen, steady.seen, `cut after event ${cutAfter}`);
    if (follower.wasCut) assertRest(behind, whole, cutAfter);
  }
});

const mustBeTold = [
  "turn/started",
  "hook/started",
  "hook/completed",
  "item/started",
  "item/completed",
  "item/commandExecution/outputDelta",
  "item/commandExecution/requestApproval",
  "serverRequest/resolved",
  "exec/decided",
  "exec/completed",
  "item/agentMessage/delta",
  "turn/plan/updated",
  "turn/diff/updated",
  "thread/tokenUsage/updated",
  "turn/completed",
];

/** What came behind the snapshot is the end of what the steady one was told, from an event on that was not read before the cut. In
 *  front of it plan and diff may be told again, and a question that waits is asked again. */
function assertRest(behind: readonly Message[], whole: readonly Message[], cutAfter: number): void {
  const questionAt = whole.findIndex(isQuestion);
  const resolvedAt = whole.findIndex(({ method }) => method === "serverRequest/resolved");
  const asked = behind.filter(isQuestion).map(comparable);
  const question = whole.filter(isQuestion).map(comparable);
  if (cutAfter < questionAt) assert.ok(asked.length <= 1, `asked twice after the cut at event ${cutAfter}`);
  assert.deepEqual(asked, cutAfter < resolvedAt ? question : [], `asked after the cut at event ${cutAfter}`);

  const told = whole.filter((message) => !isQuestion(message)).map(comparable);
  const rest = behind.filter((message) => !isQuestion(message));
  const readBefore = whole.slice(0, cutAfter + 1).filter((message) => !isQuestion(message)).length;
  const again = rest.findIndex((_, index) => {
    const suffix = rest.slice(index).map(comparable);
    return JSON.stringify(told.slice(told.length - suffix.length)) === JSON.stringify(suffix);
  });
  const retold = (again === -1 ? rest : rest.slice(0, again)).map(({ method }) => method ?? "");
  const known = retold.filter((method) => toldAgain.has(method));
  assert.deepEqual(retold, known, `told after the cut at event ${cutAfter}`);
  assert.equal(new Set(retold).size, retold.length, `told again twice after the cut at event ${cutAfter}`);
  const fresh = rest.length - retold.length;
  assert.ok(fresh <= told.length - readBefore, `told what had been read before the cut after event ${cutAfter}`);
}

function isQuestion({ method }: Message): boolean {
  return method === "item/commandExecution/requestApproval";
}

/** Without the moment at which it was sent. */
function comparable({ id, method, params }: Message): object {
  return { id, method, params };
}

function output({ picture }: Follower): string {
  const items = picture?.thread.turns.at(-1)?.items ?? [];
  return items.map((item) => (item.type === "commandExecution" ? (item.aggregatedOutput ?? "") : "")).join("");
}
