/** Each method with good, missing, wrong and extra fields, in the process and over every transport. Results are held against the schemas. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { after, test } from "node:test";
import { clientRequests } from "@sallyport/protocol";
import type { ClientRequestMethod } from "@sallyport/protocol";
import { serveStdio } from "../src/stdio.ts";
import { TestClient } from "./support/server.ts";
import type { Message } from "./support/server.ts";
import { SocketPlace, SocketTestClient, urlOf } from "./support/socket-place.ts";

const place = new SocketPlace();
const server = place.server();
const client = await TestClient.initialized(server, { extensions: { sallyport: {} } });
const hello = place.script([{ text: "hello", usage: { input_tokens: 3, output_tokens: 2 } }]);
const thread = await client.startThread(hello);
const turn = await client.runTurn(thread.id);
const unknownId = "01a20400-0000-7000-8000-000000000000";

const hookKey = "/nowhere/hooks.json:stop:0:0";
const trust = (value: unknown): object => ({ edits: [{ keyPath: "hooks.state", value, mergeStrategy: "upsert" }] });

/** What each method takes, and what it does not: the field that the error names. */
interface Case {
  good: object | undefined;
  wrong: [params: unknown, path: string][];
  /** Made anew for each good request; gives the ids that belong into it. */
  on?: (asker: Asker) => Promise<object>;
}

interface Asker {
  ask(method: string, params?: unknown): Promise<Message>;
  /** The first message that holds, whether it came already or not. */
  next(holds: (message: Message) => boolean): Promise<Message>;
}

let commands = 0;

/** A command of this connection that waits for input. */
async function onCommand(asker: Asker): Promise<object> {
  commands += 1;
  const processId = `cat-${commands}`;
  // Whatever is asked right behind it waits until it runs.
  void asker.ask("command/exec", { command: ["/bin/cat"], processId, tty: true });
  return { processId };
}

async function onTurn(asker: Asker, model = hello): Promise<{ threadId: string; beforeTurnId: string }> {
  const threadId = (await asker.ask("thread/start", { model })).result.thread.id as string;
  const { result } = await asker.ask("turn/start", { threadId, input: [{ type: "text", text: "go" }] });
  return { threadId, beforeTurnId: result.turn.id as string };
}

async function onReadThread(asker: Asker): Promise<object> {
  const { threadId } = await onEndedTurn(asker);
  const { result } = await asker.ask("thread/read", { threadId });
  return { threadId, expectedRevision: result.readState.revision };
}

const stalls = place.script([{ error: "stall" }]);

/** A turn that ends only when it is told to. Both names of its id: a field too many does no harm. */
async function onRunningTurn(asker: Asker): Promise<object> {
  const { threadId, beforeTurnId: turnId } = await onTurn(asker, stalls);
  await asker.next(({ method, params }) => method === "turn/started" && params.turn.id === turnId);
  return { threadId, turnId, expectedTurnId: turnId };
}

async function onThread(asker: Asker): Promise<object> {
  const { threadId } = await onEndedTurn(asker);
  return { threadId };
}

async function onEndedTurn(asker: Asker): Promise<{ threadId: string; beforeTurnId: string }> {
  const { threadId, beforeTurnId } = await onTurn(asker);
  await asker.next(({ method, params }) => method === "turn/completed" && params.turn.id === beforeTurnId);
  return { threadId, beforeTurnId };
}

const cases: Record<string, Case> = {
  "thread/start": {
    good: { model: hello, cwd: place.project, sandbox: "read-only", approvalPolicy: "never" },
    wrong: [
      [{ model: 1 }, "model"],
      [{ sandbox: "none" }, "sandbox"],
      [{ config: [] }, "config"],
    ],
  },
  "thread/resume": {
    good: { threadId: thread.id, initialTurnsPage: { limit: 1 } },
    wrong: [
      [undefined, ""],
      [{}, "threadId"],
      [{ threadId: 7 }, "threadId"],
      [{ threadId: thread.id, initialTurnsPage: { limit: "1" } }, "initialTurnsPage.limit"],
    ],
  },
  "thread/read": {
    good: { threadId: thread.id, includeTurns: true },
    wrong: [
      [undefined, ""],
      [{}, "threadId"],
      [{ threadId: thread.id, includeTurns: "yes" }, "includeTurns"],
    ],
  },
  "thread/list": {
    good: undefined,
    wrong: [
      [{ limit: "many" }, "limit"],
      [[], ""],
    ],
  },
  "thread/loaded/list": { good: { limit: 0 }, wrong: [[{ limit: -1 }, "limit"]] },
  // More of these in thread-methods.test.ts and thread-input.test.ts.
  "thread/name/set": {
    good: { threadId: thread.id, name: "a name" },
    wrong: [
      [{ threadId: thread.id }, "name"],
      [{ threadId: thread.id, name: 1 }, "name"],
    ],
  },
  "thread/fork": {
    good: { threadId: thread.id, lastTurnId: turn.id, excludeTurns: true },
    wrong: [
      [{}, "threadId"],
      [{ threadId: thread.id, lastTurnId: 1 }, "lastTurnId"],
      [{ threadId: thread.id, lastTurnId: turn.id, beforeTurnId: turn.id }, "beforeTurnId"],
      [{ threadId: thread.id, ephemeral: "no" }, "ephemeral"],
    ],
  },
  "thread/inject_items": {
    good: { threadId: thread.id, items: [{ type: "message", role: "user", content: "x" }] },
    wrong: [
      [{ threadId: thread.id }, "items"],
      [{ threadId: thread.id, items: {} }, "items"],
      [{ threadId: thread.id, items: [{ type: "message", role: "nobody", content: "x" }] }, "items.0"],
    ],
  },
  "thread/unsubscribe": { good: { threadId: unknownId }, wrong: [[{}, "threadId"]] },
  "thread/unarchive": { good: { threadId: thread.id }, wrong: [[{}, "threadId"]] },
  "thread/turns/list": {
    good: { threadId: thread.id, limit: 1, itemsView: "full" },
    wrong: [
      [{}, "threadId"],
      [{ threadId: thread.id, itemsView: "some" }, "itemsView"],
    ],
  },
  "thread/items/list": {
    good: { threadId: thread.id, turnId: turn.id },
    wrong: [
      [{ turnId: turn.id }, "threadId"],
      [{ threadId: thread.id, sortDirection: "up" }, "sortDirection"],
    ],
  },
  "turn/execRuns/list": {
    good: { threadId: thread.id, turnId: turn.id },
    wrong: [[{ threadId: thread.id }, "turnId"]],
  },
  "turn/start": {
    good: { threadId: thread.id, input: [{ type: "text", text: "again" }] },
    wrong: [
      [{ threadId: thread.id }, "input"],
      [{ threadId: thread.id, input: [{ type: "text" }] }, "input.0.text"],
      [{ threadId: thread.id, input: [], model: {} }, "model"],
    ],
  },
  "hooks/list": { good: { cwds: [place.project] }, wrong: [[{ cwds: "here" }, "cwds"]] },
  "config/batchWrite": {
    good: { ...trust({ [hookKey]: { trusted_hash: "sha256:00" } }), reloadUserConfig: true },
    wrong: [
      [{}, "edits"],
      [{ edits: [{ keyPath: "hooks.state", value: {} }] }, "edits.0.mergeStrategy"],
      [{ edits: [{ keyPath: "sandbox_mode", value: "x", mergeStrategy: "upsert" }] }, "edits.0.keyPath"],
      [{ edits: [{ keyPath: "a..b", value: "x", mergeStrategy: "upsert" }] }, "edits.0.keyPath"],
      [trust({ [hookKey]: { command: "rm" } }), "edits.0.value"],
      [{ ...trust({}), filePath: "/etc/passwd" }, "filePath"],
    ],
  },
  "config/value/write": {
    good: { keyPath: "tui.theme", value: "dark", mergeStrategy: "replace" },
    wrong: [
      [{}, "keyPath"],
      [{ keyPath: "model", value: "x", mergeStrategy: "merge" }, "mergeStrategy"],
      [{ keyPath: "model", value: 1, mergeStrategy: "replace" }, "value"],
      [{ keyPath: "", value: 1, mergeStrategy: "replace" }, "keyPath"],
      [{ keyPath: "model", value: "x", mergeStrategy: "replace", filePath: "/etc/passwd" }, "filePath"],
    ],
  },
  "config/read": {
    good: { includeLayers: true, cwd: place.project },
    wrong: [
      [{ includeLayers: "yes" }, "includeLayers"],
      [{ cwd: 1 }, "cwd"],
    ],
  },
  "configRequirements/read": { good: undefined, wrong: [["none", ""]] },
  "skills/list": { good: { cwds: [place.project] }, wrong: [[{ cwds: "here" }, "cwds"]] },
  "collaborationMode/list": { good: {}, wrong: [[[], ""]] },
  // More of these in command-exec.test.ts.
  "command/exec": {
    good: { command: ["/bin/true"] },
    wrong: [
      [{}, "command"],
      [{ command: "true" }, "command"],
      [{ command: ["true"], env: { A: 1 } }, "env.A"],
      [{ command: ["true"], size: { rows: 1, cols: 1 } }, "size"],
      [{ command: ["true"], sandboxPolicy: { type: "none" } }, "sandboxPolicy.type"],
    ],
  },
  "command/exec/write": {
    good: { deltaBase64: "aGkK" },
    on: onCommand,
    wrong: [
      [{ deltaBase64: "aGkK" }, "processId"],
      [{ processId: "p" }, "deltaBase64"],
      [{ processId: "p", deltaBase64: 1 }, "deltaBase64"],
    ],
  },
  "command/exec/resize": {
    good: { size: { rows: 30, cols: 90 } },
    on: onCommand,
    wrong: [
      [{ size: { rows: 30, cols: 90 } }, "processId"],
      [{ processId: "p" }, "size"],
      [{ processId: "p", size: { rows: "30", cols: 90 } }, "size.rows"],
    ],
  },
  "command/exec/terminate": {
    good: {},
    on: onCommand,
    wrong: [
      [{}, "processId"],
      [{ processId: 1 }, "processId"],
    ],
  },
  "thread/archive": { good: {}, on: onThread, wrong: [[{}, "threadId"]] },
  "thread/delete": { good: {}, on: onThread, wrong: [[{}, "threadId"]] },
  "thread/revert": { good: {}, on: onEndedTurn, wrong: [[{ threadId: thread.id }, "beforeTurnId"]] },
  "thread/compact/start": { good: {}, on: onThread, wrong: [[{ threadId: 1 }, "threadId"]] },
  "thread/shellCommand": { good: { command: "true" }, on: onThread, wrong: [[{ threadId: thread.id }, "command"]] },
  "turn/steer": {
    good: { input: [{ type: "text", text: "more" }] },
    on: onRunningTurn,
    wrong: [[{ threadId: thread.id, input: [] }, "expectedTurnId"]],
  },
  "turn/interrupt": { good: {}, on: onRunningTurn, wrong: [[{ threadId: thread.id }, "turnId"]] },
  "model/list": { good: {}, wrong: [[{ limit: "all" }, "limit"]] },
  // More of it in mcp.test.ts.
  "mcpServerStatus/list": {
    good: {},
    wrong: [
      [{ detail: "some" }, "detail"],
      [{ threadId: 1 }, "threadId"],
    ],
  },
  "account/read": { good: {}, wrong: [["none", ""]] },
  "thread/readState/update": {
    good: { operation: { type: "read" } },
    on: onReadThread,
    wrong: [
      [{ operation: { type: "read" }, expectedRevision: "x" }, "threadId"],
      [{ threadId: thread.id, operation: { type: "seen" }, expectedRevision: "x" }, "operation.type"],
      [{ threadId: thread.id, operation: { type: "read" } }, "expectedRevision"],
    ],
  },
};

/** One message a line. Nothing else may come: a line that is no JSON throws. */
class StdioClient implements Asker {
  readonly #input: Writable;
  readonly #messages: Message[] = [];
  readonly #waiting = new Map<(message: Message) => boolean, (message: Message) => void>();
  #lastId = 0;

  constructor({ input, output, ended }: { input: Writable; output: Readable; ended: Promise<unknown> }) {
    this.#input = input;
    createInterface({ input: output }).on("line", (line) => {
      const message = JSON.parse(line) as Message;
      this.#messages.push(message);
      for (const [holds, resolve] of this.#waiting) if (holds(message)) resolve(message);
    });
    after(async () => {
      this.#input.end();
      await ended;
    });
  }

  async ask(method: string, params?: unknown): Promise<Message> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#input.write(`${JSON.stringify({ id, method, params })}\n`);
    return await this.next((message) => message.id === id && message.method === undefined);
  }

  async next(holds: (message: Message) => boolean): Promise<Message> {
    const found = this.#messages.find(holds);
    if (found !== undefined) return found;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const timer = setTimeout(() => reject(new Error("nothing of the kind came in time")), deadlineMs);
    this.#waiting.set(holds, resolve);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(holds);
    }
  }
}

const deadlineMs = 60_000;

/** Over streams as the executable has them. */
function stdioInTheProcess(): StdioClient {
  const [input, output] = [new PassThrough(), new PassThrough()];
  return new StdioClient({ input, output, ended: serveStdio(server, { input, output, log: () => {} }) });
}

/** The built executable, on a copy of the home: the same threads, in a process of its own. */
function spawnedStdio(): StdioClient {
  const home = join(place.base, "copy-of-home");
  cpSync(place.home, home, { recursive: true });
  const { NODE_OPTIONS: _, ...others } = process.env;
  const env = { ...others, SALLYPORT_HOME: home };
  const executable = fileURLToPath(new URL("../../cli/bin/sallyport", import.meta.url));
  const child = spawn(executable, ["app-server"], {
    cwd: place.project,
    env,
    stdio: ["pipe", "pipe", "inherit"],
    // More than all rows take: what hangs must not outlive the tests.
    timeout: 240_000,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      if (status === 0) resolve();
      else reject(new Error(`the server ended with status ${status}, signal ${signal}`));
    });
  });
  return new StdioClient({ input: child.stdin, output: child.stdout, ended });
}

const stdio = stdioInTheProcess();
const spawned = spawnedStdio();
const clientInfo = { name: "test", version: "1" };
for (const asker of [stdio, spawned]) await asker.ask("initialize", { clientInfo, capabilities: {} });
const askers: Record<string, Asker> = {
  "in the process": client,
  stdio,
  "stdio of a process": spawned,
  unix: await SocketTestClient.initialized(urlOf(await place.listen("unix", { server }))),
  ws: await SocketTestClient.initialized(urlOf(await place.listen("ws", { server }))),
};

test("every method of the protocol is tried below", () => {
  const methods = Object.keys(clientRequests).filter((method) => method !== "initialize"); // handshake.test.ts
  assert.deepEqual(Object.keys(cases).sort(), methods.sort());
});

for (const [transport, asker] of Object.entries(askers)) {
  for (const [method, { good, wrong, on }] of Object.entries(cases)) {
    test(`${transport}: ${method} answers as its schema says, extra fields or not`, async () => {
      for (const more of [null, { notOfThisVersion: { a: [1] } }]) {
        const ids = (await on?.(asker)) ?? null;
        const params = ids === null && more === null ? good : { ...good, ...ids, ...more };
        const { result, error } = await asker.ask(method, params);
        assert.equal(error, undefined);
        clientRequests[method as ClientRequestMethod].result.parse(result);
        if (on === onCommand) await asker.ask("command/exec/terminate", ids); // refused where it has just been ended
      }
    });

    test(`${transport}: ${method} names the field that is wrong`, async () => {
      for (const [params, path] of wrong) {
        const { error } = await asker.ask(method, params);
        assert.deepEqual({ code: error?.code, path: error?.data.path }, { code: -32602, path }, JSON.stringify(error));
      }
    });
  }
}

test("a method that is not known is -32601", async () => {
  assert.deepEqual((await client.ask("thread/explode", {})).error, {
    code: -32601,
    message: 'Unknown method "thread/explode"',
    data: { method: "thread/explode" },
  });
  assert.equal((await client.ask("toString", {})).error?.code, -32601);
});

test("threads that are not there are named, and ids match exactly", async () => {
  for (const [method, params] of [
    ["thread/read", {}],
    ["thread/resume", {}],
    ["thread/turns/list", {}],
    ["thread/items/list", {}],
    ["turn/start", { input: [] }],
    ["turn/interrupt", { turnId: turn.id }],
  ] as const) {
    const { error } = await client.ask(method, { threadId: unknownId, ...params });
    assert.equal(error?.code, -32600, method);
    assert.match(error?.message ?? "", new RegExp(unknownId), method);
    assert.equal((await client.ask(method, { threadId: thread.id.slice(1), ...params })).error?.code, -32600, method);
  }
});

test("a cursor that nobody was given is refused", async () => {
  const { error } = await client.ask("thread/list", { cursor: "nonsense" });
  assert.equal(error?.code, -32602);
  assert.equal(error?.data.code, "CURSOR_INVALID");
});

test("input that is too long is refused with the limit", async () => {
  const text = "x".repeat(1_048_577);
  const { error } = await client.ask("turn/start", { threadId: thread.id, input: [{ type: "text", text }] });
  const data = { input_error_code: "input_too_large", max_chars: 1_048_576, actual_chars: 1_048_577 };
  assert.deepEqual({ code: error?.code, data: error?.data }, { code: -32602, data });
});

test("config/batchWrite writes the state of hooks and leaves the rest of the file as it was", async () => {
  const file = join(place.home, "config.toml");
  writeFileSync(file, '# mine\nmodel = "m" # stays\n', { mode: 0o600 });
  const { version } = await client.call("config/batchWrite", trust({ [hookKey]: { trusted_hash: "sha256:11" } }));
  const written = readFileSync(file, "utf8");
  assert.ok(written.startsWith('# mine\nmodel = "m" # stays\n'));
  assert.ok(written.includes(`trusted_hash = "sha256:11"`));
  // The version of the answer is the one that the next write may expect.
  await client.call("config/batchWrite", { ...trust({ [hookKey]: { enabled: false } }), expectedVersion: version });
  assert.ok(readFileSync(file, "utf8").includes("enabled = false"));
});
