/** Disks that are full or read-only: real ones, mounted in a namespace of their own. What happens on them is done by this file,
 *  started again inside that namespace with the name of a scene; it says what it saw as JSON. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSallyportError } from "@sallyport/supervisor";
import { openThreadStore } from "../../src/store/sqlite/sqlite-thread-store.ts";
import { missingNamespace } from "./missing.ts";
import { completed, newThread, newTurn, threadWithTurns } from "./samples.ts";

const scenes = { full: fillDisk, readOnly: useReadOnlyDisk, fullAtStart: startOnFullDisk };
type SceneName = keyof typeof scenes;

const [, , sceneName = "", disk = ""] = process.argv;
if (sceneName in scenes) console.log(JSON.stringify(await scenes[sceneName as SceneName](disk)));
else declareTests();

function declareTests(): void {
  const skip = missingNamespace();

  test("a full disk: the commit fails with STORE_FULL and leaves nothing; with room again it works", { skip }, () => {
    assert.deepEqual(play("full", "size=4m"), {
      code: "STORE_FULL",
      isUnchanged: true,
      couldCommitAgain: true,
      turnsMatch: true,
      transcriptTurns: true,
    });
  });

  test("a disk that is full at the start: a clear error, and no database that is half made", { skip }, () => {
    assert.deepEqual(play("fullAtStart", "size=1m"), { code: "STORE_FULL", worksWithRoom: true });
  });

  test("a read-only home: a clear error", { skip }, () => {
    assert.deepEqual(play("readOnly", "size=4m"), { codes: ["STORE_UNWRITABLE", "HOME_REFUSED"] });
  });
}

function play(scene: SceneName, options: string): unknown {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-disk-"));
  try {
    const script = 'mount -t tmpfs -o "$1" sallyport-test "$2" && shift && folder=$1 && shift && exec "$@" "$folder"';
    const node = [process.execPath, "--conditions=sallyport-source", import.meta.filename, scene];
    const words = ["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", options, folder, ...node];
    const { stdout, stderr } = spawnSync("unshare", words, { encoding: "utf8", timeout: 60_000 });
    assert.notEqual(stdout, "", stderr);
    return JSON.parse(stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "none";
  } catch (error) {
    return isSallyportError(error) ? error.code : String(error);
  }
}

async function fillDisk(disk: string): Promise<object> {
  const ballast = join(disk, "ballast");
  writeFileSync(ballast, Buffer.alloc(1_500_000));
  const store = openThreadStore(join(disk, "home"));
  const { id, path } = await store.createThread(newThread());
  const turn = newTurn();
  await store.commit(id, { changes: [{ kind: "putTurn", turn }] });
  const message = "x".repeat(20_000);
  const append = () =>
    store.commit(id, {
      changes: [
        { kind: "putTurn", turn: completed(newTurn()) },
        { kind: "appendMessages", turnId: turn.id, messages: [message] },
      ],
    });
  const read = async (): Promise<string> =>
    JSON.stringify([await store.readSnapshot(id, { limit: 100 }), (await store.readMessages(id)).length]);
  let before = "";
  let code = "none";
  let commits = 0;
  for (; code === "none" && commits < 1000; commits += 1) {
    before = await read();
    code = await codeOf(append);
  }
  const isUnchanged = (await read()) === before;
  rmSync(ballast);
  const couldCommitAgain = (await codeOf(append)) === "none";
  const stored = (await store.readMessages(id)).length;
  await store.close();
  const lines = readFileSync(path ?? "", "utf8")
    .trimEnd()
    .split("\n");
  const types = lines.map((line) => (JSON.parse(line) as { type: string }).type); // ours
  const transcriptTurns = types.filter((type) => type === "message").length === stored;
  return { code, isUnchanged, couldCommitAgain, turnsMatch: stored === commits, transcriptTurns };
}

async function startOnFullDisk(disk: string): Promise<object> {
  const ballast = join(disk, "ballast");
  // Writes until nothing goes any more, but leaves room for folders, which need none of their own.
  await codeOf(() => writeFileSync(ballast, Buffer.alloc(4_000_000)));
  const code = await codeOf(() => openThreadStore(join(disk, "home")));
  rmSync(ballast);
  const store = openThreadStore(join(disk, "home"));
  const { id } = await threadWithTurns(store, 2);
  const worksWithRoom = (await store.listTurns(id, {})).data.length === 2;
  await store.close();
  return { code, worksWithRoom };
}

async function useReadOnlyDisk(disk: string): Promise<object> {
  const home = join(disk, "home");
  const store = openThreadStore(home);
  await threadWithTurns(store, 1);
  await store.close();
  execFileSync("mount", ["-o", "remount,bind,ro", disk]);
  assert.throws(() => writeFileSync(join(home, "file"), ""), { code: "EROFS" });
  assert.ok(statSync(home).isDirectory());
  return {
    codes: [await codeOf(() => openThreadStore(home)), await codeOf(() => openThreadStore(join(disk, "new-home")))],
  };
}
