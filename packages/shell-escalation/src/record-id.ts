/** Makes record ids: UUIDv7, sortable in the order in which they were made, also within one millisecond. */
import { closeSync, openSync, readSync } from "node:fs";

const hex: string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const poolBytes = 2048;
const randomBytesPerId = 8;
const maxCounter = 0xfff;

/** Each call of the returned function gives an id that is greater, as text, than all it gave before. The 12 bits behind the
 *  time count up within a millisecond; a clock that stands still or goes back makes the time part run ahead instead. */
export function createRecordIds(now: () => number = Date.now): () => string {
  const pool = Buffer.alloc(poolBytes);
  let used = poolBytes;
  let lastMs = -1;
  let counter = 0;

  return () => {
    const nowMs = now();
    if (used + randomBytesPerId > poolBytes) {
      fillFromKernel(pool);
      used = 0;
    }
    if (nowMs > lastMs) {
      lastMs = nowMs;
      // Half of the range stays free, so that a burst within one millisecond seldom has to borrow from the next.
      counter = pool.readUInt16LE(used) & 0x7ff;
    } else if (counter < maxCounter) {
      counter += 1;
    } else {
      lastMs += 1;
      counter = 0;
    }
    const time = lastMs.toString(16).padStart(12, "0");
    const tail = randomTail(pool, used);
    used += randomBytesPerId;
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, "0")}-${tail}`;
  };
}

/** Straight from the kernel: loading node:crypto for a few bytes would take longer than everything else here. */
function fillFromKernel(pool: Buffer): void {
  const source = openSync("/dev/urandom", "r");
  try {
    let filled = 0;
    while (filled < pool.length) filled += readSync(source, pool, filled, pool.length - filled, null);
  } finally {
    closeSync(source);
  }
}

/** The last two groups: the variant bits "10" and 62 random bits. */
function randomTail(pool: Buffer, at: number): string {
  const byte = (offset: number): string => hex[pool[at + offset] ?? 0] ?? "00";
  const variant = hex[((pool[at] ?? 0) & 0x3f) | 0x80] ?? "80";
  return `${variant}${byte(1)}-${byte(2)}${byte(3)}${byte(4)}${byte(5)}${byte(6)}${byte(7)}`;
}
