/** One built `sallyport app-server` that listens on stdin, a unix socket and TCP at once, and what clients do wrong on each of them: the
 *  process lives on, every request has one answer, the others notice nothing, and its memory stays bounded. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { clientRequests } from "@sallyport/protocol";
import { ServerPlace } from "./support/server.ts";
import type { Message } from "./support/server.ts";
import { SocketTestClient } from "./support/socket-place.ts";
import { SpawnedServer } from "./support/spawned-server.ts";

const place = new ServerPlace();
const path = join(place.base, "s.sock");
const listens = ["--listen", "stdio://", "--listen", `unix://${path}`, "--listen", "ws://127.0.0.1:0", "--no-auth"];
const stdio = await SpawnedServer.initialized(place, listens);
const port = Number((await stdio.says(/ws:\/\/127\.0\.0\.1:(\d+)\n/))[1]);

interface Client {
  send(text: string): void;
  ask(method: string, params?: unknown): Promise<Message>;
  next(holds: (message: Message) => boolean): Promise<Message>;
}

const urls = { unix: `ws+unix:${path}:/`, ws: `ws://127.0.0.1:${port}/` };
const sockets = {
  unix: await SocketTestClient.initialized(urls.unix),
  ws: await SocketTestClient.initialized(urls.ws),
};

/** A message is a line on stdin, and a frame on the others. */
const clients: Record<"stdio" | "unix" | "ws", Client> = {
  stdio: over(stdio, (text) => stdio.child.stdin.write(`${text}\n`)),
  unix: over(sockets.unix, (text) => sockets.unix.socket.send(text)),
  ws: over(sockets.ws, (text) => sockets.ws.socket.send(text)),
};

function over(client: Omit<Client, "send">, send: (text: string) => unknown): Client {
  return {
    send: (text) => void send(text),
    ask: (method, params) => client.ask(method, params),
    next: (holds) => client.next(holds),
  };
}

/** Resolves when each of these ids has its answer; throws where one has two. */
async function answers(client: Client, ids: ReadonlySet<unknown>): Promise<Map<unknown, Message>> {
  const found = new Map<unknown, Message>();
  await client.next((message) => {
    if (message.method !== undefined || !ids.has(message.id)) return false;
    assert.ok(!found.has(message.id), `two answers to ${message.id}`);
    found.set(message.id, message);
    return found.size === ids.size;
  });
  return found;
}

async function everybodyIsServed(): Promise<void> {
  for (const client of Object.values(clients)) assert.equal((await client.ask("account/read", {})).error, undefined);
}

/** Numbers that look random and are the same each time. */
function makeRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function pick<Value>(random: (below: number) => number, values: readonly Value[]): Value {
  return values[random(values.length)] as Value; // an index of its own
}

const model = place.script([{ text: "hello" }]);
const started = await clients.unix.ask("thread/start", { model });
const threadId = started.result.thread.id as string;

const odd: unknown[] = [
  null,
  true,
  -1,
  1e308,
  "",
  "\u0000",
  "\ud800",
  "../../etc/passwd",
  "y".repeat(20_000),
  [],
  {},
  [[]],
  JSON.parse('{"__proto__":{"a":1},"constructor":1}'),
  JSON.parse(`${"[".repeat(500)}${"]".repeat(500)}`),
];
/** What methods take, by name: some of it right. */
const right: Record<string, unknown> = {
  threadId,
  model,
  input: [{ type: "text", text: "again" }],
  items: [{ type: "message", role: "user", content: "x" }],
  command: ["/bin/true"],
  cwds: [place.project],
  edits: [{ keyPath: "tui.theme", value: "dark", mergeStrategy: "replace" }],
  keyPath: "tui.theme",
  value: "dark",
  mergeStrategy: "replace",
  name: "a name",
  limit: 1,
  turnId: threadId,
  expectedTurnId: threadId,
  beforeTurnId: threadId,
  cursor: threadId,
  processId: "p",
  deltaBase64: "aGkK",
  size: { rows: 1, cols: 1 },
  includeTurns: false,
  config: {},
};
const methods = [...Object.keys(clientRequests), "no/such", "", "__proto__"];

function oddParams(random: (below: number) => number): unknown {
  if (random(8) === 0) return pick(random, odd);
  const names = Object.keys(right).filter((name) => name === "threadId" || random(2) === 0);
  return Object.fromEntries(names.map((name) => [name, random(3) === 0 ? pick(random, odd) : right[name]]));
}

const noMessages = [
  "",
  "{",
  "[]",
  "null",
  '"text"',
  '{"id":1.5,"method":"model/list"}',
  '{"id":null}',
  '{"id":1,"result":{}}',
  '{"id":"x","error":null}',
  '{"method":7}',
  '{"method":"initialized","params":[]}',
  "[".repeat(100_000),
];

for (const [transport, client] of Object.entries(clients)) {
  describe(`a client on ${transport}`, () => {
    test("fuzzed requests each have one answer, among what is no message", async () => {
      const random = makeRandom(transport.length);
      const ids = new Set<string>();
      for (let count = 0; count < 400; count += 1) {
        const id = `${transport} fuzz ${count}`;
        const method = pick(random, methods);
        // Of two that wait, one ends the other's thread: deleting goes last.
        if (method === "thread/delete" || method === "thread/archive") continue;
        ids.add(id);
        client.send(JSON.stringify({ id, method, params: oddParams(random) }));
        if (random(4) === 0) client.send(pick(random, noMessages));
      }
      const found = await answers(client, ids);
      const codes = new Set([...found.values()].map(({ error }) => error?.code ?? "result"));
      // Both good and bad were among them, and at nothing did the server fail.
      assert.ok(!codes.has(-32_603), JSON.stringify([...found.values()].find(({ error }) => error?.code === -32_603)));
      assert.ok(codes.has("result") && codes.has(-32_602) && codes.has(-32_601), [...codes].join(", "));
      await everybodyIsServed();
    });

    test("4,000 requests at once are answered or refused for their number, each once", async () => {
      const ids = new Set(Array.from({ length: 4000 }, (_, count) => `${transport} many ${count}`));
      for (const id of ids) client.send(JSON.stringify({ id, method: "thread/list", params: { limit: 1 } }));
      const found = await answers(client, ids);
      const codes = new Set([...found.values()].flatMap(({ error }) => (error === undefined ? [] : [error.code])));
      assert.deepEqual(
        [...codes].filter((code) => code !== -32_001),
        [],
      );
      await everybodyIsServed();
    });
  });
}

test("bytes that are no text on stdin are passed over, and 20 MB in one line are dropped", async () => {
  const random = makeRandom(3);
  for (let count = 0; count < 100; count += 1) {
    stdio.child.stdin.write(Buffer.from(Array.from({ length: 1 + random(200) }, () => random(256))));
  }
  stdio.child.stdin.write("\n");
  clients.stdio.send(JSON.stringify({ id: 1, method: "thread/list", params: { searchTerm: "x".repeat(20_000_000) } }));
  await everybodyIsServed();
  await stdio.says(/a message longer than 16777216 bytes was dropped/);
  assert.deepEqual(stdio.noise, []);
});

for (const kind of ["unix", "ws"] as const) {
  test(`20 MB in one frame on ${kind} end that connection, and no other`, async () => {
    const long = await SocketTestClient.initialized(urls[kind]);
    long.socket.send(JSON.stringify({ id: 9, method: "thread/list", params: { searchTerm: "x".repeat(20_000_000) } }));
    assert.notEqual((await long.closed).code, 1000);
    await everybodyIsServed();
  });

  test(`fuzzed frames on ${kind} end their own connection at most`, async () => {
    const random = makeRandom(kind.length);
    await Promise.all(
      Array.from({ length: 150 }, () =>
        sendFrames(
          kind,
          Array.from({ length: 4 }, () => frame(random)),
        ),
      ),
    );
    await everybodyIsServed();
  });
}

/** A frame of WebSocket with anything in each of its fields, the lengths too. */
function frame(random: (below: number) => number): Buffer {
  const payload = Buffer.from(pick(random, ['{"id":1,"method":"model/list"}', "{", "\u00e4", "", "z".repeat(300)]));
  for (let change = random(3); change > 0; change -= 1)
    if (payload.length > 0) payload[random(payload.length)] = random(256);
  const first = random(2) === 0 ? 0x81 : random(256);
  const masked = random(4) === 0 ? 0 : 0x80;
  const claimed = random(3) === 0 ? random(128) : payload.length;
  const head =
    claimed < 126
      ? [first, masked | claimed]
      : claimed === 126 || random(2) === 0
        ? [first, masked | 126, random(256), random(256)]
        : [first, masked | 127, ...Array.from({ length: 8 }, () => random(256))];
  const key = masked === 0 ? [] : [0, 0, 0, 0]; // masks nothing
  return Buffer.concat([Buffer.from([...head, ...key]), payload]);
}

/** Resolves when the server has ended the connection: it answers our end. */
async function sendFrames(kind: "unix" | "ws", frames: readonly Buffer[]): Promise<void> {
  const socket = kind === "unix" ? connect({ path }) : connect({ host: "127.0.0.1", port });
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("error", () => {}); // cut off: told by "close"
  after(() => socket.destroy());
  socket.write(
    "GET / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n" +
      "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  socket.resume();
  socket.end(Buffer.concat(frames));
  await closed;
}

test("clients that ask and never read hold up nobody", async () => {
  const long = await clients.unix.ask("thread/start", { model: place.script([{ text: "x".repeat(1_000_000) }]) });
  const params = { threadId: long.result.thread.id, includeTurns: true };
  const input = [{ type: "text", text: "go" }];
  const { result } = await clients.unix.ask("turn/start", { threadId: params.threadId, input });
  await clients.unix.next(
    (message) => message.method === "turn/completed" && message.params.turn.id === result.turn.id,
  );
  for (const url of [urls.unix, urls.ws]) {
    const deaf = await SocketTestClient.initialized(url);
    deaf.socket.pause();
    // Past the bound it is not read from.
    for (let id = 100; id < 150; id += 1) deaf.socket.send(JSON.stringify({ id, method: "thread/read", params }));
    await everybodyIsServed();
    deaf.socket.terminate();
    await everybodyIsServed();
  }
});

test("after all of it the memory of the process is bounded, and it ends in order", async () => {
  const status = readFileSync(`/proc/${stdio.child.pid}/status`, "utf8");
  const peakMb = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  // 330 MB were measured.
  assert.ok(peakMb < 1024, `${peakMb} MB`);
  stdio.child.stdin.end();
  assert.deepEqual(await stdio.ended, { status: 0, signal: null }, stdio.stderr);
});
