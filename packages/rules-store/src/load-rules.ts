/** Finds the rule files and reads them all. One broken file and there are no rules at all: a set that lost its `forbidden`
 *  rules would open what they close. */
import { readdirSync, realpathSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { formatRulesError } from "@sallyport/exec-policy";
import type { HostExecutables, RulesError } from "@sallyport/exec-policy";
import { SallyportError } from "@sallyport/supervisor/errors";
import { readManagedRules } from "./managed-rules.ts";
import { broken, errorCode, folderProblem, readRuleFile } from "./rule-file.ts";
import type { Owner } from "./rule-file.ts";
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
  /** The machine's own rules; default /etc/sallyport, of root. Null: not read, for who wants certain files and nothing else. */
  system?: SystemPlace | null;
  /** Read Codex's rules of the machine too: `codex/rules` beside the system's folder. */
  readsCodex?: boolean;
}

/** Where the machine's own rules lie: `rules/*.rules` and `requirements.toml`. */
export interface SystemPlace {
  folder: string;
  /** The user whom all of it belongs to; nobody else may write it. */
  owner: number;
}

/** The machine's place, or for tests one elsewhere, which belongs to whoever runs them. */
export function systemPlaceAt(folder: string): SystemPlace {
  return folder === defaultSystem.folder ? defaultSystem : { folder, owner: process.geteuid?.() ?? 0 };
}

const defaultSystem: SystemPlace = { folder: "/etc/sallyport", owner: 0 };

/** Throws `RULES_INVALID`: the message is the first problem, `data.errors` holds every problem of every file. */
export function loadRules(options: LoadRulesOptions): RuleSet {
  const errors: RulesError[] = [];
  const rules: StoredRule[] = [];
  const files: ReadFile[] = [];
  const hosts = new HostLists();
  for (const { path, origin, owner, isCodexs } of filesOf(options, errors)) {
    // Each file sees the host_executable entries of the files before it, and may replace them.
    const read = readRuleFile(path, { followLinks: origin === "flag", owner, hosts: hosts.before(origin) });
    errors.push(...read.errors, ...(isCodexs ? ownInCodexs(path, read.own) : []));
    hosts.add(origin, read.hosts);
    // The rules are this file's alone, so that they need no copies.
    for (const rule of read.rules) rules.push(Object.assign(rule, { origin }));
    files.push({ path, origin, own: read.own });
  }
  const { system = defaultSystem } = options;
  const managed = system === null ? null : readManagedRules(requirementsPath(system), system.owner);
  if (managed !== null && managed.path !== null) {
    errors.push(...managed.errors);
    for (const rule of managed.rules) rules.push(rule);
    if (managed.rules.length > 0) files.push({ path: managed.path, origin: "managed", own: [] });
  }
  const [first] = errors;
  if (first !== undefined) throw new SallyportError("RULES_INVALID", formatRulesError(first), { data: { errors } });
  return { rules, ...hosts.all, files };
}

/** What files say about where programs lie. */
class HostLists {
  #hosts: HostExecutables = new Map();
  #ofProject: HostExecutables | null = null;
  readonly #listed = new Map<string, readonly string[]>();

  before(origin: RuleOrigin): HostExecutables {
    return origin === "project" ? (this.#ofProject ?? this.#hosts) : this.#hosts;
  }

  add(origin: RuleOrigin, read: HostExecutables): void {
    if (read !== this.before(origin)) {
      for (const [name, paths] of read)
        this.#listed.set(name, [...new Set([...(this.#listed.get(name) ?? []), ...paths])]);
    }
    if (origin === "project") this.#ofProject = read;
    else this.#hosts = read;
  }

  get all(): Pick<RuleSet, "hosts" | "projectHosts" | "listed"> {
    return {
      hosts: this.#hosts,
      ...(this.#ofProject === null || this.#ofProject === this.#hosts ? {} : { projectHosts: this.#ofProject }),
      ...(this.#listed.size === 0 ? {} : { listed: this.#listed }),
    };
  }
}

/** In the order in which rules are read. */
const origins: readonly RuleOrigin[] = ["system", "user", "project", "flag", "managed"];

/** `others` with the project's rules of an earlier set. */
export function withProjectOf(earlier: RuleSet, others: RuleSet): RuleSet {
  const { projectHosts } = earlier;
  const inOrder = <Item extends { origin: RuleOrigin }>(kind: (set: RuleSet) => readonly Item[]): Item[] =>
    [...kind(others), ...kind(earlier).filter(({ origin }) => origin === "project")].toSorted(
      (one, other) => origins.indexOf(one.origin) - origins.indexOf(other.origin),
    );
  const listed = new Map(others.listed);
  for (const [name, paths] of projectHosts ?? [])
    listed.set(name, [...new Set([...(listed.get(name) ?? []), ...paths])]);
  return {
    rules: inOrder((set) => set.rules),
    hosts: others.hosts,
    ...(projectHosts === undefined ? {} : { projectHosts }),
    ...(listed.size === 0 ? {} : { listed }),
    files: inOrder((set) => set.files),
  };
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

export function placesOf(options: LoadRulesOptions): RulePlaces {
  const { system = defaultSystem } = options;
  const chains = foldersOf(options).map(({ parts }) => parts);
  return {
    folders: chains.map((parts) => join(...parts)),
    parents: chains.flatMap((parts) => parts.slice(1).map((_, depth) => join(...parts.slice(0, depth + 1)))),
    files: [...options.files.map((path) => resolve(path)), ...(system === null ? [] : [requirementsPath(system)])],
  };
}

function requirementsPath({ folder }: SystemPlace): string {
  return join(folder, "requirements.toml");
}

interface RulesFolder {
  /** The folder and those above it that have to be somebody's whom we believe: joined they are its path. */
  parts: readonly [string, ...string[]];
  origin: RuleOrigin;
  owner: Owner;
  isCodexs: boolean;
}

/** In the order in which they are read. */
function foldersOf({
  home,
  discover,
  trustedProject: project,
  system = defaultSystem,
  readsCodex,
}: LoadRulesOptions): RulesFolder[] {
  const folders: RulesFolder[] = [];
  if (system !== null) {
    const { folder, owner } = system;
    const above = dirname(folder);
    folders.push({ parts: [above, basename(folder), "rules"], origin: "system", owner, isCodexs: false });
    if (readsCodex === true)
      folders.push({ parts: [above, "codex", "rules"], origin: "system", owner, isCodexs: true });
  }
  if (discover) folders.push({ parts: [home, "rules"], origin: "user", owner: "own", isCodexs: false });
  if (project === undefined) return folders;
  // In the user's own folder `.sallyport` is the home, whose rules are the user's and no project's.
  if (!isSameFolder(join(project, ".sallyport"), home))
    folders.push({ parts: [project, ".sallyport", "rules"], origin: "project", owner: "own", isCodexs: false });
  return [...folders, { parts: [project, ".codex", "rules"], origin: "project", owner: "own", isCodexs: true }];
}

function isSameFolder(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false; // one of them is not there
  }
}

interface Found {
  path: string;
  origin: RuleOrigin;
  owner: Owner;
  /** Codex reads the file as well, and would refuse it as a whole for a parameter that it does not know. */
  isCodexs: boolean;
}

function filesOf(options: LoadRulesOptions, errors: RulesError[]): Found[] {
  return [
    ...foldersOf(options).flatMap((folder) => discoverIn(folder, errors)),
    ...options.files.map((path) => ({
      path: resolve(path),
      origin: "flag" as const,
      owner: "own" as const,
      isCodexs: false,
    })),
  ];
}

function ownInCodexs(path: string, own: ReadFile["own"]): RulesError[] {
  return own.map(({ line, column, parameters }) => {
    const text = `${parameters.map((name) => `\`${name}\``).join(", ")} is not known to Codex, which reads this file too`;
    return { file: path, line, column, text, expected: "such rules in .sallyport/rules", excerpt: "" };
  });
}

function discoverIn({ parts, ...of }: RulesFolder, errors: RulesError[]): Found[] {
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
    const problem = folderProblem(path, of.owner);
    if (problem === null) continue;
    const text = problem.text.replace("its folder", "the folder");
    errors.push(...broken(path, { ...problem, text }).errors);
    return [];
  }
  return names.toSorted().map((name) => ({ path: join(folder, name), ...of }));
}

/** As the peer does: regular files directly in the folder; no links, and no file that is all extension. */
function isRuleFile(entry: { name: string; isFile(): boolean }): boolean {
  return entry.isFile() && extname(entry.name) === ".rules";
}
