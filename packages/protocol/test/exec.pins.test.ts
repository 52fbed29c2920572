/** The journal is read by other people's programs: a name that changes here changes there. A change to a literal below comes
 *  with a line in CHANGELOG.md. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { DecisionKind, ExecRecord, ReasonKind } from "../src/index.ts";

test("the keys and values of an exec record stay as they are", () => {
  assert.deepEqual(Object.keys(ExecRecord.shape), [
    "id",
    "atMs",
    "pid",
    "ppid",
    "parentId",
    "file",
    "calledAs",
    "argv",
    "cwd",
    "decision",
    "reason",
    "exitCode",
    "signal",
    "durationMs",
    "replacedBy",
    "outside",
    "droppedEnv",
  ]);
  assert.deepEqual(DecisionKind.options, ["run", "escalate", "deny"]);
  assert.deepEqual(ReasonKind.options, ["rule", "hook", "approval", "default", "launcher", "identity"]);
});
