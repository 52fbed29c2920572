/** The server is killed with SIGKILL at moments spread over a turn. Whoever heard something finds it afterwards, nothing runs on, and
 *  the thread goes on.
 *
 *      bin/sallyport app-server  -- announces -->  this test   kill -9
 *      another server            <-- resume ----   compares, looks for processes, runs the next turn          */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { AppServer } from "@sallyport/app-server";
import type { HookRunSummary, ThreadItem, Turn } from "@sallyport/protocol";
import { Place, eventually, executable, processesWith } from "../packages/cli/test/sallyport.ts";

const kills = 50;
const deadlineMs = 60_000;
const mark = `271828.${process.pid}`;

/** As `JSON.parse()` gives it: each test knows the shape that it asked for; the server's own tests hold the schemas against it. */
type Parsed = ReturnType<typeof JSON.parse>;

interface Message {
  id?: number;
  method?: string;
  params?: Parsed;
  result?: Parsed;
  error?: { message: string };
}

const place = new Place();
const hook = (command: string): object[] => [{ hooks: [{ type: "command", command }] }];
writeFileSync(
  join(place.home, "hooks.json"),
  JSON.stringify({
    hooks: {
      SessionStart: hook(`echo be kind; sleep 0.01 & : ${mark}`),
      UserPromptSubmit: hook(
        `sleep 0.01; echo '{"hookSpecificOutput":{"hookEventName":"UserPromptSubmit","additionalContext":"c"}}'; : ${mark}`,
      ),
      PreToolUse: hook(`sleep 0.01; : ${mark}`),
      PostToolUse: hook(`sleep 0.01; : ${mark}`),
      Stop: hook(`grep -q '"stop_hook_active": *true' || { echo once more >&2; exit 2; }; : ${mark}`),
    },
  }),
  { mode: 0o600 },
);
const shell = (command: string): object => ({ name: "shell", arguments: { command } });
const model = script("long", [
  {
    text: "I look.",
    chunk_size: 2,
    tool_calls: [shell(`sleep ${mark} & for i in 1 2 3; do echo $i; sleep 0.03; done`)],
  },
  { text: "And again.", tool_calls: [shell("/bin/true; echo more")] },
  { text: "done" },
  { text: "really done", chunk_size: 3 },
]);
const nextModel = script("next", [{ text: "I go on." }, { text: "still" }, { text: "still" }]);

function script(name: string, answers: readonly object[]): string {
  const file = join(place.base, `${name}.jsonl`);
  writeFileSync(file, answers.map((answer) => JSON.stringify(answer)).join("\n"));
  return `scripted:${file}`;
}

/** What a client heard before the server was gone. */
interface Heard {
  threadId: string;
  turnId: string;
  notifications: { method: string; params: Parsed }[];
}

/** Runs the turn in a server of its own, and kills it `delayMs` after notification `killAt` of the turn; Infinity: not at all. */
async function runAndKill(killAt: number, delayMs: number): Promise<Heard> {
  const child = spawn(executable, ["app-server"], {
    cwd: place.project,
    env: place.env,
    timeout: deadlineMs,
    killSignal: "SIGKILL",
  });
  child.stderr.resume();
  // Writing to a server that was killed is no failure of the test.
  child.stdin.on("error", () => {});
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const heard: Heard = { threadId: "", turnId: "", notifications: [] };
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const kill = (): void => {
    child.kill("SIGKILL");
    end();
  };
  createInterface({ input: child.stdout }).on("line", (line) => {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch {
      return; // the last line of a server that was killed while it wrote
    }
    assert.equal(message.error, undefined);
    if (message.id === 1) {
      heard.threadId = message.result.thread.id;
      send(child, {
        id: 2,
        method: "turn/start",
        params: { threadId: heard.threadId, input: [{ type: "text", text: "go" }] },
      });
    }
    if (message.id === 2) heard.turnId = message.result.turn.id;
    if (message.method === undefined || message.id !== undefined) return;
    heard.notifications.push({ method: message.method, params: message.params });
    if (heard.notifications.length === killAt) {
      if (delayMs === 0) kill();
      else setTimeout(kill, delayMs);
    }
    if (message.method === "turn/completed" && killAt === Infinity) end();
  });
  send(child, {
    id: 0,
    method: "initialize",
    params: { clientInfo: { name: "kill", version: "1" }, capabilities: { extensions: { sallyport: {} } } },
  });
  send(child, { id: 1, method: "thread/start", params: { model, config: { bypass_hook_trust: true } } });
  await Promise.race([over, ended]);
  child.stdin.end();
  await ended;
  return heard;
}

function send(child: ChildProcessWithoutNullStreams, message: object): void {
  child.stdin.write(`${JSON.stringify(message)}\n`);
}

/** Asks a server in this process. */
class Asker {
  readonly server: AppServer = new AppServer({
    home: place.home,
    checkHome: () => Promise.resolve(),
    cwd: place.project,
    env: place.env,
    version: "0",
    log: () => {},
  });
  readonly #waiting = new Map<number | string, (message: Message) => void>();
  readonly #connection = this.server.connect((text) => {
    const message = JSON.parse(text) as Message;
    if (message.method === "turn/completed") this.#waiting.get(message.params.turn.id)?.(message);
    else if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
  });
  #lastId = 0;

  async call(method: string, params: object): Promise<Parsed> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = this.#next(id);
    this.#connection.receive({ kind: "request", id, method, params });
    const { result, error } = await answer;
    assert.equal(error, undefined, `${method}: ${error?.message}`);
    return result;
  }

  async runTurn(threadId: string): Promise<Turn> {
    const { turn } = await this.call("turn/start", { threadId, input: [{ type: "text", text: "next" }] });
    return (await this.#next(turn.id)).params.turn;
  }

  #next(key: number | string): Promise<Message> {
    return new Promise((resolve) => this.#waiting.set(key, resolve));
  }
}

function checkTurn(turn: Turn, { notifications }: Heard): void {
  const ofTurn = notifications.filter(({ params }) => params.turnId === turn.id || params.turn?.id === turn.id);
  const last = ofTurn.find(({ method }) => method === "turn/completed");
  // Where the end was not heard, it may be stored all the same.
  if (last !== undefined) assert.equal(turn.status, last.params.turn.status);
  else assert.ok(turn.status === "interrupted" || turn.status === "completed", turn.status);
  const items = new Map(turn.items.map((item) => [item.id, item]));
  for (const { method, params } of ofTurn) {
    if (method !== "item/completed") continue;
    assert.deepEqual(items.get(params.item.id), params.item);
  }
  for (const { method, params } of ofTurn) {
    if (method !== "item/started") continue;
    const item = items.get(params.item.id);
    assert.ok(item !== undefined, `item ${params.item.id} was announced`);
    if (item.type === "commandExecution") assert.notEqual(item.status, "inProgress");
  }
  checkOutput(ofTurn, items);
}

/** What came in pieces is stored as far as it was heard. */
function checkOutput(notifications: Heard["notifications"], items: ReadonlyMap<string, ThreadItem>): void {
  const texts = new Map<string, string>();
  for (const { method, params } of notifications) {
    if (method.endsWith("elta")) texts.set(params.itemId, (texts.get(params.itemId) ?? "") + params.delta);
  }
  for (const [id, text] of texts) {
    const item = items.get(id);
    const stored =
      item?.type === "agentMessage" ? item.text : item?.type === "commandExecution" ? item.aggregatedOutput : null;
    assert.ok(
      stored?.startsWith(text),
      `of item ${id} ${JSON.stringify(text)} was heard, ${JSON.stringify(stored)} is stored`,
    );
  }
}

function checkHookRuns(runs: readonly HookRunSummary[], { notifications }: Heard): void {
  const stored = new Map(runs.map((run) => [run.id, run]));
  for (const { method, params } of notifications) {
    if (method !== "hook/completed") continue;
    assert.deepEqual(stored.get(params.run.id), params.run);
  }
  for (const { method, params } of notifications) {
    if (method !== "hook/started") continue;
    const run = stored.get(params.run.id);
    assert.ok(run !== undefined, `hook run ${params.run.id} was announced`);
    assert.notEqual(run.status, "running");
    if (run.status === "stopped") assert.deepEqual(run.entries.at(-1), { kind: "error", text: "interrupted" });
  }
}

function checkExecRuns(turn: Turn, { notifications }: Heard): void {
  const stored = new Set((turn.execRuns ?? []).map(({ id }) => id));
  for (const { method, params } of notifications) {
    if (method === "exec/decided") assert.ok(stored.has(params.run.id), `program ${params.run.file} was announced`);
  }
}

test(
  `kill -9 at ${kills} moments of a turn loses nothing that was announced`,
  { timeout: 600_000 },
  async (context) => {
    const whole = await runAndKill(Infinity, 0);
    const count = whole.notifications.length;
    assert.ok(count > 30, `the turn has ${count} notifications`);
    assert.equal(whole.notifications.at(-1)?.method, "turn/completed");
    const asker = new Asker();
    context.after(() => asker.server.close());
    await asker.call("initialize", {
      clientInfo: { name: "after", version: "1" },
      capabilities: { extensions: { sallyport: {} } },
    });
    let cutOff = 0;
    for (let round = 0; round < kills; round += 1) {
      // Two moments for each place: at once, and a little later, when what comes next is half stored.
      const place = 1 + Math.floor(((round >> 1) * (count - 1)) / (kills / 2));
      const heard = await runAndKill(place, round % 2 === 0 ? 0 : 1 + (round % 5));
      const at = `killed after ${heard.notifications.length} of ${count}`;
      assert.ok(await eventually(() => processesWith(mark).length === 0), `${at}: a process is left`);
      if (heard.threadId === "") continue;
      const { thread } = await asker.call("thread/resume", { threadId: heard.threadId, model: nextModel });
      const [turn] = thread.turns as Turn[];
      if (turn !== undefined) {
        if (turn.status === "interrupted") cutOff += 1;
        checkTurn(turn, heard);
        checkHookRuns(turn.hookRuns, heard);
        checkExecRuns(turn, heard);
      }
      assert.ok(turn !== undefined || heard.turnId === "", `${at}: the turn was announced`);
      const next = await asker.runTurn(heard.threadId);
      assert.equal(next.status, "completed", `${at}: ${next.error?.message}`);
    }
    // Most kills struck a turn that ran: otherwise nothing was tried.
    assert.ok(cutOff > kills / 2, `${cutOff} of ${kills} turns were cut off`);
  },
);
