import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { test } from "node:test";
import { Launchers } from "../../src/decision/launchers.ts";
import type { Program } from "../../src/decision/programs.ts";
import { SearchPath } from "../../src/decision/search-path.ts";
import { openChain } from "./exec-fixture.ts";

function programNamed(name: string, path: string): Program {
  const descriptors: number[] = [];
  const [file] = openChain(path, descriptors);
  for (const descriptor of descriptors) closeSync(descriptor);
  assert.ok(file !== undefined);
  return { file, calledAs: name, names: [name], argv: [name], args: [], part: "file", multiCall: null };
}

test("reasonFor() knows launchers with versions, variants and targets in their names", () => {
  const launchers = new Launchers(new SearchPath({ env: [], path: "", cwd: "/nonexistent" }));
  const isLauncher = (name: string): boolean => launchers.reasonFor(programNamed(name, "/dev/null")) !== null;
  const some = [
    "bash",
    "python3",
    "python3.11",
    "pypy3",
    "gcc-12",
    "vim.tiny",
    "x86_64-linux-gnu-gcc-12",
    "php8.2",
    "lua5.4",
    "node22",
    "perl5.36.0",
  ];
  const others = ["id", "cat", "date", "touch", "jq", "my-make", "deploy-node", "gitleaks", "curl", ""];
  assert.deepEqual(
    some.filter((name) => !isLauncher(name)),
    [],
  );
  assert.deepEqual(others.filter(isLauncher), []);
});

test("reasonFor() knows a launcher's file under another name, and no file of a multi-call program by itself", () => {
  const launchers = new Launchers(new SearchPath({ env: [], path: "/nonexistent:/usr/bin:/bin", cwd: "/" }));
  const shell = programNamed("innocent", "/bin/sh");
  assert.equal(launchers.reasonFor(shell), "a shell runs any command");
  assert.equal(launchers.reasonFor({ ...shell, multiCall: "box" }), null);
  assert.equal(launchers.reasonFor(programNamed("innocent", "/usr/bin/id")), null);
});
