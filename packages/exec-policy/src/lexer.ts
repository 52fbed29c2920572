/** Text to tokens, one at a time. Brackets join lines; so does a backslash at the end of one. */
import { limits } from "./limits.ts";
import { quoted, RulesFailure } from "./rules-error.ts";
import { readString } from "./string-literal.ts";

interface Span {
  start: number;
  end: number;
}
export type Token = Span &
  (
    | { kind: "name" | "number" | "operator"; text: string }
    | { kind: "string" | "bytes"; value: string }
    | { kind: "newline" | "end" }
  );

const namePattern = /[A-Za-z_][A-Za-z0-9_]*/y;
const numberPattern = /(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+)/y;
const operatorPattern =
  /(?:\/\/=|<<=|>>=|\*\*|\/\/|<<|>>|==|!=|<=|>=|\+=|-=|\*=|\/=|%=|&=|\|=|\^=|->|[-+*/%&|^~<>=.,:;()[\]{}])/y;

export class Lexer {
  readonly text: string;
  #at: number;
  #lineStart = true;
  #brackets: string[] = [];

  constructor(text: string, at = 0) {
    this.text = text;
    this.#at = at;
  }

  /** Where the next token is looked for. */
  get offset(): number {
    return this.#at;
  }

  /** How many brackets are open. */
  get depth(): number {
    return this.#brackets.length;
  }

  next(): Token {
    this.#skipBlanks();
    const start = this.#at;
    const char = this.text.charAt(start);
    if (char === "") return { kind: "end", start, end: start };
    if (char === "\n" || this.text.startsWith("\r\n", start)) {
      this.#at += char === "\n" ? 1 : 2;
      this.#lineStart = true;
      return { kind: "newline", start, end: this.#at };
    }
    return this.#readName(start) ?? this.#readQuoted(start) ?? this.#readNumber(start) ?? this.#readOperator(start);
  }

  #skipBlanks(): void {
    for (;;) {
      const before = this.#at;
      const tab = this.#skipSpaces();
      if (this.text.charAt(this.#at) === "#") this.#skipComment();
      const lineEnd = this.#lineEndLength();
      const blankLine = this.#lineStart && (lineEnd > 0 || this.#at >= this.text.length);
      if (tab !== -1 && !blankLine) throw new RulesFailure(tab, tab + 1, "tabs are not allowed", "spaces");
      if (lineEnd > 0 && (blankLine || this.depth > 0)) {
        this.#at += lineEnd;
        this.#lineStart = true;
        continue;
      }
      if (this.#skipJoin()) continue;
      if (this.#lineStart && !blankLine && this.depth === 0 && this.#at > before) {
        throw new RulesFailure(this.#at, this.#at + 1, "unexpected indentation", "a statement in column 1");
      }
      if (!blankLine) this.#lineStart = false;
      return;
    }
  }

  /** Returns where the first tab is, or -1. */
  #skipSpaces(): number {
    let tab = -1;
    for (;;) {
      const char = this.text.charAt(this.#at);
      if (char === "\t" && tab === -1) tab = this.#at;
      if (char !== " " && char !== "\t") return tab;
      this.#at += 1;
    }
  }

  #skipComment(): void {
    const end = this.text.indexOf("\n", this.#at);
    const stop = end === -1 ? this.text.length : end;
    this.#at = this.text.charAt(stop - 1) === "\r" && end !== -1 ? stop - 1 : stop;
  }

  #skipJoin(): boolean {
    if (this.text.startsWith("\\\n", this.#at)) this.#at += 2;
    else if (this.text.startsWith("\\\r\n", this.#at)) this.#at += 3;
    else return false;
    this.#lineStart = false;
    return true;
  }

  #lineEndLength(): number {
    if (this.text.startsWith("\r\n", this.#at)) return 2;
    return this.text.charAt(this.#at) === "\n" ? 1 : 0;
  }

  #readName(start: number): Token | null {
    const name = this.#take(namePattern);
    if (name === null) return null;
    const quote = this.text.charAt(this.#at);
    if (quote === '"' || quote === "'") return this.#readPrefixed(start, name);
    return { kind: "name", text: name, start, end: this.#at };
  }

  #readPrefixed(start: number, prefix: string): Token {
    if (prefix === "f" || prefix === "fr") {
      throw new RulesFailure(start, this.#at, "f-strings are not read by this version", "a plain string");
    }
    if (prefix !== "r" && prefix !== "b" && prefix !== "rb") {
      throw new RulesFailure(
        start,
        this.#at,
        `unknown string prefix ${prefix}`,
        "a plain string or r before the quote",
      );
    }
    const read = readString(this.text, start, this.#at, prefix !== "b");
    this.#at = read.end;
    return { kind: prefix === "r" ? "string" : "bytes", value: read.value, start, end: read.end };
  }

  #readQuoted(start: number): Token | null {
    const quote = this.text.charAt(start);
    if (quote !== '"' && quote !== "'") return null;
    const read = readString(this.text, start, start, false);
    this.#at = read.end;
    return { kind: "string", value: read.value, start, end: read.end };
  }

  #readNumber(start: number): Token | null {
    const number = this.#take(numberPattern);
    if (number === null) return null;
    if (/^0[0-9]/.test(number) || /[A-Za-z0-9_]/.test(this.text.charAt(this.#at))) {
      throw new RulesFailure(start, this.#at + 1, `invalid number ${quoted(number)}`, "a number without leading zeros");
    }
    return { kind: "number", text: number, start, end: this.#at };
  }

  #readOperator(start: number): Token {
    const text = this.#take(operatorPattern);
    if (text === null) {
      const char = String.fromCodePoint(this.text.codePointAt(start) ?? 0);
      throw new RulesFailure(
        start,
        start + char.length,
        `invalid input ${quoted(char)}`,
        "code, a comment or a string",
      );
    }
    if ("([{".includes(text)) this.#open(text, start);
    else if (")]}".includes(text)) this.#close(text, start);
    return { kind: "operator", text, start, end: this.#at };
  }

  #open(bracket: string, start: number): void {
    this.#brackets.push(bracket);
    if (this.depth > limits.nesting) {
      throw new RulesFailure(start, start + 1, "too many brackets inside brackets", `at most ${limits.nesting}`);
    }
  }

  #close(bracket: string, start: number): void {
    const opened = this.#brackets.pop();
    const partner = opened === undefined ? undefined : { "(": ")", "[": "]", "{": "}" }[opened];
    if (partner === bracket) return;
    const expected = partner === undefined ? "no closing bracket here" : `"${partner}"`;
    throw new RulesFailure(start, start + 1, `unexpected "${bracket}"`, expected);
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text);
    if (found === null) return null;
    this.#at += found[0].length;
    return found[0];
  }
}
