/** The rules that the commands below `sallyport rules` speak of. */
import { resolve } from "node:path";
import { loadRules } from "@sallyport/rules-store";
import type { RuleSet } from "@sallyport/rules-store";
import { checkHome, locateHome } from "@sallyport/shell-escalation";

/** The discovered rules, and the files besides them. `only`: the files alone. */
export function readRules(files: readonly string[], options: { only: boolean }): RuleSet {
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  const discover = !options.only && checkHome(home);
  return loadRules({ home, files: files.map((file) => resolve(file)), discover });
}
