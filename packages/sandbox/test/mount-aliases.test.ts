import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { otherNames } from "../src/mount-aliases.ts";

/** Folders, and what stands for second mounts of them: symlinks have their identity too. */
function place(context: TestContext, folders: readonly string[], mounted: Record<string, string>): string {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "aliases-")));
  context.after(() => rmSync(base, { recursive: true }));
  for (const folder of folders) mkdirSync(join(base, folder), { recursive: true });
  for (const [at, folder] of Object.entries(mounted)) symlinkSync(join(base, folder), join(base, at));
  return base;
}

/** A table like the kernel's: everything lies in the file system 8:1. */
function table(base: string, ...mounts: string[]): string {
  const lines = [
    "27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
    ...mounts.map((mount) => `30 27 ${mount} - ext4 x rw`),
  ];
  return lines.join("\n").replaceAll("~", base);
}

test("a folder that is mounted elsewhere as well, whole, in part and as a part", (context) => {
  const base = place(context, ["work/part", "work/other"], { whole: "work", piece: "work/part", above: "." });
  const mounts = ["8:1 ~/work ~/whole rw", "8:1 ~/work/part ~/piece rw", "8:1 ~ ~/above rw"];
  const names = otherNames([join(base, "work")], table(base, ...mounts));
  assert.deepEqual(names.sort(), [join(base, "above/work"), join(base, "piece"), join(base, "whole")]);
  assert.deepEqual(otherNames([join(base, "work")], table(base)), []);
});

test("a folder that is a mount itself has the name below it too", (context) => {
  const base = place(context, ["work"], { mounted: "work" });
  const mounts = table(base, "8:1 ~/work ~/mounted rw");
  assert.deepEqual(otherNames([join(base, "mounted")], mounts), [join(base, "work")]);
});

test("what is mounted in a folder has its other names, unless it is read-only", (context) => {
  const base = place(context, ["work", "tools"], { "work/data": "tools" });
  const names = (flags: string): string[] =>
    otherNames([join(base, "work")], table(base, `8:1 ~/tools ~/work/data ${flags}`));
  assert.deepEqual(names("rw,nosuid"), [join(base, "tools")]);
  assert.deepEqual(names("ro,nosuid"), []);
});

test("other file systems, other folders and what is mounted over are no other names", (context) => {
  const base = place(context, ["work", "elsewhere", "covered"], { second: "elsewhere" });
  const mounts = [
    "8:2 ~/work ~/covered rw",
    "8:1 ~/work-2 ~/second rw",
    "8:1 ~/work ~/second rw",
    "8:1 ~/work ~/gone rw",
  ];
  assert.deepEqual(otherNames([join(base, "work")], table(base, ...mounts)), []);
});

test("blanks in names, and a table that says nothing", (context) => {
  const base = place(context, ["my work"], { "second name": "my work" });
  const folder = join(base, "my work");
  const mounts = table(base, String.raw`8:1 ~/my\040work ~/second\040name rw`);
  assert.deepEqual(otherNames([folder], mounts), [join(base, "second name")]);
  assert.deepEqual(otherNames([folder], ""), []);
});
