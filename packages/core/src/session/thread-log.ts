/** The one way by which anything becomes known: stored first, then told, in order.
 *
 *      record(changes, notifications) -> commit, all or nothing -> listeners
 *
 *  A client that saw something finds it after `kill -9`, because nothing is said that is not in the store. */
import type { ServerNotification } from "@sallyport/protocol";
import type { StoreChange, ThreadStore } from "../store/index.ts";

export interface ThreadEvent {
  /** Grows within the thread. */
  seq: number;
  notification: ServerNotification;
}

export type ThreadListener = (event: ThreadEvent) => void;

export class ThreadLog {
  readonly #store: ThreadStore;
  readonly #threadId: string;
  readonly #listeners = new Set<ThreadListener>();
  #last: Promise<void> = Promise.resolve();

  constructor(store: ThreadStore, threadId: string) {
    this.#store = store;
    this.#threadId = threadId;
  }

  subscribe(listener: ThreadListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Rejects where it could not be stored; nobody is told then. Calls take effect in the order in which they are made. */
  record(changes: readonly StoreChange[], notifications: readonly ServerNotification[] = []): Promise<void> {
    const mine = this.#last.then(() => this.#commit(changes, notifications));
    this.#last = mine.catch(() => {}); // whoever called hears of it; those behind are not to blame
    return mine;
  }

  /** Resolves when everything that was recorded before is stored and told. */
  settled(): Promise<void> {
    return this.#last;
  }

  async #commit(changes: readonly StoreChange[], notifications: readonly ServerNotification[]): Promise<void> {
    const { seqs } = await this.#store.commit(this.#threadId, { changes, events: notifications });
    for (const [index, notification] of notifications.entries()) {
      const event = { seq: seqs[index] ?? 0, notification };
      for (const listener of this.#listeners) listener(event);
    }
  }
}
