/** Rules in words, for the record and for whoever was refused. */
import { patternText } from "@sallyport/exec-policy";
import type { RuleDecision } from "@sallyport/exec-policy";
import type { Match } from "./rule-book.ts";

/** The match to name: the longest prefix among those that decide; of equals the later one. */
export function deciding(matches: readonly Match[], decision: RuleDecision): Match | undefined {
  let found: Match | undefined;
  for (const match of matches) {
    if (match.rule.decision !== decision) continue;
    if (found === undefined || match.rule.rest.length >= found.rule.rest.length) found = match;
  }
  return found;
}

/** `pushing is for people (rule ["git","push"] at FILE:LINE)`. */
export function describeRule({ rule, by, known }: Match): string {
  const copy = by === "content" && known !== null ? `, as a copy of ${JSON.stringify(known.path)}` : "";
  const named = `rule ${patternText(rule)} at ${rule.at.file}:${rule.at.line}${copy}`;
  return rule.justification === undefined ? named : `${rule.justification.trim()} (${named})`;
}
