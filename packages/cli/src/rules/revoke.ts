/** `sallyport rules revoke`: takes back what a person has said yes to for good. It counts at the next program of every session. */
import { approvalUses, forgetUses, loadRules, readApprovals, revokeApprovals } from "@sallyport/rules-store";
import type { ApprovalRecord } from "@sallyport/rules-store";
import { checkHome, locateHome } from "@sallyport/shell-escalation";
import { SallyportError } from "@sallyport/supervisor";
import { displayText } from "../display-text.ts";
import { write } from "../terminal.ts";
import { usageError } from "../usage-error.ts";
import { approvalText } from "./approval-text.ts";

export interface RevokeCommand {
  /** An id or the end of one, or the words of a pattern. */
  words: readonly string[];
  all: boolean;
  json: boolean;
}

/** The end of an id is enough where it is this long: its start is the time, which approvals of one day share. */
const shortestEnd = 4;

export function runRevoke({ words, all, json }: RevokeCommand): number {
  if (all === words.length > 0) throw usageError("Nothing to revoke, expected an ID, a pattern or --all", "rules");
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  const kept = checkHome(home) ? readApprovals(home) : [];
  const meant = new Set((all ? kept : chosen(kept, words, home)).map(({ id }) => id));
  const revoked = meant.size === 0 ? [] : revokeApprovals(home, ({ id }) => meant.has(id));
  if (revoked.length > 0)
    forgetUses(
      approvalUses(home),
      revoked.map(({ id }) => id),
    );
  if (json) write(`${JSON.stringify({ revoked })}\n`, 1);
  else if (revoked.length === 0) write("No approvals.\n", 1);
  else for (const approval of revoked) write(`revoked ${approval.id}  ${approvalText(approval)}\n`, 1);
  return 0;
}

function chosen(kept: readonly ApprovalRecord[], words: readonly string[], home: string): ApprovalRecord[] {
  const [word = ""] = words;
  const named = words.length === 1 ? kept.filter(({ id }) => id === word) : [];
  const byEnd =
    words.length === 1 && word.length >= shortestEnd ? kept.filter(({ id }) => id.endsWith(word.toLowerCase())) : [];
  const byPattern = kept.filter(({ pattern }) => isSame(pattern, words));
  const found = [named, byPattern, byEnd].find((some) => some.length > 0) ?? [];
  if (found.length === 0) throw unknown(words, home);
  if (found === byEnd && found.length > 1) {
    const ids = found.map(({ id }) => id).join(", ");
    throw new SallyportError("APPROVAL_NOT_KEPT", `"${word}" could be any of ${ids}; write more of the id`);
  }
  return found;
}

function unknown(words: readonly string[], home: string): SallyportError {
  const said = displayText(words.join(" "));
  const rule = loadRules({ home, files: [], discover: true, system: null }).rules.find(
    ({ program, rest }) =>
      rest.every(({ length }) => length === 1) && isSame([program, ...rest.map(([token = ""]) => token)], words),
  );
  const hint =
    rule === undefined
      ? "see sallyport rules list"
      : `there is a rule for it at ${displayText(`${rule.at.file}:${rule.at.line}`)}, which is yours to edit`;
  return new SallyportError("APPROVAL_NOT_KEPT", `No approval "${said}" is kept, expected an id or a pattern; ${hint}`);
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((token, index) => token === others[index]);
}
