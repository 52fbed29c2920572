/** `sallyport rules add PATTERN...`: a rule in a file of the user's, checked first. */
import type { NewRule } from "@sallyport/rules-store";
import { addRule } from "@sallyport/rules-store";
import { checkHome, createHome, locateHome } from "@sallyport/shell-escalation";
import { displayText } from "../display-text.ts";
import { write } from "../terminal.ts";
import { usageError } from "../usage-error.ts";

export interface AddCommand {
  pattern: readonly string[];
  decision: string;
  file: string;
  json: boolean;
  conditions: Omit<NewRule, "pattern" | "decision">;
}

const decisions = ["allow", "prompt", "forbidden"] as const;

export function runAdd({ pattern, decision: said, file, json, conditions }: AddCommand): number {
  const decision = decisions.find((known) => known === said);
  if (decision === undefined)
    throw usageError(`Option --decision has the value "${said}", expected ${decisions.join(", ")}`, "rules");
  if (!/^[\w-]{1,64}$/.test(file))
    throw usageError(`Option --file has the value "${file}", expected a name of letters, digits, - and _`, "rules");
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  if (!checkHome(home)) createHome(home);
  const { path, line, isNew, text } = addRule(home, file, { pattern, decision, ...conditions });
  if (json) write(`${JSON.stringify({ path, line, isNew, text })}\n`, 1);
  else write(`${isNew ? "added" : "already there"}: ${displayText(text)}\n  ${displayText(path)}:${line}\n`, 1);
  return 0;
}
