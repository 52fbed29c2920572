/** The model's answer as items: messages and reasoning, shown while they come. */
import type { AgentMessageItem, ReasoningItem, ServerNotification } from "@sallyport/protocol";
import type { ModelPart } from "../models/model.ts";
import type { TurnContext } from "./turn-context.ts";

type OpenItem = (AgentMessageItem | ReasoningItem) & { startedAtMs: number };

/** The attack: an answer that comes letter by letter, each of which is stored as it is told, takes hundreds of times its length. So
 *  after this many pieces the item is stored with what was told so far, and the store lets go of the pieces. */
const mostPieces = 2000;

export class AnswerItems {
  readonly #context: Pick<TurnContext, "threadId" | "turnId" | "log" | "itemIds">;
  /** By the model's id of the part; all parts of a reasoning share an item. */
  readonly #open = new Map<string, OpenItem>();
  /** Summary parts of reasoning, by the model's id of the part. */
  readonly #summaryIndexes = new Map<string, number>();
  #pieces = 0;
  lastMessage: AgentMessageItem | null = null;

  constructor(context: Pick<TurnContext, "threadId" | "turnId" | "log" | "itemIds">) {
    this.#context = context;
  }

  async add(part: ModelPart): Promise<void> {
    if (part.type === "text-start") {
      await this.closeWhole();
      await this.#start(part.id, { type: "agentMessage", text: "", phase: null });
    }
    if (part.type === "text-delta") await this.#addText(part.id, part.delta);
    if (part.type === "reasoning-delta") await this.#addReasoning(part.id, part.delta);
  }

  /** What is open is complete: something else follows, or the answer ended well. The end of a part alone does not tell: some
   *  providers' code ends every part before it says that the connection broke. */
  async closeWhole(): Promise<void> {
    for (const key of this.#open.keys()) await this.#complete(key, {});
    this.#summaryIndexes.clear();
  }

  /** The answer broke off: what was shown stays, marked as a part. */
  async closePartial(): Promise<void> {
    for (const [key, item] of this.#open) {
      await this.#complete(key, item.type === "agentMessage" ? { phase: "partial_answer" } : {});
    }
    this.#summaryIndexes.clear();
  }

  async #start(key: string, item: Omit<AgentMessageItem, "id"> | Omit<ReasoningItem, "id">): Promise<void> {
    const { threadId, turnId, log, itemIds } = this.#context;
    const startedAtMs = Date.now();
    const started = { ...item, id: itemIds.idFor(key), startedAtMs };
    this.#open.set(key, started);
    await log.record(
      [{ kind: "putItem", turnId, item: { ...started } }],
      [{ method: "item/started", params: { threadId, turnId, item: { ...started }, startedAtMs } }],
    );
  }

  async #addText(key: string, delta: string): Promise<void> {
    const item = this.#open.get(key);
    if (item?.type !== "agentMessage" || delta === "") return;
    item.text += delta;
    await this.#announce({ method: "item/agentMessage/delta", params: { ...this.#place(item), delta } });
    await this.#fold(item);
  }

  /** Begun with the first word: encrypted reasoning has none, and is nothing to show. */
  async #addReasoning(partId: string, delta: string): Promise<void> {
    if (delta === "") return;
    const key = partId.replace(/:\d+$/, "");
    if (!this.#open.has(key)) {
      await this.closeWhole();
      await this.#start(key, { type: "reasoning", summary: [], content: [] });
    }
    const item = this.#open.get(key);
    if (item?.type !== "reasoning") return;
    let summaryIndex = this.#summaryIndexes.get(partId);
    if (summaryIndex === undefined) {
      summaryIndex = item.summary.length;
      this.#summaryIndexes.set(partId, summaryIndex);
      item.summary.push("");
      await this.#announce({
        method: "item/reasoning/summaryPartAdded",
        params: { ...this.#place(item), summaryIndex },
      });
    }
    item.summary[summaryIndex] = (item.summary[summaryIndex] ?? "") + delta;
    await this.#announce({
      method: "item/reasoning/summaryTextDelta",
      params: { ...this.#place(item), summaryIndex, delta },
    });
    await this.#fold(item);
  }

  async #fold(item: OpenItem): Promise<void> {
    this.#pieces += 1;
    if (this.#pieces % mostPieces !== 0) return;
    const { turnId, log } = this.#context;
    await log.record([{ kind: "putItem", turnId, item: { ...item } }]);
  }

  async #complete(key: string, changes: Partial<Pick<AgentMessageItem, "phase">>): Promise<void> {
    const open = this.#open.get(key);
    if (open === undefined) return;
    this.#open.delete(key);
    const completedAtMs = Date.now();
    const item = { ...open, ...changes, completedAtMs };
    if (item.type === "agentMessage") this.lastMessage = item;
    const { threadId, turnId, log } = this.#context;
    await log.record(
      [{ kind: "putItem", turnId, item }],
      [{ method: "item/completed", params: { threadId, turnId, item, completedAtMs, contentTokenCount: null } }],
    );
  }

  #place(item: OpenItem): { threadId: string; turnId: string; itemId: string } {
    const { threadId, turnId } = this.#context;
    return { threadId, turnId, itemId: item.id };
  }

  #announce(notification: ServerNotification): Promise<void> {
    return this.#context.log.record([], [notification]);
  }
}
