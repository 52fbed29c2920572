/** Gives memory back: a loaded thread that nobody watches and that does nothing is let go after a while, as the peer does. What it
 *  holds is stored, so whoever resumes it finds it as it was; an ephemeral one is gone. */
import type { Threads } from "@sallyport/core";
import type { Subscriptions } from "./subscriptions.ts";

/** The peer's. */
export const usualUnloadAfterMs = 60_000;
const looksInThatTime = 12;

export interface IdleThreadsOptions {
  threads: Threads;
  subscriptions: Subscriptions;
  unloadAfterMs: number;
  log(line: string): void;
}

export class IdleThreads {
  readonly #options: IdleThreadsOptions;
  readonly #idleSinceMs = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: IdleThreadsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), Math.ceil(options.unloadAfterMs / looksInThatTime)).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** One look at all instead of a timer for each: turns end and clients go in many ways, and none is to be forgotten. */
  #look(): void {
    const { threads, subscriptions, unloadAfterMs } = this.#options;
    const nowMs = performance.now(); // the wall clock may jump
    const before = new Map(this.#idleSinceMs);
    this.#idleSinceMs.clear();
    for (const session of threads.loaded) {
      if (session.activeTurnId !== null || subscriptions.isWatched(session.id)) continue;
      const sinceMs = before.get(session.id) ?? nowMs;
      if (nowMs - sinceMs < unloadAfterMs) this.#idleSinceMs.set(session.id, sinceMs);
      else void this.#unload(session.id);
    }
  }

  async #unload(threadId: string): Promise<void> {
    const { threads, subscriptions } = this.#options;
    try {
      await threads.close(threadId);
    } catch (error) {
      this.#options.log(`closing thread ${threadId} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    // Somebody may have resumed it while its SessionEnd hooks ran.
    if (threads.find(threadId) !== null) return;
    subscriptions.forget(threadId);
    const status = { type: "notLoaded" } as const;
    subscriptions.toAll({ method: "thread/status/changed", params: { threadId, status } });
    subscriptions.toAll({ method: "thread/closed", params: { threadId } });
  }
}
