/** Finds the rule files and reads them all. One broken file and there are no rules at all: a set that lost its `forbidden`
 *  rules would open what they close. */
import { readdirSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { formatRulesError } from "@sallyport/exec-policy";
import type { HostExecutables, RulesError } from "@sallyport/exec-policy";
import { SallyportError } from "@sallyport/supervisor/errors";
import { broken, errorCode, folderProblem, readRuleFile } from "./rule-file.ts";
import type { ReadFile, RuleOrigin, RuleSet, StoredRule } from "./rule-set.ts";

export interface LoadRulesOptions {
  /** Sallyport's home; its `rules` folder need not exist. */
  home: string;
  /** Files named by a person, in order. */
  files: readonly string[];
  /** Read `<home>/rules/*.rules` too. */
  discover: boolean;
  /** The folder of a project that the user trusts: `.sallyport/rules` and `.codex/rules` in it are read too, after the home's. */
  trustedProject?: string;
}

/** Throws `RULES_INVALID`: the message is the first problem, `data.errors` holds every problem of every file. */
export function loadRules(options: LoadRulesOptions): RuleSet {
  const errors: RulesError[] = [];
  const rules: StoredRule[] = [];
  const files: ReadFile[] = [];
  let hosts: HostExecutables = new Map();
  for (const { path, origin, isCodexs } of filesOf(options, errors)) {
    // Each file sees the host_executable entries of the files before it, and may replace them.
    const read = readRuleFile(path, { followLinks: origin === "flag", hosts });
    errors.push(...read.errors, ...(isCodexs ? ownInCodexs(path, read.own) : []));
    hosts = read.hosts;
    // The rules are this file's alone, so that they need no copies.
    for (const rule of read.rules) rules.push(Object.assign(rule, { origin }));
    files.push({ path, origin, own: read.own });
  }
  const [first] = errors;
  if (first !== undefined) throw new SallyportError("RULES_INVALID", formatRulesError(first), { data: { errors } });
  return { rules, hosts, files };
}

/** Where rule files are looked for: what a change can come from. */
export interface RulePlaces {
  /** Whose `.rules` files are read. */
  folders: string[];
  /** Above those. */
  parents: string[];
  /** Named ones. */
  files: string[];
}

export function placesOf({ home, files, discover, trustedProject: project }: LoadRulesOptions): RulePlaces {
  const chains = [
    ...(discover ? [[home, "rules"]] : []),
    ...(project === undefined ? [] : [".sallyport", ".codex"].map((folder) => [project, folder, "rules"])),
  ];
  return {
    folders: chains.map((parts) => join(...parts)),
    parents: chains.flatMap((parts) => parts.slice(1).map((_, depth) => join(...parts.slice(0, depth + 1)))),
    files: files.map((path) => resolve(path)),
  };
}

interface Found {
  path: string;
  origin: RuleOrigin;
  /** Codex reads the file as well, and would refuse it as a whole for a parameter that it does not know. */
  isCodexs: boolean;
}

function filesOf(options: LoadRulesOptions, errors: RulesError[]): Found[] {
  const { home, discover, trustedProject: project } = options;
  const found = (path: string, origin: RuleOrigin, isCodexs = false): Found => ({ path, origin, isCodexs });
  return [
    ...(discover ? discoverIn([home, "rules"], errors).map((path) => found(path, "user")) : []),
    ...(project === undefined
      ? []
      : [
          ...discoverIn([project, ".sallyport", "rules"], errors).map((path) => found(path, "project")),
          ...discoverIn([project, ".codex", "rules"], errors).map((path) => found(path, "project", true)),
        ]),
    ...options.files.map((path) => found(resolve(path), "flag")),
  ];
}

function ownInCodexs(path: string, own: ReadFile["own"]): RulesError[] {
  return own.map(({ line, column, parameters }) => {
    const text = `${parameters.map((name) => `\`${name}\``).join(", ")} is not known to Codex, which reads this file too`;
    return { file: path, line, column, text, expected: "such rules in .sallyport/rules", excerpt: "" };
  });
}

function discoverIn(parts: readonly [string, ...string[]], errors: RulesError[]): string[] {
  const folder = join(...parts);
  let names: string[];
  try {
    names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (isRuleFile(entry) ? [entry.name] : []));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    const problem = { text: `the folder cannot be read (${errorCode(error)})`, expected: "a folder of .rules files" };
    errors.push(...broken(folder, problem).errors);
    return [];
  }
  // The folders above as well: whoever can write them can put another `rules` folder in place of this one.
  for (const depth of parts.keys()) {
    const path = join(...parts.slice(0, depth + 1));
    const problem = folderProblem(path);
    if (problem === null) continue;
    const text = problem.text.replace("its folder", "the folder");
    errors.push(...broken(path, { ...problem, text }).errors);
    return [];
  }
  return names.toSorted().map((name) => join(folder, name));
}

/** As the peer does: regular files directly in the folder; no links, and no file that is all extension. */
function isRuleFile(entry: { name: string; isFile(): boolean }): boolean {
  return entry.isFile() && extname(entry.name) === ".rules";
}
