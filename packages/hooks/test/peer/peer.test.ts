/** Runs every row of the conformance tables with Codex, where it is installed: SALLYPORT_PEER names the folder with its node_modules.
 *  What comes out must be what is recorded; SALLYPORT_PEER_RECORD=1 records it anew. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { CodexRuns } from "./codex-runs.ts";
import { comparedRows, readRecorded, writeRecorded } from "./recorded.ts";
import type { Recorded } from "./recorded.ts";

const folder = process.env["SALLYPORT_PEER"];
const skip = folder === undefined ? "needs SALLYPORT_PEER, a folder with @openai/codex 0.169.0 installed" : false;

test("the peer does with every row what is recorded", { skip, timeout: 900_000 }, async () => {
  const peer = await CodexRuns.start(folder ?? "");
  const observed: Recorded = { peer: peer.version, rows: {} };
  try {
    for (const { id, event, hooks } of comparedRows) {
      observed.rows[id] = { hooks, ...(await peer.run(event, hooks)) };
    }
  } finally {
    await peer.stop();
  }
  if (process.env["SALLYPORT_PEER_RECORD"] === "1") writeRecorded(observed);
  assert.deepEqual(readRecorded(), observed);
});
