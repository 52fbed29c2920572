/** What turns cost: starting the server, turns without and with hooks, `exec`, 200 turns at once, memory, and a thread of 10,000 turns; beside the peer
 *  where SALLYPORT_BENCH_PEER_CODEX names a folder in which npm has installed @openai/codex. Both get their answers at once: ours
 *  from a script, the peer from a server on loopback. */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openThreadStore } from "@sallyport/core";
import { measureManyTurns } from "./many-turns.ts";
import { compare, measurePairs } from "./pairs.ts";
import type { Comparison, Sample } from "./pairs.ts";

interface TurnRow {
  name: string;
  /** Without the peer both sides are ours. */
  comparison: Comparison;
}

export interface TurnFigures {
  rows: TurnRow[];
  /** Resident memory in MB, ours and the peer's, which is null where it is not installed. */
  memory: { name: string; ours: number; peer: number | null }[];
  longThread: { turns: number; resumeMs: number; pageMs: number };
}

const ours = fileURLToPath(new URL("../packages/cli/bin/sallyport", import.meta.url));
const manyThreads = 50;
const longThreadTurns = 10_000;
const hookNames = ["SessionStart", "UserPromptSubmit", "Stop"];

/** As `JSON.parse()` gives it: the word of a measured program, used for nothing but figures. */
type Parsed = ReturnType<typeof JSON.parse>;

/** One program that speaks the protocol, and a home for it. */
interface Side {
  command: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  threadParams: object;
  execWords: string[];
}

class Client {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<string, (message: Parsed) => void>();
  #lastId = 0;

  constructor({ command, env, cwd }: Side) {
    const [file = "", ...words] = command;
    this.#child = spawn(file, [...words, "app-server"], { cwd, env });
    this.#child.stderr.resume();
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      // A measured program's own word, used for nothing but figures.
      const message = JSON.parse(line) as { id?: number; method?: string; params?: { threadId?: string } };
      if (message.method === undefined) this.#waiting.get(String(message.id))?.(message);
      else if (message.method === "turn/completed") this.#waiting.get(message.params?.threadId ?? "")?.(message);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ask(method: string, params: object): Promise<Parsed> {
    this.#lastId += 1;
    const answer = this.#next(String(this.#lastId));
    this.#child.stdin.write(`${JSON.stringify({ id: this.#lastId, method, params })}\n`);
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  initialize(): Promise<unknown> {
    return this.ask("initialize", { clientInfo: { name: "bench", version: "1" } });
  }

  async turn(threadId: string): Promise<void> {
    const completed = this.#next(threadId);
    await this.ask("turn/start", { threadId, input: [{ type: "text", text: "hello" }] });
    const { params } = await completed;
    if (params.turn.status !== "completed") throw new Error(`the turn is ${params.turn.status}`);
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    await new Promise((resolve) => this.#child.once("close", resolve));
  }

  #next(key: string): Promise<Parsed> {
    return new Promise((resolve) => this.#waiting.set(key, resolve));
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await work();
  return performance.now() - startedAtMs;
}

async function startToInitialize(side: Side): Promise<Sample> {
  const startedAtMs = performance.now();
  const client = new Client(side);
  await client.initialize();
  const wholeMs = performance.now() - startedAtMs;
  await client.stop();
  return { wholeMs };
}

/** The first turn of a thread is the whole, the second the part inside. */
async function twoTurns(side: Side): Promise<Sample> {
  const client = new Client(side);
  await client.initialize();
  const { thread } = await client.ask("thread/start", side.threadParams);
  const wholeMs = await timed(() => client.turn(thread.id));
  const insideMs = await timed(() => client.turn(thread.id));
  await client.stop();
  return { wholeMs, insideMs };
}

async function execOnce({ command, env, cwd, execWords }: Side): Promise<Sample> {
  const [file = "", ...words] = command;
  const wholeMs = await timed(async () => {
    const child = spawn(file, [...words, "exec", "--json", ...execWords, "hello"], { cwd, env });
    child.stdin.end();
    child.stdout.resume();
    child.stderr.resume();
    const status = await new Promise((resolve) => child.once("close", resolve));
    if (status !== 0) throw new Error(`exec ended with ${String(status)}`);
  });
  return { wholeMs };
}

async function memoryOf(side: Side): Promise<[start: number, threads: number]> {
  const client = new Client(side);
  await client.initialize();
  const start = residentMb(client.pid);
  for (let count = 0; count < manyThreads; count += 1) await client.ask("thread/start", side.threadParams);
  const threads = residentMb(client.pid);
  await client.stop();
  return [start, threads];
}

function residentMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kb) / 1024;
}

/** Resumes and pages, in a server of its own. */
async function longThread(side: Side): Promise<TurnFigures["longThread"]> {
  const client = new Client(side);
  await client.initialize();
  const { thread } = await client.ask("thread/start", side.threadParams);
  await client.turn(thread.id);
  await client.stop();
  await repeatTurn(side.env["SALLYPORT_HOME"] ?? "", thread.id);
  const later = new Client(side);
  await later.initialize();
  await later.ask("thread/list", {});
  const params = { threadId: thread.id, excludeTurns: true };
  const resumeMs = await timed(() => later.ask("thread/resume", params));
  const pageMs = await timed(() =>
    later.ask("thread/turns/list", { threadId: thread.id, limit: 100, itemsView: "full" }),
  );
  await later.stop();
  return { turns: longThreadTurns, resumeMs, pageMs };
}

async function repeatTurn(home: string, threadId: string): Promise<void> {
  const store = openThreadStore(home);
  await store.acquireThread(threadId);
  const { data } = await store.listTurns(threadId, { limit: 1, itemsView: "full" });
  const [turn] = data;
  if (turn === undefined) throw new Error("the turn was not stored");
  const { items, hookRuns: _, ...stored } = turn;
  for (let number = 1; number < longThreadTurns; number += 1) {
    const id = `${turn.id.slice(0, -6)}${number.toString(16).padStart(6, "0")}`;
    await store.commit(threadId, {
      changes: [
        { kind: "putTurn", turn: { ...stored, id } },
        ...items.map((item) => ({
          kind: "putItem" as const,
          turnId: id,
          item: { ...item, id: `${item.id}-${number}` },
        })),
      ],
      events: [],
    });
  }
  await store.close();
}

function writeHooks(file: string): void {
  const hook = [{ hooks: [{ type: "command", command: "true" }] }];
  writeFileSync(file, JSON.stringify({ hooks: Object.fromEntries(hookNames.map((name) => [name, hook])) }), {
    mode: 0o600,
  });
}

function ourSide(base: string, withHooks: boolean): Side {
  const home = join(base, withHooks ? "ours-with-hooks" : "ours");
  mkdirSync(home, { mode: 0o700 });
  if (withHooks) writeHooks(join(home, "hooks.json"));
  const script = join(base, "answers.jsonl");
  writeFileSync(script, '{"text":"hi"}\n{"text":"hi"}\n');
  return {
    command: [ours],
    env: { ...process.env, SALLYPORT_HOME: home },
    cwd: join(base, "project"),
    threadParams: { model: `scripted:${script}`, config: { bypass_hook_trust: true } },
    execWords: ["--dangerously-bypass-hook-trust", "--model", `scripted:${script}`],
  };
}

function peerSide(base: string, folder: string, { port, withHooks }: { port: number; withHooks: boolean }): Side {
  const home = join(base, withHooks ? "peer-with-hooks" : "peer");
  mkdirSync(home);
  if (withHooks) writeHooks(join(home, "hooks.json"));
  writeFileSync(
    join(home, "config.toml"),
    `model = "bench"\nmodel_provider = "bench"\nbypass_hook_trust = true\n[model_providers.bench]\nname = "bench"\n` +
      `base_url = "http://127.0.0.1:${port}/v1"\nwire_api = "responses"\n`,
  );
  return {
    command: [nativePeer(folder)],
    env: { ...process.env, CODEX_HOME: home },
    cwd: join(base, "project"),
    threadParams: { sandbox: "danger-full-access", approvalPolicy: "never" },
    execWords: ["--skip-git-repo-check", "--dangerously-bypass-hook-trust"],
  };
}

/** The program itself: what npm puts before it would cost it another start of Node. */
function nativePeer(folder: string): string {
  const scope = join(folder, "node_modules", "@openai");
  const names = existsSync(scope) ? readdirSync(scope, { recursive: true, encoding: "utf8" }) : [];
  const found = names.find((name) => /codex-linux-[^/]*\/vendor\/[^/]*\/(?:bin|codex)\/codex$/.test(name));
  if (found !== undefined) return join(scope, found);
  throw new Error(`SALLYPORT_BENCH_PEER_CODEX is "${folder}", expected a folder where npm has installed @openai/codex`);
}

/** Answers every request of the peer's model at once. */
async function modelServer(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    request.once("end", () => {
      const item = { type: "message", id: "m", role: "assistant", content: [{ type: "output_text", text: "hi" }] };
      const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
      const events = [
        { type: "response.created", response: { id: "r" } },
        { type: "response.output_item.done", output_index: 0, item },
        { type: "response.completed", response: { id: "r", usage } },
      ];
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** `peerFolder` null: only our own figures, each beside itself. */
export async function measureTurns(rounds: number, peerFolder: string | null): Promise<TurnFigures> {
  const base = mkdtempSync(join(tmpdir(), "sallyport-bench-turns-"));
  mkdirSync(join(base, "project"));
  const server = await modelServer();
  const { port } = server.address() as AddressInfo;
  try {
    const rows: TurnRow[] = [];
    const pick = (pairs: readonly [Sample, Sample][], part: "wholeMs" | "insideMs"): Comparison =>
      compare(pairs.map(([left, right]) => [left[part] ?? Number.NaN, right[part] ?? Number.NaN] as const));
    const mine = { plain: ourSide(base, false), hooks: ourSide(base, true) };
    const peer =
      peerFolder === null
        ? null
        : {
            plain: peerSide(base, peerFolder, { port, withHooks: false }),
            hooks: peerSide(base, peerFolder, { port, withHooks: true }),
          };
    const other = peer ?? mine;
    const pair = (measure: (side: Side) => Promise<Sample>, kind: "plain" | "hooks"): Promise<[Sample, Sample][]> =>
      measurePairs(
        rounds,
        () => measure(other[kind]),
        () => measure(mine[kind]),
      );
    rows.push({
      name: "app-server, start to initialize",
      comparison: pick(await pair(startToInitialize, "plain"), "wholeMs"),
    });
    for (const [kind, label] of [
      ["plain", "0 hooks"],
      ["hooks", "3 hooks"],
    ] as const) {
      const pairs = await pair(twoTurns, kind);
      rows.push({ name: `first turn, ${label}`, comparison: pick(pairs, "wholeMs") });
      rows.push({ name: `second turn, ${label}`, comparison: pick(pairs, "insideMs") });
      rows.push({ name: `exec --json of one turn, ${label}`, comparison: pick(await pair(execOnce, kind), "wholeMs") });
    }
    const programs = { ours: [ours], peer: peerFolder === null ? null : [nativePeer(peerFolder)] };
    rows.push(...(await measureManyTurns(rounds, programs)));
    const [oursStart, oursThreads] = await memoryOf(mine.plain);
    const [peerStart, peerThreads] = peer === null ? [null, null] : await memoryOf(peer.plain);
    const memory = [
      { name: "after initialize", ours: oursStart, peer: peerStart },
      { name: `with ${manyThreads} threads`, ours: oursThreads, peer: peerThreads },
    ];
    return { rows, memory, longThread: await longThread(mine.plain) };
  } finally {
    server.close();
    rmSync(base, { recursive: true, force: true });
  }
}
