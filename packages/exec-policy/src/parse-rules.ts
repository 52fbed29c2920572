/** Reads a `.rules` file: a small program whose calls of `prefix_rule`, `host_executable` and `network_rule` make rules. Never
 *  throws, whatever the text.
 *
 *      text -> tokens -> tree        every line that cannot be read is reported; then nothing is run
 *           -> names                 every name that is not known is reported; then nothing is run
 *           -> run                   every bad call is reported; a failure of the program itself ends it
 *           -> match and not_match   tried last, with the host_executable entries of the whole file                    */
import { builtins } from "./builtins.ts";
import type { Report } from "./call-arguments.ts";
import { checkExamples } from "./examples.ts";
import { readHostExecutable } from "./host-executables.ts";
import type { HostExecutables } from "./program-names.ts";
import { Interpreter } from "./interpreter.ts";
import type { RuleFunction } from "./interpreter.ts";
import { limits } from "./limits.ts";
import { readNetworkRule } from "./network-rule.ts";
import type { NetworkRule } from "./network-rule.ts";
import { Parser } from "./parser.ts";
import { readPlainRules } from "./plain-rules.ts";
import { readPrefixRule } from "./prefix-rule.ts";
import type { ReadRules } from "./prefix-rule.ts";
import type { PrefixRule } from "./rule.ts";
import type { RulesError } from "./rules-error.ts";
import { Positions, RulesFailure, shown } from "./rules-error.ts";
import { collectAssigned, LineNames, WholeNames } from "./scopes.ts";
import type { Call, Statement } from "./syntax.ts";

export interface ParsedRules {
  /** Empty where there are errors. */
  rules: PrefixRule[];
  networkRules: NetworkRule[];
  /** Entries of this file and of the files before it. */
  hosts: HostExecutables;
  errors: RulesError[];
  /** Calls that use parameters of ours, which Codex refuses. */
  own: { line: number; column: number; parameters: string[] }[];
}

const ruleFunctionNames = ["prefix_rule", "host_executable", "network_rule"];
const knownNames: ReadonlySet<string> = new Set([...builtins.keys(), ...ruleFunctionNames]);

/** `hosts`: the entries of the files read before, which this one's replace by name. */
export function parseRules(text: string, fileName: string, hosts: HostExecutables = new Map()): ParsedRules {
  if (text.length > limits.fileSize) {
    const at = { file: fileName, line: 1, column: 1, excerpt: "" };
    const error = { ...at, text: "the file is too large", expected: `at most ${limits.fileSize} bytes` };
    return { rules: [], networkRules: [], hosts, errors: [error], own: [] };
  }
  const plain = readPlainRules(text, fileName);
  if (plain !== null) return { ...plain, networkRules: [], hosts: new Map([...hosts, ...plain.hosts]), errors: [] };
  const reader = new FileReader(text, fileName, hosts);
  return reader.readAndRun() ?? new FileReader(text, fileName, hosts).read(reader.assigned);
}

/** The same without any short way: by tokens, and with all names known before anything runs. */
export function parseRulesAsWhole(text: string, fileName: string, hosts: HostExecutables = new Map()): ParsedRules {
  return new FileReader(text, fileName, hosts).read();
}

class FileReader {
  /** What the whole file assigns, where `readAndRun()` came to its end and was wrong about a name. */
  assigned: ReadonlySet<string> | null = null;
  readonly #text: string;
  readonly #fileName: string;
  readonly #positions: Positions;
  readonly #rules: PrefixRule[] = [];
  readonly #networkRules: NetworkRule[] = [];
  readonly #hosts: Map<string, readonly string[]>;
  readonly #examples: ReadRules[] = [];
  readonly #own: ParsedRules["own"] = [];
  readonly #failures: RulesFailure[] = [];
  readonly #report: Report = (where, text, expected) => {
    if (this.#failures.length < limits.errors)
      this.#failures.push(new RulesFailure(where.start, where.end, text, expected));
  };

  constructor(text: string, fileName: string, hosts: HostExecutables) {
    this.#text = text;
    this.#fileName = fileName;
    this.#positions = new Positions(text);
    this.#hosts = new Map(hosts);
  }

  /** Runs each line as soon as it is read, so that no tree of the whole file is kept. Null where a line cannot be read, or where a
   *  name turns out to be another one than it seemed; of what was done then, nothing remains. Otherwise the same as `read()`: what fails
   *  when it runs fails there at the same point, and all that is behind it is read here too. */
  readAndRun(): ParsedRules | null {
    const parser = new Parser(this.#text);
    const interpreter = new Interpreter(this.#ruleFunctions());
    const names = new LineNames(knownNames);
    let runs = true;
    try {
      for (let line = parser.nextLine(); line !== null; line = parser.nextLine()) {
        names.add(line);
        if (runs) runs = this.#run(interpreter, line);
      }
    } catch (error) {
      if (error instanceof RulesFailure) return null;
      throw error;
    }
    if (!names.isRight()) {
      this.assigned = names.assigned;
      return null;
    }
    if (this.#failures.length === 0) this.#tryExamples();
    return this.#result();
  }

  /** Once through the file for what it assigns, and once more. Nothing is kept of a line that has been looked at: the tree of a whole file
   *  can be a hundred times as large as its text. */
  read(assigned: ReadonlySet<string> | null = null): ParsedRules {
    const module = assigned ?? this.#assignedNames();
    if (this.#failures.length > 0) return this.#result();
    const names = new WholeNames(module, knownNames);
    const interpreter = new Interpreter(this.#ruleFunctions());
    const parser = new Parser(this.#text, 0, { byTokens: true });
    let runs = true;
    for (let line = parser.nextLine(); line !== null; line = parser.nextLine()) {
      names.add(line);
      if (names.failures.length === limits.errors) break;
      if (runs && names.failures.length === 0) runs = this.#run(interpreter, line);
    }
    // A name that is not known anywhere comes before all that happened in the run, which then counts for nothing.
    if (names.failures.length > 0) this.#failures.splice(0, Infinity, ...names.failures);
    if (this.#failures.length === 0) this.#tryExamples();
    return this.#result();
  }

  #result(): ParsedRules {
    this.#failures.sort((left, right) => left.start - right.start);
    const errors = this.#failures.slice(0, limits.errors).map((failure) => this.#errorOf(failure));
    const broken = errors.length > 0;
    return {
      rules: broken ? [] : this.#rules,
      networkRules: broken ? [] : this.#networkRules,
      hosts: this.#hosts,
      errors,
      own: this.#own,
    };
  }

  /** What the lines of the file assign; those that cannot be read are reported. */
  #assignedNames(): Set<string> {
    const names = new Set<string>();
    let at = 0;
    while (at < this.#text.length && this.#failures.length < limits.errors) at = this.#parseFrom(at, names);
    return names;
  }

  /** Reads lines until one is broken; returns where to go on. */
  #parseFrom(at: number, names: Set<string>): number {
    const parser = new Parser(this.#text, at, { byTokens: true });
    try {
      for (;;) {
        const line = parser.nextLine();
        if (line === null) return this.#text.length;
        collectAssigned(line, names);
      }
    } catch (error) {
      if (!(error instanceof RulesFailure)) throw error;
      this.#failures.push(error);
      // From the newline before the failure on: in an unclosed call the next call itself is what failed.
      return this.#nextStatement(Math.max(error.start - 1, at));
    }
  }

  /** A line that starts a call or a function in column 1: within a broken call, that is not one of its arguments. */
  #nextStatement(after: number): number {
    const start = /\n(?:def\b|[A-Za-z_][A-Za-z0-9_]* *\()/g;
    start.lastIndex = after;
    const found = start.exec(this.#text);
    return found === null ? this.#text.length : found.index + 1;
  }

  /** False where the run has ended. */
  #run(interpreter: Interpreter, statements: readonly Statement[]): boolean {
    try {
      interpreter.run(statements);
      return true;
    } catch (error) {
      // The limits keep the depth of calls below what the stack holds; where a caller has left less of it, that is an error too.
      if (error instanceof RangeError)
        this.#failures.push(new RulesFailure(0, 0, "the file is too deeply nested", "less of it"));
      else if (error instanceof RulesFailure) this.#failures.push(error);
      else throw error;
      return false;
    }
  }

  #ruleFunctions(): Map<string, RuleFunction> {
    return new Map<string, RuleFunction>([
      [
        "prefix_rule",
        (call, given) => this.#addPrefixRule(call, readPrefixRule(call, given, this.#at(call), this.#report)),
      ],
      [
        "host_executable",
        (call, given) => {
          const entry = readHostExecutable(call, given, this.#report);
          if (entry !== null) this.#hosts.set(entry.name, entry.paths);
        },
      ],
      [
        "network_rule",
        (call, given) => {
          const rule = readNetworkRule(call, given, this.#at(call), this.#report);
          if (rule !== null) this.#networkRules.push(rule);
        },
      ],
    ]);
  }

  #addPrefixRule(call: Call, read: ReadRules | null): void {
    if (read === null) return;
    for (const rule of read.rules) this.#rules.push(rule);
    if (this.#rules.length > limits.rules)
      throw new RulesFailure(call.start, call.end, "too many rules", `at most ${limits.rules} in one file`);
    if (read.wanted.length > 0 || read.unwanted.length > 0) this.#examples.push(read);
    if (read.own.length > 0) this.#own.push({ ...this.#positions.at(call.start), parameters: [...read.own] });
  }

  #tryExamples(): void {
    let work = 0;
    for (const read of this.#examples) {
      work += (read.wanted.length + read.unwanted.length) * read.rules.length;
      if (work > limits.work) {
        this.#report(read.call, "the examples take too much work", `at most ${limits.work} comparisons in one file`);
        return;
      }
      checkExamples(read, read.rules, this.#hosts, this.#report);
    }
  }

  #at(call: Call): PrefixRule["at"] {
    const { line, column } = this.#positions.at(call.start);
    return { file: this.#fileName, line, column };
  }

  #errorOf(failure: RulesFailure): RulesError {
    return {
      file: this.#fileName,
      ...this.#positions.at(failure.start),
      // A value in a message may hold what paints on a terminal, and may be long.
      text: shown(failure.message),
      expected: shown(failure.expected),
      excerpt: this.#positions.excerpt(failure.start, failure.end),
    };
  }
}
