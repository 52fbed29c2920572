/** How often each approval and each rule has answered, and when last. Beside what they are kept in, which must not be rewritten for each
 *  exec, and only as good as can be had for little: nothing is decided by it, and no run fails for it.
 *
 *      exec -> count in memory -> every 2 s and at the end: lock, read, add, replace                     */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { approvalsLock, approvalsUnwritable } from "./approvals-file.ts";
import { replaceFile, takeLock } from "./guarded-write.ts";

export interface Use {
  hits: number;
  /** ISO 8601. */
  lastUsedAt: string;
}

/** A file of them, by what they are uses of. */
export interface UseFile {
  path: string;
  /** The lock's file. */
  lock: string;
}

const writeAfterMs = 2000;
/** While programs wait for decisions, nobody waits long for another process's lock: the next time is soon enough. */
const lockWhileRunningMs = 50;
const lockAtEndMs = 5000;
/** The oldest of more are forgotten: those of rules that were changed or taken away stay until then. */
const mostUses = 20_000;

export function approvalUses(home: string): UseFile {
  return { path: join(home, "approvals.uses.json"), lock: approvalsLock(home) };
}

export function ruleUses(home: string): UseFile {
  return { path: join(home, "rules.uses.json"), lock: join(home, "rules.uses.lock") };
}

export function readUses({ path }: UseFile): Map<string, Use> {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
    return new Map(Object.entries(parsed ?? {}).filter((entry): entry is [string, Use] => isUse(entry[1])));
  } catch {
    // Missing, or not what was written here: it starts again.
    return new Map();
  }
}

/** One listener for all: a server has a session for each thread. */
const unwritten = new Set<{ flush(): void }>();
const flushAll = (): void => unwritten.forEach((counter) => counter.flush());

/** Counts in memory, and adds that to the file now and then and when the process ends. */
export class UseCounter<Used extends string | object> {
  readonly #file: UseFile;
  readonly #keyOf: (used: Used) => string;
  readonly #fresh = new Map<Used, { hits: number; lastUsedAtMs: number }>();
  #timer: NodeJS.Timeout | undefined;

  /** `keyOf` is asked when it is written: until then the very same object is the same. */
  constructor(file: UseFile, keyOf: (used: Used) => string) {
    this.#file = file;
    this.#keyOf = keyOf;
  }

  count(used: Used): void {
    const known = this.#fresh.get(used);
    if (known === undefined) this.#fresh.set(used, { hits: 1, lastUsedAtMs: Date.now() });
    else {
      known.hits += 1;
      known.lastUsedAtMs = Date.now();
    }
    this.#flushLater();
  }

  /** Adds to the file what is not in it yet. Where another process has it for too long, or it can't be written, what was counted is kept
   *  for the next time, and lost when there is none. */
  flush(): void {
    this.#write(lockAtEndMs);
  }

  #flushLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#write(lockWhileRunningMs);
      if (this.#fresh.size > 0) this.#flushLater();
    }, writeAfterMs).unref();
    if (unwritten.size === 0) process.once("exit", flushAll);
    unwritten.add(this);
  }

  #write(lockTimeoutMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    unwritten.delete(this);
    if (unwritten.size === 0) process.removeListener("exit", flushAll);
    if (this.#fresh.size === 0) return;
    try {
      using _lock = takeLock(this.#file.lock, approvalsUnwritable(this.#file.path), lockTimeoutMs);
      const uses = readUses(this.#file);
      for (const [used, { hits, lastUsedAtMs }] of this.#fresh) add(uses, this.#keyOf(used), { hits, lastUsedAtMs });
      writeUses(this.#file, uses);
      this.#fresh.clear();
    } catch {
      // A full disk, or a home that can't be written.
    }
  }
}

/** Forgets what was revoked. */
export function forgetUses(file: UseFile, ids: readonly string[]): void {
  using _lock = takeLock(file.lock, approvalsUnwritable(file.path));
  const uses = readUses(file);
  const known = ids.filter((id) => uses.delete(id));
  if (known.length > 0) writeUses(file, uses);
}

function add(
  uses: Map<string, Use>,
  key: string,
  { hits, lastUsedAtMs }: { hits: number; lastUsedAtMs: number },
): void {
  const before = uses.get(key);
  const at = new Date(lastUsedAtMs).toISOString();
  // Another process may have written a later one meanwhile.
  const lastUsedAt = before !== undefined && before.lastUsedAt > at ? before.lastUsedAt : at;
  uses.set(key, { hits: (before?.hits ?? 0) + hits, lastUsedAt });
}

function writeUses(file: UseFile, uses: ReadonlyMap<string, Use>): void {
  const entries = [...uses];
  const kept =
    entries.length <= mostUses
      ? entries
      : entries.toSorted(([, one], [, other]) => (one.lastUsedAt < other.lastUsedAt ? 1 : -1)).slice(0, mostUses);
  replaceFile(file.path, `${JSON.stringify(Object.fromEntries(kept))}\n`, approvalsUnwritable(file.path), "quick");
}

function isUse(value: unknown): value is Use {
  const use = value as Partial<Use> | null;
  return typeof use === "object" && typeof use?.hits === "number" && typeof use.lastUsedAt === "string";
}
