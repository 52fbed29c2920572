/** The transport: what waits for a slow client is bounded, and what was asked before the end is answered. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { test } from "node:test";
import { openThreadStore } from "@sallyport/core";
import { serveStdio } from "../src/stdio.ts";
import { ServerPlace } from "./support/server.ts";

const place = new ServerPlace();
const hello = { id: 0, method: "initialize", params: { clientInfo: { name: "t", version: "1" } } };
const line = (message: object): string => `${JSON.stringify(message)}\n`;

async function collect(output: PassThrough): Promise<{ id?: number; error?: { message: string } }[]> {
  let text = "";
  for await (const chunk of output) text += String(chunk);
  return text
    .trimEnd()
    .split("\n")
    .map((part) => JSON.parse(part));
}

test("a client may write everything, close, and read the answers", async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  const served = serveStdio(place.server(), { input, output, log: () => {} }).then(() => output.end());
  input.end(line(hello) + line({ id: 1, method: "thread/list" }) + line({ id: 2, method: "model/list" }));
  const messages = await collect(output);
  await served;
  assert.deepEqual(
    messages.map(({ id }) => id ?? -1).toSorted((left, right) => left - right),
    [0, 1, 2],
  );
  assert.deepEqual(
    messages.filter(({ error }) => error !== undefined),
    [],
  );
});

test("what is no message is passed over, and a line that is too long is told to people", async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  const logged: string[] = [];
  const served = serveStdio(place.server(), { input, output, log: (text) => void logged.push(text) }).then(() =>
    output.end(),
  );
  input.write(`\n{"id":\nnull\n[1]\n{"id":9,"result":{}}\n{"method":"no/such"}\n`);
  input.write("x".repeat(16_777_217));
  input.end(`\n${line(hello)}`);
  assert.deepEqual(
    (await collect(output)).map(({ id }) => id),
    [0],
  );
  await served;
  assert.deepEqual(logged, ["a message longer than 16777216 bytes was dropped"]);
});

test("a client that does not read is not read from, until it reads again", async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  const served = serveStdio(place.server(), { input, output, log: () => {} }).then(() => output.end());
  input.write(line(hello));
  // The error says the name again, so each answer is as long as its question.
  const method = "m".repeat(1_048_576);
  const most = 200;
  let count = 0;
  while (!input.isPaused()) {
    assert.ok(count < most, "the input was never paused");
    count += 1;
    input.write(line({ id: count, method }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  // This one waits with the client.
  count += 1;
  input.end(line({ id: count, method }));
  assert.ok(input.readableLength > 0);
  const messages = await collect(output);
  await served;
  assert.equal(messages.length, count + 1);
});

test("a client that starts a turn and never reads is given up, and the turn is stored", async () => {
  const input = new PassThrough();
  const logged: string[] = [];
  const seen: string[] = [];
  let stuck = false;
  let release = (): void => {};
  // Reads until the turn is started, then never again.
  const output = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      seen.push(chunk.toString());
      stuck ||= seen.join("").includes('"turn/started"');
      if (stuck) release = callback;
      else callback();
    },
  });
  const served = serveStdio(place.server(), { input, output, log: (text) => void logged.push(text) });
  const command = "head -c 90000000 /dev/zero | tr '\\0' x";
  const model = place.script([{ tool_calls: [{ name: "shell", arguments: { command } }] }, { text: "done" }]);
  input.write(line(hello) + line({ id: 1, method: "thread/start", params: { model } }));
  const endMs = Date.now() + 20_000;
  let threadId: string | undefined;
  while (threadId === undefined) {
    assert.ok(Date.now() < endMs, "the thread was not started");
    await new Promise((resolve) => setImmediate(resolve));
    threadId = /"id":1,"result":\{"thread":\{"id":"([^"]+)"/.exec(seen.join(""))?.[1];
  }
  input.write(line({ id: 2, method: "turn/start", params: { threadId, input: [{ type: "text", text: "go" }] } }));
  await served;
  assert.deepEqual(logged, ["the client left more than 67108864 bytes unread; its connection is closed"]);
  release();
  const store = openThreadStore(place.home);
  try {
    const { data } = await store.listTurns(threadId, {});
    assert.deepEqual(
      data.map(({ status }) => status),
      ["interrupted"],
    );
  } finally {
    await store.close();
  }
});

test("an abort ends the server in order: SessionEnd hooks run", async () => {
  const mark = join(place.base, "session-ended");
  const hooks = { SessionEnd: [{ hooks: [{ type: "command", command: `echo ended > ${mark}` }] }] };
  writeFileSync(join(place.home, "hooks.json"), JSON.stringify({ hooks }), { mode: 0o600 });
  const input = new PassThrough();
  const output = new PassThrough();
  const stop = new AbortController();
  const served = serveStdio(place.server(), { input, output, log: () => {}, signal: stop.signal }).then(() =>
    output.end(),
  );
  const model = place.script([{ text: "hi" }]);
  input.write(
    line(hello) + line({ id: 1, method: "thread/start", params: { model, config: { bypass_hook_trust: true } } }),
  );
  let text = "";
  await new Promise<void>((resolve) => {
    output.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('"thread/started"')) resolve();
    });
  });
  stop.abort();
  await served;
  assert.equal(readFileSync(mark, "utf8"), "ended\n");
});

test("4,000 requests at once all get an answer: their result, or that the server is overloaded", async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  const served = serveStdio(place.server(), { input, output, log: () => {} }).then(() => output.end());
  const count = 4000;
  const asked = Array.from({ length: count }, (_, index) => line({ id: index + 1, method: "thread/list" }));
  input.end([line(hello), ...asked].join(""));
  const messages = await collect(output);
  await served;
  assert.deepEqual(
    messages.map(({ id }) => id ?? -1).toSorted((left, right) => left - right),
    Array.from({ length: count + 1 }, (_, index) => index),
  );
  const refused = messages.flatMap(({ error }) => error?.message ?? []);
  assert.deepEqual([...new Set(refused)], ["Server overloaded; retry later."]);
  assert.ok(refused.length < count, "nothing was served");
});

test("requests that are changed at random never end the server, and nothing but messages comes out", async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  const served = serveStdio(place.server(), { input, output, log: () => {} }).then(() => output.end());
  let seed = 20_261_123;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  const none = "01a20400-0000-7000-8000-000000000000";
  const requests = [
    { method: "thread/list", params: { limit: 3, cursor: null } },
    { method: "thread/read", params: { threadId: none, includeTurns: true } },
    { method: "turn/start", params: { threadId: none, input: [{ type: "text", text: "go" }] } },
    { method: "config/read", params: { includeLayers: true } },
    { method: "command/exec/write", params: { processId: "p", deltaBase64: "aGkK" } },
  ].map((request, index) => Buffer.from(line({ id: index + 1, ...request })));
  input.write(line(hello));
  for (let round = 0; round < 2000; round += 1) {
    const bytes = [...(requests[round % requests.length] ?? [])];
    for (let change = 0; change <= random(4); change += 1) {
      // A byte replaced, taken out, or put in; line ends and what is not UTF-8 among them.
      bytes.splice(random(bytes.length), random(2), ...(random(3) === 0 ? [] : [random(256)]));
    }
    input.write(Buffer.from(bytes));
  }
  input.end(`\n${line({ id: 999_999, method: "thread/list" })}`);
  const messages = await collect(output);
  await served;
  // Those that were still requests were answered too: fuzz that never gets that far would show nothing.
  assert.ok(messages.length > 100, `${messages.length} messages`);
  // Whatever came before it, the last one is read as what it is.
  assert.equal(messages.filter(({ id }) => id === 999_999).length, 1);
});
