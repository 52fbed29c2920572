/** A writer is killed with SIGKILL, over and over, at moments that the seed chooses; another process then reads and goes on.
 *  The writer is this file, started with a home and a thread. It says what it stored only after it was stored. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { HookRun } from "@sallyport/hooks";
import type { ThreadItem } from "@sallyport/protocol";
import { isOpen } from "../../src/store/deltas.ts";
import { openThreadStore } from "../../src/store/sqlite/sqlite-thread-store.ts";
import type { StoreChange, ThreadCommit, ThreadStore, TurnRecord } from "../../src/store/thread-store.ts";
import {
  agentMessage,
  command,
  completed,
  completedRun,
  execRecord,
  hookRun,
  messageDelta,
  newThread,
  newTurn,
  startMs,
  userMessage,
} from "./samples.ts";

const kills = 8;

const [, , role, home = "", threadId = "", pauseAfter = ""] = process.argv;
if (role === "write") await writeUntilKilled(home, threadId, Number(pauseAfter));
else declareTests();

function declareTests(): void {
  const options = { timeout: 120_000 };
  test("kill -9 of a writer loses nothing that it announced, and the thread goes on", options, killAgain);
  test("a thread that a live process writes is read, and not taken over", options, respectLiveWriter);
}

async function writeUntilKilled(home: string, threadId: string, pauseAfter: number): Promise<void> {
  const store = openThreadStore(home);
  await store.acquireThread(threadId);
  for (let count = 0; count < pauseAfter;) {
    for (const commit of turnCommits(threadId).slice(0, pauseAfter - count)) {
      await announce(store, threadId, commit);
      count += 1;
    }
  }
  // Holds the thread until it is killed: a store that nothing refers to is collected as garbage, and its lock with it.
  process.stdin.once("end", () => void store.close()).resume();
}

async function announce(store: ThreadStore, threadId: string, commit: ThreadCommit): Promise<void> {
  await store.commit(threadId, commit);
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(commit)}\n`, resolve));
}

/** One turn with everything in it, a commit a step. */
function turnCommits(threadId: string): ThreadCommit[] {
  const turn = newTurn({ startedAtMs: Date.now() });
  const [run, ask, answer, call, exec] = [hookRun(), userMessage("go on"), agentMessage(), command(), execRecord()];
  const put = (item: ThreadItem): StoreChange => ({ kind: "putItem", turnId: turn.id, item });
  const hook = (run: HookRun): StoreChange => ({ kind: "putHookRun", turnId: turn.id, run });
  const texts = ["one ", "two ", "three"];
  return [
    { changes: [{ kind: "putTurn", turn }] },
    { changes: [hook(run)] },
    { changes: [hook(completedRun(run))] },
    { changes: [put(ask), { kind: "appendMessages", turnId: turn.id, messages: [{ role: "user", id: ask.id }] }] },
    { changes: [put(call)] },
    { changes: [{ kind: "putExecRun", turnId: turn.id, itemId: call.id, record: exec }] },
    { changes: [put({ ...call, status: "completed", exitCode: 0, completedAtMs: startMs + 9 })] },
    { changes: [put(answer)] },
    ...texts.map((text) => ({ events: [messageDelta(threadId, turn.id, answer.id, text)] })),
    { changes: [put({ ...answer, text: texts.join(""), completedAtMs: startMs + 20 })] },
    { changes: [{ kind: "putTurn", turn: completed(turn) }] },
  ];
}

async function killAgain(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-kill-"));
  const home = join(folder, "home");
  try {
    const store = openThreadStore(home);
    const { id, path } = await store.createThread(newThread());
    await store.close();
    const announced: ThreadCommit[] = [];
    let moments = 7; // any number but 0
    for (let round = 0; round < kills; round += 1) {
      moments = (moments * 48_271) % 2_147_483_647;
      announced.push(...(await killAfter(home, id, 1 + (moments % 29), Infinity, async () => {})));
      await checkTakeOver(home, id, announced);
    }
    checkTranscript(path ?? "", announced);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function respectLiveWriter(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-kill-"));
  const home = join(folder, "home");
  const store = openThreadStore(home);
  try {
    const { id } = await store.createThread(newThread());
    await store.releaseThread(id);
    const running = command();
    // The sixth commit: the command has been announced, and its program.
    await killAfter(home, id, 6, 6, async () => {
      await assert.rejects(store.acquireThread(id), {
        code: "THREAD_HAS_WRITER",
        message: `thread ${id} already has an active writer`,
      });
      const [turn] = (await store.listTurns(id, { itemsView: "full", sortDirection: "asc", limit: 1 })).data;
      assert.deepEqual([turn?.status, turn?.items.at(-1)], ["inProgress", running]);
    });
    await store.acquireThread(id);
    assert.equal((await store.listTurns(id, { sortDirection: "asc", limit: 1 })).data[0]?.status, "interrupted");
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Kills the writer when it has announced `count` commits and `before` has seen it alive. Returns all that it announced. */
async function killAfter(
  home: string,
  threadId: string,
  count: number,
  pauseAfter: number,
  before: () => Promise<void>,
): Promise<ThreadCommit[]> {
  const words = ["--conditions=sallyport-source", import.meta.filename, "write", home, threadId, String(pauseAfter)];
  const child = spawn(process.execPath, words);
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  const closed = new Promise<string | null>((resolve) => child.once("close", (_, signal) => resolve(signal)));
  const commits: ThreadCommit[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    // The last line may be cut: then it was not announced.
    if (!line.endsWith("}]}")) continue;
    commits.push(JSON.parse(line) as ThreadCommit); // written by announce()
    if (commits.length === count) await before().finally(() => child.kill("SIGKILL"));
  }
  assert.equal(await closed, "SIGKILL", complaints);
  return commits;
}

async function checkTakeOver(home: string, id: string, announced: readonly ThreadCommit[]): Promise<void> {
  const store = openThreadStore(home);
  try {
    const orphaned = await allTurns(store, id);
    const before = await store.readThread(id);
    await store.acquireThread(id);
    const turns = await allTurns(store, id);
    assert.deepEqual(turns, orphaned, "a reader sees what the next writer stores");
    await checkAnnounced(store, id, turns, announced);
    checkClosed(turns, before?.updatedAtMs ?? 0);
    assert.equal(readdirSync(join(home, "writers")).length, 1, "only this store's lock is left");
  } finally {
    await store.close();
  }
}

async function allTurns(store: ThreadStore, id: string): Promise<TurnRecord[]> {
  const turns: TurnRecord[] = [];
  for (let cursor: string | null = null; ;) {
    const page = await store.listTurns(id, { cursor, limit: 100, sortDirection: "asc", itemsView: "full" });
    turns.push(...page.data);
    cursor = page.nextCursor;
    if (cursor === null) return turns;
  }
}

async function checkAnnounced(
  store: ThreadStore,
  id: string,
  turns: readonly TurnRecord[],
  announced: readonly ThreadCommit[],
): Promise<void> {
  const items = new Map<string, ThreadItem>(
    turns.flatMap((turn) => turn.items.map((item) => [`${turn.id} ${item.id}`, item] as const)),
  );
  const runs = new Map(turns.flatMap((turn) => turn.hookRuns).map((run) => [run.id, run]));
  const stored = new Set((await store.readMessages(id)).map(({ body }) => JSON.stringify(body)));
  const shown = new Map<string, string>();
  for (const change of announced.flatMap(({ changes = [] }) => changes)) {
    if (change.kind === "putTurn" && change.turn.status === "completed") {
      const { status, durationMs } = turns.find((turn) => turn.id === change.turn.id) ?? {};
      assert.deepEqual([status, durationMs], ["completed", change.turn.durationMs]);
    } else if (change.kind === "putTurn") {
      assert.ok(turns.some((turn) => turn.id === change.turn.id));
    } else if (change.kind === "putItem") {
      const found = items.get(`${change.turnId} ${change.item.id}`);
      if (isOpen(change.item)) assert.equal(found?.type, change.item.type);
      else assert.deepEqual(found, change.item);
    } else if (change.kind === "putHookRun") {
      const found = runs.get(change.run.id);
      if (change.run.status === "running") assert.notEqual(found, undefined);
      else assert.deepEqual(found, change.run);
    } else if (change.kind === "putExecRun") {
      const { data } = await store.listExecRuns(id, change.turnId, {});
      assert.deepEqual(data, [{ itemId: change.itemId, record: change.record }]);
    } else if (change.kind === "appendMessages") {
      for (const message of change.messages) assert.ok(stored.has(JSON.stringify(message)));
    }
  }
  for (const { method, params } of announced.flatMap(({ events = [] }) => events)) {
    if (method !== "item/agentMessage/delta") continue;
    const key = `${params.turnId} ${params.itemId}`;
    shown.set(key, (shown.get(key) ?? "") + params.delta);
  }
  for (const [key, text] of shown) {
    const item = items.get(key);
    assert.ok(item?.type === "agentMessage" && item.text.startsWith(text), `${key} shows less than "${text}"`);
  }
}

/** Nothing runs any more; what was cut short says so, at the thread's last sign of life. */
function checkClosed(turns: readonly TurnRecord[], lastSignMs: number): void {
  for (const turn of turns) {
    assert.ok(turn.status === "completed" || turn.status === "interrupted", turn.status);
    for (const item of turn.items) {
      assert.equal(isOpen(item), false);
      if (item.type === "commandExecution") assert.equal(item.interrupted === true, item.status === "failed");
    }
    for (const run of turn.hookRuns) {
      if (run.status === "completed") continue;
      assert.deepEqual([run.status, run.entries], ["stopped", [{ kind: "error", text: "interrupted" }]]);
    }
  }
  const last = turns.at(-1);
  if (last?.status === "interrupted") assert.equal(last.completedAtMs, lastSignMs);
}

function checkTranscript(path: string, announced: readonly ThreadCommit[]): void {
  const text = readFileSync(path, "utf8");
  assert.ok(text.endsWith("\n"));
  const lines = text
    .slice(0, -1)
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; payload: { turnId: string; item: ThreadItem } }); // ours
  assert.deepEqual([lines[0]?.type, lines.filter(({ type }) => type === "session_meta").length], ["session_meta", 1]);
  const items = lines.filter(({ type }) => type === "item").map(({ payload }) => payload);
  const keys = items.map(({ turnId, item }) => `${turnId} ${item.id}`);
  assert.equal(new Set(keys).size, keys.length, "no line is there twice");
  for (const change of announced.flatMap(({ changes = [] }) => changes)) {
    if (change.kind !== "putItem" || isOpen(change.item)) continue;
    assert.deepEqual(items[keys.indexOf(`${change.turnId} ${change.item.id}`)]?.item, change.item);
  }
}
