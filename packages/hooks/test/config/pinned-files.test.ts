import assert from "node:assert/strict";
import { symlinkSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkPins, pinFiles } from "../../src/config/pinned-files.ts";
import type { HandlerAction } from "../../src/types.ts";
import { Place } from "./place.ts";

function shell(command: string): HandlerAction {
  return { type: "command", command, args: null, async: false, passEnv: [] };
}

const commands: [command: string, words: string[]][] = [
  ["./a.sh", ["./a.sh"]],
  ["sh a.sh --strict", ["a.sh"]],
  ["'./a.sh' \"b c.py\" x\\ y.py", ["./a.sh", "b c.py", "x y.py"]],
  ['python3 "$SALLYPORT_PROJECT_DIR"/a.sh', ["$SALLYPORT_PROJECT_DIR/a.sh"]],
  ["python3 ${CLAUDE_PROJECT_DIR}/a.sh | ./b.sh; (cd / && ./a.sh)", ["${CLAUDE_PROJECT_DIR}/a.sh", "./b.sh", "./a.sh"]],
  ["/bin/sh $SCRIPT a.sh >a.sh 2>&1", ["a.sh"]],
  ["true", []],
  ["./missing.sh folder", []],
  ["unfinished 'quote a.sh", []],
];

for (const [command, words] of commands) {
  test(`pinned of ${command}: ${words.join(" and ") || "nothing"}`, () => {
    const place = new Place();
    for (const name of ["a.sh", "b.sh", "b c.py", "x y.py", "folder/inside"]) place.write(`project/${name}`, name);
    const pins = pinFiles(shell(command), { cwd: place.project, projectDir: place.project });
    assert.deepEqual(Object.keys(pins), words);
    assert.equal(checkPins(pins, { cwd: place.project, projectDir: place.project }), null);
  });
}

test("in the exec form the program counts where it is a path, and every argument", () => {
  const place = new Place();
  place.write("project/a.sh", "a");
  place.write("project/b.sh", "b");
  const folders = { cwd: place.project, projectDir: place.project };
  const exec = (command: string, ...args: string[]): string[] =>
    Object.keys(pinFiles({ type: "command", command, args, async: false, passEnv: [] }, folders));
  assert.deepEqual(exec("./a.sh", "b.sh", "c"), ["./a.sh", "b.sh"]);
  assert.deepEqual(exec("a.sh", "b.sh"), ["b.sh"]);
  assert.deepEqual(pinFiles({ type: "http", url: "http://a", headers: {}, async: false, passEnv: [] }, folders), {});
});

test("a link that leads elsewhere now is a change, and so is a file that became too large to read", () => {
  const place = new Place();
  const folders = { cwd: place.project, projectDir: place.project };
  const good = place.write("project/good.sh", "good");
  symlinkSync(good, join(place.project, "link.sh"));
  const pins = pinFiles(shell("./link.sh"), folders);
  assert.equal(checkPins(pins, folders), null);
  place.write("project/good.sh", "evil");
  assert.equal(checkPins(pins, folders), 'its pinned file "./link.sh" has changed');
  truncateSync(good, 67_108_865);
  assert.equal(checkPins(pins, folders), 'its pinned file "./link.sh" is gone or can\'t be read');
});
