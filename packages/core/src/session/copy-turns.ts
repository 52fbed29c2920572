/** A copy of turns into another thread, through the store's interface alone, so that the two may be in different stores. Ids stay:
 *  they are unique within a thread. */
import { setImmediate as others } from "node:timers/promises";
import { SallyportError } from "@sallyport/supervisor";
import type { StoreChange, ThreadStore, TurnRecord } from "../store/index.ts";

export interface CopyRange {
  /** The last turn to copy. */
  lastTurnId?: string | null;
  /** The first turn not to copy. */
  beforeTurnId?: string | null;
}

/** Oldest first, without items. Throws `TURN_NOT_FOUND`, `TURN_ACTIVE` where the named last turn runs. */
export async function turnsToCopy(store: ThreadStore, threadId: string, range: CopyRange): Promise<TurnRecord[]> {
  const turns: TurnRecord[] = [];
  for (let cursor: string | null = null; ;) {
    const page = await store.listTurns(threadId, { cursor, limit: 100, sortDirection: "asc", itemsView: "notLoaded" });
    turns.push(...page.data);
    cursor = page.nextCursor;
    if (cursor === null) break;
  }
  const named = range.lastTurnId ?? range.beforeTurnId ?? null;
  if (named === null) return turns;
  const index = turns.findIndex(({ id }) => id === named);
  const found = turns[index];
  if (found === undefined)
    throw new SallyportError("TURN_NOT_FOUND", `turn not found: ${named}`, { data: { threadId } });
  if (range.lastTurnId == null) return turns.slice(0, index);
  if (found.status === "inProgress") {
    const message = `Turn "${named}" still runs, expected one that has ended to fork behind`;
    throw new SallyportError("TURN_ACTIVE", message, { data: { threadId, turnId: named } });
  }
  return turns.slice(0, index + 1);
}

/** Turn by turn, so that a long thread is not in memory as a whole. */
export async function copyTurns(
  { from, threadId }: { from: ThreadStore; threadId: string },
  { to, newId }: { to: ThreadStore; newId: string },
  turns: readonly TurnRecord[],
): Promise<void> {
  for (const { id } of turns) {
    await others(); // the store works without a pause, and other threads must not stand still for a long one
    const turn = await from.readTurn(threadId, id, "full");
    if (turn === null) continue; // reverted meanwhile
    const { items, itemsView: _, hookRuns, ...stored } = turn;
    const { messages, replacesEarlier } = await from.readTurnMessages(threadId, id);
    const kind = replacesEarlier ? "replaceMessages" : "appendMessages";
    const changes: StoreChange[] = [
      { kind: "putTurn", turn: stored },
      ...hookRuns.map((run): StoreChange => ({ kind: "putHookRun", turnId: id, run })),
      ...items.map((item): StoreChange => ({ kind: "putItem", turnId: id, item })),
      { kind, turnId: id, messages },
    ];
    await to.commit(newId, { changes });
    await copyExecRuns({ from, threadId }, { to, newId }, id);
  }
}

async function copyExecRuns(
  { from, threadId }: { from: ThreadStore; threadId: string },
  { to, newId }: { to: ThreadStore; newId: string },
  turnId: string,
): Promise<void> {
  for (let cursor: string | null = null; ;) {
    const page = await from.listExecRuns(threadId, turnId, { cursor, limit: 200 });
    const changes = page.data.map(({ itemId, record }): StoreChange => ({
      kind: "putExecRun",
      turnId,
      itemId,
      record,
    }));
    if (changes.length > 0) await to.commit(newId, { changes });
    cursor = page.nextCursor;
    if (cursor === null) return;
  }
}
