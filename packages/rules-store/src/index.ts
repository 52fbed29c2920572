/** The public surface of @sallyport/rules-store: rule files, found and read. */
export { loadRules } from "./load-rules.ts";
export type { LoadRulesOptions } from "./load-rules.ts";
export type { ReadFile, RuleOrigin, RuleSet, StoredRule } from "./rule-set.ts";
