import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, test } from "node:test";
import { Database, inMemory } from "../../src/store/sqlite/database.ts";
import { migrate, migrations } from "../../src/store/sqlite/migrations.ts";
import { openEphemeralThreadStore, openThreadStore } from "../../src/store/sqlite/sqlite-thread-store.ts";
import {
  agentMessage,
  completed,
  execRecord,
  newThread,
  newTurn,
  startMs,
  threadWithTurns,
  userMessage,
} from "./samples.ts";

let folder: string;
let home: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-store-"));
  home = join(folder, "home");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("files of the store", () => {
  test("are for their owner only, and so are their folders", async () => {
    const store = openThreadStore(home);
    await threadWithTurns(store, 1);
    const entries = readdirSync(home, { recursive: true, withFileTypes: true });
    const modes = entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [entry.isDirectory() ? "folder" : "file", (statSync(path).mode & 0o777).toString(8)].join(" ");
    });
    assert.deepEqual(new Set(modes), new Set(["folder 700", "file 600"]));
    assert.equal(statSync(home).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(home).sort(), [
      "sallyport.db",
      "sallyport.db-shm",
      "sallyport.db-wal",
      "sessions",
      "writers",
    ]);
    await store.close();
  });

  test("close() leaves the database, the transcripts, and no lock", async () => {
    const store = openThreadStore(home);
    await threadWithTurns(store, 1);
    await store.close();
    assert.deepEqual(readdirSync(home).sort(), ["sallyport.db", "sessions", "writers"]);
    assert.deepEqual(readdirSync(join(home, "writers")), []);
  });

  test("a store that only reads takes no lock", async () => {
    const store = openThreadStore(home);
    await store.listThreads({});
    assert.equal(readdirSync(home).includes("writers"), false);
    await store.close();
  });

  test("a home that others may write is refused", () => {
    mkdirSync(home);
    chmodSync(home, 0o777);
    assert.throws(() => openThreadStore(home), { code: "HOME_REFUSED" });
    assert.deepEqual(readdirSync(home), []);
    chmodSync(home, 0o755);
    assert.doesNotThrow(() => void openThreadStore(home).close());
  });

  test("a file that is no database is refused and stays as it is", () => {
    mkdirSync(home, { mode: 0o700 });
    const path = join(home, "sallyport.db");
    writeFileSync(path, "not a database, but long enough to be looked at as if it were one".repeat(20));
    const before = readFileSync(path);
    assert.throws(() => openThreadStore(home), { code: "STORE_CORRUPT" });
    assert.deepEqual(readFileSync(path), before);
  });

  test("an ephemeral store keeps threads while it is open, and no file", async () => {
    const store = openEphemeralThreadStore();
    const { id } = await threadWithTurns(store, 2);
    const thread = await store.readThread(id);
    assert.deepEqual([thread?.ephemeral, thread?.path], [true, null]);
    assert.equal((await store.listTurns(id, {})).data.length, 2);
    await store.releaseThread(id);
    await store.acquireThread(id);
    await store.commit(id, { changes: [{ kind: "putTurn", turn: completed(newTurn()) }] });
    await store.close();
    assert.deepEqual(readdirSync(folder), []);
    await assert.rejects(store.readThread(id));
  });
});

describe("migrate()", () => {
  const steps = ["CREATE TABLE one (a)", "CREATE TABLE two (b)"];
  const tables = (database: Database): unknown =>
    database.all("SELECT name FROM sqlite_schema ORDER BY name").map((row) => Object.values(row as object)[0]);
  const version = (database: Database): unknown => database.get("PRAGMA user_version");

  test("runs the steps that a database has not seen, once", () => {
    const database = new Database(inMemory);
    migrate(database, steps.slice(0, 1));
    assert.deepEqual(tables(database), ["one"]);
    migrate(database, steps);
    migrate(database, steps);
    assert.deepEqual(tables(database), ["one", "two"]);
    assert.deepEqual({ ...(version(database) as object) }, { user_version: 2 });
    database.close();
  });

  test("a step that fails leaves the database as it was", () => {
    const database = new Database(inMemory);
    migrate(database, steps.slice(0, 1));
    assert.throws(() => migrate(database, [...steps, "CREATE TABLE three (c); CREATE TABLE one (a)"]), {
      code: "STORE_FAILED",
    });
    assert.deepEqual(tables(database), ["one"]);
    assert.deepEqual({ ...(version(database) as object) }, { user_version: 1 });
    database.close();
  });

  test("a database of the first version keeps its messages, and its exec runs are counted", async () => {
    const store = openThreadStore(home);
    const { id, turnIds } = await threadWithTurns(store, 1);
    const [turnId = ""] = turnIds;
    const put = { kind: "putExecRun", turnId, itemId: "call_1", record: execRecord() } as const;
    await store.commit(id, { changes: [{ kind: "appendMessages", turnId, messages: [{ role: "user" }] }, put] });
    await store.close();
    const path = join(home, "sallyport.db");
    const older = new DatabaseSync(path);
    older.exec(`DROP TABLE approvals; DROP INDEX messages_replaced; ALTER TABLE messages DROP COLUMN replaced_by;
      ALTER TABLE turns DROP COLUMN exec_runs; PRAGMA user_version = 1`);
    older.close();
    const newer = openThreadStore(home);
    assert.deepEqual(await newer.readMessages(id), [{ turnId, body: { role: "user" } }]);
    await newer.close();
    const database = new DatabaseSync(path);
    assert.deepEqual(
      database
        .prepare("SELECT exec_runs FROM turns")
        .all()
        .map((row) => ({ ...row })),
      [{ exec_runs: 1 }],
    );
    database.close();
  });

  test("a database of a newer version is refused and left alone", async () => {
    await openThreadStore(home).close();
    const path = join(home, "sallyport.db");
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 99; CREATE TABLE from_the_future (a)");
    newer.close();
    assert.throws(() => openThreadStore(home), {
      code: "STORE_TOO_NEW",
      message: new RegExp(`schema 99, expected at most ${migrations.length};`),
    });
    const after = new DatabaseSync(path);
    assert.equal(
      after.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'from_the_future'").get()?.["n"],
      1,
    );
    after.close();
  });
});

describe("the transcript", () => {
  const linesOf = (path: string | null): { type: string; payload: Record<string, unknown> }[] =>
    readFileSync(path ?? "", "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; payload: Record<string, unknown> }); // ours
  const typesOf = (path: string | null): string[] => linesOf(path).map(({ type }) => type);

  test("is where thread.path says, from the start, with a line for each thing that is done", async () => {
    const store = openThreadStore(home);
    const thread = await store.createThread(newThread());
    assert.equal(thread.path, join(home, `sessions/2026/11/22/rollout-2026-11-22T19-38-31-${thread.id}.jsonl`));
    assert.deepEqual(typesOf(thread.path), ["session_meta"]);
    const [turn, ask, answer] = [newTurn(), userMessage("hi"), agentMessage()];
    const done = { ...answer, text: "done", completedAtMs: startMs };
    const message = { role: "user", content: "hi" };
    await store.commit(thread.id, {
      changes: [
        { kind: "putTurn", turn },
        { kind: "putItem", turnId: turn.id, item: ask },
        { kind: "appendMessages", turnId: turn.id, messages: [message] },
        { kind: "putItem", turnId: turn.id, item: answer },
      ],
    });
    await store.commit(thread.id, {
      changes: [
        { kind: "putItem", turnId: turn.id, item: done },
        { kind: "putItem", turnId: turn.id, item: done },
        { kind: "putTurn", turn: completed(turn) },
        { kind: "putTurn", turn: completed(turn) },
      ],
    });
    assert.deepEqual(
      linesOf(thread.path).map(({ type, payload }) => ({ type, payload })),
      [
        { type: "session_meta", payload: thread },
        { type: "turn_started", payload: turn },
        { type: "item", payload: { turnId: turn.id, item: ask } },
        { type: "message", payload: { turnId: turn.id, message } },
        { type: "item", payload: { turnId: turn.id, item: done } },
        { type: "turn_completed", payload: completed(turn) },
      ],
    );
    await store.close();
  });

  test("goes on after a restart", async () => {
    const first = openThreadStore(home);
    const { id } = await threadWithTurns(first, 2);
    const path = (await first.readThread(id))?.path ?? "";
    await first.close();
    const before = readFileSync(path, "utf8");
    const second = openThreadStore(home);
    await second.acquireThread(id);
    assert.equal(readFileSync(path, "utf8"), before);
    await second.commit(id, { changes: [{ kind: "putTurn", turn: newTurn() }] });
    assert.ok(readFileSync(path, "utf8").startsWith(before));
    assert.equal(typesOf(path).at(-1), "turn_started");
    await second.close();
  });

  test("that somebody else wrote to loses only what is not ours", async () => {
    const store = openThreadStore(home);
    const { id } = await threadWithTurns(store, 1);
    const path = (await store.readThread(id))?.path ?? "";
    const types = typesOf(path);
    appendFileSync(path, "torn");
    await store.commit(id, { changes: [{ kind: "putTurn", turn: completed(newTurn()) }] });
    assert.deepEqual(typesOf(path), [...types, "turn_started", "turn_completed"]);
    await store.close();
  });

  test("that was lost is written anew, with the same facts", async () => {
    const store = openThreadStore(home);
    const { id } = await threadWithTurns(store, 2);
    const path = (await store.readThread(id))?.path ?? "";
    const before = linesOf(path);
    await store.close();
    rmSync(path);
    const second = openThreadStore(home);
    await second.acquireThread(id);
    const facts = (lines: typeof before): string[] =>
      lines.slice(1).map(({ type, payload }) => JSON.stringify([type, payload]));
    assert.deepEqual(facts(linesOf(path)).sort(), facts(before).sort());
    await second.commit(id, { changes: [{ kind: "putTurn", turn: completed(newTurn()) }] });
    assert.equal(typesOf(path).length, before.length + 2);
    await second.close();
    const third = openThreadStore(home);
    await third.acquireThread(id);
    assert.equal(typesOf(path).length, before.length + 2, "a rewritten file is continued, not rewritten again");
    await third.close();
  });

  test("is not written through a link that lies in its place; the commit stands", async () => {
    const store = openThreadStore(home);
    const { id } = await threadWithTurns(store, 1);
    const path = (await store.readThread(id))?.path ?? "";
    const target = join(folder, "target");
    writeFileSync(target, "untouched");
    rmSync(path);
    symlinkSync(target, path);
    await store.commit(id, { changes: [{ kind: "putTurn", turn: completed(newTurn()) }] });
    assert.equal(readFileSync(target, "utf8"), "untouched");
    assert.equal((await store.listTurns(id, {})).data.length, 2);
    rmSync(path);
    await store.commit(id, { changes: [{ kind: "putTurn", turn: completed(newTurn()) }] });
    assert.equal(typesOf(path).filter((type) => type === "turn_completed").length, 3);
    await store.close();
  });

  test("goes with its thread", async () => {
    const store = openThreadStore(home);
    const [gone, kept] = [await threadWithTurns(store, 1), await threadWithTurns(store, 1)];
    await store.deleteThread(gone.id);
    const files = readdirSync(join(home, "sessions"), { recursive: true }).filter((name) =>
      String(name).endsWith(".jsonl"),
    );
    assert.deepEqual([files.length, String(files[0]).includes(kept.id)], [1, true]);
    await store.close();
  });
});
