/** Text to tokens, one at a time. Brackets join lines; so does a backslash at the end of one. Blocks show as indent and dedent. */
import { limits } from "./limits.ts";
import { quoted, RulesFailure } from "./rules-error.ts";
import { readFormattedPiece, readString } from "./string-literal.ts";
import type { StringForm } from "./string-literal.ts";
import type { Span } from "./syntax.ts";

export type Token = Span &
  (
    | { kind: "name" | "number" | "operator"; text: string }
    | { kind: "string" | "bytes"; value: string }
    | { kind: "formatted"; form: StringForm }
    | { kind: "newline" | "indent" | "dedent" | "end" }
  );

const namePattern = /[A-Za-z_][A-Za-z0-9_]*/y;
const numberPattern =
  /(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)/y;
const wordOperatorPattern = /(?:and|else|for|if|in|not|or)\b/y;
/** Behind these a quote may follow at once: they are no prefixes. */
const keywords = new Set(["and", "else", "if", "in", "not", "or", "return"]);
const operatorPattern =
  /(?:\/\/=|<<=|>>=|\.\.\.|\*\*|\/\/|<<|>>|==|!=|<=|>=|\+=|-=|\*=|\/=|%=|&=|\|=|\^=|->|[-+*/%&|^~<>=.,:;!()[\]{}])/y;
/** Operators that no longer one starts with. */
const singles = "()[]{},";
const closingOf: Record<string, string> = { "(": ")", "[": "]", "{": "}" };

export class Lexer {
  readonly text: string;
  #at: number;
  #lineStart = true;
  #brackets: string[] = [];
  readonly #indents: number[] = [0];
  #pending: Token[] = [];

  constructor(text: string, at = 0) {
    this.text = text;
    this.#at = at;
  }

  /** Where the next token is looked for. */
  get offset(): number {
    return this.#at;
  }

  /** True where a line starts that belongs to no block above. */
  isBetweenLines(): boolean {
    return this.#lineStart && this.#brackets.length === 0 && this.#indents.length === 1 && this.#pending.length === 0;
  }

  /** Goes on where another reader has come to the start of a line. */
  goOn(at: number): void {
    this.#at = at;
  }

  next(): Token {
    const pending = this.#pending.shift();
    if (pending !== undefined) return pending;
    const indent = this.#skipBlanks();
    const start = this.#at;
    if (indent !== null) {
      const block = this.#changeIndent(indent, start);
      if (block !== null) return block;
    }
    const char = this.text.charAt(start);
    if (char === "") return this.#endOfFile(start);
    if (char === "\n" || this.text.startsWith("\r\n", start)) {
      this.#at += char === "\n" ? 1 : 2;
      this.#lineStart = true;
      return { kind: "newline", start, end: this.#at };
    }
    // By the first character: a large file is mostly brackets, commas and strings, and each test by a pattern costs.
    if (char === '"' || char === "'") return this.#readQuoted(start);
    if (singles.includes(char)) return this.#readSingle(char, start);
    return this.#readName(start) ?? this.#readNumber(start) ?? this.#readOperator(start);
  }

  /** Goes on inside a formatted string: text up to its end or to the brace that opens an expression. */
  formattedPiece(form: StringForm): { value: string; ended: boolean; end: number } {
    const piece = readFormattedPiece(this.text, this.#at, form);
    this.#at = piece.end;
    if (!piece.ended) this.#open("{", piece.end - 1);
    return piece;
  }

  /** Blanks, comments and blank lines. Returns how far a new line of code is indented, or null within a line. */
  #skipBlanks(): number | null {
    for (;;) {
      const lineStart = this.#lineStart;
      const before = this.#at;
      const tab = this.#skipSpaces();
      const indent = this.#at - before;
      if (this.text.charAt(this.#at) === "#") this.#skipComment();
      const lineEnd = this.#lineEndLength();
      const isBlank = lineStart && (lineEnd > 0 || this.#at >= this.text.length);
      if (tab !== -1 && !isBlank) throw new RulesFailure(tab, tab + 1, "tabs are not allowed", "spaces");
      if (lineEnd > 0 && (isBlank || this.#brackets.length > 0)) {
        this.#at += lineEnd;
        continue;
      }
      if ((!lineStart || indent === 0) && this.#skipJoin()) continue;
      if (this.#at >= this.text.length || !lineStart) return null;
      this.#lineStart = false;
      if (this.#brackets.length === 0) return indent;
    }
  }

  #changeIndent(indent: number, start: number): Token | null {
    const current = this.#indents.at(-1) ?? 0;
    if (indent === current) return null;
    if (indent > current) {
      this.#indents.push(indent);
      if (this.#indents.length > limits.nesting)
        throw new RulesFailure(start, start + 1, "too many blocks inside blocks", `at most ${limits.nesting}`);
      return { kind: "indent", start, end: start };
    }
    while ((this.#indents.at(-1) ?? 0) > indent) {
      this.#indents.pop();
      this.#pending.push({ kind: "dedent", start, end: start });
    }
    if (this.#indents.at(-1) !== indent)
      throw new RulesFailure(start, start + 1, "the indentation fits no block above", "that of an earlier line");
    return this.#pending.shift() ?? null;
  }

  #endOfFile(start: number): Token {
    if (!this.#lineStart) {
      // A last line without its newline is a line.
      this.#lineStart = true;
      return { kind: "newline", start, end: start };
    }
    if (this.#indents.length > 1) {
      this.#indents.pop();
      return { kind: "dedent", start, end: start };
    }
    return { kind: "end", start, end: start };
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
    if ((quote === '"' || quote === "'") && !keywords.has(name)) return this.#readPrefixed(start, name);
    return { kind: "name", text: name, start, end: this.#at };
  }

  #readPrefixed(start: number, prefix: string): Token {
    const raw = prefix === "r" || prefix === "rb" || prefix === "br" || prefix === "fr";
    if (prefix === "f" || prefix === "fr") {
      const quote = this.text.charAt(this.#at);
      const triple = this.text.startsWith(quote.repeat(3), this.#at);
      this.#at += triple ? 3 : 1;
      return { kind: "formatted", form: { quote, triple, raw, start }, start, end: this.#at };
    }
    if (prefix !== "r" && prefix !== "b" && prefix !== "rb" && prefix !== "br")
      throw new RulesFailure(
        start,
        this.#at,
        `unknown string prefix ${prefix}`,
        "r, f, fr, b, rb or br before the quote",
      );
    const read = readString(this.text, start, this.#at, raw);
    this.#at = read.end;
    return { kind: prefix === "r" ? "string" : "bytes", value: read.value, start, end: read.end };
  }

  #readQuoted(start: number): Token {
    const read = readString(this.text, start, start, false);
    this.#at = read.end;
    return { kind: "string", value: read.value, start, end: read.end };
  }

  #readNumber(start: number): Token | null {
    const number = this.#take(numberPattern);
    if (number === null) return null;
    if (/^0[0-9]+$/.test(number) || (/[A-Za-z0-9_]/.test(this.text.charAt(this.#at)) && !this.#isAtWordOperator()))
      throw new RulesFailure(start, this.#at + 1, `invalid number ${quoted(number)}`, "a number without leading zeros");
    return { kind: "number", text: number, start, end: this.#at };
  }

  /** `1if x else 2`. */
  #isAtWordOperator(): boolean {
    wordOperatorPattern.lastIndex = this.#at;
    return wordOperatorPattern.test(this.text);
  }

  #readOperator(start: number): Token {
    const text = this.#take(operatorPattern);
    if (text === null) {
      const char = String.fromCodePoint(this.text.codePointAt(start) ?? 0);
      const end = start + char.length;
      throw new RulesFailure(start, end, `invalid input ${quoted(char)}`, "code, a comment or a string");
    }
    return { kind: "operator", text, start, end: this.#at };
  }

  #readSingle(text: string, start: number): Token {
    this.#at += 1;
    if (closingOf[text] !== undefined) this.#open(text, start);
    else if (text !== ",") this.#close(text, start);
    return { kind: "operator", text, start, end: this.#at };
  }

  #open(bracket: string, start: number): void {
    this.#brackets.push(bracket);
    if (this.#brackets.length > limits.nesting)
      throw new RulesFailure(start, start + 1, "too many brackets inside brackets", `at most ${limits.nesting}`);
  }

  #close(bracket: string, start: number): void {
    const opened = this.#brackets.pop();
    const partner = opened === undefined ? undefined : closingOf[opened];
    if (partner === bracket) return;
    const expected = partner === undefined ? "no closing bracket here" : `"${partner}"`;
    throw new RulesFailure(start, start + 1, `unexpected "${bracket}"`, expected);
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const start = this.#at;
    if (!pattern.test(this.text)) return null;
    this.#at = pattern.lastIndex;
    return this.text.slice(start, this.#at);
  }
}

/** A lexer with one token of foresight. */
export class TokenReader {
  readonly lexer: Lexer;
  #next: Token | null = null;

  constructor(text: string, at: number) {
    this.lexer = new Lexer(text, at);
  }

  /** True where nothing of the next line has been looked at. */
  isBetweenLines(): boolean {
    return this.#next === null && this.lexer.isBetweenLines();
  }

  peek(): Token {
    this.#next ??= this.lexer.next();
    return this.#next;
  }

  take(): Token {
    const token = this.peek();
    this.#next = null;
    return token;
  }

  /** True when the next token is this operator or word. */
  isAt(text: string): boolean {
    const token = this.peek();
    return (token.kind === "operator" || token.kind === "name") && token.text === text;
  }

  takeIf(text: string): boolean {
    if (!this.isAt(text)) return false;
    this.take();
    return true;
  }
}

/** How a token is named in a message. */
export function tokenName(token: Token): string {
  switch (token.kind) {
    case "name":
    case "number":
    case "operator":
      return quoted(token.text);
    case "newline":
      return "end of line";
    case "end":
      return "end of file";
    case "indent":
      return "indentation";
    case "dedent":
      return "end of the block";
    case "string":
    case "bytes":
    case "formatted":
      break;
  }
  return "string";
}
