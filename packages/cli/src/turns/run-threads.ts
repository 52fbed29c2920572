/** `sallyport threads list` and `show ID`: what is stored, with hook runs and programs. Reads only: threads of a running server too. */
import { openThreadStore, toThread, toTurn } from "@sallyport/core";
import type { StoredThread, ThreadStore } from "@sallyport/core";
import type { Turn } from "@sallyport/protocol";
import { checkHome, locateHome } from "@sallyport/shell-escalation";
import { displayText } from "../display-text.ts";
import { lookOf, write } from "../terminal.ts";
import { findThread } from "./find-thread.ts";
import { showThread } from "./show-thread.ts";

const pageLimit = 100;

export async function runThreadsList({ json, limit }: { json: boolean; limit: number }): Promise<number> {
  return await withStore(async (store) => {
    const { data } = await store.listThreads({ limit, sortKey: "recencyAt", includeEmpty: true });
    if (json) {
      const threads = data.map((thread) => toThread(thread, { type: "notLoaded" }));
      write(`${JSON.stringify({ data: threads }, null, 2)}\n`, 1);
      return 0;
    }
    if (data.length === 0) write("No threads are stored.\n", 1);
    for (const thread of data) write(`${threadLine(thread)}\n`, 1);
    return 0;
  });
}

export async function runThreadsShow({ id, json }: { id: string; json: boolean }): Promise<number> {
  return await withStore(async (store) => {
    const thread = await store.readThread(await findThread(store, id));
    if (thread === null) return 1; // deleted a moment ago
    const turns = await readTurns(store, thread.id);
    if (json) write(`${JSON.stringify(toThread(thread, { type: "notLoaded" }, turns), null, 2)}\n`, 1);
    else write(`${showThread(thread, turns, lookOf(process.stdout, process.env)).join("\n")}\n`, 1);
    return 0;
  });
}

async function withStore(act: (store: ThreadStore) => Promise<number>): Promise<number> {
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  checkHome(home);
  const store = openThreadStore(home);
  try {
    return await act(store);
  } finally {
    await store.close();
  }
}

/** All turns with all their items, oldest first. */
export async function readTurns(store: ThreadStore, threadId: string): Promise<Turn[]> {
  const turns: Turn[] = [];
  let cursor: string | null = null;
  do {
    const query = { cursor, limit: pageLimit, sortDirection: "asc", itemsView: "full" } as const;
    const page: Awaited<ReturnType<ThreadStore["listTurns"]>> = await store.listTurns(threadId, query);
    for (const turn of page.data) {
      const execRuns = await store.listExecRuns(threadId, turn.id, { limit: 200 });
      turns.push(toTurn(turn, execRuns.data));
    }
    cursor = page.nextCursor;
  } while (cursor !== null);
  return turns;
}

function threadLine(thread: StoredThread): string {
  const at = new Date(thread.recencyAtMs).toISOString().slice(0, 16).replace("T", " ");
  const title = thread.name ?? thread.preview.split("\n", 1)[0] ?? "";
  return `${thread.id}  ${at}  ${displayText(title.slice(0, 60))}`;
}
