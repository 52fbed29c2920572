import assert from "node:assert/strict";
import { test } from "node:test";
import { separateCaller } from "../src/caller-state.ts";

test("separateCaller() takes the note out of the environment and reads it", () => {
  assert.deepEqual(
    separateCaller(["A=1", "SALLYPORT_CALLER=1024:0000000000001000:4:,PWD,,_", "B=2", "PWD=/", "SHLVL=1", "_=x"]),
    {
      env: ["A=1", "B=2", "SHLVL=1"],
      state: { nofileSoft: 1024, ignoredSignals: 0x1000n, closedDescriptors: 4 },
    },
  );
});

test("an unlimited number of files is left as it is", () => {
  assert.deepEqual(separateCaller(["SALLYPORT_CALLER=unlimited:0:0:"]).state, {
    nofileSoft: 0,
    ignoredSignals: 0n,
    closedDescriptors: 0,
  });
});

test("without the note, or with another one, there is nothing to restore", () => {
  assert.deepEqual(separateCaller(["A=1"]), { env: ["A=1"], state: null });
  assert.deepEqual(separateCaller(["SALLYPORT_CALLER=x:y"]), { env: [], state: null });
});
