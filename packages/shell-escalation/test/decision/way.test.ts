import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { followWay, Places } from "../../src/decision/way.ts";

test("followWay() follows every name and says what on the way can be bent from inside", (context) => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "way-")));
  context.after(() => rmSync(root, { recursive: true }));
  const work = join(root, "work");
  for (const folder of [work, join(root, "bin")]) mkdirSync(folder);
  writeFileSync(join(root, "bin/tool"), "");
  symlinkSync("../bin", join(work, "up"));
  symlinkSync("work/up/tool", join(root, "through"));
  symlinkSync("bin", join(root, "plain"));
  symlinkSync("loop", join(root, "loop"));
  const places = new Places({ walled: true, writableRoots: [work], translate: (path) => path, denyRead: [] });
  const follow = (path: string): unknown[] => {
    const way = followWay(path.replace("ROOT", root), places);
    return [way.resolved, way.writable, way.writableLink]
      .map((found) => found?.replace(root, "ROOT") ?? null)
      .concat(way.private ? "private" : "");
  };
  assert.deepEqual(follow("ROOT/plain/./tool"), ["ROOT/bin/tool", null, null, ""]);
  assert.deepEqual(follow("ROOT/bin/../bin//tool"), ["ROOT/bin/tool", null, null, ""]);
  assert.deepEqual(follow("ROOT/through"), ["ROOT/bin/tool", "ROOT/work", "ROOT/work/up", ""]);
  assert.deepEqual(follow("ROOT/work/../bin/tool"), ["ROOT/bin/tool", "ROOT/work", null, ""]);
  assert.deepEqual(follow("ROOT/workshop"), [null, null, null, ""]);
  assert.deepEqual(follow("ROOT/missing/../work/x"), [null, "ROOT/work/x", null, ""]);
  assert.deepEqual(follow("ROOT/loop"), [null, null, null, ""]);
  assert.deepEqual(follow("/dev/fd/3").at(-1), "private");
});

test("Places: a folder that has another name outside counts as writable, and so does a root behind a symlink", (context) => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "way-")));
  context.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "real"));
  symlinkSync("real", join(root, "link"));
  const translate = (path: string): string => path.replace(/^\/private\b/, "/scratch");
  const places = new Places({ walled: true, writableRoots: [join(root, "link")], translate, denyRead: [] });
  const paths = ["/private/x", "/privateer", join(root, "real/x"), join(root, "link"), root];
  assert.deepEqual(
    paths.map((path) => places.isWritable(path)),
    [true, false, true, true, false],
  );
});
