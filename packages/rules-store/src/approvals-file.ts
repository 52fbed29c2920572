/** The file that approvals are kept in: `approvals.rules` of the home, one call of `approval()` each. */
import { join } from "node:path";
import { formatRulesError } from "@sallyport/exec-policy";
import type { KeptApproval, ParsedApprovals } from "@sallyport/exec-policy/language";
import { SallyportError } from "@sallyport/supervisor";
import type { ApprovalRecord } from "./approvals.ts";
import { changeGuardedText } from "./guarded-write.ts";
import type { Unwritable } from "./guarded-write.ts";
import { broken, language, readGuardedText } from "./rule-file.ts";

const maxApprovals = 10_000;

export function approvalsPath(home: string): string {
  return join(home, "approvals.rules");
}

/** What is kept in the home; none where there is no file. Throws `APPROVALS_INVALID`: the message is the first problem, `data.errors`
 *  holds them all. Then no approval counts, because one of them may have been meant to be narrower than it reads. */
export function readApprovals(home: string): ApprovalRecord[] {
  const path = approvalsPath(home);
  const read = readGuardedText(path, { followLinks: false });
  if ("problem" in read && read.problem.isMissing === true) return [];
  const parsed: Pick<ParsedApprovals, "errors" | "approvals"> =
    "problem" in read
      ? { approvals: [], errors: broken(path, read.problem).errors }
      : language().parseApprovals(read.text, path);
  return recordsOf(parsed);
}

/** Keeps one more. Throws `APPROVALS_INVALID` and `APPROVALS_UNWRITABLE`. */
export function addApproval(home: string, record: ApprovalRecord): void {
  changeApprovals(home, (text) => {
    const before = recordsOf(language().parseApprovals(text, approvalsPath(home)));
    if (before.length >= maxApprovals)
      throw invalid(home, `it has ${before.length} approvals, expected at most ${maxApprovals}; revoke some of them`);
    const gap = text === "" || text.endsWith("\n") ? "" : "\n";
    return `${text}${gap}${language().formatApproval(record)}`;
  });
}

/** Takes out those that `isMeant` says, and keeps every other byte where that can be done. Returns what was taken out. */
export function revokeApprovals(home: string, isMeant: (record: ApprovalRecord) => boolean): ApprovalRecord[] {
  const path = approvalsPath(home);
  let revoked: ApprovalRecord[] = [];
  changeApprovals(home, (text) => {
    const parsed = language().parseApprovals(text, path);
    recordsOf(parsed);
    const [gone, left] = [true, false].map((wanted) =>
      parsed.approvals.filter((kept) => isMeant(recordOf(kept)) === wanted),
    ) as [KeptApproval[], KeptApproval[]]; // one for each of the two
    revoked = gone.map(recordOf);
    if (gone.length === 0) return text;
    const cut = withoutSpans(text, gone);
    const again = language().parseApprovals(cut, path);
    const isAsMeant = again.errors.length === 0 && sameIds(again.approvals, left);
    return isAsMeant ? cut : left.map((kept) => language().formatApproval(kept)).join("");
  });
  return revoked;
}

function changeApprovals(home: string, change: (text: string) => string): void {
  const path = approvalsPath(home);
  changeGuardedText({ path, lock: approvalsLock(home), unwritable: approvalsUnwritable(path) }, change);
}

export function approvalsLock(home: string): string {
  return join(home, "approvals.lock");
}

export function approvalsUnwritable(path: string): Unwritable {
  return (why, cause) =>
    new SallyportError("APPROVALS_UNWRITABLE", `File "${path}" can't be written: ${why}; check it and its folder`, {
      data: { path },
      cause,
    });
}

function recordsOf({ approvals, errors }: Pick<ParsedApprovals, "errors" | "approvals">): ApprovalRecord[] {
  const [first] = errors;
  if (first === undefined) return approvals.map(recordOf);
  const text = `${formatRulesError(first)}; no approval counts until it is corrected`;
  throw new SallyportError("APPROVALS_INVALID", text, { data: { errors } });
}

function recordOf({ span: _, ...kept }: KeptApproval): ApprovalRecord {
  return { ...kept, scope: "always" };
}

function sameIds(some: readonly KeptApproval[], others: readonly KeptApproval[]): boolean {
  return some.length === others.length && some.every(({ id }, index) => id === others[index]?.id);
}

function withoutSpans(text: string, gone: readonly KeptApproval[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { span } of gone) {
    parts.push(text.slice(at, span.start));
    at = text.charAt(span.end) === "\n" ? span.end + 1 : span.end;
  }
  return parts.join("") + text.slice(at);
}

function invalid(home: string, why: string): SallyportError {
  const path = approvalsPath(home);
  return new SallyportError("APPROVALS_INVALID", `File "${path}" takes no more: ${why}`, { data: { path } });
}
