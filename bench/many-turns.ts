/** Many threads with turns at once over one WebSocket: what a server costs that has much to do. Both sides have their model on loopback,
 *  which answers at once: with a message, or with one command first. No sandbox on either side, so that the server is what is measured. */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import { createServer as createPortServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compare, measurePairs } from "./pairs.ts";
import type { Comparison, Sample } from "./pairs.ts";

interface ManyTurnsRow {
  name: string;
  comparison: Comparison;
}

/** One server program with a home of its own. */
interface ManyTurnsSide {
  command: string[];
  /** Behind `--listen`. */
  serverWords: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
}

const threadCount = 200;
const startDeadlineMs = 30_000;
const turnsDeadlineMs = 600_000;
const commandWord = "run";
const overloaded = -32001;
const retryMs = 20;

/** As `JSON.parse()` gives it: the word of a measured program, used for nothing but figures. */
type Parsed = ReturnType<typeof JSON.parse>;

class SocketClient {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, PromiseWithResolvers<Parsed>>();
  #lastId = 0;
  /** Commands that have run to a good end. */
  commands = 0;

  static async start({ command, serverWords, env, cwd }: ManyTurnsSide): Promise<SocketClient> {
    const [file = "", ...words] = command;
    const port = await freePort();
    const listen = ["app-server", "--listen", `ws://127.0.0.1:${port}`, ...serverWords];
    const child = spawn(file, [...words, ...listen], { cwd, env });
    child.stdout.resume();
    const said = { stderr: "" };
    child.stderr.on("data", (chunk: Buffer) => (said.stderr = (said.stderr + chunk.toString()).slice(-500)));
    const endMs = performance.now() + startDeadlineMs;
    for (;;) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`);
      const isOpen = await new Promise<boolean>((resolve) => {
        socket.addEventListener("open", () => resolve(true));
        socket.addEventListener("error", () => resolve(false));
      });
      if (isOpen) return new SocketClient(child, socket, said);
      if (performance.now() > endMs || child.exitCode !== null) throw new Error(`${file} does not listen`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  private constructor(child: ChildProcessWithoutNullStreams, socket: WebSocket, said: { stderr: string }) {
    this.#child = child;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const message: Parsed = JSON.parse(String(data));
      if (message.method === undefined) this.#settle(String(message.id), message);
      else if (message.method === "turn/completed") this.#settle(message.params.threadId, message);
      else if (message.method === "item/completed" && message.params.item.exitCode === 0) this.commands += 1;
    });
    socket.addEventListener("close", () => {
      const why = new Error(`${child.spawnfile} ended the connection; its stderr ends: ${said.stderr}`);
      for (const { reject } of this.#waiting.values()) reject(why);
    });
  }

  /** Again where the server is overloaded, as it wants to be asked. */
  async ask(method: string, params: object): Promise<Parsed> {
    this.#lastId += 1;
    const answer = this.#next(String(this.#lastId));
    this.#socket.send(JSON.stringify({ id: this.#lastId, method, params }));
    const { result, error } = await answer;
    if (error?.code === overloaded) {
      await new Promise((resolve) => setTimeout(resolve, retryMs));
      return await this.ask(method, params);
    }
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  async turn(threadId: string, text: string): Promise<void> {
    const completed = this.#next(threadId);
    await this.ask("turn/start", { threadId, input: [{ type: "text", text }] });
    const { params } = await completed;
    if (params.turn.status !== "completed") throw new Error(`the turn is ${JSON.stringify(params.turn)}`);
  }

  async stop(): Promise<void> {
    this.#socket.close();
    this.#child.kill("SIGTERM");
    await new Promise((resolve) => this.#child.once("close", resolve));
  }

  #next(key: string): Promise<Parsed> {
    const waiting = Promise.withResolvers<Parsed>();
    waiting.promise.catch(() => {}); // whoever waits for it is told, if anybody still does
    this.#waiting.set(key, waiting);
    return waiting.promise;
  }

  #settle(key: string, message: Parsed): void {
    this.#waiting.get(key)?.resolve(message);
    this.#waiting.delete(key);
  }
}

async function freePort(): Promise<number> {
  const server = createPortServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** All threads are there and have had no turn. The whole: until the last of their turns has ended. */
async function turnsAtOnce(side: ManyTurnsSide, text: string): Promise<Sample> {
  const client = await SocketClient.start(side);
  try {
    await client.ask("initialize", { clientInfo: { name: "bench", version: "1" } });
    const params = { sandbox: "danger-full-access", approvalPolicy: "never" };
    const started: Parsed[] = [];
    while (started.length < threadCount) started.push(await client.ask("thread/start", params));
    const startedAtMs = performance.now();
    await withDeadline(Promise.all(started.map(({ thread }) => client.turn(thread.id, text))));
    const wholeMs = performance.now() - startedAtMs;
    const expected = text === commandWord ? threadCount : 0;
    if (client.commands !== expected) throw new Error(`${client.commands} commands have run, expected ${expected}`);
    return { wholeMs };
  } finally {
    await client.stop();
  }
}

async function withDeadline(work: Promise<unknown>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`turns had not ended after ${turnsDeadlineMs} ms`)), turnsDeadlineMs);
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

interface ModelRequest {
  input: { type?: string; role?: string; content?: { text?: string }[] | string }[];
  tools?: { name?: string }[];
}

/** The Responses API: a message, or a command where the prompt wants one that has not run yet. */
async function modelServer(): Promise<Server> {
  const server = createServer((request, response) => {
    void readText(request).then((text) => {
      const item = answerTo(JSON.parse(text) as ModelRequest); // what the measured programs send
      const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
      const created = { id: "r", created_at: 0, model: "bench" };
      const delta = {
        type: "response.output_text.delta",
        item_id: "m",
        output_index: 0,
        content_index: 0,
        delta: "hi",
      };
      const events = [
        { type: "response.created", response: created },
        { type: "response.output_item.added", output_index: 0, item },
        ...(item["type"] === "message" ? [delta] : []),
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

async function readText(request: IncomingMessage): Promise<string> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) text += String(chunk);
  return text;
}

function answerTo({ input, tools = [] }: ModelRequest): Record<string, unknown> {
  const message = {
    type: "message",
    id: "m",
    role: "assistant",
    content: [{ type: "output_text", text: "hi", annotations: [] }],
  };
  const last = input.findLast(({ role }) => role === "user")?.content;
  const prompt = typeof last === "string" ? last : last?.at(-1)?.text;
  const hasRun = input.some(({ type }) => type === "function_call_output");
  if (prompt !== commandWord || hasRun) return message;
  // Each calls its shell in its own way.
  const command = "echo hi";
  const name = ["exec_command", "shell_command", "shell"].find((known) => tools.some((tool) => tool.name === known));
  const args = name === "exec_command" ? { cmd: command, login: false } : { command };
  return {
    type: "function_call",
    id: "f",
    call_id: "c",
    name: name ?? "shell",
    arguments: JSON.stringify(args),
    status: "completed",
  };
}

function makeSide(
  base: string,
  name: string,
  {
    port,
    homeVariable,
    ...program
  }: Pick<ManyTurnsSide, "command" | "serverWords"> & { port: number; homeVariable: string },
): ManyTurnsSide {
  const home = join(base, name);
  mkdirSync(home, { mode: 0o700 });
  const cwd = join(base, `${name}-project`);
  mkdirSync(cwd);
  writeFileSync(
    join(home, "config.toml"),
    `model = "bench"\nmodel_provider = "bench"\n[model_providers.bench]\nname = "bench"\n` +
      `base_url = "http://127.0.0.1:${port}/v1"\nwire_api = "responses"\n`,
    { mode: 0o600 },
  );
  return { ...program, env: { ...process.env, HOME: home, [homeVariable]: home }, cwd };
}

/** `peer` null: ours, beside itself. */
export async function measureManyTurns(
  rounds: number,
  programs: { ours: string[]; peer: string[] | null },
): Promise<ManyTurnsRow[]> {
  const base = mkdtempSync(join(tmpdir(), "sallyport-bench-many-"));
  const server = await modelServer();
  const { port } = server.address() as AddressInfo;
  try {
    const { ours, peer } = programs;
    const own = { command: ours, serverWords: ["--no-auth"], homeVariable: "SALLYPORT_HOME", port };
    const mine = makeSide(base, "ours", own);
    const theirs = { command: peer ?? [], serverWords: [], homeVariable: "CODEX_HOME", port };
    const other = peer === null ? mine : makeSide(base, "peer", theirs);
    const rows: ManyTurnsRow[] = [];
    for (const [text, label] of [
      ["hello", "text"],
      [commandWord, "one command each"],
    ] as const) {
      const pairs = await measurePairs(
        rounds,
        () => turnsAtOnce(other, text),
        () => turnsAtOnce(mine, text),
      );
      const comparison = compare(pairs.map(([left, right]) => [left.wholeMs, right.wholeMs] as const));
      rows.push({ name: `${threadCount} turns at once, ${label}`, comparison });
    }
    return rows;
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(base, { recursive: true, force: true });
  }
}
