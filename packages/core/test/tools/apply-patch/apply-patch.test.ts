import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { surveyWritablePlaces } from "@sallyport/sandbox";
import type { SandboxPolicy } from "@sallyport/sandbox";
import { planPatch } from "../../../src/tools/apply-patch/apply-patch.ts";
import type { PlannedPatch } from "../../../src/tools/apply-patch/apply-patch.ts";
import { parsePatch } from "../../../src/tools/apply-patch/parse-patch.ts";

interface Ground {
  project: string;
  outside: string;
  plan: (body: string) => Promise<PlannedPatch>;
  /** Plans and applies. */
  patch: (body: string) => Promise<PlannedPatch["changes"]>;
}

function makeGround(changes: Partial<SandboxPolicy> = {}): Ground {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "apply-patch-test-")));
  after(() => rmSync(base, { recursive: true, force: true }));
  const [project, outside, home] = ["project", "outside", "home"].map((name) => join(base, name));
  assert.ok(project !== undefined && outside !== undefined && home !== undefined);
  for (const folder of [project, outside, home]) mkdirSync(folder, { mode: 0o700 });
  const plan = (body: string): Promise<PlannedPatch> => {
    const policy = {
      mode: "workspace-write" as const,
      cwd: project,
      writable: [],
      home,
      journal: null,
      rulesFiles: [],
      programFolders: [],
      denyRead: [],
      allowGitInit: false,
      ...changes,
    };
    const places = surveyWritablePlaces(policy, process.env);
    return planPatch(parsePatch(`*** Begin Patch\n${body}\n*** End Patch`), { cwd: project, places });
  };
  const patch = async (body: string): Promise<PlannedPatch["changes"]> => {
    const planned = await plan(body);
    try {
      planned.apply();
      return planned.changes;
    } finally {
      planned.close();
    }
  };
  return { project, outside, plan, patch };
}

const update = (path: string): string => `*** Update File: ${path}\n-old\n+new`;
const add = (path: string): string => `*** Add File: ${path}\n+text`;

test("a patch adds, changes, moves and deletes, and tells what it did", async () => {
  const { project, patch } = makeGround();
  for (const name of ["change", "move", "delete"]) writeFileSync(join(project, name), "old\nrest\n");
  chmodSync(join(project, "change"), 0o755);
  const changes = await patch(
    [
      add("deep/er/new"),
      update("change"),
      `*** Update File: move\n*** Move to: to/moved\n-old\n+new`,
      "*** Delete File: delete",
    ].join("\n"),
  );
  const hunks = "@@ -1,2 +1,2 @@\n-old\n+new\n rest\n";
  assert.deepEqual(changes, [
    { path: join(project, "deep/er/new"), kind: { type: "add" }, diff: "text\n" },
    { path: join(project, "change"), kind: { type: "update", move_path: null }, diff: hunks },
    { path: join(project, "move"), kind: { type: "update", move_path: join(project, "to/moved") }, diff: hunks },
    { path: join(project, "delete"), kind: { type: "delete" }, diff: "old\nrest\n" },
  ]);
  const read = (name: string): string => readFileSync(join(project, name), "utf8");
  assert.deepEqual([read("deep/er/new"), read("change"), read("to/moved")], ["text\n", "new\nrest\n", "new\nrest\n"]);
  assert.equal(statSync(join(project, "change")).mode & 0o777, 0o755);
  assert.deepEqual(readdirSync(project).toSorted(), ["change", "deep", "to"]);
});

test("a patch of which one part can't be applied changes nothing", async () => {
  const { project, patch } = makeGround();
  writeFileSync(join(project, "good"), "old\n");
  await assert.rejects(patch([update("good"), add("new"), update("missing")].join("\n")), {
    message: `"${join(project, "missing")}" does not exist`,
  });
  assert.deepEqual([readFileSync(join(project, "good"), "utf8"), readdirSync(project)], ["old\n", ["good"]]);
});

test("what was written is taken back when a later part fails", async () => {
  const { project, plan } = makeGround();
  writeFileSync(join(project, "first"), "old\n");
  writeFileSync(join(project, "second"), "old\n");
  const planned = await plan([update("first"), add("new"), update("second")].join("\n"));
  writeFileSync(join(project, "second"), "somebody else's\n");
  assert.throws(() => planned.apply(), { message: /^Nothing was changed: ".*second" was changed by something else/ });
  planned.close();
  const contents = ["first", "second"].map((name) => readFileSync(join(project, name), "utf8"));
  assert.deepEqual([contents, existsSync(join(project, "new"))], [["old\n", "somebody else's\n"], false]);
});

for (const [name, path] of [
  ["an absolute path", "/etc/passwd-sallyport"],
  ["a path that climbs out", "../outside/file"],
  ["a path that climbs out from below", "a/b/../../../outside/file"],
] as const) {
  test(`the attack: ${name} is refused`, async () => {
    const { outside, patch } = makeGround();
    await assert.rejects(patch(add(path)), { name: "PatchError", message: /lies outside the writable folders/ });
    assert.deepEqual(readdirSync(outside), []);
  });
}

test("the attack: a folder that is a symlink to a place outside is refused", async () => {
  const { project, outside, patch } = makeGround();
  symlinkSync(outside, join(project, "link"));
  await assert.rejects(patch(add("link/file")), { message: /lies outside the writable folders/ });
  await assert.rejects(patch(`*** Update File: link/../../outside/file\n-a\n+b`), { name: "PatchError" });
  assert.deepEqual(readdirSync(outside), []);
});

test("a folder that is a symlink to a place inside works", async () => {
  const { project, patch } = makeGround();
  mkdirSync(join(project, "real"));
  symlinkSync("real", join(project, "link"));
  await patch(add("link/file"));
  assert.equal(readFileSync(join(project, "real", "file"), "utf8"), "text\n");
});

test("the attack: a file that is a symlink to a file outside is neither read nor written", async () => {
  const { project, outside, patch } = makeGround();
  writeFileSync(join(outside, "secret"), "old\n");
  symlinkSync(join(outside, "secret"), join(project, "link"));
  symlinkSync(join(outside, "made"), join(project, "dangling"));
  for (const body of [update("link"), "*** Delete File: link", add("dangling"), add("link")]) {
    await assert.rejects(patch(body), { message: /is a symbolic link/ });
  }
  assert.deepEqual([readFileSync(join(outside, "secret"), "utf8"), readdirSync(outside)], ["old\n", ["secret"]]);
});

test("the attack: a folder is swapped for a symlink between the check and the writing", async () => {
  const { project, outside, plan } = makeGround();
  mkdirSync(join(project, "folder"));
  writeFileSync(join(project, "folder", "file"), "old\n");
  writeFileSync(join(outside, "file"), "old\n");
  const planned = await plan([update("folder/file"), add("folder/new")].join("\n"));
  renameSync(join(project, "folder"), join(project, "aside"));
  symlinkSync(outside, join(project, "folder"));
  assert.throws(() => planned.apply(), { name: "PatchError" });
  planned.close();
  assert.deepEqual([readFileSync(join(outside, "file"), "utf8"), readdirSync(outside)], ["old\n", ["file"]]);
});

test("the attack: the file is swapped for a symlink between the check and the writing", async () => {
  const { project, outside, plan } = makeGround();
  writeFileSync(join(project, "file"), "old\n");
  writeFileSync(join(outside, "secret"), "old\n");
  const planned = await plan(update("file"));
  rmSync(join(project, "file"));
  symlinkSync(join(outside, "secret"), join(project, "file"));
  assert.throws(() => planned.apply(), { message: /is a symbolic link/ });
  planned.close();
  assert.equal(readFileSync(join(outside, "secret"), "utf8"), "old\n");
});

test("the attack: a new name appears as a symlink before it is written", async () => {
  const { project, outside, plan } = makeGround();
  const planned = await plan(add("new"));
  symlinkSync(join(outside, "made"), join(project, "new"));
  assert.throws(() => planned.apply(), { name: "PatchError" });
  planned.close();
  assert.deepEqual(readdirSync(outside), []);
});

test("the attack: another hard link of the file keeps what it has", async () => {
  const { project, outside, patch } = makeGround();
  writeFileSync(join(outside, "original"), "old\n");
  linkSync(join(outside, "original"), join(project, "link"));
  await patch(update("link"));
  assert.equal(readFileSync(join(outside, "original"), "utf8"), "old\n");
  assert.equal(readFileSync(join(project, "link"), "utf8"), "new\n");
});

test("the attack: a FIFO in the place of a file does not hang it, and folders are no files", async () => {
  const { project, patch } = makeGround();
  spawnSync("mkfifo", [join(project, "pipe")]);
  mkdirSync(join(project, "folder"));
  await assert.rejects(patch(update("pipe")), { message: /is not a regular file/ });
  await assert.rejects(patch(update("folder")), { message: /is not a regular file/ });
  await assert.rejects(patch(add(".")), { name: "PatchError" });
  assert.ok(lstatSync(join(project, "pipe")).isFIFO());
});

for (const path of [
  ".git/hooks/pre-commit",
  ".git/config",
  ".GIT/config",
  ".vscode/tasks.json",
  ".sallyport/hooks.json",
]) {
  test(`the attack: ${path}, which programs outside act on, can't be written`, async () => {
    const { project, patch } = makeGround();
    await assert.rejects(patch(add(path)), { message: /is protected/ });
    mkdirSync(join(project, ".git", "objects"), { recursive: true });
    mkdirSync(join(project, ".git", "refs"));
    writeFileSync(join(project, ".git", "HEAD"), "ref: refs/heads/main\n");
    await assert.rejects(patch(add(path)), { message: /is protected/ });
    assert.equal(existsSync(join(project, path)), false);
  });
}

test("in a read-only sandbox nothing is written", async () => {
  const { project, patch } = makeGround({ mode: "read-only" });
  await assert.rejects(patch(add("new")), { message: /the sandbox is read-only/ });
  assert.deepEqual(readdirSync(project), []);
});

test("without a sandbox every place can be written", async () => {
  const { outside, patch } = makeGround({ mode: "danger-full-access" });
  await patch(add(join(outside, "new")));
  assert.equal(readFileSync(join(outside, "new"), "utf8"), "text\n");
});

test("a file is named once, is text, and a new one is not there yet", async () => {
  const { project, patch } = makeGround();
  writeFileSync(join(project, "binary"), Buffer.from([0xff, 0xfe, 0x0a]));
  await assert.rejects(patch(update("binary")), { message: /is not UTF-8 text/ });
  await assert.rejects(patch([add("a"), add("./a")].join("\n")), { message: /is named twice/ });
  await assert.rejects(patch(add("binary")), { message: /exists already/ });
  assert.deepEqual(readdirSync(project), ["binary"]);
});

test("a folder that can't be made is a refusal with its reason, and not a fault of the turn", async () => {
  const { patch } = makeGround({ mode: "danger-full-access" });
  const message = /^Folder "\/proc\/no-such-folder" can't be made \(E[A-Z]+\)$/;
  await assert.rejects(patch("*** Add File: /proc/no-such-folder/x\n+x"), { name: "PatchError", message });
});
