import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findInstalledShell, listInstalledShells } from "../src/installed-shells.ts";

function makeHome(): string {
  const home = mkdtempSync(join(tmpdir(), "shells-test-"));
  after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

function install(home: string, name: string, changes: Record<string, unknown> = {}): string {
  const folder = join(home, "shells", name);
  const path = join(folder, "bin", "bash");
  mkdirSync(join(folder, "bin"), { recursive: true });
  writeFileSync(path, "#!/bin/sh\n");
  chmodSync(path, 0o755);
  const record = { version: 1, path, bashVersion: "5.2.15(1)-release", builtAtMs: 1000, ...changes };
  writeFileSync(join(folder, "shell.json"), JSON.stringify(record));
  return path;
}

test("listInstalledShells() lists the newest first", () => {
  const home = makeHome();
  const old = install(home, "old");
  const young = install(home, "young", { builtAtMs: 2000, more: "ignored" });
  const version = "5.2.15(1)-release";
  assert.deepEqual(listInstalledShells(home), {
    shells: [
      { name: "young", path: young, bashVersion: version, builtAtMs: 2000 },
      { name: "old", path: old, bashVersion: version, builtAtMs: 1000 },
    ],
    broken: [],
  });
  assert.equal(findInstalledShell(home)?.path, young);
});

test("listInstalledShells() finds nothing in a home without shells", () => {
  assert.deepEqual(listInstalledShells(makeHome()), { shells: [], broken: [] });
  assert.equal(findInstalledShell(makeHome()), null);
});

test("listInstalledShells() says why a shell can't be used", () => {
  const home = makeHome();
  mkdirSync(join(home, "shells", "empty"), { recursive: true });
  mkdirSync(join(home, "shells", ".building"), { recursive: true });
  install(home, "moved", { path: "/bin/bash" });
  install(home, "newer", { version: 2 });
  install(home, "partial", { builtAtMs: "yesterday" });
  chmodSync(install(home, "unexecutable"), 0o644);
  install(home, "text");
  writeFileSync(join(home, "shells", "text", "shell.json"), "text");
  const program = (name: string): string => join(home, "shells", name, "bin", "bash");
  const { shells, broken } = listInstalledShells(home);
  assert.deepEqual(shells, []);
  assert.deepEqual(
    broken.toSorted((left, right) => left.name.localeCompare(right.name)),
    [
      { name: "empty", reason: "shell.json can't be read (ENOENT)" },
      { name: "moved", reason: `shell.json names "/bin/bash", expected "${program("moved")}"; build it again` },
      { name: "newer", reason: "shell.json has version 2, expected 1" },
      { name: "partial", reason: "shell.json lacks bashVersion or builtAtMs" },
      { name: "text", reason: "shell.json is not JSON" },
      { name: "unexecutable", reason: `"${program("unexecutable")}" is not an executable file` },
    ],
  );
});
