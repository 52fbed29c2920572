/** Files that a decision has to recognise under any name: by inode, and by content. */
import { closeSync, constants, openSync, readSync, realpathSync, statSync } from "node:fs";
import { digestOfFile, digestOfFileNow } from "./digest.ts";

export interface KnownFile {
  /** Resolved, outside, when the session started. */
  path: string;
  /** `dev:ino`. */
  key: string;
  size: number;
  /** Hash of the content, read when it is first wanted; null where it cannot be read, and then nobody inside can have copied
   *  it either. */
  digest(): Promise<string | null>;
  /** Reads the content before this returns, unless it is large: for files that may be changed or removed later. */
  readNow(): void;
}

const readAtOnceSize = 16_777_216;

/** The regular file behind `path`, or null. Not executable is good enough: a copy can be made executable. */
export function fileAt(path: string): KnownFile | null {
  try {
    return readIdentity(path);
  } catch {
    // A path through a file, a loop of symlinks, a folder that may not be searched: no program there.
    return null;
  }
}

function readIdentity(path: string): KnownFile | null {
  // As bigint: inode numbers of some file systems are too large for a number.
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (stats === undefined || !stats.isFile()) return null;
  const real = realpathSync(path);
  const size = Number(stats.size);
  let digest: Promise<string | null> | undefined;
  const read = (): Promise<string | null> => digestOfFile(real, size).catch(() => null);
  return {
    path: real,
    key: `${stats.dev}:${stats.ino}`,
    size,
    digest: () => (digest ??= read()),
    readNow: () => {
      digest ??= size > readAtOnceSize ? read() : Promise.resolve(readQuietly(real));
    },
  };
}

function readQuietly(path: string): string | null {
  try {
    return digestOfFileNow(path);
  } catch {
    return null;
  }
}

/** The program interpreter (dynamic loader) that an ELF file names, or null. */
export function elfInterpreter(path: string): string | null {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY);
  } catch {
    return null;
  }
  try {
    const head = Buffer.alloc(4096);
    const length = readSync(descriptor, head, 0, head.length, 0);
    return interpreterIn(head.subarray(0, length));
  } catch {
    return null;
  } finally {
    closeSync(descriptor);
  }
}

const elf64LittleEndian = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
const interpreterSegment = 3;

/** All common programs name their loader in the first page, behind the program headers. */
function interpreterIn(head: Buffer): string | null {
  if (!head.subarray(0, elf64LittleEndian.length).equals(elf64LittleEndian)) return null;
  const headers = Number(head.readBigUInt64LE(0x20));
  const headerSize = head.readUInt16LE(0x36);
  const count = head.readUInt16LE(0x38);
  for (let index = 0; index < count; index += 1) {
    const at = headers + index * headerSize;
    if (head.readUInt32LE(at) !== interpreterSegment) continue;
    const offset = Number(head.readBigUInt64LE(at + 0x08));
    const size = Number(head.readBigUInt64LE(at + 0x20));
    return head.toString("utf8", offset, offset + size - 1);
  }
  return null;
}
