/** The public surface of @sallyport/exec-policy: what a rule is and when it matches. Reading rules is apart, in
 *  `@sallyport/exec-policy/language`, because a session without rules must not wait until it is loaded. */
export { isExpired, matchPrefix, matchProgram, matchRest, patternText, strictest } from "./rule.ts";
export type { EscalationBounds, PrefixRule, RuleDecision } from "./rule.ts";
export { canonicalText } from "./canonical.ts";
export type { HostExecutables } from "./program-names.ts";
export type { NetworkRule } from "./network-rule.ts";
export type { ParsedRules } from "./parse-rules.ts";
export { isLoaderVariable } from "./loader-variables.ts";
export { limits } from "./limits.ts";
export { formatRulesError } from "./rules-error.ts";
export type { RulesError } from "./rules-error.ts";
