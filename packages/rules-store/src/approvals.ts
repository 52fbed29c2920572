/** Kept approvals: a person's yes that goes on answering. They are no allow rules, because an allow never silences a prompt. An
 *  approval answers prompts and nothing else: what a rule forbids, or a hook denies, is never asked about. */
import { statSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { createRequire } from "node:module";
import type { Text } from "@sallyport/protocol";
import { isSallyportError } from "@sallyport/supervisor";
import type * as UuidModule from "uuid";
import { addApproval, approvalsPath, readApprovals } from "./approvals-file.ts";
import { approvalUses, UseCounter } from "./uses.ts";

/** What a yes would go on to hold for. */
export interface ApprovalProposal {
  /** The name that the program is called by, then its arguments; the first ones, unless `exact`. */
  pattern: readonly string[];
  exact: boolean;
  /** The resolved program. */
  file: string;
  /** Of its content; null for a file that only root can change. */
  sha256: string | null;
  /** Null: in every folder. */
  cwd: string | null;
}

export interface ApprovalRecord extends ApprovalProposal {
  id: string;
  /** A day such as `2027-01-31`: from its start (UTC) on it answers nothing. */
  expires: string | null;
  /** ISO 8601. */
  addedAt: string;
  origin: ApprovalOrigin;
  scope: "session" | "always";
}

export interface ApprovalOrigin {
  /** Who said yes. */
  by: string;
  /** Why it was asked. */
  for: string;
  threadId?: string;
}

export type ApprovalKeep = { scope: "session" } | { scope: "always"; proposal: ApprovalProposal };

/** One exec, as approvals see it. */
export interface ApprovalExec {
  /** The resolved program. */
  file: Text;
  /** The name that it is called by, then its arguments. */
  pattern: readonly Text[];
  cwd: Text;
  /** Equal for the very same files, unchanged. */
  identity: string;
  /** What makes it do something else than its files and arguments say, such as LD_PRELOAD; empty for nothing. Only a session's
   *  approval answers for that. */
  unusual: string;
  /** Whether its files stay what they are unless root changes them. */
  isOutOfReach(): boolean;
  /** Of its files; null where they can't be read. Read when it is first wanted. */
  sha256(): string | null;
}

export interface ApprovalBook {
  /** The approval that answers, or null. Looks at the file each time, so that a revoked one answers nothing from then on. `session`: only
   *  what was kept for the session counts. */
  find(exec: ApprovalExec, within?: "session"): ApprovalRecord | null;
  /** Throws `APPROVALS_INVALID` and `APPROVALS_UNWRITABLE` where it can't be kept for good. */
  keep(keep: ApprovalKeep, exec: ApprovalExec, origin: ApprovalOrigin): ApprovalRecord;
  /** Writes down how often approvals have answered. Done by itself now and then, and when the process ends. */
  flush(): void;
}

export interface ApprovalsOptions {
  /** Sallyport's home; need not exist. */
  home: string;
  /** Told once for each state of the file that can't be used. */
  onWarning(message: string): void;
  /** False: what is found was only looked up, and does not count as used. */
  countsUses?: boolean;
}

/** One book for each session: what is kept for the session lives in it. */
export function openApprovals(options: ApprovalsOptions): ApprovalBook {
  return new HomeApprovals(options);
}

const longestReason = 500;

/** Loaded with the first yes that is kept: most sessions have none. */
function newId(): string {
  return (createRequire(import.meta.url)("uuid") as typeof UuidModule).v7();
}

class HomeApprovals implements ApprovalBook {
  readonly #options: ApprovalsOptions;
  readonly #uses: UseCounter<string>;
  readonly #session: { record: ApprovalRecord; exec: Pick<ApprovalExec, "pattern" | "identity" | "unusual"> }[] = [];
  #state = "";
  /** By the resolved program. */
  #byFile = new Map<string, ApprovalRecord[]>();

  constructor(options: ApprovalsOptions) {
    this.#options = options;
    this.#uses = new UseCounter<string>(approvalUses(options.home), (id) => id);
  }

  find(exec: ApprovalExec, within?: "session"): ApprovalRecord | null {
    const inSession = this.#session.find((kept) => holdsInSession(kept, exec));
    if (inSession !== undefined) return inSession.record;
    // A person's yes to one LD_PRELOAD must not become a yes to the next.
    if (within === "session" || exec.unusual !== "" || typeof exec.file !== "string") return null;
    this.#refresh();
    const found = this.#byFile.get(exec.file)?.find((record) => holds(record, exec));
    if (found === undefined) return null;
    if (this.#options.countsUses !== false) this.#uses.count(found.id);
    return found;
  }

  keep(keep: ApprovalKeep, exec: ApprovalExec, origin: ApprovalOrigin): ApprovalRecord {
    const made = {
      id: newId(),
      expires: null,
      addedAt: new Date().toISOString(),
      origin: { ...origin, for: shortened(origin.for) },
    };
    if (keep.scope === "session") {
      const { pattern, identity, unusual } = exec;
      const record: ApprovalRecord = { ...inThisFolder(exec), ...made, scope: "session" };
      this.#session.push({ record, exec: { pattern, identity, unusual } });
      return record;
    }
    const { pattern, exact, file, sha256, cwd } = keep.proposal;
    const record: ApprovalRecord = { pattern: [...pattern], exact, file, sha256, cwd, ...made, scope: "always" };
    addApproval(this.#options.home, record);
    return record;
  }

  flush(): void {
    this.#uses.flush();
  }

  #refresh(): void {
    const state = stateOf(approvalsPath(this.#options.home));
    if (state === this.#state) return;
    this.#state = state;
    this.#byFile = new Map();
    try {
      for (const record of readApprovals(this.#options.home)) {
        const known = this.#byFile.get(record.file);
        if (known === undefined) this.#byFile.set(record.file, [record]);
        else known.push(record);
      }
    } catch (error) {
      // Fails closed: without approvals everything is asked again.
      if (!isSallyportError(error)) throw error;
      this.#options.onWarning(error.message);
    }
  }
}

/** Whether the record is about this exec. The pattern's first token is the name that the program is called by: busybox and many others do
 *  different things under different names. */
function holds(record: ApprovalRecord, exec: ApprovalExec): boolean {
  const { pattern, exact, file, cwd, expires, sha256 } = record;
  if (file !== exec.file || (cwd !== null && cwd !== exec.cwd)) return false;
  if (expires !== null && Date.now() >= Date.parse(`${expires}T00:00:00Z`)) return false;
  if (exec.pattern.length < pattern.length || (exact && exec.pattern.length > pattern.length)) return false;
  if (!pattern.every((token, index) => token === exec.pattern[index])) return false;
  // Last, because the content has to be read for it. A file that was replaced asks again.
  return sha256 === null ? exec.isOutOfReach() : sha256 === exec.sha256();
}

function holdsInSession(
  { record, exec }: { record: ApprovalRecord; exec: Pick<ApprovalExec, "pattern" | "identity" | "unusual"> },
  asked: ApprovalExec,
): boolean {
  return (
    exec.identity === asked.identity &&
    exec.unusual === asked.unusual &&
    record.cwd === textKey(asked.cwd) &&
    exec.pattern.length === asked.pattern.length &&
    exec.pattern.every((token, index) => textKey(token) === textKey(asked.pattern[index] ?? ""))
  );
}

function inThisFolder(exec: ApprovalExec): ApprovalProposal {
  return {
    pattern: exec.pattern.map(textKey),
    exact: true,
    file: textKey(exec.file),
    sha256: null,
    cwd: textKey(exec.cwd),
  };
}

/** Bytes that are not UTF-8 as a text that no other bytes have. */
function textKey(text: Text): string {
  return typeof text === "string" ? text : `\u0000${text.base64}`;
}

function shortened(text: string): string {
  return text.length > longestReason ? `${text.slice(0, longestReason)}...` : text;
}

function stateOf(path: string): string {
  let stats: BigIntStats | undefined;
  try {
    stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    // A home that can't be searched: reading it says so.
    return "unknown";
  }
  return stats === undefined ? "" : `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}
