/** The rules that the commands below `sallyport rules` speak of. */
import { resolve } from "node:path";
import { loadRules } from "@sallyport/rules-store";
import type { RuleSet } from "@sallyport/rules-store";
import { checkHome, locateHome } from "@sallyport/shell-escalation";
import { complain } from "../terminal.ts";
import { readSessionLayers } from "./session-layers.ts";

/** The rules that `sallyport run` would have in this folder, and the files besides them; what is not read is told. `only`: the files alone. */
export async function readRules(given: readonly string[], options: { only: boolean }): Promise<RuleSet> {
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  const files = given.map((file) => resolve(file));
  if (options.only) return loadRules({ home, files, discover: false, system: null });
  const { sources, hint } = await readSessionLayers(home, process.cwd());
  if (hint !== null) complain(`rules: ${hint}`);
  return loadRules({ home, files, discover: checkHome(home), ...sources });
}
