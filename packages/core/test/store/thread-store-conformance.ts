/** What every ThreadStore has to do, whatever database stands behind it. An implementation's test calls
 *  runThreadStoreConformance() with a way to open it. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { v7 as uuidv7 } from "uuid";
import type { ItemRecord, Page, StoreChange, ThreadStore } from "../../src/store/thread-store.ts";
import {
  agentMessage,
  approval,
  command,
  completed,
  completedRun,
  execRecord,
  hookRun,
  messageDelta,
  newThread,
  newTurn,
  startMs,
  threadWithTurns,
  userMessage,
  warning,
} from "./samples.ts";

/** Where stores keep their data. */
export interface StorePlace {
  /** A further store on the same data, as another process would open it. */
  open(): ThreadStore;
  remove(): void;
}

export function runThreadStoreConformance(name: string, makePlace: () => StorePlace): void {
  describe(`${name} conforms to ThreadStore`, () => {
    let place: StorePlace;
    let store: ThreadStore;
    const opened: ThreadStore[] = [];
    const open = (): ThreadStore => {
      const another = place.open();
      opened.push(another);
      return another;
    };
    /** Closes the store and opens it anew: what is read then was stored. */
    const reopen = async (): Promise<void> => {
      await store.close();
      opened.splice(opened.indexOf(store), 1);
      store = open();
    };

    beforeEach(() => {
      place = makePlace();
      store = open();
    });
    afterEach(async () => {
      for (const each of opened.splice(0)) await each.close();
      place.remove();
    });

    describe("threads", () => {
      test("createThread() stores every field", async () => {
        const fields = newThread({
          name: "a name",
          preview: "first words",
          gitInfo: { sha: "abc", branch: null, originUrl: null },
          tokenUsage: { total: usage(10), last: usage(3), modelContextWindow: null },
        });
        const created = await store.createThread(fields);
        await reopen();
        assert.deepEqual(await store.readThread(fields.id), { ...fields, path: created.path, ephemeral: false });
      });

      test("createThread() refuses an id that is taken", async () => {
        const { id } = await store.createThread(newThread());
        await assert.rejects(store.createThread(newThread({ id })), { code: "THREAD_EXISTS" });
      });

      test("updateThread changes what the patch names, and nothing else", async () => {
        const before = await store.createThread(newThread());
        const patch = { name: "new", settings: { approvalPolicy: "on-request" }, updatedAtMs: startMs + 9 };
        await store.commit(before.id, { changes: [{ kind: "updateThread", patch }] });
        await reopen();
        assert.deepEqual(await store.readThread(before.id), { ...before, ...patch });
      });

      test("a change without a patch sets updatedAtMs, a new turn sets recencyAtMs", async () => {
        const before = await store.createThread(newThread());
        const turn = newTurn({ startedAtMs: startMs + 7 });
        await store.commit(before.id, { changes: [{ kind: "putTurn", turn }] });
        const after = await store.readThread(before.id);
        assert.equal(after?.recencyAtMs, startMs + 7);
        assert.ok(after.updatedAtMs > before.updatedAtMs);
      });

      test("ids match exactly: no prefix, no other case, no subsequence, no pattern", async () => {
        const { id } = await threadWithTurns(store, 1);
        const others = [
          id.slice(0, -1),
          `${id}0`,
          id.toUpperCase(),
          `${id} `,
          id.replace("-", ""),
          "%",
          "*",
          "",
          uuidv7(),
        ];
        for (const other of others) {
          assert.equal(await store.readThread(other), null, other);
          await assert.rejects(store.acquireThread(other), { code: "THREAD_NOT_FOUND" }, other);
          await assert.rejects(store.listTurns(other, {}), { code: "THREAD_NOT_FOUND" }, other);
          await assert.rejects(store.readMessages(other), { code: "THREAD_NOT_FOUND" }, other);
        }
        assert.equal((await store.readThread(id))?.id, id);
      });

      test("deleteThread() removes everything of the thread, and nothing of another", async () => {
        const gone = await threadWithTurns(store, 2);
        const kept = await threadWithTurns(store, 2);
        await store.deleteThread(gone.id);
        assert.equal(await store.readThread(gone.id), null);
        await assert.rejects(store.listTurns(gone.id, {}), { code: "THREAD_NOT_FOUND" });
        assert.equal((await store.listTurns(kept.id, {})).data.length, 2);
        await reopen();
        await assert.rejects(store.deleteThread(kept.id), { code: "THREAD_NOT_HELD" });
      });
    });

    describe("listThreads()", () => {
      const idsOf = (page: Page<{ id: string }>): string[] => page.data.map(({ id }) => id);
      const withTurn = async (fields: Parameters<typeof newThread>[0]): Promise<string> => {
        const { id } = await store.createThread(newThread(fields));
        const patch = { recencyAtMs: fields?.recencyAtMs ?? startMs, updatedAtMs: fields?.updatedAtMs ?? startMs };
        await store.commit(id, {
          changes: [
            { kind: "putTurn", turn: completed(newTurn()) },
            { kind: "updateThread", patch },
          ],
        });
        return id;
      };

      test("leaves out threads without a turn, unless asked", async () => {
        const empty = await store.createThread(newThread());
        const full = await withTurn({ createdAtMs: startMs + 1 });
        assert.deepEqual(idsOf(await store.listThreads({})), [full]);
        assert.deepEqual(idsOf(await store.listThreads({ includeEmpty: true })), [full, empty.id]);
      });

      test("sorts by each key, in both directions", async () => {
        const a = await withTurn({ createdAtMs: startMs + 1, updatedAtMs: startMs + 20, recencyAtMs: startMs + 300 });
        const b = await withTurn({ createdAtMs: startMs + 2, updatedAtMs: startMs + 30, recencyAtMs: startMs + 100 });
        const c = await withTurn({ createdAtMs: startMs + 3, updatedAtMs: startMs + 10, recencyAtMs: startMs + 200 });
        for (const [sortKey, ascending] of [
          ["createdAt", [a, b, c]],
          ["updatedAt", [c, a, b]],
          ["recencyAt", [b, c, a]],
        ] as const) {
          assert.deepEqual(idsOf(await store.listThreads({ sortKey, sortDirection: "asc" })), ascending, sortKey);
          assert.deepEqual(idsOf(await store.listThreads({ sortKey })), ascending.toReversed(), sortKey);
        }
      });

      test("filters by provider, source, folder, archive and words", async () => {
        const plain = await withTurn({ createdAtMs: startMs });
        const other = await withTurn({
          createdAtMs: startMs + 1,
          modelProvider: "provider-b",
          source: "exec",
          cwd: "/other",
          preview: "Fix the Ärger 100%",
        });
        const archived = await withTurn({ createdAtMs: startMs + 2, archivedAtMs: startMs, preview: "hidden" });
        const named = await withTurn({ createdAtMs: startMs + 3, name: "Release", preview: "fix" });
        const list = async (query: object): Promise<string[]> => idsOf(await store.listThreads(query));
        assert.deepEqual(await list({}), [named, other, plain]);
        assert.deepEqual(await list({ archived: true }), [archived]);
        assert.deepEqual(await list({ modelProviders: ["provider-b", "provider-c"] }), [other]);
        assert.deepEqual(await list({ modelProviders: [] }), [named, other, plain]);
        assert.deepEqual(await list({ sources: ["exec", "cli"] }), [other]);
        assert.deepEqual(await list({ cwds: ["/other"] }), [other]);
        assert.deepEqual(await list({ cwds: ["/othe", "/other/"] }), []);
        assert.deepEqual(await list({ searchTerm: "ÄRGER 100%" }), [other]);
        assert.deepEqual(await list({ searchTerm: "%" }), [other]);
        assert.deepEqual(await list({ searchTerm: "fix" }), [other], "the name of the last one hides its preview");
      });

      test("pages through threads of one moment without missing or repeating one", async () => {
        const ids = new Set<string>();
        for (let at = 0; at < 7; at += 1) ids.add(await withTurn({}));
        const seen: string[] = [];
        let cursor: string | null = null;
        do {
          const page: Page<{ id: string }> = await store.listThreads({ limit: 3, cursor });
          seen.push(...idsOf(page));
          cursor = page.nextCursor;
        } while (cursor !== null);
        assert.deepEqual(seen, [...ids].sort().reverse());
      });
    });

    describe("turns and items", () => {
      test("putTurn and putItem keep their place when they are put again", async () => {
        const { id } = await store.createThread(newThread());
        const [first, second] = [newTurn(), newTurn()];
        const [ask, run, answer] = [
          userMessage("hi"),
          command(),
          agentMessage({ text: "done", completedAtMs: startMs }),
        ];
        await store.commit(id, {
          changes: [
            { kind: "putTurn", turn: first },
            { kind: "putItem", turnId: first.id, item: ask },
            { kind: "putItem", turnId: first.id, item: run },
            { kind: "putItem", turnId: first.id, item: answer },
            { kind: "putTurn", turn: second },
          ],
        });
        const ran = command({ status: "completed", aggregatedOutput: "hi\n", exitCode: 0, durationMs: 4 });
        await store.commit(id, {
          changes: [
            { kind: "putItem", turnId: first.id, item: ran },
            { kind: "putTurn", turn: completed(first) },
            { kind: "putTurn", turn: completed(second) },
          ],
        });
        await reopen();
        const { data } = await store.listTurns(id, { itemsView: "full", sortDirection: "asc" });
        assert.deepEqual(data, [
          { ...completed(first), items: [ask, ran, answer], itemsView: "full", hookRuns: [] },
          { ...completed(second), items: [], itemsView: "full", hookRuns: [] },
        ]);
      });

      test("the same item id in two turns is two items", async () => {
        const { id, turnIds } = await threadWithTurns(store, 2);
        const items = (await store.listItems(id, {})).data.filter(({ item }) => item.id === "call_1");
        assert.deepEqual(
          items.map(({ turnId }) => turnId),
          turnIds,
        );
      });

      test("views: notLoaded has no items, summary the user's and the last of the agent, full all", async () => {
        const { id } = await store.createThread(newThread());
        const turn = newTurn();
        const items = [
          userMessage("one"),
          agentMessage({ text: "thinking", completedAtMs: startMs }),
          command({ status: "completed" }),
          userMessage("two"),
          agentMessage({ text: "done", completedAtMs: startMs }),
        ];
        const puts = items.map((item): StoreChange => ({ kind: "putItem", turnId: turn.id, item }));
        await store.commit(id, { changes: [{ kind: "putTurn", turn }, ...puts] });
        const view = async (itemsView: "notLoaded" | "summary" | "full"): Promise<unknown> => {
          const found = await store.readTurn(id, turn.id, itemsView);
          return [found?.itemsView, found?.items];
        };
        assert.deepEqual(await view("notLoaded"), ["notLoaded", []]);
        assert.deepEqual(await view("summary"), ["summary", [items[0], items[3], items[4]]]);
        assert.deepEqual(await view("full"), ["full", items]);
        assert.equal(await store.readTurn(id, uuidv7(), "full"), null);
      });

      test("a blocked prompt stays on its turn", async () => {
        const { id } = await store.createThread(newThread());
        const content = [{ type: "text" as const, text: "rm -rf /", text_elements: [] }];
        const turn = completed(newTurn({ blockedInput: { content, hookRunId: uuidv7() } }));
        await store.commit(id, { changes: [{ kind: "putTurn", turn }] });
        await reopen();
        assert.deepEqual(await store.readTurn(id, turn.id, "full"), {
          ...turn,
          items: [],
          itemsView: "full",
          hookRuns: [],
        });
      });

      test("listTurns() pages both ways, and a backwards cursor gives its turn again", async () => {
        const { id, turnIds } = await threadWithTurns(store, 7);
        const ids = (page: Page<{ id: string }>): string[] => page.data.map((turn) => turn.id);
        const newest = await store.listTurns(id, { limit: 3 });
        assert.deepEqual(ids(newest), turnIds.slice(4).reverse());
        const older = await store.listTurns(id, { limit: 3, cursor: newest.nextCursor });
        assert.deepEqual(ids(older), turnIds.slice(1, 4).reverse());
        const oldest = await store.listTurns(id, { limit: 3, cursor: older.nextCursor });
        assert.deepEqual([ids(oldest), oldest.nextCursor], [turnIds.slice(0, 1), null]);
        const up = await store.listTurns(id, { limit: 2, cursor: older.backwardsCursor, sortDirection: "asc" });
        assert.deepEqual(ids(up), turnIds.slice(3, 5));
        const down = await store.listTurns(id, { limit: 2, cursor: newest.backwardsCursor, sortDirection: "desc" });
        assert.deepEqual(ids(down), turnIds.slice(5).reverse());
      });

      test("a page that is exactly full has no next one; an empty one has no cursors", async () => {
        const { id } = await threadWithTurns(store, 2);
        assert.equal((await store.listTurns(id, { limit: 2 })).nextCursor, null);
        const empty = await store.createThread(newThread());
        assert.deepEqual(await store.listTurns(empty.id, {}), { data: [], nextCursor: null, backwardsCursor: null });
      });

      test("limits: 25 by default, 0 counts as 1, more than 100 as 100", async () => {
        const { id } = await threadWithTurns(store, 101);
        const count = async (limit?: number): Promise<number> =>
          (await store.listTurns(id, { ...(limit === undefined ? {} : { limit }), itemsView: "notLoaded" })).data
            .length;
        assert.deepEqual([await count(), await count(0), await count(-5), await count(1000)], [25, 1, 1, 100]);
      });

      test("a cursor that is none, or is of another list, is refused", async () => {
        const { id, turnIds } = await threadWithTurns(store, 2);
        const other = await threadWithTurns(store, 2);
        const { nextCursor } = await store.listTurns(id, { limit: 1 });
        assert.ok(nextCursor !== null);
        const refused = { code: "CURSOR_INVALID", message: /^invalid cursor: / };
        await assert.rejects(store.listTurns(id, { cursor: "nonsense" }), refused);
        await assert.rejects(store.listTurns(id, { cursor: "" }), refused);
        await assert.rejects(store.listTurns(other.id, { cursor: nextCursor }), refused);
        await assert.rejects(store.listItems(id, { cursor: nextCursor }), refused);
        await assert.rejects(store.listItems(id, { cursor: nextCursor, turnId: turnIds[0] ?? "" }), refused);
        await assert.rejects(store.listThreads({ cursor: nextCursor }), refused);
        assert.equal((await store.listTurns(id, { cursor: nextCursor })).data.length, 1);
      });

      test("listItems() goes through a thread or one turn, oldest first", async () => {
        const { id, turnIds } = await threadWithTurns(store, 3);
        const kinds = (page: Page<ItemRecord>): string[] =>
          page.data.map(({ turnId, item }) => `${turnIds.indexOf(turnId)} ${item.type}`);
        const first = await store.listItems(id, { limit: 4 });
        assert.deepEqual(kinds(first), ["0 userMessage", "0 commandExecution", "0 agentMessage", "1 userMessage"]);
        const second = await store.listItems(id, { limit: 4, cursor: first.nextCursor });
        assert.deepEqual(kinds(second), [
          "1 commandExecution",
          "1 agentMessage",
          "2 userMessage",
          "2 commandExecution",
        ]);
        const last = await store.listItems(id, { limit: 2, sortDirection: "desc" });
        assert.deepEqual(kinds(last), ["2 agentMessage", "2 commandExecution"]);
        const inTurn = { turnId: turnIds[1] ?? "", limit: 2 };
        const one = await store.listItems(id, inTurn);
        assert.deepEqual(kinds(one), ["1 userMessage", "1 commandExecution"]);
        const rest = await store.listItems(id, { ...inTurn, cursor: one.nextCursor });
        assert.deepEqual([kinds(rest), rest.nextCursor], [["1 agentMessage"], null]);
        assert.deepEqual((await store.listItems(id, { turnId: uuidv7() })).data, []);
      });
    });

    describe("hook runs", () => {
      test("a run that waits belongs to the turn that follows, and stays there", async () => {
        const { id } = await store.createThread(newThread());
        const run = hookRun({ event: "SessionStart", scope: "thread" });
        await store.commit(id, { changes: [{ kind: "putHookRun", turnId: null, run }] });
        await store.commit(id, { changes: [{ kind: "putHookRun", turnId: null, run: completedRun(run) }] });
        const [first, second] = [newTurn(), newTurn()];
        await store.commit(id, { changes: [{ kind: "putTurn", turn: completed(first) }] });
        await store.commit(id, { changes: [{ kind: "putTurn", turn: completed(second) }] });
        await reopen();
        const { data } = await store.listTurns(id, { sortDirection: "asc", itemsView: "notLoaded" });
        assert.deepEqual(
          data.map(({ hookRuns }) => hookRuns),
          [[completedRun(run)], []],
        );
      });

      test("a run that started while it waited and ends later stays on its turn", async () => {
        const { id } = await store.createThread(newThread());
        const [run, turn] = [hookRun({ event: "SessionStart", executionMode: "async" }), newTurn()];
        await store.commit(id, { changes: [{ kind: "putHookRun", turnId: null, run }] });
        await store.commit(id, { changes: [{ kind: "putTurn", turn }] });
        await store.commit(id, { changes: [{ kind: "putHookRun", turnId: null, run: completedRun(run) }] });
        assert.deepEqual((await store.readTurn(id, turn.id, "notLoaded"))?.hookRuns, [completedRun(run)]);
      });

      test("runs are in the order of their start in every view; ties in the order in which they came", async () => {
        const { id } = await store.createThread(newThread());
        const turn = newTurn();
        const runs = [hookRun({ startedAtMs: startMs + 5 }), hookRun(), hookRun({ displayOrder: 1 })];
        const puts = runs.map((run): StoreChange => ({ kind: "putHookRun", turnId: turn.id, run }));
        await store.commit(id, { changes: [{ kind: "putTurn", turn }, ...puts] });
        for (const view of ["notLoaded", "summary", "full"] as const) {
          assert.deepEqual((await store.readTurn(id, turn.id, view))?.hookRuns, [runs[1], runs[2], runs[0]], view);
        }
      });
    });

    describe("exec runs", () => {
      test("a record put again replaces the first and keeps its place", async () => {
        const { id } = await store.createThread(newThread());
        const turn = newTurn();
        const [first, second] = [execRecord(), execRecord({ decision: "deny", reason: { kind: "rule", text: "no" } })];
        const ended = { ...first, exitCode: 0, durationMs: 3 };
        const put = (record: typeof first): StoreChange => ({
          kind: "putExecRun",
          turnId: turn.id,
          itemId: "call_1",
          record,
        });
        await store.commit(id, { changes: [{ kind: "putTurn", turn }, put(first), put(second)] });
        await store.commit(id, { changes: [put(ended)] });
        await reopen();
        assert.deepEqual(await store.listExecRuns(id, turn.id, {}).then(({ data }) => data), [
          { itemId: "call_1", record: ended },
          { itemId: "call_1", record: second },
        ]);
      });

      test("listExecRuns() pages, up to 200 at once", async () => {
        const { id } = await store.createThread(newThread());
        const turn = newTurn();
        const records = Array.from({ length: 230 }, () => execRecord());
        const puts = records.map((record): StoreChange => ({
          kind: "putExecRun",
          turnId: turn.id,
          itemId: "c",
          record,
        }));
        await store.commit(id, { changes: [{ kind: "putTurn", turn }, ...puts] });
        const first = await store.listExecRuns(id, turn.id, { limit: 500 });
        const rest = await store.listExecRuns(id, turn.id, { limit: 500, cursor: first.nextCursor });
        assert.equal(first.data.length, 200);
        assert.deepEqual(
          [...first.data, ...rest.data].map(({ record }) => record),
          records,
        );
      });
    });

    describe("messages", () => {
      const messages = [
        {
          role: "user",
          content: [
            { type: "text", text: "hi" },
            { type: "text", text: "[Stop hook] \u0000 \ud800 é 🏰" },
          ],
        },
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "", providerOptions: { openai: { itemId: "r1", encrypted: "gAAA==" } } },
          ],
        },
        { role: "tool", z: 1, a: [1.5, -0, 1e300, null, true], "": "" },
      ];

      test("come back byte for byte, in order", async () => {
        const { id } = await store.createThread(newThread());
        const turn = newTurn();
        await store.commit(id, {
          changes: [
            { kind: "putTurn", turn },
            { kind: "appendMessages", turnId: turn.id, messages: messages.slice(0, 2) },
          ],
        });
        await store.commit(id, {
          changes: [{ kind: "appendMessages", turnId: turn.id, messages: messages.slice(2) }],
        });
        await reopen();
        const stored = await store.readMessages(id);
        assert.equal(JSON.stringify(stored.map(({ body }) => body)), JSON.stringify(messages));
        assert.deepEqual(
          stored.map(({ turnId }) => turnId),
          messages.map(() => turn.id),
        );
      });

      test("replaceMessages begins anew and leaves turns and items", async () => {
        const { id, turnIds } = await threadWithTurns(store, 1);
        const turnId = turnIds[0] ?? "";
        await store.commit(id, { changes: [{ kind: "appendMessages", turnId, messages }] });
        await store.commit(id, { changes: [{ kind: "replaceMessages", turnId, messages: [{ role: "user" }] }] });
        await store.commit(id, { changes: [{ kind: "appendMessages", turnId, messages: [{ role: "tool" }] }] });
        assert.deepEqual(await store.readMessages(id), [
          { turnId, body: { role: "user" } },
          { turnId, body: { role: "tool" } },
        ]);
        assert.equal((await store.listItems(id, {})).data.length, 3);
      });

      test("readTurnMessages gives what each turn did to the input, replaced since or not", async () => {
        const { id, turnIds } = await threadWithTurns(store, 2);
        const [first = "", second = ""] = turnIds;
        const [user, summary, tool] = [{ role: "user" }, { role: "summary" }, { role: "tool" }];
        await store.commit(id, { changes: [{ kind: "appendMessages", turnId: first, messages: [user, tool] }] });
        await store.commit(id, { changes: [{ kind: "replaceMessages", turnId: second, messages: [summary] }] });
        await store.commit(id, { changes: [{ kind: "appendMessages", turnId: second, messages: [tool] }] });
        await reopen();
        const none = { messages: [], replacesEarlier: false };
        assert.deepEqual(await store.readTurnMessages(id, first), { messages: [user, tool], replacesEarlier: false });
        assert.deepEqual(await store.readTurnMessages(id, second), {
          messages: [summary, tool],
          replacesEarlier: true,
        });
        assert.deepEqual(await store.readTurnMessages(id, "x"), none);
      });
    });

    describe("revert", () => {
      test("removes the turn, later ones and what belongs to them, and brings replaced messages back", async () => {
        const { id, turnIds } = await threadWithTurns(store, 3);
        const [first = "", second = "", third = ""] = turnIds;
        await store.commit(id, {
          changes: [
            { kind: "appendMessages", turnId: first, messages: [{ role: "user" }] },
            { kind: "replaceMessages", turnId: second, messages: [{ role: "summary" }] },
            { kind: "appendMessages", turnId: third, messages: [{ role: "tool" }] },
            {
              kind: "putHookRun",
              turnId: first,
              run: hookRun({ status: "completed", completedAtMs: 2, durationMs: 1 }),
            },
            { kind: "putHookRun", turnId: third, run: hookRun() },
            { kind: "putExecRun", turnId: third, itemId: "call_1", record: execRecord() },
          ],
          events: [warning(id, "before")],
        });
        const { data } = await store.listTurns(id, { sortDirection: "asc", itemsView: "full" });
        const { seqs } = await store.commit(id, {
          changes: [{ kind: "revert", beforeTurnId: second }],
          events: [warning(id, "reverted")],
        });
        await reopen();
        const left = await store.listTurns(id, { sortDirection: "asc", itemsView: "full" });
        assert.deepEqual(left.data, data.slice(0, 1));
        assert.deepEqual(await store.readMessages(id), [{ turnId: first, body: { role: "user" } }]);
        assert.equal(await store.readTurn(id, third, "full"), null);
        assert.deepEqual((await store.listExecRuns(id, third, {})).data, []);
        assert.equal((await store.readEvents(id, { afterSeq: 0, limit: 9 })).isComplete, false);
        const later = await store.readEvents(id, { afterSeq: (seqs[0] ?? 0) - 1, limit: 9 });
        assert.deepEqual(later, {
          events: [{ seq: seqs[0], notification: warning(id, "reverted") }],
          isComplete: true,
        });
      });

      test("refuses a turn that is not there, and a thread without turns is in no list", async () => {
        const { id, turnIds } = await threadWithTurns(store, 1);
        const [turnId = ""] = turnIds;
        const unknown = { changes: [{ kind: "revert", beforeTurnId: "x" } as const] };
        await assert.rejects(store.commit(id, unknown), { code: "TURN_NOT_FOUND" });
        assert.equal((await store.listTurns(id, {})).data.length, 1);
        await store.commit(id, { changes: [{ kind: "revert", beforeTurnId: turnId }] });
        const { data } = await store.listThreads({});
        assert.equal(
          data.some((thread) => thread.id === id),
          false,
        );
      });
    });

    describe("exec runs of one turn", () => {
      test("are bounded: the first and the newest are kept, and the end of one that gave way is not", async () => {
        const { id, turnIds } = await threadWithTurns(store, 1);
        const [turnId = ""] = turnIds;
        const records = Array.from({ length: 4100 }, () => execRecord({ durationMs: null }));
        const put = (record: (typeof records)[number]) =>
          ({ kind: "putExecRun", turnId, itemId: "call_1", record }) as const;
        await store.commit(id, { changes: records.map(put) });
        const gone = records[2050];
        const kept = records[4099];
        assert.ok(gone !== undefined && kept !== undefined);
        await store.commit(id, { changes: [gone, kept].map((record) => put({ ...record, durationMs: 5 })) });
        const ids: string[] = [];
        let ended: unknown = null;
        for (let cursor: string | null = null; ;) {
          const page = await store.listExecRuns(id, turnId, { cursor, limit: 200 });
          ids.push(...page.data.map(({ record }) => record.id));
          ended = page.data.at(-1)?.record.durationMs;
          cursor = page.nextCursor;
          if (cursor === null) break;
        }
        const expected = [...records.slice(0, 2000), ...records.slice(2100)];
        assert.deepEqual(
          ids,
          expected.map((record) => record.id),
        );
        assert.equal(ended, 5);
      });
    });

    describe("events", () => {
      test("get growing numbers per thread and are read from any of them on", async () => {
        const [one, two] = [await store.createThread(newThread()), await store.createThread(newThread())];
        const events = ["a", "b", "c"].map((text) => warning(one.id, text));
        const first = await store.commit(one.id, { events: events.slice(0, 2) });
        await store.commit(two.id, { events: [warning(two.id, "other")] });
        const second = await store.commit(one.id, { events: events.slice(2) });
        const seqs = [...first.seqs, ...second.seqs];
        assert.deepEqual(
          seqs,
          seqs.toSorted((a, b) => a - b),
        );
        assert.equal(new Set(seqs).size, 3);
        await reopen();
        const stored = seqs.map((seq, at) => ({ seq, notification: events[at] }));
        assert.deepEqual(await store.readEvents(one.id, { afterSeq: 0, limit: 10 }), {
          events: stored,
          isComplete: true,
        });
        const rest = await store.readEvents(one.id, { afterSeq: seqs[0] ?? 0, limit: 1 });
        assert.deepEqual(rest, { events: stored.slice(1, 2), isComplete: true });
        assert.equal((await store.readSnapshot(one.id, {})).seq, seqs[2]);
      });

      test("numbers go on after a restart", async () => {
        const { id } = await store.createThread(newThread());
        const { seqs: before } = await store.commit(id, { events: [warning(id, "a")] });
        await reopen();
        await store.acquireThread(id);
        const { seqs: after } = await store.commit(id, { events: [warning(id, "b")] });
        assert.ok((after[0] ?? 0) > (before[0] ?? 0));
      });

      test("those of the last ten turns are kept, and a reader is told when more is missing", async () => {
        const { id } = await store.createThread(newThread());
        const seqs: number[] = [];
        for (let at = 0; at < 12; at += 1) {
          const changes: StoreChange[] = [{ kind: "putTurn", turn: completed(newTurn()) }];
          seqs.push(...(await store.commit(id, { changes, events: [warning(id, `turn ${at}`)] })).seqs);
        }
        const all = await store.readEvents(id, { afterSeq: 0, limit: 100 });
        assert.deepEqual([all.events.map(({ seq }) => seq), all.isComplete], [seqs.slice(2), false]);
        const late = await store.readEvents(id, { afterSeq: seqs[1] ?? 0, limit: 100 });
        assert.deepEqual([late.events.length, late.isComplete], [10, true]);
      });

      test("an item that runs reads with its deltas, until it is put again", async () => {
        const { id } = await store.createThread(newThread());
        const [turn, item, run] = [newTurn(), agentMessage(), command()];
        const delta = (text: string): ReturnType<typeof messageDelta> => messageDelta(id, turn.id, item.id, text);
        const output = (text: string, byteOffset: number) =>
          ({
            method: "item/commandExecution/outputDelta",
            params: { threadId: id, turnId: turn.id, itemId: run.id, delta: text, byteOffset },
          }) as const;
        await store.commit(id, {
          changes: [
            { kind: "putTurn", turn },
            { kind: "putItem", turnId: turn.id, item },
            { kind: "putItem", turnId: turn.id, item: run },
          ],
          events: [delta("Hel")],
        });
        await store.commit(id, { events: [delta("lo"), output("one\n", 0)] });
        await store.commit(id, { events: [output("two\n", 4)] });
        const read = async (): Promise<unknown> => (await store.readTurn(id, turn.id, "full"))?.items;
        assert.deepEqual(await read(), [
          { ...item, text: "Hello" },
          { ...run, aggregatedOutput: "one\ntwo\n" },
        ]);
        const whole = { ...item, text: "Hello!", completedAtMs: startMs + 5 };
        await store.commit(id, { changes: [{ kind: "putItem", turnId: turn.id, item: whole }] });
        assert.deepEqual(await read(), [whole, { ...run, aggregatedOutput: "one\ntwo\n" }]);
        const { events } = await store.readEvents(id, { afterSeq: 0, limit: 10 });
        assert.deepEqual(
          events.map(({ notification }) => notification.method),
          ["item/commandExecution/outputDelta", "item/commandExecution/outputDelta"],
        );
      });
    });

    describe("commit()", () => {
      test("stores all of it or nothing", async () => {
        const { id } = await store.createThread(newThread());
        const before = await store.readSnapshot(id, {});
        const turn = newTurn();
        const commit = store.commit(id, {
          changes: [
            { kind: "updateThread", patch: { name: "half" } },
            { kind: "putTurn", turn },
            { kind: "putHookRun", turnId: turn.id, run: hookRun() },
            { kind: "putItem", turnId: uuidv7(), item: userMessage("no such turn") },
          ],
          events: [warning(id, "never")],
        });
        await assert.rejects(commit, { code: "TURN_NOT_FOUND" });
        assert.deepEqual(await store.readSnapshot(id, {}), before);
        assert.deepEqual((await store.readEvents(id, { afterSeq: 0, limit: 10 })).events, []);
        await store.commit(id, { changes: [{ kind: "putTurn", turn }] });
        assert.equal((await store.listTurns(id, {})).data.length, 1);
      });

      test("of several threads at once do not mix", async () => {
        const threads = await Promise.all(Array.from({ length: 5 }, () => store.createThread(newThread())));
        await Promise.all(
          threads.flatMap(({ id }) =>
            Array.from({ length: 5 }, () =>
              store.commit(id, { changes: [{ kind: "putTurn", turn: completed(newTurn()) }] }),
            ),
          ),
        );
        for (const { id } of threads) assert.equal((await store.listTurns(id, {})).data.length, 5);
      });

      test("needs a thread that was created or acquired", async () => {
        const { id } = await threadWithTurns(store, 1);
        await store.releaseThread(id);
        const change = { changes: [{ kind: "updateThread", patch: { name: "x" } }] } as const;
        await assert.rejects(store.commit(id, change), { code: "THREAD_NOT_HELD" });
        await store.acquireThread(id);
        await store.commit(id, change);
        assert.equal((await store.readThread(id))?.name, "x");
      });
    });

    describe("writers", () => {
      test("a second store reads a thread that the first holds, and may not write it until it is released", async () => {
        const { id } = await threadWithTurns(store, 1);
        const second = open();
        assert.equal((await second.listTurns(id, {})).data.length, 1);
        const refused = { code: "THREAD_HAS_WRITER", message: `thread ${id} already has an active writer` };
        await assert.rejects(second.acquireThread(id), refused);
        await assert.rejects(second.commit(id, {}), { code: "THREAD_NOT_HELD" });
        await store.releaseThread(id);
        await second.acquireThread(id);
        await assert.rejects(store.acquireThread(id), refused);
        await second.commit(id, { changes: [{ kind: "putTurn", turn: completed(newTurn()) }] });
        assert.equal((await store.listTurns(id, {})).data.length, 2);
      });

      test("two stores write two threads of one place", async () => {
        const second = open();
        const [one, two] = [await threadWithTurns(store, 1), await threadWithTurns(second, 1)];
        for (const each of [store, second]) {
          assert.equal((await each.listThreads({})).data.length, 2);
          for (const { id } of [one, two]) assert.equal((await each.listTurns(id, {})).data.length, 1);
        }
      });

      test("what runs in another live store reads as running", async () => {
        const { id } = await store.createThread(newThread());
        const [turn, run] = [newTurn(), hookRun()];
        await store.commit(id, {
          changes: [
            { kind: "putTurn", turn },
            { kind: "putItem", turnId: turn.id, item: command() },
            { kind: "putHookRun", turnId: turn.id, run },
          ],
        });
        const found = await open().readTurn(id, turn.id, "full");
        assert.deepEqual(found, { ...turn, items: [command()], itemsView: "full", hookRuns: [run] });
      });

      test("a turn with a question that waits is not interrupted, nor the item that the question is about", async () => {
        const { id } = await store.createThread(newThread());
        const [turn, asked, beside, run] = [newTurn(), command(), command({ id: "call_2" }), hookRun()];
        const question = approval(turn.id, { waitingItemId: asked.id });
        await store.commit(id, {
          changes: [
            { kind: "putTurn", turn },
            { kind: "putItem", turnId: turn.id, item: asked },
            { kind: "putItem", turnId: turn.id, item: beside },
            { kind: "putHookRun", turnId: turn.id, run },
            { kind: "putApproval", approval: question },
          ],
        });
        await store.releaseThread(id);
        await store.acquireThread(id);
        const found = await store.readTurn(id, turn.id, "full");
        const statuses = found?.items.map((item) => (item.type === "commandExecution" ? item.status : item.type));
        assert.deepEqual(
          [found?.status, statuses, found?.hookRuns.map(({ status }) => status)],
          ["inProgress", ["inProgress", "failed"], ["stopped"]],
        );
        assert.deepEqual(await store.readApprovals(id), [question]);
        // The control: with the answer nothing waits any more.
        const answered = { ...question, answer: { kind: "allow" } };
        await store.commit(id, { changes: [{ kind: "putApproval", approval: answered }] });
        await store.releaseThread(id);
        const ended = await store.readTurn(id, turn.id, "full");
        assert.equal(ended?.status, "interrupted");
        assert.deepEqual(await store.readApprovals(id), [answered]);
      });

      test("a question is gone when it is dropped, and with its turn; an answered one is kept for ten turns", async () => {
        const { id } = await store.createThread(newThread());
        const turns = Array.from({ length: 11 }, () => newTurn());
        const [oldest = "", newest = ""] = [turns[0]?.id, turns[10]?.id];
        const questions = [approval(oldest, { answer: "yes" }), approval(oldest), approval(newest), approval(newest)];
        await store.commit(id, {
          changes: turns
            .slice(0, 1)
            .flatMap((turn) => [
              { kind: "putTurn", turn } as const,
              ...questions.slice(0, 2).map((one) => ({ kind: "putApproval", approval: one }) as const),
            ]),
        });
        assert.deepEqual(await store.readApprovals(id), questions.slice(0, 2));
        await store.commit(id, {
          changes: [
            ...turns.slice(1).map((turn) => ({ kind: "putTurn", turn }) as const),
            ...questions.slice(2).map((one) => ({ kind: "putApproval", approval: one }) as const),
            { kind: "dropApproval", approvalId: questions[2]?.id ?? "" },
          ],
        });
        assert.deepEqual(await store.readApprovals(id), [questions[1], questions[3]]);
        await store.commit(id, { changes: [{ kind: "revert", beforeTurnId: newest }] });
        assert.deepEqual(await store.readApprovals(id), [questions[1]]);
      });

      test("releaseThread() stores what is still open as interrupted", async () => {
        const { id } = await store.createThread(newThread());
        const [turn, item, run, waiting] = [newTurn(), agentMessage(), hookRun(), hookRun({ event: "SessionStart" })];
        await store.commit(id, {
          changes: [
            { kind: "putTurn", turn },
            { kind: "putItem", turnId: turn.id, item },
            { kind: "putItem", turnId: turn.id, item: command() },
            { kind: "putHookRun", turnId: turn.id, run },
            { kind: "putHookRun", turnId: null, run: waiting },
          ],
          events: [messageDelta(id, turn.id, item.id, "so far")],
        });
        await store.releaseThread(id);
        const found = await store.readTurn(id, turn.id, "full");
        const completedAtMs = found?.completedAtMs ?? 0;
        const durationMs = completedAtMs - startMs;
        const entries = [{ kind: "error", text: "interrupted" }];
        assert.ok(completedAtMs >= startMs);
        assert.deepEqual(found, {
          ...turn,
          status: "interrupted",
          completedAtMs,
          durationMs,
          items: [
            { ...item, text: "so far", completedAtMs },
            { ...command(), status: "failed", interrupted: true, completedAtMs, durationMs },
          ],
          itemsView: "full",
          hookRuns: [{ ...run, status: "stopped", completedAtMs, durationMs, entries }],
        });
        await store.acquireThread(id);
        const next = newTurn();
        await store.commit(id, { changes: [{ kind: "putTurn", turn: next }] });
        const [adopted] = (await store.readTurn(id, next.id, "full"))?.hookRuns ?? [];
        assert.deepEqual([adopted?.id, adopted?.status], [waiting.id, "stopped"]);
      });
    });
  });
}

function usage(totalTokens: number) {
  return {
    totalTokens,
    inputTokens: 1,
    cachedInputTokens: 0,
    cacheWriteInputTokens: 0,
    outputTokens: 2,
    reasoningOutputTokens: 0,
  };
}
