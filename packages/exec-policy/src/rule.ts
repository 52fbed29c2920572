/** What a rule is, and when a list of tokens matches it. Text only: which file a program name means is decided elsewhere. */
import type { Text } from "@sallyport/protocol";

export type RuleDecision = "allow" | "prompt" | "forbidden";

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
  /** Where the call starts; line and column count from 1, columns in code points. */
  at: { file: string; line: number; column: number };
}

/** True when `tokens` starts with tokens that match the rule, position by position. Bytes that are not UTF-8 match nothing. */
export function matchPrefix(rule: PrefixRule, tokens: readonly Text[]): boolean {
  return tokens[0] === rule.program && matchRest(rule, tokens.slice(1));
}

/** Like `matchPrefix()` for callers that have settled by other means that the program is the rule's program. */
export function matchRest(rule: PrefixRule, rest: readonly Text[]): boolean {
  if (rest.length < rule.rest.length) return false;
  return rule.rest.every((alternatives, position) => {
    const token = rest[position];
    return typeof token === "string" && alternatives.includes(token);
  });
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
