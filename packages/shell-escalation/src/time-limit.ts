/** How long a command may run. The time in which it waits for a person is not its own, so it does not count. */
export class TimeLimit {
  #leftMs: number | null;
  #runningSinceMs = 0;
  #holds = 0;
  #onEnd: (() => void) | null = null;
  #timer: NodeJS.Timeout | undefined;

  /** Null: no limit. */
  constructor(limitMs: number | null) {
    this.#leftMs = limitMs;
  }

  start(onEnd: () => void): void {
    this.#onEnd = onEnd;
    if (this.#holds === 0) this.#run();
  }

  hold(): void {
    this.#holds += 1;
    if (this.#holds === 1) this.#pause();
  }

  release(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#run();
  }

  stop(): void {
    this.#onEnd = null;
    clearTimeout(this.#timer);
  }

  #run(): void {
    if (this.#leftMs === null || this.#onEnd === null) return;
    this.#runningSinceMs = performance.now();
    this.#timer = setTimeout(this.#onEnd, this.#leftMs);
  }

  #pause(): void {
    if (this.#leftMs === null || this.#onEnd === null) return;
    clearTimeout(this.#timer);
    this.#leftMs = Math.max(0, this.#leftMs - (performance.now() - this.#runningSinceMs));
  }
}
