/** MCP servers through the App Server: what clients are told of their start, the question before a tool runs, the list of servers. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { ServerPlace, TestClient } from "./support/server.ts";
import type { Message, Parsed } from "./support/server.ts";

const labServer = fileURLToPath(new URL("../../core/test/mcp/lab-server.ts", import.meta.url));
const config = `[mcp_servers.lab]
command = ${JSON.stringify(process.execPath)}
args = ["--no-warnings", ${JSON.stringify(labServer)}]
startup_timeout_sec = 30
[mcp_servers.gone]
command = "/no/such/program"
[mcp_servers.off]
command = "off"
enabled = false
`;
const write = { tool_calls: [{ name: "mcp__lab__write", arguments: { t: "x" } }] };

interface Place {
  place: ServerPlace;
  client: TestClient;
}

async function makePlace(): Promise<Place> {
  const place = new ServerPlace({ config });
  return { place, client: await TestClient.initialized(place.server()) };
}

/** Runs a turn with one call that is asked about, and gives the item as it was completed. */
async function answered({ place, client }: Place, answers: object[]): Promise<Parsed[]> {
  const thread = await client.startThread(place.script([...answers.map(() => write), { text: "done" }]));
  const { turn } = await client.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  const asked = new Set<Message>();
  for (const answer of answers) {
    const request = await client.next(
      (message) => message.method === "mcpServer/elicitation/request" && !asked.has(message),
    );
    asked.add(request);
    client.send({ id: request.id, ...answer });
  }
  await client.turnCompleted(turn.id);
  return client.messages
    .filter(({ method, params }) => method === "item/completed" && params.item.type === "mcpToolCall")
    .map(({ params }) => params.item);
}

test("the answer to the question of a tool decides, and what is no answer refuses", async () => {
  const place = await makePlace();
  const items = await answered(place, [
    { result: { action: "accept", content: {}, _meta: null } },
    { result: { action: "decline", content: null, _meta: null } },
    { result: { action: "cancel", content: null, _meta: null } },
    { result: { action: "perhaps" } },
    { result: {} },
    { error: { code: -32601, message: "unsupported" } },
  ]);
  assert.deepEqual(
    items.map(({ status, error }) => [status, error?.message ?? null]),
    [
      ["completed", null],
      ["failed", "it needs approval: rejected by the user"],
      ["failed", "it needs approval: rejected by the user"],
      ["failed", "it needs approval: the approval request failed: the client's decision is not known"],
      ["failed", "it needs approval: the approval request failed: the client's decision is not known"],
      ["failed", "it needs approval: the approval request failed: the client answered with an error"],
    ],
  );
});

test("an accept that persists is not asked again on the thread", async () => {
  const { place, client } = await makePlace();
  const thread = await client.startThread(place.script([write, write, { text: "done" }]));
  const { turn } = await client.call("turn/start", { threadId: thread.id, input: [{ type: "text", text: "go" }] });
  const { id } = await client.next(({ method }) => method === "mcpServer/elicitation/request");
  client.send({ id, result: { action: "accept", content: {}, _meta: { persist: "session" } } });
  assert.equal((await client.turnCompleted(turn.id)).status, "completed");
  const methods = client.messages.map(({ method }) => method);
  assert.equal(methods.filter((method) => method === "mcpServer/elicitation/request").length, 1);
  assert.equal(methods.filter((method) => method === "serverRequest/resolved").length, 1);
});

test("mcpServerStatus/list shows the servers of a thread, those that failed and those that are off", async () => {
  const { place, client } = await makePlace();
  assert.deepEqual(await client.call("mcpServerStatus/list", {}), { data: [], nextCursor: null });
  const thread = await client.startThread(place.script([{ text: "done" }]));
  await client.runTurn(thread.id); // which waits for the servers
  const told = client.messages
    .filter(({ method }) => method === "mcpServer/startupStatus/updated")
    .map(({ params: { threadId, name, status, error } }) => [threadId === thread.id, name, status, error]);
  assert.deepEqual(
    told.toSorted((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1)),
    [
      [true, "gone", "failed", "/no/such/program: No such file or directory"],
      [true, "gone", "starting", null],
      [true, "lab", "ready", null],
      [true, "lab", "starting", null],
    ],
  );
  const { data, nextCursor } = await client.call("mcpServerStatus/list", { threadId: thread.id });
  assert.equal(nextCursor, null);
  assert.deepEqual(
    data.map(({ name, runtimeStatus, toolsError, serverInfo }: Parsed) => [
      name,
      runtimeStatus,
      toolsError,
      serverInfo?.name ?? null,
    ]),
    [
      ["gone", "failed", "/no/such/program: No such file or directory", null],
      ["lab", "connected", null, "lab"],
      ["off", "disabled", null, null],
    ],
  );
  assert.deepEqual(data[1].tools["echo"], {
    name: "echo",
    description: "Says it again.",
    inputSchema: { type: "object", properties: { t: { type: "string" } } },
    annotations: { readOnlyHint: true },
  });
  const first = await client.call("mcpServerStatus/list", { limit: 1 });
  assert.deepEqual([first.data.map(({ name }: Parsed) => name), first.nextCursor], [["gone"], "gone"]);
  const rest = await client.call("mcpServerStatus/list", { cursor: first.nextCursor });
  assert.deepEqual(
    rest.data.map(({ name }: Parsed) => name),
    ["lab", "off"],
  );
  const { error } = await client.ask("mcpServerStatus/list", { threadId: "01a20400-0000-7000-8000-000000000000" });
  assert.match(error?.message ?? "", /^thread not found: /);
  const one = await client.call("mcpServerStatus/list", { serverName: "lab" });
  assert.deepEqual(
    one.data.map(({ name }: Parsed) => name),
    ["lab"],
  );
});
