/** The public surface of @sallyport/exec-policy: the rules language. Text in, rules and decisions out; no files, no Node. */
export { matchPrefix, matchRest, patternText, strictest } from "./rule.ts";
export type { PrefixRule, RuleDecision } from "./rule.ts";
export { parseRules } from "./parse-rules.ts";
export { isLoaderVariable } from "./prefix-rule.ts";
export { limits } from "./limits.ts";
export { formatRulesError } from "./rules-error.ts";
export type { RulesError } from "./rules-error.ts";
