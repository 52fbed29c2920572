/** Numbers that look random and are the same for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer of at least 0 and below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  shuffle<T>(items: readonly T[]): T[] {
    const left = [...items];
    return items.flatMap(() => left.splice(this.below(left.length), 1));
  }

  /** A copy with a few bytes changed, and now and then cut. */
  mutate(original: Buffer): Buffer {
    const bytes = Buffer.from(original);
    for (let changes = 1 + this.below(6); changes > 0 && bytes.length > 0; changes--) {
      bytes.writeUInt8(this.below(256), this.below(bytes.length));
    }
    return this.below(3) === 0 ? bytes.subarray(0, this.below(bytes.length + 1)) : bytes;
  }
}
