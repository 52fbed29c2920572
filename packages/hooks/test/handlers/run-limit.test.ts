import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { RunLimit } from "../../src/handlers/run-limit.ts";

test("what comes first counts: the time or being cancelled", async () => {
  const timed = new RunLimit(1);
  await once(timed.signal, "abort");
  timed.cancel();
  assert.equal(timed.reached, "timedOut");
  const cancelled = new RunLimit(20);
  cancelled.cancel();
  await delay(40);
  assert.deepEqual([cancelled.reached, cancelled.signal.aborted], ["cancelled", true]);
});

test("a clock that was stopped reaches nothing, and can still be cancelled", async () => {
  const limit = new RunLimit(5);
  limit.stopClock();
  await delay(20);
  assert.deepEqual([limit.reached, limit.signal.aborted], [null, false]);
  limit.cancel();
  assert.equal(limit.reached, "cancelled");
});
