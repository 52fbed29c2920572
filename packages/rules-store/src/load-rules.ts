/** Finds the rule files and reads them all. One broken file and there are no rules at all: a set that lost its `forbidden`
 *  rules would open what they close. */
import { readdirSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { formatRulesError } from "@sallyport/exec-policy";
import type { RulesError } from "@sallyport/exec-policy";
import { SallyportError } from "@sallyport/supervisor";
import { broken, errorCode, folderProblem, readRuleFile } from "./rule-file.ts";
import type { RuleSet, RuleOrigin, StoredRule } from "./rule-set.ts";

export interface LoadRulesOptions {
  /** Sallyport's home; its `rules` folder need not exist. */
  home: string;
  /** Files named by a person, in order. */
  files: readonly string[];
  /** Read `<home>/rules/*.rules` too. */
  discover: boolean;
}

/** Throws `RULES_INVALID`: the message is the first problem, `data.errors` holds every problem of every file. */
export function loadRules(options: LoadRulesOptions): RuleSet {
  const errors: RulesError[] = [];
  const discovered = options.discover ? discover(options.home, errors) : [];
  const named = options.files.map((path) => ({ path: resolve(path), origin: "flag" as const }));
  const files: { path: string; origin: RuleOrigin }[] = [...discovered, ...named];
  const rules: StoredRule[] = [];
  for (const { path, origin } of files) {
    const read = readRuleFile(path, origin === "flag");
    errors.push(...read.errors);
    for (const rule of read.rules) rules.push({ ...rule, origin });
  }
  const [first] = errors;
  if (first !== undefined) throw new SallyportError("RULES_INVALID", formatRulesError(first), { data: { errors } });
  return { rules, files };
}

function discover(home: string, errors: RulesError[]): { path: string; origin: RuleOrigin }[] {
  const folder = join(home, "rules");
  let names: string[];
  try {
    names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (isRuleFile(entry) ? [entry.name] : []));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    const problem = { text: `the folder cannot be read (${errorCode(error)})`, expected: "a folder of .rules files" };
    errors.push(...broken(folder, problem).errors);
    return [];
  }
  // The home as well: whoever can write it can put another `rules` folder in place of this one.
  for (const [path, problem] of [
    [home, folderProblem(home)],
    [folder, folderProblem(folder)],
  ] as const) {
    if (problem === null) continue;
    const text = problem.text.replace("its folder", "the folder");
    errors.push(...broken(path, { ...problem, text }).errors);
    return [];
  }
  return names.toSorted().map((name) => ({ path: join(folder, name), origin: "user" }));
}

/** As the peer does: regular files directly in the folder; no links, and no file that is all extension. */
function isRuleFile(entry: { name: string; isFile(): boolean }): boolean {
  return entry.isFile() && extname(entry.name) === ".rules";
}
