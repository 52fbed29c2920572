import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { HeldPaths } from "../src/index.ts";

test("HeldPaths tells the names that things have by now", (t) => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "held-paths-")));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  mkdirSync(join(base, "secret"));
  for (const name of ["secret/key", "gone"]) writeFileSync(join(base, name), "", { mode: 0 });
  const held = new HeldPaths(["secret", "secret/key", "gone", "missing"].map((name) => join(base, name)));
  t.after(() => held.close());
  assert.deepEqual(
    held.names(),
    ["secret", "secret/key", "gone"].map((name) => join(base, name)),
  );
  renameSync(join(base, "secret"), join(base, "moved"));
  rmSync(join(base, "gone"));
  writeFileSync(join(base, "gone"), "another one");
  assert.deepEqual(held.names(), [join(base, "moved"), join(base, "moved", "key")]);
  held.close();
  assert.deepEqual(held.names(), []);
});
