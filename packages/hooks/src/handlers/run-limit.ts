/** How long one run may take: until its time is up or somebody cancels it, whichever comes first. */

// setTimeout() takes a longer delay for 1 ms; 24 days are as good as for ever.
const longestTimerMs = 2 ** 31 - 1;

export class RunLimit {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #reached: "timedOut" | "cancelled" | null = null;

  /** The clock starts now. */
  constructor(timeoutMs: number) {
    this.#timer = setTimeout(() => this.#reach("timedOut"), Math.min(timeoutMs, longestTimerMs));
  }

  /** Aborted when the limit is reached. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get reached(): "timedOut" | "cancelled" | null {
    return this.#reached;
  }

  cancel(): void {
    this.#reach("cancelled");
  }

  /** What the run was for is over: from now on no time runs. */
  stopClock(): void {
    clearTimeout(this.#timer);
  }

  #reach(how: "timedOut" | "cancelled"): void {
    this.stopClock();
    if (this.#reached !== null) return;
    this.#reached = how;
    this.#controller.abort();
  }
}
