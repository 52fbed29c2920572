import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { checkHome, createHome, locateHome } from "../src/home.ts";
import { missing } from "./missing.ts";

const folder = mkdtempSync(join(tmpdir(), "home-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("locateHome() takes SALLYPORT_HOME, else .sallyport in the home folder", () => {
  assert.deepEqual(
    [locateHome("/a/../b/"), locateHome(undefined), locateHome("")],
    ["/b", join(homedir(), ".sallyport"), join(homedir(), ".sallyport")],
  );
});

test("locateHome() refuses a relative path: the folder one stands in must not choose the rules", () => {
  assert.throws(() => locateHome("home"), { code: "HOME_REFUSED" });
});

test("a home that does not exist is fine, and is made with mode 0700", () => {
  const home = join(folder, "new");
  assert.equal(checkHome(home), false);
  createHome(home);
  createHome(home);
  assert.deepEqual([checkHome(home), statSync(home).mode & 0o777], [true, 0o700]);
});

test("createHome() makes no folders above the home", () => {
  assert.throws(() => createHome(join(folder, "no", "such")), {
    code: "HOME_REFUSED",
    message: /can't be created \(ENOENT\)/,
  });
});

test("checkHome() refuses a file, and folders that others may write", () => {
  writeFileSync(join(folder, "file"), "");
  assert.throws(() => checkHome(join(folder, "file")), { code: "HOME_REFUSED", message: /not a folder/ });
  for (const mode of [0o770, 0o702]) {
    const home = join(folder, mode.toString(8));
    mkdirSync(home);
    chmodSync(home, mode);
    assert.throws(() => checkHome(home), { code: "HOME_REFUSED", message: /others may write it/ });
    chmodSync(home, 0o755);
    assert.equal(checkHome(home), true);
  }
});

test(
  "checkHome() refuses the folder of another user",
  { skip: missing(process.geteuid?.() !== 0 && "needs root to give a folder away") },
  () => {
    const home = join(folder, "theirs");
    mkdirSync(home, { mode: 0o700 });
    spawnSync("chown", ["1234", home]);
    assert.throws(() => checkHome(home), { code: "HOME_REFUSED", message: /belongs to user 1234/ });
  },
);
