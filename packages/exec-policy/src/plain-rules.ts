/** Reads the files that programs write and most people too: calls of `prefix_rule` and `host_executable` at the start of a line, with
 *  their values written out.
 *  No tokens and no tree are made for them, and the language itself need not be loaded. Whatever else stands in a file, and whatever is
 *  wrong with it, is not judged here: the answer is then null, and the language reads all of it from the start. */
import { isLoaderVariable } from "./loader-variables.ts";
import { limits } from "./limits.ts";
import { isUsualHost } from "./program-names.ts";
import type { HostExecutables } from "./program-names.ts";
import { matchPrefix } from "./rule.ts";
import type { PrefixRule, RuleDecision } from "./rule.ts";
import { RulesFailure } from "./rules-error.ts";
import { splitShellWords } from "./shell-words.ts";
import { readString } from "./string-literal.ts";

export interface PlainRules {
  rules: PrefixRule[];
  /** Entries of this file alone. */
  hosts: HostExecutables;
  /** Calls that use parameters of ours, which Codex refuses. */
  own: { line: number; column: number; parameters: string[] }[];
}

const codes = {
  newline: 10,
  space: 32,
  quote: 34,
  hash: 35,
  tick: 39,
  comma: 44,
  equals: 61,
  open: 91,
  slash: 92,
  close: 93,
};
const endOfCall = 41;
const startOfRule = "prefix_rule(";
const startOfHost = "host_executable(";
/** In the order of messages about them. */
const ownParameters = ["escalate", "env", "exact", "expires", "sha256", "under"] as const;
const noNames: readonly string[] = [];
const mostExampleWork = limits.work / 20;

/** Null where it is not for this reader. Rules with `match` are tried as the language tries them, as long as no entry of
 *  `host_executable` can have a say. */
export function readPlainRules(text: string, fileName: string): PlainRules | null {
  if (text.length > limits.fileSize) return null;
  const reader = new PlainReader(text, fileName);
  return reader.read() ? { rules: reader.rules, hosts: reader.hosts, own: reader.own } : null;
}

type Element = string | string[];

class PlainReader {
  readonly rules: PrefixRule[] = [];
  readonly hosts = new Map<string, readonly string[]>();
  readonly own: PlainRules["own"] = [];
  readonly #text: string;
  readonly #fileName: string;
  #at = 0;
  #line = 1;
  #exampleWork = 0;
  /** What no plain string has in it. */
  readonly #ends: readonly NextPlace[];
  readonly #backslash: NextPlace;

  constructor(text: string, fileName: string) {
    this.#text = text;
    this.#fileName = fileName;
    this.#ends = ["\n", "\r"].map((character) => new NextPlace(text, character));
    this.#backslash = new NextPlace(text, "\\");
  }

  read(): boolean {
    const text = this.#text;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (code === codes.newline) this.#newline();
      else if (code === codes.hash) this.#skipComment();
      else if (text.startsWith(startOfRule, this.#at)) {
        if (!this.#readRule()) return false;
      } else if (!text.startsWith(startOfHost, this.#at) || !this.#readHost()) return false;
    }
    return this.rules.length <= limits.rules;
  }

  #newline(): void {
    this.#at += 1;
    this.#line += 1;
  }

  #skipComment(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end === -1 ? this.#text.length : end;
  }

  #readRule(): boolean {
    const line = this.#line;
    this.#at += startOfRule.length;
    const given = new GivenArguments(parametersOfRule);
    return this.#readArguments(given) && this.#isAtLineEnd() && this.#addRules(given, line);
  }

  #readHost(): boolean {
    this.#at += startOfHost.length;
    const given = new GivenArguments(parametersOfHost);
    if (!this.#readArguments(given) || !this.#isAtLineEnd()) return false;
    const { host, paths } = given;
    if (host === null || paths === null || !isUsualHost(host, paths)) return false;
    this.hosts.set(host, [...new Set(paths)]);
    return true;
  }

  #readArguments(given: GivenArguments): boolean {
    let wantsMore = this.#skipSpace() !== endOfCall;
    while (wantsMore) {
      if (!this.#readArgument(given)) return false;
      const next = this.#skipSpace();
      if (next === codes.comma) {
        this.#at += 1;
        wantsMore = this.#skipSpace() !== endOfCall;
      } else if (next === endOfCall) wantsMore = false;
      else return false;
    }
    this.#at += 1;
    return true;
  }

  /** Blanks and a comment behind the call are fine; anything else is another statement, or none. */
  #isAtLineEnd(): boolean {
    while (this.#text.charCodeAt(this.#at) === codes.space) this.#at += 1;
    if (this.#text.charCodeAt(this.#at) === codes.hash) this.#skipComment();
    return this.#at >= this.#text.length || this.#text.charCodeAt(this.#at) === codes.newline;
  }

  #readArgument(given: GivenArguments): boolean {
    const code = this.#text.charCodeAt(this.#at);
    if (code === codes.open || code === codes.quote || code === codes.tick) {
      const name = given.nextPositional();
      return name !== null && this.#readValue(given, name);
    }
    const name = this.#readName();
    if (this.#skipSpace() !== codes.equals || this.#text.charCodeAt(this.#at + 1) === codes.equals) return false;
    this.#at += 1;
    this.#skipSpace();
    return given.takesName(name) && this.#readValue(given, name);
  }

  #readValue(given: GivenArguments, name: string): boolean {
    const code = this.#text.charCodeAt(this.#at);
    if (code === codes.open) {
      const list = this.#readList(name === "pattern" || name === "match" || name === "not_match");
      return list !== null && given.addList(name, list);
    }
    if (code === codes.quote || code === codes.tick) {
      const text = this.#readString(code);
      return text !== null && given.addText(name, text);
    }
    const word = this.#readName();
    return (word === "True" || word === "False") && given.addFlag(name, word === "True");
  }

  /** `nests`: lists of strings may stand in it. */
  #readList(nests: boolean): Element[] | null {
    const items: Element[] = [];
    this.#at += 1;
    for (let code = this.#skipSpace(); code !== codes.close; code = this.#skipSpace()) {
      const item = this.#readElement(code, nests);
      if (item === null || items.length >= limits.elements) return null;
      items.push(item);
      const next = this.#skipSpace();
      if (next === codes.comma) this.#at += 1;
      else if (next !== codes.close) return null;
    }
    this.#at += 1;
    return items;
  }

  #readElement(code: number, nests: boolean): Element | null {
    if (code === codes.quote || code === codes.tick) return this.#readString(code);
    // Of strings alone, so that there is no third level.
    return nests && code === codes.open ? (this.#readList(false) as string[] | null) : null;
  }

  /** One line. Without a backslash such a string means what it looks like. Found by searches, which are quick from the first time
   *  on, and not by going through the characters. */
  #readString(quote: number): string | null {
    const text = this.#text;
    const from = this.#at + 1;
    const end = text.indexOf(quote === codes.quote ? '"' : "'", from);
    if (end === -1 || this.#ends.some((special) => special.after(from) < end)) return null;
    if (this.#backslash.after(from) < end) return this.#readEscaped();
    // Two quotes and a third one open a string of several lines.
    if ((end === from && text.charCodeAt(end + 1) === quote) || end - from > limits.stringLength) return null;
    this.#at = end + 1;
    return text.slice(from, end);
  }

  #readEscaped(): string | null {
    try {
      const { value, end } = readString(this.#text, this.#at, this.#at, false);
      // A line that goes on behind a backslash would be lost to the count.
      if (this.#ends.some((special) => special.after(this.#at) < end)) return null;
      this.#at = end;
      return value;
    } catch (error) {
      if (error instanceof RulesFailure) return null;
      throw error;
    }
  }

  #readName(): string {
    const from = this.#at;
    for (let code = this.#text.charCodeAt(from); isNamePart(code); code = this.#text.charCodeAt(this.#at))
      this.#at += 1;
    return this.#text.slice(from, this.#at);
  }

  /** The next character that is no blank. Tabs and continued lines are for the language. */
  #skipSpace(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === codes.newline) this.#newline();
      else if (code === codes.space) this.#at += 1;
      else if (code === codes.hash) this.#skipComment();
      else return code;
    }
  }

  #addRules(given: GivenArguments, line: number): boolean {
    const { pattern, own } = given;
    const [programs] = pattern;
    if (programs === undefined || given.isIdle() || pattern.some(({ length }) => length === 0)) return false;
    const rest = pattern.slice(1);
    const first = this.rules.length;
    for (const program of programs)
      this.rules.push(given.rule(program, rest, { file: this.#fileName, line, column: 1 }));
    if (own.length > 0) this.own.push({ line, column: 1, parameters: sortedOwn(own) });
    return this.#holdsExamples(given, first);
  }

  /** What does not hold is said by the language, which can point at it. */
  #holdsExamples({ wanted, unwanted }: GivenArguments, first: number): boolean {
    if (wanted.length === 0 && unwanted.length === 0) return true;
    const rules = this.rules.slice(first);
    this.#exampleWork += (wanted.length + unwanted.length) * rules.length;
    if (this.#exampleWork > mostExampleWork) return false;
    const matches = (example: Element): boolean | null => {
      const tokens = typeof example === "string" ? splitShellWords(example) : example;
      // A path may match by its last name.
      if (tokens === null || tokens.length === 0 || tokens[0]?.includes("/") === true) return null;
      return rules.some((rule) => matchPrefix(rule, tokens));
    };
    return (
      unwanted.every((example) => matches(example) === false) && wanted.every((example) => matches(example) === true)
    );
  }
}

/** Where a character comes next, for places that only go forward: each is searched for once. */
class NextPlace {
  readonly #text: string;
  readonly #character: string;
  #at = -1;

  constructor(text: string, character: string) {
    this.#text = text;
    this.#character = character;
  }

  after(place: number): number {
    if (this.#at < place) {
      const found = this.#text.indexOf(this.#character, place);
      this.#at = found === -1 ? this.#text.length : found;
    }
    return this.#at;
  }
}

const parametersOfRule = ["pattern", "decision"];
const parametersOfHost = ["name", "paths"];

class GivenArguments {
  host: string | null = null;
  paths: readonly string[] | null = null;
  pattern: readonly (readonly string[])[] = [];
  wanted: readonly Element[] = [];
  unwanted: readonly Element[] = [];
  readonly own: string[] = [];
  #decision: RuleDecision = "allow";
  #justification: string | undefined;
  #env: readonly string[] = noNames;
  #canonical = false;
  #exact = false;
  #escalate = false;
  #expires: string | undefined;
  #sha256: string | undefined;
  #under: string | undefined;
  readonly #names: string[] = [];
  readonly #inOrder: readonly string[];
  #positional = 0;

  /** `inOrder`: the parameters that may be given without their names. */
  constructor(inOrder: readonly string[]) {
    this.#inOrder = inOrder;
  }

  /** The parameter of the next argument without a name; the further ones are for the language. */
  nextPositional(): string | null {
    const name = this.#inOrder[this.#positional];
    if (this.#names.length > this.#positional || name === undefined) return null;
    this.#positional += 1;
    this.#names.push(name);
    return name;
  }

  takesName(name: string): boolean {
    if ((name === "name" || name === "paths") !== (this.#inOrder === parametersOfHost)) return false;
    if (this.#names.includes(name)) return false;
    this.#names.push(name);
    if ((ownParameters as readonly string[]).includes(name)) this.own.push(name);
    return true;
  }

  addList(name: string, list: Element[]): boolean {
    if (name === "pattern") this.pattern = list.map((element) => (typeof element === "string" ? [element] : element));
    else if (name === "match") this.wanted = list;
    else if (name === "not_match") this.unwanted = list;
    else if (name === "env") return this.#addEnv(list);
    else if (name === "paths") this.paths = list as string[]; // read as strings alone
    else return false;
    return true;
  }

  #addEnv(list: Element[]): boolean {
    const names = list.filter((name) => typeof name === "string" && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
    this.#env = names as string[]; // the filter says so
    return names.length === list.length && !this.#env.some(isLoaderVariable);
  }

  addText(name: string, text: string): boolean {
    switch (name) {
      case "name":
        this.host = text;
        return true;
      case "decision":
        if (text !== "allow" && text !== "prompt" && text !== "forbidden") return false;
        this.#decision = text;
        return true;
      case "justification":
        this.#justification = text;
        return text.trim() !== "";
      case "expires":
        this.#expires = text;
        return isDay(text);
      case "sha256":
        this.#sha256 = text.toLowerCase();
        return /^[0-9a-fA-F]{64}$/.test(text);
      case "under":
        this.#under = text;
        return /^(?:\/(?!\.{0,2}(?:\/|$))[^/]*)+$/.test(text);
      default:
        return false;
    }
  }

  addFlag(name: string, flag: boolean): boolean {
    if (name === "canonical_matching") this.#canonical = flag;
    else if (name === "exact") this.#exact = flag;
    else if (name === "escalate") this.#escalate = flag;
    else return false;
    return true;
  }

  /** Whether a setting can never have an effect. */
  isIdle(): boolean {
    return this.#decision === "forbidden" && (this.#escalate || this.#names.includes("env"));
  }

  /** Made in one piece where nothing unusual is given: there may be a hundred thousand of them. */
  rule(program: string, rest: PrefixRule["rest"], at: PrefixRule["at"]): PrefixRule {
    const made: PrefixRule = {
      program,
      rest,
      decision: this.#decision,
      escalate: this.#escalate,
      env: this.#env,
      canonical: this.#canonical,
      exact: this.#exact,
      at,
    };
    if (this.#justification !== undefined) made.justification = this.#justification;
    if (this.#expires !== undefined) made.expires = this.#expires;
    if (this.#sha256 !== undefined) made.sha256 = this.#sha256;
    if (this.#under !== undefined) made.under = this.#under;
    return made;
  }
}

function sortedOwn(own: readonly string[]): string[] {
  return ownParameters.filter((name) => own.includes(name));
}

function isDay(text: string): boolean {
  const date = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : null;
  return date !== null && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function isNamePart(code: number): boolean {
  return (code >= 97 && code <= 122) || code === 95 || (code >= 65 && code <= 90) || (code >= 48 && code <= 57);
}
