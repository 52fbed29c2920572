/** Reads one configuration file, and only a regular one of a sane size: a repository may hold anything under these names. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { Stats } from "node:fs";

export type ReadFile = { kind: "text"; text: string } | { kind: "missing" } | { kind: "broken"; message: string };

const maxFileBytes = 1_048_576;

/** `onlyOwn`: the file decides what is trusted, so one that others may write is not read. Never throws. */
export function readConfigFile(path: string, check: "onlyOwn" | "anyOwner"): ReadFile {
  let descriptor: number;
  try {
    // Without blocking: a named pipe in the place of a configuration file would make us wait for ever for a writer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const code = codeOf(error);
    return code === "ENOENT" || code === "ENOTDIR" ? { kind: "missing" } : broken(`it can't be read (${code})`);
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return broken("it is not a regular file");
    if (stats.size > maxFileBytes) return broken(`it has ${stats.size} bytes, expected at most ${maxFileBytes}`);
    const owner = check === "onlyOwn" ? ownerProblem(stats) : null;
    if (owner !== null) return broken(owner);
    const bytes = readAll(descriptor, maxFileBytes + 1);
    if (bytes.length > maxFileBytes) return broken(`it is longer than ${maxFileBytes} bytes`);
    return { kind: "text", text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch (error) {
    return broken(error instanceof TypeError ? "it is not UTF-8" : `it can't be read (${codeOf(error)})`);
  } finally {
    closeSync(descriptor);
  }
}

/** Judged on the descriptor that is read, so that no other file can take the name in between. */
function ownerProblem(stats: Stats): string | null {
  const self = process.geteuid?.();
  if (self === undefined) return null;
  if (stats.uid !== self && stats.uid !== 0) return `it belongs to user ${stats.uid}, expected ${self} or root`;
  if ((stats.mode & 0o022) === 0) return null;
  return `others may write it (mode ${(stats.mode & 0o7777).toString(8)}); run chmod go-w on it`;
}

function readAll(descriptor: number, limit: number): Buffer {
  const chunks: Buffer[] = [];
  for (let total = 0; total < limit;) {
    const chunk = Buffer.alloc(Math.min(65_536, limit - total));
    const count = readSync(descriptor, chunk);
    if (count === 0) break;
    chunks.push(chunk.subarray(0, count));
    total += count;
  }
  return Buffer.concat(chunks);
}

function broken(message: string): ReadFile {
  return { kind: "broken", message };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
