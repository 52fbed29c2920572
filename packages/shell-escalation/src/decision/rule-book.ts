/** The rules, ready to be asked about programs: what each rule's first token means is settled once, when the session starts. */
import { isAbsolute, resolve } from "node:path";
import type { Text } from "@sallyport/protocol";
import { matchRest } from "@sallyport/exec-policy";
import type { RuleSet, StoredRule } from "@sallyport/rules-store";
import type { ExecFile } from "@sallyport/supervisor";
import { fileAt } from "./known-file.ts";
import type { KnownFile } from "./known-file.ts";
import { isBoxName, isNamedOnly } from "./multi-call.ts";
import { isAnonymous } from "./programs.ts";
import type { Program } from "./programs.ts";
import type { SearchPath } from "./search-path.ts";
import { baseName } from "./text-path.ts";

const manyRules = 50;

/** How a program was recognised as the one that a rule names. */
type MatchedBy = "name" | "path" | "file" | "content";

export interface Match {
  rule: StoredRule;
  by: MatchedBy;
  /** The file that the rule means; null where it had none when the session started. */
  known: KnownFile | null;
}

interface Entry {
  rule: StoredRule;
  known: KnownFile | null;
  /** Several programs share the rule's file, so being that file is not enough: the name has to be the rule's too. */
  needsName: boolean;
  order: number;
}

/** Which known files an opened file is a copy of. */
export type Copies = (file: ExecFile) => readonly KnownFile[];

export class RuleBook {
  readonly #byName = new Map<string, Entry[]>();
  readonly #byKey = new Map<string, Entry[]>();
  readonly #byFile = new Map<KnownFile, Entry[]>();
  readonly #byAbsolutePath = new Map<string, Entry[]>();
  readonly #relative: Entry[] = [];
  /** Files that a copy of has to be recognised. */
  readonly watched: readonly KnownFile[];

  constructor(ruleSet: RuleSet, searchPath: SearchPath) {
    if (ruleSet.rules.length > manyRules) searchPath.expectMany();
    const files = new Map<string, KnownFile | null>();
    for (const [order, rule] of ruleSet.rules.entries()) {
      const { program } = rule;
      let known = files.get(program);
      if (known === undefined) {
        known = fileOfRule(program, searchPath);
        files.set(program, known);
      }
      this.#add({ rule, known, needsName: known !== null && needsName(program, known), order });
    }
    this.watched = [...this.#byFile.keys()];
  }

  #add(entry: Entry): void {
    const { program } = entry.rule;
    if (isAbsolute(program)) addTo(this.#byAbsolutePath, resolve(program), entry);
    else if (program.includes("/")) this.#relative.push(entry);
    else addTo(this.#byName, program, entry);
    if (entry.known === null) return;
    addTo(this.#byKey, entry.known.key, entry);
    addTo(this.#byFile, entry.known, entry);
  }

  /** The `forbidden` and `prompt` rules that match one of the programs, under whatever name, in the order of the rules. */
  restrictions(programs: readonly Program[], cwd: Text, copies: Copies): Match[] {
    const found = new Map<Entry, MatchedBy>();
    for (const program of programs) {
      const note = (entries: readonly Entry[] | undefined, by: MatchedBy): void => {
        for (const entry of entries ?? []) {
          if (entry.rule.decision === "allow" || found.has(entry)) continue;
          if (by !== "name" && by !== "path" && !isNamed(entry, program)) continue;
          if (matchRest(entry.rule, program.args)) found.set(entry, by);
        }
      };
      for (const name of program.names) if (typeof name === "string") note(this.#byName.get(name), "name");
      note(this.#byKey.get(program.file.key), "file");
      for (const known of copies(program.file)) note(this.#byFile.get(known), "content");
      note(this.#atPath(program, cwd), "path");
    }
    return [...found]
      .toSorted(([left], [right]) => left.order - right.order)
      .map(([{ rule, known }, by]) => ({ rule, by, known }));
  }

  /** Whether a rule is about one of these programs, whatever the arguments. Of copies it knows nothing. */
  concerns(programs: readonly Program[], cwd: Text): boolean {
    return programs.some(
      (program) =>
        program.names.some((name) => typeof name === "string" && this.#byName.has(name)) ||
        this.#byKey.has(program.file.key) ||
        this.#atPath(program, cwd).length > 0,
    );
  }

  /** The `allow` rules that match what was asked for. Never by name: whoever can write a file can name it. Never for an
   *  interpreter: a rule for python3 is not a rule for every script. Copies count only where no name leads to the file. */
  permissions(programs: readonly Program[], cwd: Text, copies: Copies): Match[] {
    const [asked, second] = programs;
    if (asked === undefined) return [];
    const applet = second?.part === "applet" ? second : null;
    const byFile = (this.#byKey.get(asked.file.key) ?? []).map((entry) => [entry, "file"] as const);
    const originals = isAnonymous(asked.file) ? copies(asked.file) : [];
    const byCopy = originals.flatMap((known) =>
      (this.#byFile.get(known) ?? []).map((entry) => [entry, "content"] as const),
    );
    // By path only where the path had no file when the session started: else the rule means that file.
    const byPath = this.#atPath(asked, cwd)
      .filter((entry) => entry.known === null)
      .map((entry) => [entry, "path"] as const);
    return [...byFile, ...byCopy, ...byPath]
      .filter(([entry]) => entry.rule.decision === "allow")
      .filter(([entry]) => {
        const program = entry.needsName ? applet : asked;
        return (
          program !== null && (program === asked || isNamed(entry, program)) && matchRest(entry.rule, program.args)
        );
      })
      .map(([{ rule, known }, by]) => ({ rule, by, known }));
  }

  /** The rules whose path is the program's. A relative one means the file in the exec's own working folder. */
  #atPath(program: Program, cwd: Text): Entry[] {
    if (this.#byAbsolutePath.size === 0 && this.#relative.length === 0) return [];
    const { calledAs, file } = program;
    const folder = typeof cwd === "string" ? cwd : null;
    const paths = new Set<Text>([file.path]);
    if (folder !== null && typeof calledAs === "string" && calledAs.includes("/")) paths.add(resolve(folder, calledAs));
    const absolute = [...paths].flatMap((path) =>
      typeof path === "string" ? (this.#byAbsolutePath.get(path) ?? []) : [],
    );
    if (folder === null) return absolute;
    return [...absolute, ...this.#relative.filter((entry) => paths.has(resolve(folder, entry.rule.program)))];
  }
}

/** A relative path has no file of its own: it means another one in each working folder. */
function fileOfRule(program: string, searchPath: SearchPath): KnownFile | null {
  if (isAbsolute(program)) return fileAt(program);
  return program.includes("/") ? null : searchPath.find(program);
}

function addTo<Key>(map: Map<Key, Entry[]>, key: Key, entry: Entry): void {
  const entries = map.get(key);
  if (entries === undefined) map.set(key, [entry]);
  else entries.push(entry);
}

function needsName(program: string, known: KnownFile): boolean {
  const ownName = baseName(known.path);
  return (isBoxName(ownName) || isNamedOnly(ownName)) && baseName(program) !== ownName;
}

function isNamed(entry: Entry, program: Program): boolean {
  if (!entry.needsName) return true;
  return program.part === "applet" && program.names.includes(baseName(entry.rule.program));
}
