import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeFolders } from "../src/make-folders.ts";

const base = mkdtempSync(join(tmpdir(), "sallyport-folders-"));
after(() => rmSync(base, { recursive: true, force: true }));

test("makeFolders() makes what is missing, and leaves what is there", () => {
  makeFolders(join(base, "a", "b", "c"), 0o700);
  for (const path of ["a", "a/b", "a/b/c"]) assert.equal(statSync(join(base, path)).mode & 0o777, 0o700);
  makeFolders(join(base, "a", "b"));
  assert.equal(statSync(join(base, "a", "b")).mode & 0o777, 0o700);
});

test("makeFolders() throws where a file is in the way, and where nothing can be made", () => {
  writeFileSync(join(base, "file"), "");
  assert.throws(() => makeFolders(join(base, "file")), { code: "EEXIST" });
  assert.throws(() => makeFolders(join(base, "file", "x")), { code: "ENOTDIR" });
  assert.throws(() => makeFolders("/proc/nothing/here"), { code: "ENOENT" });
});
