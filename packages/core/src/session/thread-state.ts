/** What a loaded thread knows of itself as a whole, and the changes that store it: its record, how it acts, what waits for the model. */
import type {
  ServerNotification,
  ThreadReadState,
  ThreadReadStateOperation,
  ThreadStatus,
  ThreadTokenUsage,
  TokenUsageBreakdown,
} from "@sallyport/protocol";
import type { ModelMessage } from "../models/model.ts";
import type { JsonValue, StoreChange, StoredThread, ThreadPatch } from "../store/index.ts";
import type { HookSurroundings } from "../turns/turn-hooks.ts";
import { afterRevert, afterTurn, marked } from "./read-state.ts";
import { storedSettings } from "./session-settings.ts";
import type { SessionSettings } from "./session-settings.ts";

/** What has to be recorded in one step. */
export interface StateChange {
  changes: StoreChange[];
  notifications: ServerNotification[];
}

const noUsage: TokenUsageBreakdown = {
  totalTokens: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteInputTokens: 0,
  outputTokens: 0,
  reasoningOutputTokens: 0,
};

export class ThreadState {
  settings: SessionSettings;
  status: ThreadStatus = { type: "idle" };
  #thread: StoredThread;
  /** For the model, before its next request; stored with the thread. */
  #pending: JsonValue[];

  constructor(thread: StoredThread, settings: SessionSettings) {
    this.#thread = thread;
    this.settings = settings;
    const { pending } = thread.settings;
    this.#pending = Array.isArray(pending) ? pending : [];
  }

  get thread(): StoredThread {
    return this.#thread;
  }

  get surroundings(): HookSurroundings {
    const { cwd, model, approvalPolicy } = this.settings;
    const { id: threadId, path } = this.#thread;
    return { threadId, transcriptPath: path, cwd, model: model.model, approvalPolicy };
  }

  patch(patch: ThreadPatch): StoreChange {
    this.#thread = { ...this.#thread, ...patch };
    return { kind: "updateThread", patch };
  }

  changeStatus(status: ThreadStatus): ServerNotification {
    this.status = status;
    return { method: "thread/status/changed", params: { threadId: this.#thread.id, status } };
  }

  settingsChange(): StoreChange {
    const { cwd, model } = this.settings;
    return this.patch({
      cwd,
      model: model.model,
      modelProvider: model.provider.id,
      reasoningEffort: model.reasoningEffort,
      settings: {
        ...storedSettings(this.settings),
        ...(this.#pending.length === 0 ? {} : { pending: this.#pending }),
      },
    });
  }

  addPending(messages: readonly ModelMessage[]): StoreChange {
    const bodies = JSON.parse(JSON.stringify(messages)) as JsonValue[];
    this.#pending = [...this.#pending, ...bodies];
    return this.settingsChange();
  }

  /** What waits, and the change that stores that it does not any more. */
  takePending(): { messages: ModelMessage[]; changes: StoreChange[] } {
    if (this.#pending.length === 0) return { messages: [], changes: [] };
    const messages = this.#pending as unknown as ModelMessage[]; // what addPending() was given
    this.#pending = [];
    return { messages, changes: [this.settingsChange()] };
  }

  addUsage(last: TokenUsageBreakdown, modelContextWindow: number | null): ThreadTokenUsage {
    const before = this.#thread.tokenUsage?.total ?? noUsage;
    const total = Object.fromEntries(
      Object.entries(last).map(([key, value]) => [key, value + before[key as keyof TokenUsageBreakdown]]),
    ) as TokenUsageBreakdown; // has the keys of `last`
    const tokenUsage = { total, last, modelContextWindow };
    this.#thread = { ...this.#thread, tokenUsage };
    return tokenUsage;
  }

  /** Of the first prompt alone. */
  previewChange(preview: string): StoreChange[] {
    return this.#thread.preview !== "" || preview === "" ? [] : [this.patch({ preview })];
  }

  /** Throws `READ_STATE_CHANGED`. */
  markRead(
    operation: ThreadReadStateOperation,
    expectedRevision: string,
  ): StateChange & { readState: ThreadReadState } {
    const readState = marked(this.#thread.readState, operation, expectedRevision);
    return { readState, ...this.#readStateChange(readState) };
  }

  unreadFrom(turnId: string): StateChange {
    return this.#readStateChange(afterTurn(this.#thread.readState, turnId));
  }

  readStateReverted(beforeTurnId: string): StateChange {
    return this.#readStateChange(afterRevert(this.#thread.readState, beforeTurnId));
  }

  #readStateChange(readState: ThreadReadState | null): StateChange {
    if (readState === null || this.#thread.ephemeral) return { changes: [], notifications: [] };
    const { id: threadId } = this.#thread;
    return {
      changes: [this.patch({ readState })],
      notifications: [{ method: "thread/readState/changed", params: { threadId, readState } }],
    };
  }
}
