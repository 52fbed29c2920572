/** The values that an argument may be written as, and how they are named in messages. */
import type { Token } from "./lexer.ts";
import { Lexer } from "./lexer.ts";
import { quoted, RulesFailure } from "./rules-error.ts";

export type Literal = { start: number; end: number } & (
  | { kind: "string"; value: string }
  | { kind: "list"; items: Literal[] }
  | { kind: "bool"; value: boolean }
  | { kind: "bytes" | "int" | "float" | "NoneType"; repr: string }
);

const literalHint = "a string, a list, True or False written out";

/** A lexer with one token of foresight. */
export class TokenReader {
  readonly lexer: Lexer;
  #next: Token | null = null;

  constructor(text: string, at: number) {
    this.lexer = new Lexer(text, at);
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

  takeIf(operator: string): boolean {
    const token = this.peek();
    if (token.kind !== "operator" || token.text !== operator) return false;
    this.take();
    return true;
  }
}

/** How a token is named in a message. */
export function tokenName(token: Token): string {
  if (token.kind === "newline") return "end of line";
  if (token.kind === "end") return "end of file";
  return "text" in token ? quoted(token.text) : "string";
}

/** Reads one literal. Nesting is bounded by the lexer, which counts brackets. */
export function readLiteral(reader: TokenReader): Literal {
  const token = reader.take();
  const { start, end } = token;
  if (token.kind === "string") return { kind: "string", value: token.value, start, end };
  if (token.kind === "bytes") return { kind: "bytes", repr: `b${quoted(token.value)}`, start, end };
  if (token.kind === "number") {
    const kind = /^0[xXoObB]/.test(token.text) || /^[0-9]+$/.test(token.text) ? "int" : "float";
    return { kind, repr: token.text, start, end };
  }
  if (token.kind === "name") return readNamed(token, token.text);
  if (token.kind === "operator" && token.text === "[") return readList(reader, start);
  if (token.kind === "operator" && (token.text === "(" || token.text === "{")) {
    const what = token.text === "(" ? "parentheses and tuples" : "dicts";
    throw new RulesFailure(start, end, `${what} are not read as values by this version`, literalHint);
  }
  throw new RulesFailure(start, end, `unexpected ${tokenName(token)}`, literalHint);
}

function readNamed(token: Token, name: string): Literal {
  const { start, end } = token;
  if (name === "True" || name === "False") return { kind: "bool", value: name === "True", start, end };
  if (name === "None") return { kind: "NoneType", repr: name, start, end };
  throw new RulesFailure(start, end, `the name ${quoted(name)} is not read as a value by this version`, literalHint);
}

function readList(reader: TokenReader, start: number): Literal {
  const items: Literal[] = [];
  for (;;) {
    const token = reader.peek();
    if (reader.takeIf("]")) return { kind: "list", items, start, end: token.end };
    items.push(readLiteral(reader));
    const next = reader.peek();
    if (reader.takeIf(",")) continue;
    if (next.kind === "operator" && next.text === "]") continue;
    throw notJoined(next, '"," or "]"');
  }
}

/** The failure for what stands behind a literal and is neither a comma nor the end. */
export function notJoined(token: Token, expected: string): RulesFailure {
  const { start, end } = token;
  if (token.kind === "string" || token.kind === "bytes") {
    return new RulesFailure(start, end, "two strings side by side are not joined", expected);
  }
  if (token.kind === "operator" && !"()[]{},".includes(token.text)) {
    return new RulesFailure(start, end, `the operator ${quoted(token.text)} is not read by this version`, expected);
  }
  return new RulesFailure(start, end, `unexpected ${tokenName(token)}`, expected);
}

/** Type names as the language has them: `str` values are called `string` in messages. */
export function typeName(literal: Literal): string {
  return literal.kind;
}

export function reprOf(literal: Literal): string {
  if (literal.kind === "string") return quoted(literal.value);
  if (literal.kind === "bool") return literal.value ? "True" : "False";
  if (literal.kind === "list") return literal.items.length === 0 ? "[]" : `[${literal.items.length} elements]`;
  return literal.repr;
}
