/** `sallyport rules check`: what the rules say about a list of tokens taken as text, in the form of Codex's `execpolicy check`. */
import type { HostExecutables } from "./program-names.ts";
import { resolveByName } from "./program-names.ts";
import type { PrefixRule, RuleDecision } from "./rule.ts";
import { matchPrefix, strictest } from "./rule.ts";

export interface CheckResult {
  /** In the order in which the rules were made. */
  matchedRules: {
    prefixRuleMatch: {
      /** The command's own tokens, as many as the pattern has. */
      matchedPrefix: string[];
      decision: RuleDecision;
      /** The normalised path, where the rule matched by the name of a program that was given as a path. */
      resolvedProgram?: string;
      justification?: string;
    };
  }[];
  /** The strictest; absent where nothing matched. */
  decision?: RuleDecision;
}

export interface CheckOptions {
  hosts: HostExecutables;
  /** Rules on names also mean programs given as paths, unless a rule matches the path as written. */
  resolveHostExecutables: boolean;
  /** What relative programs are relative to, and the home folder that `~/` means. */
  folder: string;
  home: string | null;
}

export function checkTokens(
  rules: readonly PrefixRule[],
  tokens: readonly string[],
  options: CheckOptions,
): CheckResult {
  const direct = rules.filter((rule) => matchPrefix(rule, tokens));
  const matched = direct.map((rule) => matchOf(rule, tokens, null));
  if (direct.length === 0 && options.resolveHostExecutables) matched.push(...matchesByName(rules, tokens, options));
  const decision = strictest(matched.map(({ prefixRuleMatch }) => prefixRuleMatch.decision));
  return { matchedRules: matched, ...(decision === undefined ? {} : { decision }) };
}

function matchesByName(
  rules: readonly PrefixRule[],
  tokens: readonly string[],
  options: CheckOptions,
): CheckResult["matchedRules"] {
  const [program = "", ...rest] = tokens;
  const resolved = [false, true].map((canonical) => resolveByName(program, options.hosts, { ...options, canonical }));
  return rules.flatMap((rule) => {
    const found = resolved[Number(rule.canonical)];
    if (found == null) return [];
    const named = [found.name, ...rest];
    return matchPrefix(rule, named) ? [matchOf(rule, named, found.path)] : [];
  });
}

function matchOf(
  rule: PrefixRule,
  tokens: readonly string[],
  path: string | null,
): CheckResult["matchedRules"][number] {
  return {
    prefixRuleMatch: {
      matchedPrefix: tokens.slice(0, 1 + rule.rest.length),
      decision: rule.decision,
      ...(path === null ? {} : { resolvedProgram: path }),
      ...(rule.justification === undefined ? {} : { justification: rule.justification }),
    },
  };
}
