import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExecRecord } from "@sallyport/protocol";
import { displayWidth } from "../src/display-text.ts";
import { ExecTree, formatDuration } from "../src/exec-tree.ts";
import type { Look } from "../src/terminal.ts";

const look: Look = { columns: 80, colors: false, unicode: true };

function record(id: string, changes: Partial<ExecRecord> = {}): ExecRecord {
  return {
    id,
    atMs: 0,
    pid: 1,
    ppid: 0,
    parentId: null,
    file: "/usr/bin/true",
    calledAs: "true",
    argv: ["true"],
    cwd: "/",
    decision: "run",
    reason: { kind: "default", text: "no rule matches" },
    exitCode: 0,
    signal: null,
    durationMs: 5,
    replacedBy: null,
    outside: false,
    ...changes,
  };
}

function format(records: ExecRecord[], at: Look = look): string[] {
  const tree = new ExecTree();
  for (const entry of records) tree.add(entry);
  return tree.format(at);
}

test("format() draws who started whom, what was decided and how it ended", () => {
  const pushRule = {
    kind: "rule" as const,
    text: 'Ask the owner of this project; rule ["git","push"] at /home/me/agent.rules:3',
  };
  const lines = format([
    record("a", { file: "/usr/bin/bash", argv: ["bash", "-c", "make && git push"], exitCode: 1, durationMs: 1234 }),
    record("b", { parentId: "a", file: "/usr/bin/make", argv: ["make"] }),
    record("c", { parentId: "b", file: "/usr/lib/gcc/cc1", argv: ["cc1", "-quiet", "main.c"], durationMs: 61 }),
    record("d", {
      parentId: "a",
      file: "/usr/bin/git",
      argv: ["git", "push"],
      decision: "deny",
      reason: pushRule,
      exitCode: 1,
    }),
    record("e", {
      parentId: "a",
      file: "/usr/bin/touch",
      argv: ["touch", "x"],
      decision: "escalate",
      reason: { kind: "rule", text: "r" },
    }),
    record("f", { file: "/opt/tool", argv: ["tool"], exitCode: null, signal: "SIGKILL", durationMs: 100_000 }),
  ]);
  assert.deepEqual(lines, [
    "run      bash -c 'make && git push'                                   1    1.2 s",
    "run      ├─ make                                                      0     5 ms",
    "run      │  └─ /usr/lib/gcc/cc1 -quiet main.c                         0    61 ms",
    "deny     ├─ git push                                                  1     5 ms",
    '         │     Ask the owner of this project; rule ["git","push"] at',
    "         │     /home/me/agent.rules:3",
    "escalate └─ touch x                                                   0     5 ms",
    "               r",
    "run      /opt/tool                                                 KILL 1 m 40 s",
  ]);
});

test("a program that takes the place of another stands below it", () => {
  const lines = format([
    record("a", { file: "/usr/bin/sh", argv: ["sh"], exitCode: null, durationMs: null }),
    record("b", { file: "/usr/bin/env", argv: ["env"], exitCode: null, durationMs: null }),
    record("a", { file: "/usr/bin/sh", argv: ["sh"], exitCode: null, replacedBy: "b" }),
    record("b", { file: "/usr/bin/env", argv: ["env"] }),
  ]);
  assert.deepEqual(lines, [
    "run      sh                                                                 5 ms",
    "run      └─ exec env                                                  0     5 ms",
  ]);
});

test("a program is called what it was called in the system's folders, and by its whole path elsewhere", () => {
  const lines = format([
    record("a", { file: "/usr/bin/x86_64-linux-gnu-gcc-12", calledAs: "/usr/bin/cc" }),
    record("b", { file: "/usr/bin/touch", calledAs: "./cc" }),
    record("c", { file: "/tmp/evil", calledAs: "/usr/bin/cc" }),
  ]);
  assert.deepEqual(
    lines.map((line) => line.slice(9, 19).trimEnd()),
    ["cc", "touch", "/tmp/evil"],
  );
});

test("a status that nobody knows is a question mark, and a running program has none", () => {
  const [known, running] = format([record("a", { exitCode: null }), record("b", { exitCode: null, durationMs: null })]);
  assert.match(known ?? "", /true +\? +5 ms$/);
  assert.match(running ?? "", /true +$/);
});

test("hostile arguments stay on their line, within the width", () => {
  const argv = ["true", "\u001b[2J\u202e", "x\ny", "z".repeat(1_000_000)];
  const lines = format([record("a", { argv, file: "/tmp/\u001b]0;evil\u0007" })]);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^[\x20-\x7e…]*$/);
  assert.equal(displayWidth(lines[0] ?? ""), 80);
});

test("hostile reasons are escaped too", () => {
  const lines = format([record("a", { decision: "deny", reason: { kind: "rule", text: "\u001b[2Jgo" } })]);
  assert.equal(lines[1], "            \\x1b[2Jgo");
});

test("deep trees keep room for the program", () => {
  const records = Array.from({ length: 100 }, (_, depth) =>
    record(`r${depth}`, { parentId: depth === 0 ? null : `r${depth - 1}` }),
  );
  const lines = format(records);
  assert.equal(lines.length, 100);
  assert.ok(lines.every((line) => displayWidth(line) === 80 && line.includes("true")));
});

test("a very long chain does not overflow the stack", () => {
  const records = Array.from({ length: 20_000 }, (_, depth) =>
    record(`r${depth}`, { parentId: depth === 0 ? null : `r${depth - 1}` }),
  );
  assert.equal(format(records).length, 20_000);
});

test("past 20,000 programs they are counted only", () => {
  const records = Array.from({ length: 20_003 }, (_, index) => record(`r${index}`, { durationMs: null }));
  assert.deepEqual(format(records).at(-1), "         and 3 more");
});

test("without UTF-8 the branches are ASCII, with colours the marks are painted", () => {
  const records = [record("a"), record("b", { parentId: "a" }), record("c", { parentId: "a" })];
  const lines = format(records, { ...look, unicode: false });
  assert.deepEqual(
    lines.map((line) => line.slice(9, 16)),
    ["true   ", "|- true", "`- true"],
  );
  assert.ok(format(records, { ...look, colors: true })[0]?.startsWith("\u001b[32mrun\u001b[0m "));
});

test("formatDuration() picks the unit", () => {
  assert.deepEqual([0, 999, 1000, 99_900, 100_000, 3_725_000].map(formatDuration), [
    "0 ms",
    "999 ms",
    "1.0 s",
    "99.9 s",
    "1 m 40 s",
    "62 m 05 s",
  ]);
});
