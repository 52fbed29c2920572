import assert from "node:assert/strict";
import { test } from "node:test";
import type { ThreadEvent } from "@sallyport/core";
import { makeStage, startThread } from "../../core/test/support/stage.ts";
import { Connection } from "../src/connection.ts";
import { Subscriptions } from "../src/subscriptions.ts";

/** Everything that is told to a client that has made its handshake. */
function makeClient(): { connection: Connection; told: string[] } {
  const told: string[] = [];
  const handler = {
    request: () => Promise.reject(new Error("nothing is asked")),
    response: () => {},
    closed: () => {},
  };
  const connection = new Connection((text) => {
    const { method, params } = JSON.parse(text) as { method: string; params: unknown };
    told.push(JSON.stringify({ method, params }));
  }, handler);
  const client = { name: "test", version: "1", title: null };
  connection.handshake = { client, optOut: new Set(), asksPerson: false, execRuns: true };
  return { connection, told };
}

test("release() tells what the snapshot does not hold, wherever in a turn it was taken", async () => {
  const stage = makeStage();
  const model = stage.script([{ text: "in pieces", chunk_size: 2 }]);
  const { session } = await startThread(stage, { model });
  const events: ThreadEvent[] = [];
  session.subscribe({ event: (event) => events.push(event) });
  const subscriptions = new Subscriptions((_threadId, error) => assert.fail(String(error)));
  // As clients whose answer to thread/resume takes the whole turn: all of it waits for them.
  const clients = Array.from({ length: 40 }, makeClient);
  for (const { connection } of clients) {
    subscriptions.add(connection);
    subscriptions.attach(connection, session);
  }
  await session.startTurn({ input: [{ type: "text", text: "go", text_elements: [] }] });
  await session.idle();
  assert.ok(events.length >= 8, `only ${events.length} events`);
  assert.ok(
    clients.every(({ told }) => told.length === 0),
    "nothing is told before the answer",
  );
  const seqs = [0, ...events.map(({ seq }) => seq)];
  for (const [index, seq] of seqs.slice(0, clients.length).entries()) {
    const { connection, told } = clients[index] ?? makeClient();
    subscriptions.release(connection, session, seq);
    const missing = events.filter((event) => event.seq > seq).map(({ notification }) => JSON.stringify(notification));
    assert.deepEqual(told, missing, `a snapshot up to event ${seq}`);
  }
});
