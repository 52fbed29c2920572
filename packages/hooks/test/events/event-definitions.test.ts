import assert from "node:assert/strict";
import { test } from "node:test";
import { HookEventName } from "@sallyport/protocol";
import { eventDefinitions } from "../../src/events/index.ts";

test("eventDefinitions stand in the protocol's order, which listings follow", () => {
  assert.deepEqual(Object.keys(eventDefinitions), HookEventName.options);
});
