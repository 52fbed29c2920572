import assert from "node:assert/strict";
import { test } from "node:test";
import { InitializeParams, rpcErrorCodes } from "@sallyport/protocol";
import { readInitialize } from "../src/initialize.ts";
import { rpcCodes } from "../src/rpc-error.ts";
import { ServerPlace, TestClient } from "./support/server.ts";

const place = new ServerPlace();
const server = place.server();

test("a request before initialize is refused, and so is a second initialize", async () => {
  const client = new TestClient(server);
  assert.deepEqual((await client.ask("thread/list")).error, { code: -32600, message: "Not initialized" });
  assert.equal((await client.ask("no/such/method")).error?.code, -32601);
  const result = await client.call("initialize", { clientInfo: { name: "me", version: "2" } });
  assert.equal(result.codexHome, place.home);
  assert.equal(
    (await client.ask("initialize", { clientInfo: { name: "me", version: "2" } })).error?.message,
    "Already initialized",
  );
  // Without waiting for `initialized`.
  assert.deepEqual((await client.call("thread/list")).data, []);
});

test("what is read of initialize by hand is what its schema takes", () => {
  const info = { name: "a", version: "1" };
  const samples: unknown[] = [
    { clientInfo: info },
    { clientInfo: { ...info, title: null } },
    { clientInfo: info, capabilities: null, more: 1 },
    { clientInfo: info, capabilities: { optOutNotificationMethods: ["a"], extensions: { other: 1 } } },
    { clientInfo: info, capabilities: { extensions: { sallyport: { execRuns: false } } } },
    {},
    null,
    [],
    { clientInfo: { name: 1, version: "1" } },
    { clientInfo: { name: "a" } },
    { clientInfo: { ...info, title: 3 } },
    { clientInfo: info, capabilities: [] },
    { clientInfo: info, capabilities: { optOutNotificationMethods: "all" } },
    { clientInfo: info, capabilities: { optOutNotificationMethods: [1] } },
    { clientInfo: info, capabilities: { extensions: [] } },
  ];
  const byHand = samples.map((sample) => {
    try {
      readInitialize(sample);
      return true;
    } catch {
      return false;
    }
  });
  assert.deepEqual(
    byHand,
    samples.map((sample) => InitializeParams.safeParse(sample).success),
  );
});

test("a name that is no header value is refused", async () => {
  const { error } = await new TestClient(server).ask("initialize", { clientInfo: { name: "a\nb", version: "1" } });
  assert.equal(error?.code, -32600);
});

test("the numbers of errors are those of the protocol", () => {
  assert.deepEqual(rpcCodes, rpcErrorCodes);
});

test("a home that is refused answers initialize and nothing else", async () => {
  const { AppServer } = await import("../src/app-server.ts");
  const { SallyportError } = await import("@sallyport/supervisor");
  const refused = new AppServer({
    home: place.home,
    checkHome: () =>
      Promise.reject(new SallyportError("HOME_REFUSED", "others may write it", { data: { home: place.home } })),
    cwd: place.project,
    env: {},
    version: "0",
    log: () => {},
  });
  const client = await TestClient.initialized(refused);
  for (const method of ["thread/list", "hooks/list", "model/list"]) {
    assert.equal((await client.ask(method)).error?.data.code, "HOME_REFUSED", method);
  }
});

test("notifications that a client opted out of do not come", async () => {
  const model = place.script([{ text: "hi" }]);
  const quiet = await TestClient.initialized(server, { optOutNotificationMethods: ["item/started", "no/such"] });
  const thread = await quiet.startThread(model);
  await quiet.runTurn(thread.id);
  const methods = quiet.notifications(thread.id);
  assert.ok(!methods.includes("item/started"));
  assert.ok(methods.includes("item/completed"));
});
