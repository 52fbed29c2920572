/** The first reader of `.rules` files: calls of `prefix_rule(...)` with arguments written out. Everything else of the
 *  language is an error with a position. Never throws, whatever the text; every problem of the file is reported: the
 *  reader goes on at the next call that starts in column 1. */
import type { Call, Report } from "./call.ts";
import { readArguments } from "./call.ts";
import type { Token } from "./lexer.ts";
import { limits } from "./limits.ts";
import { notJoined, TokenReader, tokenName } from "./literal.ts";
import { rulesOfCall } from "./prefix-rule.ts";
import type { PrefixRule } from "./rule.ts";
import type { RulesError } from "./rules-error.ts";
import { Positions, quoted, RulesFailure } from "./rules-error.ts";

const callHint = "a call of prefix_rule(...)";
const keywords = new Set(
  "def for if elif else load return pass break continue lambda while class import from try with".split(" "),
);

export function parseRules(text: string, fileName: string): { rules: PrefixRule[]; errors: RulesError[] } {
  if (text.length > limits.fileSize) {
    const at = { file: fileName, line: 1, column: 1, excerpt: "" };
    return {
      rules: [],
      errors: [{ ...at, text: "the file is too large", expected: `at most ${limits.fileSize} bytes` }],
    };
  }
  return new FileReader(text, fileName).read();
}

class FileReader {
  readonly #text: string;
  readonly #fileName: string;
  readonly #positions: Positions;
  readonly #rules: PrefixRule[] = [];
  readonly #failures: RulesFailure[] = [];

  constructor(text: string, fileName: string) {
    this.#text = text;
    this.#fileName = fileName;
    this.#positions = new Positions(text);
  }

  read(): { rules: PrefixRule[]; errors: RulesError[] } {
    let at = 0;
    while (at < this.#text.length && this.#failures.length < limits.errors && this.#rules.length <= limits.rules) {
      at = this.#readFrom(at);
    }
    this.#failures.sort((left, right) => left.start - right.start);
    const errors = this.#failures.slice(0, limits.errors).map((failure) => this.#errorOf(failure));
    return { rules: errors.length > 0 ? [] : this.#rules, errors };
  }

  /** Reads statements until one is broken; returns where to go on. */
  #readFrom(at: number): number {
    const reader = new TokenReader(this.#text, at);
    let statementAt = at;
    let inCall = false;
    try {
      for (;;) {
        inCall = false;
        statementAt = reader.lexer.offset;
        const token = reader.take();
        if (token.kind === "end") return this.#text.length;
        if (token.kind === "newline") continue;
        const call = this.#readCall(reader, token, () => (inCall = true));
        this.#addRules(call);
        this.#endStatement(reader);
        if (this.#failures.length >= limits.errors || this.#rules.length > limits.rules) return this.#text.length;
      }
    } catch (error) {
      if (!(error instanceof RulesFailure)) throw error;
      this.#failures.push(error);
      // From the newline before the failure on: in an unclosed call the next call itself is what failed.
      return this.#nextStatement(Math.max(error.start - 1, statementAt), inCall);
    }
  }

  #readCall(reader: TokenReader, token: Token, entered: () => void): Call {
    if (token.kind !== "name") {
      throw new RulesFailure(token.start, token.end, `unexpected ${tokenName(token)}`, callHint);
    }
    if (keywords.has(token.text)) {
      throw new RulesFailure(token.start, token.end, `"${token.text}" is not read by this version`, callHint);
    }
    const next = reader.peek();
    if (next.kind !== "operator" || next.text !== "(") {
      const variable = next.kind === "operator" && /^[-+*/%&|^<>]{0,2}=$/.test(next.text);
      const what = variable ? "variables are not read by this version" : `unexpected ${quoted(token.text)}`;
      throw new RulesFailure(token.start, token.end, what, callHint);
    }
    if (token.text !== "prefix_rule") {
      throw new RulesFailure(token.start, token.end, `${quoted(token.text)} is not read by this version`, callHint);
    }
    entered();
    reader.take();
    const call = readArguments(reader);
    return { start: token.start, end: call.end, given: call.given };
  }

  #endStatement(reader: TokenReader): void {
    const token = reader.peek();
    if (token.kind === "newline" || token.kind === "end") return;
    if (!reader.takeIf(";")) throw notJoined(token, "a new line or the end of the file");
    const next = reader.peek();
    if (next.kind === "operator" && next.text === ";") {
      throw new RulesFailure(next.start, next.end, 'unexpected ";"', callHint);
    }
  }

  #addRules(call: Call): void {
    const report: Report = (where, text, expected) => {
      this.#failures.push(new RulesFailure(where.start, where.end, text, expected));
    };
    const at = { file: this.#fileName, ...this.#positions.at(call.start) };
    for (const rule of rulesOfCall(call, at, report)) {
      this.#rules.push(rule);
      if (this.#rules.length > limits.rules) {
        report(call, "too many rules", `at most ${limits.rules} in one file`);
        return;
      }
    }
  }

  /** A line that starts in column 1 with a call. Behind a broken statement that is no call, any name in column 1 will do;
   *  behind a broken call it would not, as that may be one of its arguments. */
  #nextStatement(after: number, inCall: boolean): number {
    const start = inCall ? /\n[A-Za-z_][A-Za-z0-9_]* *\(/g : /\n(?!elif\b|else\b)[A-Za-z_]/g;
    start.lastIndex = after;
    const found = start.exec(this.#text);
    return found === null ? this.#text.length : found.index + 1;
  }

  #errorOf(failure: RulesFailure): RulesError {
    return {
      file: this.#fileName,
      ...this.#positions.at(failure.start),
      text: failure.message,
      expected: failure.expected,
      excerpt: this.#positions.excerpt(failure.start, failure.end),
    };
  }
}
