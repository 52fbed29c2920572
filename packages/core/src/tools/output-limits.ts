/** Output of any length in bounded memory: its beginning and its end, and how much is missing between them. */

const replacement = (leftOut: number): string => `\n[... ${leftOut} bytes left out ...]\n`;

export class BoundedOutput {
  readonly #headLimit: number;
  readonly #tailLimit: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  totalBytes = 0;

  /** Keeps up to `limit` bytes, half of it from each end. */
  constructor(limit: number) {
    this.#headLimit = Math.floor(limit / 2);
    this.#tailLimit = limit - this.#headLimit;
  }

  add(chunk: Buffer): void {
    this.totalBytes += chunk.length;
    const room = this.#headLimit - this.#headBytes;
    const forHead = chunk.subarray(0, room);
    if (forHead.length > 0) {
      this.#head.push(Buffer.from(forHead));
      this.#headBytes += forHead.length;
    }
    const rest = chunk.subarray(forHead.length);
    if (rest.length === 0) return;
    this.#tail.push(Buffer.from(rest));
    this.#tailBytes += rest.length;
    // Cut only now and then, so that many small chunks do not cost a copy each.
    if (this.#tailBytes > 2 * this.#tailLimit + 65_536) this.#cutTail();
  }

  #cutTail(): Buffer {
    const all = Buffer.concat(this.#tail);
    const kept = Buffer.from(all.subarray(Math.max(0, all.length - this.#tailLimit)));
    this.#tail = [kept];
    this.#tailBytes = kept.length;
    return kept;
  }

  /** At most about `limit` bytes of text; what is not UTF-8 shows as U+FFFD. */
  text(limit: number = this.#headLimit + this.#tailLimit): string {
    const head = Buffer.concat(this.#head);
    const tail = this.#cutTail();
    if (this.totalBytes <= limit && head.length + tail.length === this.totalBytes) {
      return Buffer.concat([head, tail]).toString("utf8");
    }
    const start = wholeStart(head.subarray(0, Math.floor(limit / 2)));
    const last = tail.length > 0 ? tail : head;
    const end = wholeEnd(last.subarray(Math.max(0, last.length - Math.ceil(limit / 2))));
    const leftOut = this.totalBytes - start.length - end.length;
    return `${start.toString("utf8")}${replacement(leftOut)}${end.toString("utf8")}`;
  }
}

const continuationMask = 0xc0;
const continuation = 0x80;
const longestSequence = 4;

/** How many bytes at the end of `bytes` begin a character whose rest has not come yet. */
export function unfinishedBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(longestSequence - 1, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & continuationMask) === continuation) continue;
    const length = byte >= 0xf0 && byte <= 0xf4 ? 4 : byte >= 0xe0 ? (byte < 0xf0 ? 3 : 1) : byte >= 0xc2 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

function wholeStart(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.length - unfinishedBytes(bytes));
}

function wholeEnd(bytes: Buffer): Buffer {
  let at = 0;
  while (at < longestSequence - 1 && ((bytes[at] ?? 0) & continuationMask) === continuation) at += 1;
  return bytes.subarray(at);
}
