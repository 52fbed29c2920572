/** A call whose question an earlier server has asked: its item is there already, and the question is asked again as the same one. */
import type { ThreadItem } from "@sallyport/protocol";

export interface AskedBefore {
  approvalId: string;
  /** Null where such calls have none. */
  item: ThreadItem | null;
}

/** The item as it is there; else the fresh one. */
export function openItem<Item extends ThreadItem>(
  fresh: Item,
  before: AskedBefore | null,
): Item & { startedAtMs: number } {
  const item = before?.item?.type === fresh.type ? (before.item as Item) : fresh; // types of items tell them apart
  return { ...item, startedAtMs: item.startedAtMs ?? Date.now() };
}
