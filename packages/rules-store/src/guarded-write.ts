/** Changes a file of the home: under a lock that other processes of Sallyport respect, and atomically, so that a reader sees the old text
 *  or the new one.
 *
 *      lock -> read -> change -> write beside it -> rename                                                             */
import { randomUUID } from "node:crypto";
import { closeSync, fchmodSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import type * as SqliteModule from "node:sqlite";
import { dirname, join } from "node:path";
import type { SallyportError } from "@sallyport/supervisor";
import { readGuardedText } from "./rule-file.ts";
import type { Problem } from "./rule-file.ts";

const lockTimeoutMs = 10_000;
const ownOnly = 0o600;

export interface GuardedChange {
  /** Absolute; its folder is made where it is missing, the one above has to be there. */
  path: string;
  /** The lock's file. */
  lock: string;
  unwritable: Unwritable;
}

/** The error for what can't be written; `why` completes "can't be written: ...". */
export type Unwritable = (why: string, cause?: unknown) => SallyportError;

/** `change` gets the text as it is, empty where there is no file, and returns the new one. What it throws comes through; nothing is
 *  written then. */
export function changeGuardedText({ path, lock, unwritable }: GuardedChange, change: (text: string) => string): void {
  for (const folder of [dirname(lock), dirname(path)]) makeFolder(folder, unwritable);
  using _lock = takeLock(lock, unwritable);
  const read = readGuardedText(path, { followLinks: false });
  const isMissing = "problem" in read && read.problem.isMissing === true;
  if ("problem" in read && !isMissing) throw unwritable(describe(read.problem));
  const text = "problem" in read ? "" : read.text;
  const changed = change(text);
  if (changed !== text || isMissing) replaceFile(path, changed, unwritable);
}

function describe({ text, expected }: Problem): string {
  return `${text}, expected ${expected}`;
}

function makeFolder(folder: string, unwritable: Unwritable): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw unwritable(messageOf(error), error);
  }
}

/** `quick`: what may be lost with the machine is not waited for. */
export function replaceFile(path: string, text: string, unwritable: Unwritable, how: "sure" | "quick" = "sure"): void {
  const fresh = join(dirname(path), `.${randomUUID()}.tmp`);
  try {
    const descriptor = openSync(fresh, "wx", ownOnly);
    try {
      fchmodSync(descriptor, ownOnly); // whatever the umask is
      writeFileSync(descriptor, text);
      if (how === "sure") fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw unwritable(messageOf(error), error);
  }
}

/** SQLite's lock on a file of its own: the kernel gives it up when its holder dies, so none is ever left behind. */
export function takeLock(lock: string, unwritable: Unwritable, timeoutMs: number = lockTimeoutMs): Disposable {
  // Only where something is written, hence loaded here.
  const { DatabaseSync } = createRequire(import.meta.url)("node:sqlite") as typeof SqliteModule;
  try {
    const database = new DatabaseSync(lock, { timeout: timeoutMs });
    try {
      database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE"); // nothing is ever written, so no file beside it
    } catch (error) {
      database.close();
      throw error;
    }
    return { [Symbol.dispose]: () => database.close() };
  } catch (error) {
    throw unwritable(messageOf(error), error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
