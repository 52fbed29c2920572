/** Adds a rule to a file of the user's: checked first, under a lock, atomically. */
import { userInfo } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { formatRulesError } from "@sallyport/exec-policy";
import type { HostExecutables, PrefixRule, RuleDecision } from "@sallyport/exec-policy";
import { SallyportError } from "@sallyport/supervisor";
import { changeGuardedText } from "./guarded-write.ts";
import { loadRules } from "./load-rules.ts";
import { language } from "./rule-file.ts";

export interface NewRule {
  /** One token each. */
  pattern: readonly string[];
  decision: RuleDecision;
  justification?: string;
  exact?: boolean;
  escalate?: boolean;
  env?: readonly string[];
  expires?: string;
  under?: string;
  sha256?: string;
  match?: readonly string[];
  notMatch?: readonly string[];
}

export interface AddedRule {
  path: string;
  line: number;
  /** False: just this rule stood there already, and nothing was written. */
  isNew: boolean;
  text: string;
}

/** `name`: the file `rules/NAME.rules` of the home. Throws `RULES_INVALID` where the rule can't be, or rules of the home are broken
 *  already, and `RULES_UNWRITABLE`. */
export function addRule(home: string, name: string, rule: NewRule): AddedRule {
  const path = join(home, "rules", `${name}.rules`);
  const text = formatRule(rule);
  let added: AddedRule = { path, line: 0, isNew: false, text };
  const unwritable = (why: string, cause?: unknown): SallyportError =>
    new SallyportError("RULES_UNWRITABLE", `Rules file "${path}" can't be written: ${why}; check it and its folder`, {
      data: { path },
      cause,
    });
  changeGuardedText({ path, lock: join(home, "rules.lock"), unwritable }, (before) => {
    const { hosts } = loadRules({ home, files: [], discover: true });
    const [wanted] = parsed(text, "(the new rule)", hosts);
    const known = parsed(before, path, hosts).find((other) => wanted !== undefined && isSame(other, wanted));
    if (known !== undefined) {
      added = { ...added, line: known.at.line };
      return before;
    }
    const gap = before === "" || before.endsWith("\n") ? "" : "\n";
    const after = `${before}${gap}${noteOf(new Date())}\n${text}\n`;
    const line = parsed(after, path, hosts).at(-1)?.at.line ?? 0;
    added = { ...added, line, isNew: true };
    return after;
  });
  return added;
}

const note = /^# added (\d{4}-\d{2}-\d{2}) by (.*) with sallyport rules add$/;

/** Who added the rule that stands below this line, and when; null where it is no such note. */
export function readNote(line: string): { addedAt: string; by: string } | null {
  const [, addedAt, by] = note.exec(line) ?? [];
  return addedAt === undefined || by === undefined ? null : { addedAt, by };
}

function noteOf(now: Date): string {
  return `# added ${now.toISOString().slice(0, 10)} by ${userName()} with sallyport rules add`;
}

function userName(): string {
  try {
    return userInfo().username.replace(/[^\w.@-]/g, "?");
  } catch {
    return `user ${process.geteuid?.() ?? "?"}`; // without an entry in the user database
  }
}

function formatRule(rule: NewRule): string {
  const { quote } = language();
  const list = (values: readonly string[]): string => `[${values.map(quote).join(", ")}]`;
  const parts = [
    list(rule.pattern),
    quote(rule.decision),
    ...(rule.justification === undefined ? [] : [`justification = ${quote(rule.justification)}`]),
    ...(rule.exact === true ? ["exact = True"] : []),
    ...(rule.escalate === true ? ["escalate = True"] : []),
    ...(rule.env === undefined || rule.env.length === 0 ? [] : [`env = ${list(rule.env)}`]),
    ...(rule.expires === undefined ? [] : [`expires = ${quote(rule.expires)}`]),
    ...(rule.under === undefined ? [] : [`under = ${quote(rule.under)}`]),
    ...(rule.sha256 === undefined ? [] : [`sha256 = ${quote(rule.sha256)}`]),
    ...(rule.match === undefined || rule.match.length === 0 ? [] : [`match = ${list(rule.match)}`]),
    ...(rule.notMatch === undefined || rule.notMatch.length === 0 ? [] : [`not_match = ${list(rule.notMatch)}`]),
  ];
  return `prefix_rule(${parts.join(", ")})`;
}

function parsed(text: string, path: string, hosts: HostExecutables): PrefixRule[] {
  const { rules, errors } = language().parseRules(text, path, hosts);
  const [first] = errors;
  if (first === undefined) return rules;
  throw new SallyportError("RULES_INVALID", formatRulesError(first), { data: { errors } });
}

function isSame(one: PrefixRule, other: PrefixRule): boolean {
  const { at: _, ...values } = one;
  const { at: __, ...others } = other;
  return isDeepStrictEqual(values, others);
}
