/** What is wrong with rule files, said on stderr. */
import type { RulesError } from "@sallyport/exec-policy";
import { formatRulesError } from "@sallyport/exec-policy";
import { isSallyportError } from "@sallyport/supervisor/errors";
import { complain, write } from "../terminal.ts";

/** Every problem of every file, each with the line at fault; false where the failure is another one. */
export function complainAboutRules(error: unknown): boolean {
  if (!isSallyportError(error) || error.code !== "RULES_INVALID") return false;
  // Thrown by loadRules(), which puts them there.
  for (const problem of error.data["errors"] as RulesError[]) {
    complain(formatRulesError(problem));
    if (problem.excerpt !== "") write(`${problem.excerpt.replace(/^/gm, "    ")}\n`, 2);
  }
  return true;
}
