/** Deltas are the only part of an item that is announced before the item is stored whole. They are kept as events; here they are
 *  put back into the item, so that a client that comes late, and a server that takes over after a crash, read what was shown. */
import type { ReasoningItem, ServerNotification, ThreadItem } from "@sallyport/protocol";

/** The item that an event adds to; null where it is no delta. Deltas name their item, other events carry it. */
export function deltaItemId(event: ServerNotification): string | null {
  return "itemId" in event.params ? event.params.itemId : null;
}

export function isOpen(item: ThreadItem): boolean {
  if (item.completedAtMs !== undefined) return false;
  return !("status" in item) || item.status === "inProgress";
}

/** The item with what its deltas, in order, added. */
export function withDeltas(item: ThreadItem, deltas: readonly ServerNotification[]): ThreadItem {
  return deltas.reduce(withDelta, item);
}

function withDelta(item: ThreadItem, event: ServerNotification): ThreadItem {
  if (event.method === "item/agentMessage/delta" && item.type === "agentMessage") {
    return { ...item, text: item.text + event.params.delta };
  }
  if (event.method === "item/commandExecution/outputDelta" && item.type === "commandExecution") {
    return { ...item, aggregatedOutput: (item.aggregatedOutput ?? "") + event.params.delta };
  }
  return item.type === "reasoning" ? withReasoningDelta(item, event) : item;
}

function withReasoningDelta(item: ReasoningItem, event: ServerNotification): ReasoningItem {
  if (event.method === "item/reasoning/summaryPartAdded") {
    return { ...item, summary: withText(item.summary, event.params.summaryIndex, "") };
  }
  if (event.method === "item/reasoning/summaryTextDelta") {
    return { ...item, summary: withText(item.summary, event.params.summaryIndex, event.params.delta) };
  }
  if (event.method === "item/reasoning/textDelta") {
    return { ...item, content: withText(item.content, event.params.contentIndex, event.params.delta) };
  }
  return item;
}

/** Parts that were skipped become empty ones. */
function withText(parts: readonly string[], index: number, text: string): string[] {
  const length = Math.max(parts.length, index + 1);
  return Array.from({ length }, (_, at) => (parts[at] ?? "") + (at === index ? text : ""));
}
