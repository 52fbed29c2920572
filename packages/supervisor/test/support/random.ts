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

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  /** A copy with a few bytes changed, and now and then cut or grown. */
  mutate(original: Buffer, from = 0): Buffer {
    const bytes = Buffer.from(original);
    for (let changes = 1 + this.below(4); changes > 0 && bytes.length > from; changes--) {
      const at = from + this.below(bytes.length - from);
      bytes.writeUInt8(this.below(3) === 0 ? ([0, 1, 127, 128, 255][this.below(5)] ?? 0) : this.below(256), at);
    }
    switch (this.below(4)) {
      case 0:
        return bytes.subarray(0, from + this.below(bytes.length - from + 1));
      case 1:
        return Buffer.concat([bytes, this.bytes(this.below(20))]);
      default:
        return bytes;
    }
  }
}
