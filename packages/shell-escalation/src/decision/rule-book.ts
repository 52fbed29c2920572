/** The rules, ready to be asked about programs: what each rule's first token means is settled once, when the session starts. */
import { realpathSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import type { Text } from "@sallyport/protocol";
import { canonicalText, isExpired, matchRest } from "@sallyport/exec-policy";
import type { HostExecutables } from "@sallyport/exec-policy";
import type { RuleSet, StoredRule } from "@sallyport/rules-store";
import type { ExecFile } from "@sallyport/supervisor";
import { EntryTable } from "./entry-table.ts";
import type { Entry } from "./entry-table.ts";
import { fileAt } from "./known-file.ts";
import type { KnownFile } from "./known-file.ts";
import { isBoxName, isNamedOnly } from "./multi-call.ts";
import { isAnonymous } from "./programs.ts";
import type { Program } from "./programs.ts";
import type { SearchPath } from "./search-path.ts";
import { baseName, isWithin } from "./text-path.ts";

const manyRules = 50;

/** How a program was recognised as the one that a rule names. */
type MatchedBy = "name" | "path" | "file" | "content";

export interface Match {
  rule: StoredRule;
  by: MatchedBy;
  /** The file that the rule means; null where it had none when the session started. */
  known: KnownFile | null;
}

/** A rule about a program, and why it counts or does not. */
export interface Opinion {
  rule: StoredRule;
  counts: boolean;
  why: string;
}

const recognition: Record<MatchedBy, string> = {
  name: "by the name of the program",
  path: "by the path of the program",
  file: "it is the rule's own file",
  content: "it is a copy of the rule's file",
};

/** Which known files an opened file is a copy of. */
export type Copies = (file: ExecFile) => readonly KnownFile[];

/** The SHA-256 of an opened file; null where it cannot be told. */
export type Digests = (file: ExecFile) => string | null;

/** The files that a rule's first token means, by kind of rule and token. */
export type Meanings = Map<string, readonly (KnownFile | null)[]>;

export class RuleBook {
  readonly #byName = new EntryTable<string>();
  readonly #byCanonicalName = new EntryTable<string>();
  readonly #byKey = new EntryTable<string>();
  readonly #byFile = new EntryTable<KnownFile>();
  readonly #byAbsolutePath = new EntryTable<string>();
  readonly #byCanonicalPath = new EntryTable<string>();
  readonly #relative: Entry[] = [];
  /** Whether any rule asks for a content by its hash. */
  #hashes = false;
  /** Files that a copy of has to be recognised. */
  readonly watched: readonly KnownFile[];

  /** `meanings`: what the rules of an earlier book meant. A program that was moved since then stays the one that the rule means. */
  constructor(ruleSet: RuleSet, searchPath: SearchPath, meanings: Meanings = new Map()) {
    if (ruleSet.rules.length > manyRules) searchPath.expectMany();
    for (const [order, rule] of ruleSet.rules.entries()) {
      const kind = rule.decision === "allow" ? "allow" : "restrict";
      const hosts = hostsFor(rule, ruleSet);
      const key = `${kind} ${rule.canonical ? "canonical" : "exact"} ${rule.program}${hostsKey(rule, hosts)}`;
      let files = meanings.get(key);
      if (files === undefined) {
        files = filesOfRule(rule, searchPath, hosts);
        meanings.set(key, files);
      }
      for (const [index, known] of files.entries()) {
        const entry = { rule, known, needsName: known !== null && needsName(rule.program, known), order };
        this.#addFile(entry);
        // Once: several files do not make the rule several rules.
        if (index === 0) this.#addName(entry);
      }
      if (rule.sha256 !== undefined) this.#hashes = true;
    }
    this.watched = [...this.#byFile.keys()];
  }

  #addName(entry: Entry): void {
    const { program, canonical } = entry.rule;
    if (isAbsolute(program)) {
      const path = resolve(program);
      if (canonical) this.#byCanonicalPath.add(canonicalText(path), entry);
      else this.#byAbsolutePath.add(path, entry);
    } else if (program.includes("/")) this.#relative.push(entry);
    else if (canonical) this.#byCanonicalName.add(canonicalText(program), entry);
    else this.#byName.add(program, entry);
  }

  #addFile(entry: Entry): void {
    if (entry.known === null) return;
    this.#byKey.add(entry.known.key, entry);
    this.#byFile.add(entry.known, entry);
  }

  /** The `forbidden` and `prompt` rules that match one of the programs, under whatever name, in the order of the rules. */
  restrictions(programs: readonly Program[], cwd: Text, copies: Copies, digests: Digests): Match[] {
    const found = new Map<StoredRule, { entry: Entry; by: MatchedBy }>();
    const nowMs = Date.now();
    for (const program of programs) {
      const note = (entries: readonly Entry[], by: MatchedBy): void => {
        for (const entry of entries) {
          const { rule } = entry;
          if (rule.decision === "allow" || found.has(rule)) continue;
          if (by !== "name" && by !== "path" && !isNamed(entry, program)) continue;
          if (!matchRest(rule, program.args) || isExpired(rule, nowMs)) continue;
          // What cannot be told speaks against the program: the other way round would be a way around the rule.
          if (mayLieUnder(rule, program.file) && mayHaveContent(rule, digests(program.file)))
            found.set(rule, { entry, by });
        }
      };
      for (const name of program.names) if (typeof name === "string") note(this.#named(name, program.args), "name");
      note(this.#byKey.get(program.file.key, program.args), "file");
      for (const known of copies(program.file)) note(this.#byFile.get(known, program.args), "content");
      note(this.#atPath(program, cwd, program.args), "path");
    }
    return [...found.values()]
      .toSorted((left, right) => left.entry.order - right.entry.order)
      .map(({ entry: { rule, known }, by }) => ({ rule, by, known }));
  }

  /** Whether a rule is about one of these programs, whatever its arguments, date, content or place. Of copies it knows nothing. */
  concerns(programs: readonly Program[], cwd: Text): boolean {
    return programs.some(
      (program) =>
        program.names.some((name) => typeof name === "string" && this.#isNameOfRule(name)) ||
        this.#byKey.has(program.file.key) ||
        this.#atPath(program, cwd, null).length > 0,
    );
  }

  /** Whether a rule about this program asks for the hash of its content. */
  asksForContent(program: Program, cwd: Text, copies: Copies): boolean {
    return this.#hashes && this.#about(program, cwd, copies).some(({ rule }) => rule.sha256 !== undefined);
  }

  /** What every rule about these programs has to say, for people. `matches`: the rules that count. */
  opinions(
    programs: readonly Program[],
    cwd: Text,
    copies: Copies,
    digests: Digests,
    matches: readonly Match[],
  ): Opinion[] {
    const counting = new Map(matches.map((match) => [match.rule, match.by]));
    const about = new Map<StoredRule, { entry: Entry; programs: Program[] }>();
    for (const program of programs) {
      for (const entry of this.#about(program, cwd, copies)) {
        const known = about.get(entry.rule);
        if (known === undefined) about.set(entry.rule, { entry, programs: [program] });
        else known.programs.push(program);
      }
    }
    return [...about.values()]
      .toSorted((left, right) => left.entry.order - right.entry.order)
      .map(({ entry: { rule, known }, programs: by }) => {
        const how = counting.get(rule);
        return how === undefined
          ? { rule, counts: false, why: whyNot(rule, known, by, digests) }
          : { rule, counts: true, why: recognition[how] };
      });
  }

  #about(program: Program, cwd: Text, copies: Copies): Entry[] {
    return [
      ...program.names.flatMap((name) => (typeof name === "string" ? this.#named(name, null) : [])),
      ...this.#byKey.get(program.file.key, null),
      ...copies(program.file).flatMap((known) => this.#byFile.get(known, null)),
      ...this.#atPath(program, cwd, null),
    ];
  }

  /** The `allow` rules that match what was asked for. Never by name: whoever can write a file can name it. Never for an
   *  interpreter: a rule for python3 is not a rule for every script. Copies count only where no name leads to the file.
   *  `prompts`: somebody was asked and said yes, so `prompt` rules count too. */
  permissions(
    programs: readonly Program[],
    cwd: Text,
    copies: Copies,
    digests: Digests,
    granted: "allows" | "prompts" = "allows",
  ): Match[] {
    const [asked, second] = programs;
    if (asked === undefined) return [];
    const applet = second?.part === "applet" ? second : null;
    const nowMs = Date.now();
    // The applet of a multi-call file has other arguments than the file.
    const args = applet === null ? asked.args : null;
    const byFile = this.#byKey.get(asked.file.key, args).map((entry) => [entry, "file"] as const);
    const originals = isAnonymous(asked.file) ? copies(asked.file) : [];
    const byCopy = originals.flatMap((known) =>
      this.#byFile.get(known, args).map((entry) => [entry, "content"] as const),
    );
    // By path only where the path had no file when the session started: else the rule means that file.
    const byPath = this.#atPath(asked, cwd, args)
      .filter((entry) => entry.known === null)
      .map((entry) => [entry, "path"] as const);
    return [...byFile, ...byCopy, ...byPath]
      .filter(([{ rule }]) => rule.decision === "allow" || (granted === "prompts" && rule.decision === "prompt"))
      .filter(([{ rule }]) => !isExpired(rule, nowMs))
      .filter(([{ rule }]) => liesUnder(rule, asked.file) && hasContent(rule, digests(asked.file)))
      .filter(([entry]) => {
        const program = entry.needsName ? applet : asked;
        return (
          program !== null && (program === asked || isNamed(entry, program)) && matchRest(entry.rule, program.args)
        );
      })
      .map(([{ rule, known }, by]) => ({ rule, by, known }));
  }

  #named(name: string, args: readonly Text[] | null): readonly Entry[] {
    const entries = this.#byName.get(name, args);
    if (this.#byCanonicalName.isEmpty) return entries;
    return [...entries, ...this.#byCanonicalName.get(canonicalText(name), args)];
  }

  #isNameOfRule(name: string): boolean {
    if (this.#byName.has(name)) return true;
    return !this.#byCanonicalName.isEmpty && this.#byCanonicalName.has(canonicalText(name));
  }

  /** The rules whose path is the program's. A relative one means the file in the exec's own working folder. */
  #atPath(program: Program, cwd: Text, args: readonly Text[] | null): readonly Entry[] {
    if (this.#byAbsolutePath.isEmpty && this.#byCanonicalPath.isEmpty && this.#relative.length === 0) return [];
    const { calledAs, file } = program;
    const folder = typeof cwd === "string" ? cwd : null;
    const paths = new Set<string>(typeof file.path === "string" ? [file.path] : []);
    if (folder !== null && typeof calledAs === "string" && calledAs.includes("/")) paths.add(resolve(folder, calledAs));
    const exact = [...paths].flatMap((path) => this.#byAbsolutePath.get(path, args));
    const folded = this.#byCanonicalPath.isEmpty ? [] : [...new Set([...paths].map(canonicalText))];
    const found = [...exact, ...folded.flatMap((path) => this.#byCanonicalPath.get(path, args))];
    if (folder === null) return found;
    return [...found, ...this.#relative.filter(({ rule }) => isAtPath(rule, resolve(folder, rule.program), paths))];
  }
}

function isAtPath({ canonical }: StoredRule, path: string, paths: ReadonlySet<string>): boolean {
  if (paths.has(path)) return true;
  return canonical && [...paths].some((other) => canonicalText(other) === canonicalText(path));
}

/** The files that the first token means; null in place of one that is not there. A relative path has no file of its own: it means
 *  another one in each working folder. */
function filesOfRule(rule: StoredRule, searchPath: SearchPath, hosts: HostExecutables): readonly (KnownFile | null)[] {
  const { program } = rule;
  if (isAbsolute(program)) return [fileAt(program)];
  if (program.includes("/")) return [null];
  const onPath = searchPath.find(program);
  const listed = hostsOf(program, rule.canonical, hosts);
  if (listed === undefined) return [onPath];
  const files = listed.map(fileAt).filter((file) => file !== null);
  // A list of places narrows what may be done, and never what may not: a restriction keeps the PATH's file as well.
  if (rule.decision !== "allow" && onPath !== null && !files.some(({ key }) => key === onPath.key)) files.push(onPath);
  return files.length === 0 ? [null] : files;
}

/** What is allowed means the places that its own side lists last; what is not, all that anybody lists. */
function hostsFor({ origin, decision }: StoredRule, { hosts, projectHosts, listed }: RuleSet): HostExecutables {
  if (decision !== "allow") return listed ?? hosts;
  return origin === "project" ? (projectHosts ?? hosts) : hosts;
}

/** Another list of places is another meaning. */
function hostsKey({ program, canonical }: StoredRule, hosts: HostExecutables): string {
  if (hosts.size === 0 || program.includes("/")) return "";
  const listed = hostsOf(program, canonical, hosts);
  return listed === undefined ? "" : `\0${listed.join("\0")}`;
}

function hostsOf(name: string, canonical: boolean, hosts: HostExecutables): readonly string[] | undefined {
  const listed = hosts.get(name);
  if (listed !== undefined || !canonical) return listed;
  for (const [other, paths] of hosts) if (canonicalText(other) === canonicalText(name)) return paths;
  return undefined;
}

function mayLieUnder(rule: StoredRule, file: ExecFile): boolean {
  return typeof file.path !== "string" || liesUnder(rule, file);
}

function liesUnder({ under }: StoredRule, { path }: ExecFile): boolean {
  if (under === undefined) return true;
  return typeof path === "string" && (isWithin(under, path) || isWithin(realFolder(under), path));
}

function whyNot(rule: StoredRule, known: KnownFile | null, programs: readonly Program[], digests: Digests): string {
  if (isExpired(rule, Date.now())) return `it expired on ${rule.expires}`;
  if (!programs.some(({ args }) => matchRest(rule, args))) return "the arguments are others";
  if (!programs.some(({ file }) => liesUnder(rule, file))) return `the program does not lie under ${rule.under}`;
  if (!programs.some(({ file }) => hasContent(rule, digests(file)))) return "the program has another content";
  if (known === null) return "no program of that name is on the PATH, and an allow rule never counts by the name alone";
  return `an allow rule counts for "${known.path}" itself, never for a namesake, a copy or an interpreter`;
}

const realFolders = new Map<string, string>();

/** Resolved once: a program's path is the resolved one, and /bin is a link to /usr/bin. */
function realFolder(folder: string): string {
  let real = realFolders.get(folder);
  if (real === undefined) {
    try {
      real = realpathSync(folder);
    } catch {
      real = folder;
    }
    realFolders.set(folder, real);
  }
  return real;
}

function mayHaveContent({ sha256 }: StoredRule, digest: string | null): boolean {
  return sha256 === undefined || digest === null || digest === sha256;
}

function hasContent({ sha256 }: StoredRule, digest: string | null): boolean {
  return sha256 === undefined || digest === sha256;
}

function needsName(program: string, known: KnownFile): boolean {
  const ownName = baseName(known.path);
  return (isBoxName(ownName) || isNamedOnly(ownName)) && baseName(program) !== ownName;
}

function isNamed(entry: Entry, program: Program): boolean {
  if (!entry.needsName) return true;
  return program.part === "applet" && program.names.includes(baseName(entry.rule.program));
}
