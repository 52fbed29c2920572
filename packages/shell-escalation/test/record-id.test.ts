import assert from "node:assert/strict";
import { test } from "node:test";
import { createRecordIds } from "../src/record-id.ts";

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("createRecordIds() makes version 7 UUIDs that carry the time", () => {
  const id = createRecordIds(() => 0x0123_4567_89ab)();
  assert.match(id, uuid7);
  assert.equal(id.slice(0, 13), "01234567-89ab");
});

test("createRecordIds() sorts within one millisecond, past the counter, and when the clock goes back", () => {
  let nowMs = 1_000_000;
  const nextId = createRecordIds(() => nowMs);
  const ids = Array.from({ length: 10_000 }, nextId);
  nowMs -= 5000;
  ids.push(nextId());
  assert.deepEqual(ids.toSorted(), ids);
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.every((id) => uuid7.test(id)));
});

test("two makers at the same time do not collide", () => {
  const makers = [createRecordIds(() => 7), createRecordIds(() => 7)];
  const ids = makers.flatMap((nextId) => Array.from({ length: 2000 }, nextId));
  assert.equal(new Set(ids).size, ids.length);
});
