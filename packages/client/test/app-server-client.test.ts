import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ConnectionClosed, RequestRefused, ThreadPicture, connectAppServer, spawnAppServer } from "@sallyport/client";
import type { AppServerClient } from "@sallyport/client";
import type { Thread } from "@sallyport/protocol";
import { Place, executable } from "../../cli/test/sallyport.ts";

const clientInfo = { name: "client-test", version: "1" };

function open(place: Place, options: { execRuns?: boolean; withoutNotifications?: string[] } = {}) {
  const spawn = { command: executable, cwd: place.project, env: place.env };
  return spawnAppServer({ clientInfo, spawn, ...options });
}

function script(place: Place, answers: readonly object[]): string {
  const file = join(place.base, "answers.jsonl");
  writeFileSync(file, answers.map((answer) => JSON.stringify(answer)).join("\n"));
  return `scripted:${file}`;
}

function hooks(place: Place, commands: Record<string, string>): void {
  const entries = Object.entries(commands).map(([event, command]) => [
    event,
    [{ hooks: [{ type: "command", command }] }],
  ]);
  writeFileSync(join(place.home, "hooks.json"), JSON.stringify({ hooks: Object.fromEntries(entries) }), {
    mode: 0o600,
  });
  assert.equal(place.call(["hooks", "trust", "--all"]).status, 0);
}

function askFor(place: Place, program: string): void {
  mkdirSync(join(place.home, "rules"), { mode: 0o700 });
  const rule = `prefix_rule([${JSON.stringify(program)}], decision = "prompt", justification = "who is it")`;
  writeFileSync(join(place.home, "rules", "ask.rules"), `${rule}\n`, { mode: 0o600 });
}

async function stored(client: AppServerClient, threadId: string): Promise<Thread> {
  return (await client.request("thread/read", { threadId, includeTurns: true })).thread;
}

describe("spawnAppServer()", () => {
  test("makes the handshake, and the server ends with the connection", async () => {
    const place = new Place();
    const client = await open(place);
    assert.equal(client.server.codexHome, place.home);
    await client.close();
    assert.match(await client.closed, /app-server|sallyport/);
  });

  test("names a program that cannot be started", async () => {
    const failed = spawnAppServer({ clientInfo, spawn: { command: "/nowhere/server" } });
    await assert.rejects(failed, (error) => {
      assert.ok(error instanceof ConnectionClosed);
      assert.match(error.message, /^initialize: "\/nowhere\/server" could not be started: /);
      return true;
    });
  });

  test("tells of a server that ends before it answers", async () => {
    const failed = spawnAppServer({ clientInfo, spawn: { command: "/bin/false", args: [] } });
    await assert.rejects(failed, new ConnectionClosed('initialize: "/bin/false" ended with status 1'));
  });

  test("hands over what the server logs", async () => {
    let log = "";
    const spawn = { command: "/bin/sh", args: ["-c", "echo why >&2; exit 3"], onLog: (text: string) => (log += text) };
    await assert.rejects(spawnAppServer({ clientInfo, spawn }), ConnectionClosed);
    assert.equal(log, "why\n");
  });
});

describe("connectAppServer()", () => {
  test("refuses an address that it does not understand", async () => {
    await assert.rejects(
      connectAppServer("tcp://localhost:1", { clientInfo }),
      new TypeError(
        'the address "tcp://localhost:1" is not understood, expected ws://HOST:PORT, wss://HOST:PORT or unix://PATH',
      ),
    );
  });

  test("tells of an address where nobody listens", async () => {
    const place = new Place();
    const path = join(place.base, "none.sock");
    await assert.rejects(connectAppServer(`unix://${path}`, { clientInfo }), (error) => {
      assert.ok(error instanceof ConnectionClosed);
      assert.match(error.message, /none\.sock:\/rpc cannot be reached: .*ENOENT/);
      return true;
    });
  });
});

describe("AppServerClient", () => {
  test("request() rejects with the server's refusal", async () => {
    await using client = await open(new Place());
    const refused = client.request("thread/read", { threadId: "01a20400-0000-7000-8000-000000000000" });
    await assert.rejects(refused, (error) => {
      assert.ok(error instanceof RequestRefused);
      assert.deepEqual([error.method, error.code], ["thread/read", -32_600]);
      return true;
    });
  });

  test("request() rejects when the connection has ended", async () => {
    const client = await open(new Place());
    await client.close();
    await assert.rejects(client.request("thread/list", {}), ConnectionClosed);
  });

  test("hears what it wants to hear only", async () => {
    const place = new Place();
    const model = script(place, [{ text: "hi" }]);
    await using client = await open(place, { withoutNotifications: ["thread/status/changed"] });
    const heard: string[] = [];
    client.onAny(({ method }) => heard.push(method));
    const completed = Promise.withResolvers<void>();
    client.on("turn/completed", () => completed.resolve());
    const { thread } = await client.request("thread/start", { model });
    await client.request("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
    await completed.promise;
    assert.ok(heard.includes("item/completed"));
    assert.ok(!heard.includes("thread/status/changed"));
  });

  test("handle() answers a question of the server", async () => {
    const place = new Place();
    askFor(place, "id");
    const call = { name: "shell", arguments: { command: "/usr/bin/id -u" } };
    const model = script(place, [{ tool_calls: [call] }, { text: "done" }]);
    for (const decision of ["accept", "decline"] as const) {
      await using client = await open(place);
      const asked: unknown[] = [];
      client.handle("item/commandExecution/requestApproval", (params) => {
        asked.push(params.reason);
        return Promise.resolve({ decision });
      });
      const completed = Promise.withResolvers<void>();
      client.on("turn/completed", () => completed.resolve());
      const { thread } = await client.request("thread/start", { model });
      await client.request("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
      await completed.promise;
      assert.equal(asked.length, 1);
      assert.match(String(asked[0]), /who is it/);
      const items = (await stored(client, thread.id)).turns[0]?.items ?? [];
      const statuses = items.flatMap((item) => (item.type === "commandExecution" ? [item.status] : []));
      assert.deepEqual(statuses, [decision === "accept" ? "completed" : "declined"]);
    }
  });
});

describe("ThreadPicture", () => {
  test("ends as what is stored", async () => {
    const place = new Place();
    hooks(place, { UserPromptSubmit: "echo be kind", PostToolUse: "true", Stop: "true" });
    const call = { name: "shell", arguments: { command: "for i in 1 2 3; do echo $i; done" } };
    const model = script(place, [{ text: "I look.", chunk_size: 2, tool_calls: [call] }, { text: "done" }]);
    await using client = await open(place);
    const { thread } = await client.request("thread/start", { model });
    const { picture } = await ThreadPicture.follow(client, thread.id);
    const completed = Promise.withResolvers<void>();
    client.on("turn/completed", () => completed.resolve());
    await client.request("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
    await completed.promise;
    const { turns } = await stored(client, thread.id);
    assert.deepEqual(
      picture.thread.turns.map(({ itemsView: _, ...turn }) => turn),
      turns.map(({ itemsView: _, ...turn }) => turn),
    );
    assert.equal(turns[0]?.hookRuns.length, 3);
    assert.ok(picture.tokenUsage !== null);
  });
});
