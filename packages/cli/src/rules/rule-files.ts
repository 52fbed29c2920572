/** The rules that the commands below `sallyport rules` speak of, and what is wrong with their files. */
import { resolve } from "node:path";
import type { RulesError } from "@sallyport/exec-policy";
import { formatRulesError } from "@sallyport/exec-policy";
import { loadRules } from "@sallyport/rules-store";
import type { RuleSet } from "@sallyport/rules-store";
import { checkHome, locateHome } from "@sallyport/shell-escalation";
import { isSallyportError } from "@sallyport/supervisor";
import { complain, write } from "../terminal.ts";

/** The discovered rules, and the files besides them. `only`: the files alone. */
export function readRules(files: readonly string[], options: { only: boolean }): RuleSet {
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  const discover = !options.only && checkHome(home);
  return loadRules({ home, files: files.map((file) => resolve(file)), discover });
}

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
