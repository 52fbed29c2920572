/** Wrappers and servers of other makers speak this: a name that changes here no longer fits there. A change to a literal below comes
 *  with a line in CHANGELOG.md. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { EscalateAnswer, EscalateDescriptors, EscalateRequest, EscalateResult, EscalateSignal } from "../src/index.ts";

test("the keys of the escalation protocol's messages stay as they are", () => {
  assert.deepEqual(
    [EscalateRequest, EscalateAnswer, EscalateDescriptors, EscalateResult, EscalateSignal].map(({ shape }) =>
      Object.keys(shape),
    ),
    [
      ["file", "argv", "workdir", "env", "protocol"],
      ["action", "protocol"],
      ["fds", "more"],
      ["exit_code", "signal"],
      ["signal", "terminal"],
    ],
  );
});
