/** The rules language: text in, rules out; no files, no Node. */
export { parseRules } from "./parse-rules.ts";
export { formatApproval, parseApprovals, quote } from "./approvals-file.ts";
export type { KeptApproval, ParsedApprovals } from "./approvals-file.ts";
export { checkTokens } from "./check.ts";
export type { CheckOptions, CheckResult } from "./check.ts";
export { splitShellWords } from "./shell-words.ts";
