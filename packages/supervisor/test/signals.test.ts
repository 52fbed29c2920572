import assert from "node:assert/strict";
import { test } from "node:test";
import { signalName, signalNumber } from "../src/index.ts";

test("signals have their usual names, real-time ones their number", () => {
  assert.deepEqual([1, 6, 9, 29, 31, 42].map(signalName), ["SIGHUP", "SIGABRT", "SIGKILL", "SIGIO", "SIGSYS", "SIG42"]);
  assert.deepEqual((["SIGHUP", "SIGTERM", "SIGCONT"] as const).map(signalNumber), [1, 15, 18]);
});
