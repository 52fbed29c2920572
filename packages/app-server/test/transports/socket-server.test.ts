import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { after, describe, test } from "node:test";
import { tokenAuth } from "../../src/transports/bearer-auth.ts";
import { SocketPlace, SocketTestClient, ask, urlOf } from "../support/socket-place.ts";
import type { Kind } from "../support/socket-place.ts";

const place = new SocketPlace();
const auth = tokenAuth(createHash("sha256").update("right").digest());
const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
};
const kinds: Kind[] = ["ws", "unix"];

for (const kind of kinds) {
  describe(`listenForClients() on ${kind}`, () => {
    test("answers what is no WebSocket as the peer does", async () => {
      const listening = await place.listen(kind, { auth });
      const cases: [Parameters<typeof ask>[1], number, string][] = [
        [{ path: "/readyz" }, 200, ""],
        [{ path: "/healthz" }, 200, ""],
        [{ path: "/healthz", method: "HEAD" }, 200, ""],
        [{ path: "/healthz", method: "POST" }, 405, ""],
        [{ path: "/healthz", headers: { origin: "http://127.0.0.1" } }, 403, ""],
        [{ path: "/" }, 400, "Connection header did not include 'upgrade'"],
        [{ path: "/", headers: { origin: "null" } }, 403, ""],
        [{ headers: upgrade }, 401, "missing websocket bearer token"],
        [{ headers: { ...upgrade, authorization: "Bearer wrong" } }, 401, "invalid websocket bearer token"],
        // The attack: a page in a browser, that has the token or not.
        [{ headers: { ...upgrade, origin: "http://evil.example", authorization: "Bearer right" } }, 403, ""],
      ];
      for (const [request, status, body] of cases) {
        const answer = await ask(listening, request);
        assert.deepEqual([answer.status, answer.body], [status, body], JSON.stringify(request));
        if (status === 405) assert.equal(answer.headers.allow, "GET,HEAD");
      }
    });

    test("serves who has the token, on any path", async () => {
      const listening = await place.listen(kind, { auth });
      for (const path of ["/", "/rpc", "/any/where?x=1"]) {
        const client = await SocketTestClient.open(urlOf(listening, path), { authorization: "Bearer right" });
        const { result } = await client.ask("initialize", { clientInfo: { name: "t", version: "1" } });
        assert.equal(result.codexHome, place.home);
      }
    });

    test("ignores binary frames, two messages in one frame, and what is no message; answers pings", async () => {
      const client = await SocketTestClient.initialized(urlOf(await place.listen(kind)));
      client.socket.send(Buffer.from(JSON.stringify({ id: 70, method: "model/list", params: {} })), { binary: true });
      client.socket.send('{"id":71,"method":"model/list"}\n{"id":72,"method":"model/list"}');
      for (const text of ["", "[]", "nonsense", '{"id":73}', '{"id":1.5,"method":"model/list"}', '{"id":null}']) {
        client.socket.send(text);
      }
      const pong = new Promise<string>((resolve) =>
        client.socket.once("pong", (data: Buffer) => resolve(data.toString())),
      );
      client.socket.ping("are you there");
      assert.equal(await pong, "are you there");
      await client.ask("account/read", {});
      assert.deepEqual(
        client.messages.map(({ id }) => id).filter((id) => id !== undefined),
        [1, 2],
      );
    });

    test("closes a connection whose message is too long or not UTF-8, and no other", async () => {
      const listening = await place.listen(kind);
      const other = await SocketTestClient.initialized(urlOf(listening));
      const long = await SocketTestClient.initialized(urlOf(listening));
      long.socket.send(JSON.stringify({ id: 9, method: "thread/list", params: { x: "x".repeat(20_000_000) } }));
      assert.notEqual((await long.closed).code, 1000);
      const notText = await SocketTestClient.initialized(urlOf(listening));
      notText.socket.send(Buffer.from([0x7b, 0xff, 0x7d]), { binary: false });
      assert.equal((await notText.closed).code, 1007);
      assert.equal((await other.ask("account/read", {})).error, undefined);
    });

    test("refuses what is asked past the bound, answers all the rest, and goes on", async () => {
      const client = await SocketTestClient.initialized(urlOf(await place.listen(kind)));
      const count = 4000;
      for (let id = 1000; id < 1000 + count; id += 1) {
        client.socket.send(JSON.stringify({ id, method: "thread/list", params: { limit: 1 } }));
      }
      assert.equal(await client.answersFrom(1000, count), count);
      const answers = client.messages.filter(({ id }) => typeof id === "number" && id >= 1000);
      const refused = answers.filter(({ error }) => error !== undefined);
      assert.ok(
        refused.every(({ error }) => error?.code === -32_001),
        "only for the bound",
      );
      assert.ok(count - refused.length >= 512, `${count - refused.length} were answered`);
      assert.equal((await client.ask("thread/list", { limit: 1 })).error, undefined);
    });

    test("a client that asks and does not read is not read from, and the others go on", async () => {
      const listening = await place.listen(kind);
      const other = await SocketTestClient.initialized(urlOf(listening));
      const deaf = await SocketTestClient.initialized(urlOf(listening));
      const model = place.script([{ text: "x".repeat(1_000_000) }, { text: "done" }]);
      const { result } = await other.ask("thread/start", { model });
      const threadId = result.thread.id as string;
      await other.ask("turn/start", { threadId, input: [{ type: "text", text: "go" }] });
      await other.next(({ method }) => method === "turn/completed");
      deaf.socket.pause();
      // Each answer is a megabyte: past the bound it is not read from, so some of these are never answered.
      for (let id = 100; id < 300; id += 1) {
        deaf.socket.send(JSON.stringify({ id, method: "thread/read", params: { threadId, includeTurns: true } }));
      }
      for (let round = 0; round < 20; round += 1) {
        assert.equal((await other.ask("thread/list", { limit: 1 })).error, undefined);
      }
      // Of this process, so of the server too: what waits for a client is here, not in the heap.
      const { arrayBuffers } = process.memoryUsage();
      assert.ok(arrayBuffers < 134_217_728, `${arrayBuffers} bytes wait`);
      deaf.socket.terminate();
      assert.equal((await other.ask("thread/list", { limit: 1 })).error, undefined);
    });

    test("half handshakes and connections that say nothing hinder nobody", async () => {
      const listening = await place.listen(kind);
      const where = listening.address.startsWith("unix://")
        ? { path: listening.address.slice("unix://".length) }
        : { host: "127.0.0.1", port: Number(new URL(listening.address).port) };
      const raw = await Promise.all(
        [
          "",
          "GET / HTTP/1.1\r\n",
          "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
          "\u0000\u0000",
        ].map(
          (text) =>
            new Promise<ReturnType<typeof connect>>((resolve) => {
              const socket = connect(where as never, () => {
                socket.write(text);
                resolve(socket);
              });
              socket.on("error", () => {});
            }),
        ),
      );
      const client = await SocketTestClient.initialized(urlOf(listening));
      assert.equal((await client.ask("account/read", {})).error, undefined);
      for (const socket of raw) socket.destroy();
    });

    test("close() takes leave of every client", async () => {
      const listening = await place.listen(kind);
      const client = await SocketTestClient.initialized(urlOf(listening));
      await listening.stopAccepting();
      await listening.close();
      assert.deepEqual(await client.closed, { code: 1001, reason: "the server ends" });
      await assert.rejects(SocketTestClient.open(urlOf(listening)));
    });
  });
}

test("who is turned away is cut off, and keeps no connection", async () => {
  const listening = await place.listen("unix", { auth });
  const lines = Object.entries({ host: "x", ...upgrade }).map(([name, value]) => `${name}: ${value}\r\n`);
  // Never ends its own side.
  const socket = connect({ path: listening.address.slice("unix://".length), allowHalfOpen: true }, () => {
    socket.write(`GET / HTTP/1.1\r\n${lines.join("")}\r\n`);
  });
  after(() => socket.destroy());
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
  await once(socket, "end");
  assert.match(answer, /^HTTP\/1\.1 401 [^]*missing websocket bearer token$/);
  const failed = once(socket, "error", { signal: AbortSignal.timeout(10_000) });
  const timer = setInterval(() => socket.write("still here"), 10);
  after(() => clearInterval(timer));
  assert.equal(((await failed)[0] as NodeJS.ErrnoException).code, "EPIPE");
});

test("a client that never reads what it is told is cut off, and who reads misses nothing", async () => {
  const listening = await place.listen("unix");
  const reader = await SocketTestClient.initialized(urlOf(listening));
  const deaf = await SocketTestClient.initialized(urlOf(listening));
  deaf.socket.pause();
  place.logged.length = 0;
  const { result } = await reader.ask("thread/start", { model: place.script([]) });
  const threadId = result.thread.id as string;
  // Every client hears of names.
  const name = "x".repeat(4_000_000);
  const count = 20;
  for (let number = 0; number < count; number += 1) await reader.ask("thread/name/set", { threadId, name });
  assert.deepEqual(
    place.logged.filter((line) => line.includes("unread")),
    ["a client left more than 67108864 bytes unread; its connection is closed"],
  );
  deaf.socket.resume();
  assert.equal((await deaf.closed).code, 1006);
  let told = 0;
  await reader.next(
    ({ method, params }) => method === "thread/name/updated" && params.threadName === name && ++told === count,
  );
  assert.equal(told, count);
});

test("a thousand clients are served at once", async () => {
  const listening = await place.listen("unix");
  const clients: SocketTestClient[] = [];
  // As many at a time as wait to be accepted.
  for (let batch = 0; batch < 10; batch += 1) {
    const opened = Array.from({ length: 100 }, () => SocketTestClient.initialized(urlOf(listening)));
    clients.push(...(await Promise.all(opened)));
  }
  const answers = await Promise.all(clients.map((client) => client.ask("account/read", {})));
  assert.ok(answers.every(({ error }) => error === undefined));
});

test("fuzzed frames never end the server", async () => {
  const listening = await place.listen("unix");
  const path = listening.address.slice("unix://".length);
  const handshake = Object.entries({ host: "x", ...upgrade }).map(([name, value]) => `${name}: ${value}\r\n`);
  let seed = 20_261_123;
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed;
  };
  await Promise.all(
    Array.from({ length: 300 }, async () => {
      const bytes = Buffer.from(Array.from({ length: 1 + (random() % 64) }, () => random() % 256));
      await new Promise<void>((resolve) => {
        const socket = connect({ path }, () => {
          socket.write(`GET / HTTP/1.1\r\n${handshake.join("")}\r\n`);
          socket.end(bytes);
        });
        socket.on("error", () => resolve());
        socket.on("close", () => resolve());
        socket.resume();
      });
    }),
  );
  const client = await SocketTestClient.initialized(urlOf(listening));
  assert.equal((await client.ask("account/read", {})).error, undefined);
});
