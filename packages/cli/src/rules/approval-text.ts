/** Kept approvals in words. */
import type { ApprovalProposal } from "@sallyport/rules-store";
import { displayText } from "../display-text.ts";

/** `["git","push"] and what follows, /usr/bin/git, in /home/me/project`. */
export function approvalText({ pattern, exact, file, cwd, sha256 }: ApprovalProposal): string {
  const follows = exact ? "" : " and what follows";
  const where = cwd === null ? "in every folder" : `in ${cwd}`;
  const content = sha256 === null ? "" : `, sha256 ${sha256.slice(0, 12)}`;
  return displayText(`${JSON.stringify(pattern)}${follows}, ${file}, ${where}${content}`);
}
