/** Runs that nobody waits for: so many at a time, the rest in a queue. */

export class AsyncRuns {
  readonly #limit: number;
  readonly #queue: (() => Promise<void>)[] = [];
  readonly #waiting: (() => void)[] = [];
  #active = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `run` must not reject. */
  add(run: () => Promise<void>): void {
    this.#queue.push(run);
    this.#startNext();
  }

  /** Resolves when nothing runs and nothing is queued. */
  idle(): Promise<void> {
    if (this.#active === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #startNext(): void {
    if (this.#active >= this.#limit) return;
    const run = this.#queue.shift();
    if (run === undefined) {
      if (this.#active === 0) for (const resolve of this.#waiting.splice(0)) resolve();
      return;
    }
    this.#active += 1;
    void run().finally(() => {
      this.#active -= 1;
      this.#startNext();
    });
  }
}
