import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { repositoryObjection } from "../../../src/tools/apply-patch/repository-folders.ts";

const root = mkdtempSync(join(tmpdir(), "sallyport-repositories-"));
after(() => rmSync(root, { recursive: true, force: true }));
for (const name of ["bare.git/objects", "bare.git/refs", "plain/objects", "plain/refs"])
  mkdirSync(join(root, name), { recursive: true });
writeFileSync(join(root, "bare.git", "HEAD"), "ref: refs/heads/main\n");

test("the git folder of any repository is refused, however it is spelt, and so is a bare one", () => {
  for (const path of [
    "sub/.git/hooks/post-checkout",
    "sub/.git/config",
    "sub/.git",
    "a/b/c/.GIT/hooks/pre-commit",
    ".git/info/exclude",
    "bare.git/hooks/post-update",
    "bare.git/a/b",
  ]) {
    assert.match(repositoryObjection(join(root, path), [root]) ?? "", /^is protected: git outside the sandbox/, path);
  }
});

test("names that only look like it, and folders that are no repository, are free", () => {
  for (const path of ["sub/.github/hooks/x", "sub/.gitignore", "git/hooks/x", "plain/hooks/x", "x.git/hooks/y"])
    assert.equal(repositoryObjection(join(root, path), [root]), null, path);
});

test("a git folder that was granted by name may be written", () => {
  const granted = join(root, "sub", ".git");
  assert.equal(repositoryObjection(join(granted, "hooks", "x"), [root, granted]), null);
  assert.notEqual(repositoryObjection(join(root, "other", ".git", "hooks", "x"), [root, granted]), null);
});

test("without a sandbox nothing is refused", () => {
  assert.equal(repositoryObjection(join(root, "sub", ".git", "config"), ["/"]), null);
});

test("a path outside of every root is looked at up to the file system's root", () => {
  assert.equal(repositoryObjection(join(root, "plain", "x"), []), null);
  assert.match(repositoryObjection(join(root, "bare.git", "x"), []) ?? "", /^is protected/);
});
