/** The public surface of @sallyport/rules-store: rule files, found and read. */
export { addRule, readNote } from "./add-rule.ts";
export type { AddedRule, NewRule } from "./add-rule.ts";
export { openApprovals } from "./approvals.ts";
export type {
  ApprovalsOptions,
  ApprovalBook,
  ApprovalExec,
  ApprovalKeep,
  ApprovalOrigin,
  ApprovalProposal,
  ApprovalRecord,
} from "./approvals.ts";
export { approvalsPath, readApprovals, revokeApprovals } from "./approvals-file.ts";
export { loadRules, systemPlaceAt } from "./load-rules.ts";
export type { LoadRulesOptions, SystemPlace } from "./load-rules.ts";
export { openRuleUses, readRuleUses } from "./rule-uses.ts";
export type { RuleUses } from "./rule-uses.ts";
export type { ReadFile, RuleOrigin, RuleSet, StoredRule } from "./rule-set.ts";
export { approvalUses, forgetUses, readUses } from "./uses.ts";
export type { Use, UseFile } from "./uses.ts";
export { watchRules } from "./watch-rules.ts";
export type { RuleWatch, WatchRulesOptions } from "./watch-rules.ts";
