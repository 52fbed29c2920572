/** What a rule is, and when a list of tokens matches it. Text only: which file a program name means is decided elsewhere. */
import type { Text } from "@sallyport/protocol";
import { isCanonicallyEqual } from "./canonical.ts";

export type RuleDecision = "allow" | "prompt" | "forbidden";

/** Bounds of an escalation: a sandbox of its own instead of none. Paths as written. */
export interface EscalationBounds {
  write: readonly string[];
  read: readonly string[];
  network: boolean;
  env: readonly string[];
}

export interface PrefixRule {
  /** The first token of the pattern. A first token with alternatives is one rule per alternative. */
  program: string;
  /** The tokens after the program; each position lists its alternatives. */
  rest: readonly (readonly string[])[];
  decision: RuleDecision;
  /** As written, blanks at the ends included; absent where the rule has none. */
  justification?: string;
  /** A launcher (shell, interpreter, make, git, ...) may leave the sandbox. */
  escalate: boolean;
  /** Variables that an escalated program gets from its caller, besides the usual ones. */
  env: readonly string[];
  /** Tokens match without regard to case and to how accents are composed. */
  canonical: boolean;
  /** The command ends where the pattern ends. */
  exact: boolean;
  /** The rule is over at the start of this day (UTC), `YYYY-MM-DD`; absent: never. */
  expires?: string;
  /** The program's content has this SHA-256, in lower-case hexadecimal. */
  sha256?: string;
  /** The program lies below this absolute folder. */
  under?: string;
  escalateWith?: EscalationBounds;
  /** Where the call starts; line and column count from 1, columns in code points. */
  at: { file: string; line: number; column: number };
}

/** True when `tokens` starts with tokens that match the rule, position by position. Bytes that are not UTF-8 match nothing. */
export function matchPrefix(rule: PrefixRule, tokens: readonly Text[]): boolean {
  return matchProgram(rule, tokens[0]) && matchRest(rule, tokens.slice(1));
}

export function matchProgram(rule: PrefixRule, token: Text | undefined): boolean {
  if (token === rule.program) return true;
  return rule.canonical && typeof token === "string" && isCanonicallyEqual(rule.program, token);
}

/** Like `matchPrefix()` for callers that have settled by other means that the program is the rule's program. */
export function matchRest(rule: PrefixRule, rest: readonly Text[]): boolean {
  if (rest.length < rule.rest.length || (rule.exact && rest.length > rule.rest.length)) return false;
  return rule.rest.every((alternatives, position) => {
    const token = rest[position];
    if (typeof token !== "string") return false;
    if (alternatives.includes(token)) return true;
    return rule.canonical && alternatives.some((other) => isCanonicallyEqual(other, token));
  });
}

/** True from the start of the day (UTC) that `expires` names. */
export function isExpired(rule: PrefixRule, nowMs: number): boolean {
  return rule.expires !== undefined && nowMs >= Date.parse(`${rule.expires}T00:00:00Z`);
}

const strictness: Record<RuleDecision, number> = { allow: 0, prompt: 1, forbidden: 2 };

/** `forbidden` before `prompt` before `allow`; undefined for no decision at all. Order and length never loosen anything. */
export function strictest(decisions: Iterable<RuleDecision>): RuleDecision | undefined {
  let found: RuleDecision | undefined;
  for (const decision of decisions) {
    if (found === undefined || strictness[decision] > strictness[found]) found = decision;
  }
  return found;
}

/** The pattern on one line, for people: `["git",["push","fetch"]]`. */
export function patternText(rule: PrefixRule): string {
  return JSON.stringify([rule.program, ...rule.rest.map((tokens) => (tokens.length === 1 ? tokens[0] : tokens))]);
}
