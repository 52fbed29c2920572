/** How often each approval has answered, and when last. Beside the approvals, which must not be rewritten for each exec, and only as good
 *  as can be had for little: nothing is decided by it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { approvalsLock, approvalsUnwritable } from "./approvals-file.ts";
import { replaceFile, takeLock } from "./guarded-write.ts";

export interface ApprovalUse {
  hits: number;
  /** ISO 8601. */
  lastUsedAt: string;
}

const writeAfterMs = 2000;

export function readUses(home: string): Map<string, ApprovalUse> {
  try {
    const parsed: unknown = JSON.parse(readFileSync(usesPath(home), "utf8"));
    return new Map(Object.entries(parsed ?? {}).filter((entry): entry is [string, ApprovalUse] => isUse(entry[1])));
  } catch {
    // Missing, or not what was written here: it starts again.
    return new Map();
  }
}

/** One listener for all: a server has a session for each thread. */
const unwritten = new Set<UseCounter>();
const flushAll = (): void => unwritten.forEach((counter) => counter.flush());

/** Counts in memory, and adds that to the file now and then and when the process ends. */
export class UseCounter {
  readonly #home: string;
  readonly #fresh = new Map<string, ApprovalUse>();
  #timer: NodeJS.Timeout | undefined;

  constructor(home: string) {
    this.#home = home;
  }

  count(id: string): void {
    const lastUsedAt = new Date().toISOString();
    this.#fresh.set(id, { hits: (this.#fresh.get(id)?.hits ?? 0) + 1, lastUsedAt });
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.flush(), writeAfterMs).unref();
    if (unwritten.size === 0) process.once("exit", flushAll);
    unwritten.add(this);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    unwritten.delete(this);
    if (unwritten.size === 0) process.removeListener("exit", flushAll);
    if (this.#fresh.size === 0) return;
    const path = usesPath(this.#home);
    const unwritable = approvalsUnwritable(path);
    try {
      using _lock = takeLock(approvalsLock(this.#home), unwritable);
      const uses = readUses(this.#home);
      for (const [id, { hits, lastUsedAt }] of this.#fresh)
        uses.set(id, { hits: (uses.get(id)?.hits ?? 0) + hits, lastUsedAt });
      replaceFile(path, `${JSON.stringify(Object.fromEntries(uses))}\n`, unwritable);
      this.#fresh.clear();
    } catch {
      // A full disk or a home that can't be written: the counts are lost, and nothing else.
    }
  }
}

/** Forgets what was revoked. */
export function forgetUses(home: string, ids: readonly string[]): void {
  const path = usesPath(home);
  const unwritable = approvalsUnwritable(path);
  using _lock = takeLock(approvalsLock(home), unwritable);
  const uses = readUses(home);
  const known = ids.filter((id) => uses.delete(id));
  if (known.length > 0) replaceFile(path, `${JSON.stringify(Object.fromEntries(uses))}\n`, unwritable);
}

function usesPath(home: string): string {
  return join(home, "approvals.uses.json");
}

function isUse(value: unknown): value is ApprovalUse {
  const use = value as Partial<ApprovalUse> | null;
  return typeof use === "object" && typeof use?.hits === "number" && typeof use.lastUsedAt === "string";
}
