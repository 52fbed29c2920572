import assert from "node:assert/strict";
import { closeSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
  const launchers = new Launchers(new SearchPath({ env: [], path: "", cwd: "/nonexistent" }), process.pid);
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
    "perl5.36-x86_64-linux-gnu",
    "python3.11-dbg",
    "bash-static",
    "emacs-nox",
    "fakeroot-tcp",
    "gdb-multiarch",
    "qemu-x86_64-static",
    ".node-wrapped",
    "tclsh8.6",
    "git-lfs",
    "apt-mark",
    "dpkg-architecture",
    "mkfs.ext4",
    // Each runs what an argument names.
    "ssh-agent",
    "sg",
    "logsave",
    "runcon",
    "fstab-decode",
    "luit",
    "msgexec",
    "diff3",
    "install",
    "openssl",
    "update-ca-certificates",
    // They start a pager, and who holds the terminal holds the pager.
    "journalctl",
    "timedatectl",
  ];
  const others = [
    "id",
    "cat",
    "date",
    "touch",
    "jq",
    "my-make",
    "deploy-node",
    "gitleaks",
    "curl",
    "",
    ".",
    "7z",
    "nothing",
    "deploy-static",
  ];
  assert.deepEqual(
    some.filter((name) => !isLauncher(name)),
    [],
  );
  assert.deepEqual(others.filter(isLauncher), []);
});

test("reasonFor() knows a launcher's file under another name, and no file of a multi-call program by itself", () => {
  const launchers = new Launchers(
    new SearchPath({ env: [], path: "/nonexistent:/usr/bin:/bin", cwd: "/" }),
    process.pid,
  );
  const shell = programNamed("innocent", "/bin/sh");
  assert.equal(launchers.reasonFor(shell), "a shell runs any command");
  assert.equal(launchers.reasonFor({ ...shell, multiCall: "box" }), null);
  assert.equal(launchers.reasonFor(programNamed("innocent", "/usr/bin/id")), null);
});

test("reasonFor() knows a copy of a launcher, and nothing else of its size", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "launchers-"));
  const descriptors: number[] = [];
  context.after(() => {
    for (const descriptor of descriptors) closeSync(descriptor);
    rmSync(folder, { recursive: true });
  });
  const launchers = new Launchers(new SearchPath({ env: [], path: "/usr/bin:/bin", cwd: "/" }), process.pid);
  const opened = (name: string): Program => {
    const program = programNamed(name, "/dev/null");
    const [file] = openChain(join(folder, name), descriptors);
    assert.ok(file !== undefined);
    return { ...program, file };
  };
  copyFileSync("/usr/bin/env", join(folder, "copy"));
  const bytes = readFileSync("/usr/bin/env");
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(join(folder, "other"), bytes);
  assert.equal(launchers.reasonFor(opened("copy")), "it runs its arguments as a program");
  assert.equal(launchers.reasonFor(opened("other")), null);
  const unreadable = opened("other");
  const reason = new Launchers(new SearchPath({ env: [], path: "/usr/bin:/bin", cwd: "/" }), process.pid).reasonFor({
    ...unreadable,
    file: { ...unreadable.file, fd: -1 },
  });
  assert.equal(reason, "it runs its arguments as a program");
});
