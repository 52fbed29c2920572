/** Frames between Node and the broker: u32 payload length, u8 version, u8 kind, u16 zero, payload; little endian; strings
 *  are a u32 length and bytes. `native/buffer.h` is the same in C. */
import type { Text } from "@sallyport/protocol";
import { SallyportError } from "./errors.ts";
import { textFromBytes, textToBytes } from "./text-bytes.ts";

export const frameVersion = 2;
export const frameHeaderBytes = 8;
export const frameCapBytes: number = 16 * 1024 * 1024;

export const frameKinds = {
  launch: 1,
  verdict: 2,
  signal: 3,
  terminate: 4,
  resolve: 5,
  resize: 6,
  input: 7,
  acknowledge: 8,
  revoke: 9,
  sessionResolve: 10,
  sessionSend: 11,
  sessionStart: 12,
  sessionSignal: 13,
  program: 20,
  programOpened: 21,
  programTerminate: 22,
  hold: 30,
  show: 31,
  letGo: 32,
  hello: 101,
  started: 102,
  exec: 103,
  execEnd: 104,
  resolved: 105,
  failed: 106,
  ended: 107,
  output: 108,
  lingering: 109,
  session: 110,
  sessionResolved: 111,
  sessionMessage: 112,
  sessionState: 113,
  inputTaken: 114,
  programPipes: 130,
  programEvent: 131,
  programGone: 132,
  held: 140,
  typed: 141,
} as const;

export interface Frame {
  kind: number;
  payload: Buffer;
}

function malformed(what: string): SallyportError {
  return new SallyportError("BROKER_PROTOCOL", `The broker sent ${what}; rebuild both sides with npm run build`);
}

/** Cuts a byte stream into frames, whatever way it is chopped. Throws `BROKER_PROTOCOL` on another version or a length
 *  above the cap; a reader that has thrown must not be used again. */
export class FrameReader {
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  *read(chunk: Buffer): Generator<Frame> {
    let bytes = chunk;
    if (this.#pendingBytes > 0) {
      this.#pending.push(chunk);
      this.#pendingBytes += chunk.length;
      const first = this.#pending[0] as Buffer; // not empty: pendingBytes > 0
      const header = first.length >= frameHeaderBytes ? first : Buffer.concat(this.#pending);
      if (header !== first) this.#pending = [header]; // else every further chunk would join them all again
      // Large frames arrive in many chunks: join them once, when the last one is there.
      if (header.length >= frameHeaderBytes && this.#pendingBytes < frameHeaderBytes + checkedLength(header, 0)) return;
      bytes = Buffer.concat(this.#pending);
      this.#pending = [];
      this.#pendingBytes = 0;
    }
    let at = 0;
    while (bytes.length - at >= frameHeaderBytes) {
      const length = checkedLength(bytes, at);
      const end = at + frameHeaderBytes + length;
      if (end > bytes.length) break;
      yield { kind: bytes.readUInt8(at + 5), payload: bytes.subarray(at + frameHeaderBytes, end) };
      at = end;
    }
    if (at < bytes.length) {
      this.#pending = [bytes.subarray(at)];
      this.#pendingBytes = bytes.length - at;
    }
  }
}

function checkedLength(bytes: Buffer, at: number): number {
  const version = bytes.readUInt8(at + 4);
  if (version !== frameVersion) throw malformed(`frame version ${version}, expected ${frameVersion}`);
  const length = bytes.readUInt32LE(at);
  if (length > frameCapBytes) throw malformed(`a frame of ${length} bytes, expected at most ${frameCapBytes}`);
  return length;
}

/** Reads one payload. Every read past the end throws `BROKER_PROTOCOL`. */
export class PayloadReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw malformed("a payload that ends too early");
    this.#at = at + length;
    return at;
  }

  /** Bytes that nobody has read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  i32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8));
  }

  /** A u64 that counts something and so fits a number. */
  count(): number {
    const at = this.#take(8);
    return this.#bytes.readUInt32LE(at) + this.#bytes.readUInt32LE(at + 4) * 2 ** 32;
  }

  /** Everything that nobody has read yet. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#take(this.left));
  }

  bytes(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(): Text {
    return textFromBytes(this.bytes());
  }

  list<T>(read: () => T): T[] {
    const count = this.u32();
    // An element takes a byte at least: a count that lies cannot make us allocate.
    if (count > this.#bytes.length - this.#at) throw malformed(`a list of ${count} elements that are not there`);
    const items: T[] = [];
    for (let at = 0; at < count; at += 1) items.push(read());
    return items;
  }
}

/** Builds one frame, in one growing piece of memory. */
export class FrameWriter {
  #bytes: Buffer = Buffer.allocUnsafe(4096);
  #length = frameHeaderBytes;

  constructor(kind: number) {
    this.#bytes.writeUInt32LE(0, 0);
    this.#bytes.writeUInt8(frameVersion, 4);
    this.#bytes.writeUInt8(kind, 5);
    this.#bytes.writeUInt16LE(0, 6);
  }

  /** Where the next `length` bytes go. */
  #reserve(length: number): number {
    const at = this.#length;
    this.#length = at + length;
    if (this.#length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    return at;
  }

  u8(value: number | boolean): this {
    const at = this.#reserve(1);
    this.#bytes.writeUInt8(Number(value), at);
    return this;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#bytes.writeUInt32LE(value, at);
    return this;
  }

  i32(value: number): this {
    const at = this.#reserve(4);
    this.#bytes.writeInt32LE(value, at);
    return this;
  }

  u64(value: bigint | number): this {
    const at = this.#reserve(8);
    this.#bytes.writeBigUInt64LE(BigInt(value), at);
    return this;
  }

  bytes(value: Buffer): this {
    this.u32(value.length);
    const at = this.#reserve(value.length);
    value.copy(this.#bytes, at);
    return this;
  }

  text(value: Text): this {
    if (typeof value !== "string") return this.bytes(textToBytes(value));
    const length = Buffer.byteLength(value, "utf8");
    this.u32(length);
    const at = this.#reserve(length);
    this.#bytes.write(value, at, "utf8");
    return this;
  }

  /** Bytes that another writer has put together. */
  raw(value: Buffer): this {
    const at = this.#reserve(value.length);
    value.copy(this.#bytes, at);
    return this;
  }

  /** What was written so far, without the header. */
  written(): Buffer {
    return Buffer.from(this.#bytes.subarray(frameHeaderBytes, this.#length));
  }

  texts(values: readonly Text[]): this {
    this.u32(values.length);
    for (const value of values) this.text(value);
    return this;
  }

  /** Throws `FRAME_TOO_LARGE` above the cap. The writer must not be used afterwards. */
  finish(): Buffer {
    const length = this.#length - frameHeaderBytes;
    if (length > frameCapBytes) {
      throw new SallyportError("FRAME_TOO_LARGE", `A frame of ${length} bytes, expected at most ${frameCapBytes}`);
    }
    this.#bytes.writeUInt32LE(length, 0);
    return this.#bytes.subarray(0, this.#length);
  }
}
