import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findProgram } from "../src/program-search.ts";

const folder = mkdtempSync(join(tmpdir(), "program-search-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));
for (const name of ["a", "b", "a/folder", "locked-folder"]) mkdirSync(join(folder, name));
writeFileSync(join(folder, "a/tool"), "#!/bin/sh\n");
writeFileSync(join(folder, "b/tool"), "#!/bin/sh\n", { mode: 0o755 });
writeFileSync(join(folder, "a/locked"), "#!/bin/sh\n");
writeFileSync(join(folder, "b/plain"), "echo plain\n");
chmodSync(join(folder, "b/plain"), 0o755);
symlinkSync("../b/tool", join(folder, "a/link"));
const path = `${folder}/a:${folder}/b`;

function find(name: string, searched: string | undefined = path, cwd: string = folder): string {
  return findProgram(name, [name], searched, cwd).file;
}

test("a file that may not be executed is passed over for a later folder", () => {
  assert.equal(find("tool"), join(folder, "b/tool"));
});

test("an empty PATH entry and a relative one mean the working folder", () => {
  assert.equal(find("tool", "/nowhere:", join(folder, "b")), join(folder, "b/tool"));
  assert.equal(find("tool", "b"), join(folder, "b/tool"));
});

test(
  "a folder that may not be searched has no program",
  { skip: process.geteuid?.() === 0 && "root may search every folder" },
  () => {
    chmodSync(join(folder, "locked-folder"), 0o000);
    assert.throws(() => find("x", join(folder, "locked-folder")), { code: "PROGRAM_NOT_FOUND" });
    assert.throws(() => find(join(folder, "locked-folder", "x")), { code: "PROGRAM_NOT_EXECUTABLE" });
    chmodSync(join(folder, "locked-folder"), 0o755);
  },
);

test("no PATH at all means /bin and /usr/bin", () => {
  assert.equal(findProgram("sh", ["sh"], undefined, folder).file, "/bin/sh");
});

test("a name with a slash is a path, links are kept", () => {
  assert.equal(find("a/link"), join(folder, "a/link"));
});

test("a script without #! goes to /bin/sh, as execvp has it", () => {
  const found = findProgram("plain", ["plain", "x"], path, folder);
  assert.deepEqual(found, { file: "/bin/sh", argv: ["/bin/sh", join(folder, "b/plain"), "x"] });
});

const failures: [name: string, code: string, message: string][] = [
  ["nosuch", "PROGRAM_NOT_FOUND", "nosuch: command not found"],
  ["", "PROGRAM_NOT_FOUND", ": command not found"],
  ["./nosuch", "PROGRAM_NOT_FOUND", "./nosuch: No such file or directory"],
  ["folder", "PROGRAM_NOT_FOUND", "folder: command not found"],
  ["./a", "PROGRAM_NOT_EXECUTABLE", "./a: Is a directory"],
  ["a/locked", "PROGRAM_NOT_EXECUTABLE", "a/locked: Permission denied"],
  ["locked", "PROGRAM_NOT_EXECUTABLE", "locked: Permission denied"],
];
for (const [name, code, message] of failures) {
  test(`findProgram() refuses "${name}" with ${code}`, () => {
    assert.throws(() => find(name), { code, message });
  });
}
