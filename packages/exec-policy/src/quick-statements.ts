/** Reads the statements that large files consist of without making tokens: `f("a", ["b", X], name = True)` and `NAME = value`, each at
 *  the start of a line. The tree is the one that the parser makes. Whatever else stands there, and whatever is wrong, is not judged
 *  here: the answer is then null, and the parser reads that statement. */
import { limits } from "./limits.ts";
import { RulesFailure } from "./rules-error.ts";
import { readString } from "./string-literal.ts";
import { heightOf, isKeyword, nodeOf, unresolved } from "./syntax.ts";
import type { Call, CallArgument, Expression, Statement } from "./syntax.ts";

const newline = 10;
const carriageReturn = 13;
const space = 32;
const doubleQuote = 34;
const hash = 35;
const singleQuote = 39;
const open = 40;
const close = 41;
const plus = 43;
const comma = 44;
const equals = 61;
const openList = 91;
const backslash = 92;
const closeList = 93;

/** Far below the limits of the parser, so that it alone says what is too deep or too long. */
const maxDepth = 8;
const maxOperators = 8;
const maxNamed = 32;

export class QuickStatements {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #values = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Behind the line of the statement that was read last. */
  get end(): number {
    return this.#at;
  }

  /** The statement of the next line that has one; `from` is where a line starts. */
  read(from: number): Statement | null {
    this.#at = from;
    this.#depth = 0;
    this.#values = 0;
    this.#skipLines();
    const start = this.#at;
    const name = this.#readName();
    if (name === "" || isKeyword(name)) return null;
    const nameEnd = this.#at;
    const next = this.#skipSpaces();
    if (next === open) {
      const value = this.#readCall({ kind: "name", name, binding: unresolved, start, end: nameEnd });
      return value !== null && this.#endsLine() ? { kind: "expression", value, start, end: value.end } : null;
    }
    if (next !== equals || this.#text.charCodeAt(this.#at + 1) === equals) return null;
    this.#at += 1;
    this.#skipSpaces();
    const value = this.#readValue();
    if (value === null || !this.#endsLine()) return null;
    const target: Expression = { kind: "name", name, binding: unresolved, start, end: nameEnd };
    return { kind: "assign", target, type: null, value, start, end: value.end };
  }

  /** Empty lines, and comments from column 1 on. */
  #skipLines(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === newline) this.#at += 1;
      else if (code === hash) this.#skipComment();
      else if (code === carriageReturn && this.#text.charCodeAt(this.#at + 1) === newline) this.#at += 2;
      else return;
    }
  }

  #skipComment(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end === -1 ? this.#text.length : end;
  }

  /** Within a line. */
  #skipSpaces(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code === space) {
      this.#at += 1;
      code = this.#text.charCodeAt(this.#at);
    }
    return code;
  }

  /** Within brackets, where lines are joined. */
  #skipBlanks(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === space || code === newline) this.#at += 1;
      else if (code === hash) this.#skipComment();
      else if (code === carriageReturn && this.#text.charCodeAt(this.#at + 1) === newline) this.#at += 2;
      else return code;
    }
  }

  /** Whether nothing but a comment follows; goes to the next line then. */
  #endsLine(): boolean {
    if (this.#skipSpaces() === hash) this.#skipComment();
    if (this.#at >= this.#text.length) return true;
    const code = this.#text.charCodeAt(this.#at);
    if (code === newline) this.#at += 1;
    else if (code === carriageReturn && this.#text.charCodeAt(this.#at + 1) === newline) this.#at += 2;
    else return false;
    return true;
  }

  /** Empty where no name starts here. */
  #readName(): string {
    const start = this.#at;
    let code = this.#text.charCodeAt(start);
    if (code >= 48 && code <= 57) return "";
    while (isNamePart(code)) {
      this.#at += 1;
      code = this.#text.charCodeAt(this.#at);
    }
    return this.#text.slice(start, this.#at);
  }

  /** A value, or values with "+" between. */
  #readValue(): Expression | null {
    let left = this.#readPart();
    if (left === null) return null;
    for (let count = 0; ; count += 1) {
      // The place behind the value counts where nothing follows.
      const end = this.#at;
      const code = this.#depth === 0 ? this.#skipSpaces() : this.#skipBlanks();
      if (code !== plus) {
        this.#at = end;
        return left;
      }
      if (count === maxOperators || this.#text.charCodeAt(this.#at + 1) === equals) return null;
      this.#at += 1;
      if (this.#depth === 0) this.#skipSpaces();
      else this.#skipBlanks();
      const right = this.#readPart();
      if (right === null) return null;
      const height: number = Math.max(heightOf(left), heightOf(right)) + 1;
      left = nodeOf({ kind: "binary", operator: "+", left, right, start: left.start, end: right.end }, height);
    }
  }

  #readPart(): Expression | null {
    this.#values += 1;
    if (this.#values > limits.elements) return null;
    const start = this.#at;
    const code = this.#text.charCodeAt(start);
    if (code === doubleQuote || code === singleQuote) return this.#readString(start, code);
    if (code === openList) return this.#readList(start);
    const name = this.#readName();
    if (name === "" || isKeyword(name)) return null;
    const next = this.#text.charCodeAt(this.#at);
    // A prefix of a string.
    if (next === doubleQuote || next === singleQuote) return null;
    const found = { kind: "name", name, binding: unresolved, start, end: this.#at } as const;
    return next === open ? this.#readCall(found) : found;
  }

  #readString(start: number, quote: number): Expression | null {
    const text = this.#text;
    let at = start + 1;
    let code = text.charCodeAt(at);
    while (code !== quote && code !== backslash && code !== newline && code !== carriageReturn && at < text.length) {
      at += 1;
      code = text.charCodeAt(at);
    }
    if (code === backslash) return this.#readEscaped(start);
    // Two quotes and a third one open a string of several lines.
    if (code !== quote || at - start > limits.stringLength) return null;
    if (at === start + 1 && text.charCodeAt(at + 1) === quote) return null;
    this.#at = at + 1;
    return { kind: "literal", value: text.slice(start + 1, at), start, end: at + 1 };
  }

  #readEscaped(start: number): Expression | null {
    try {
      const { value, end } = readString(this.#text, start, start, false);
      this.#at = end;
      return { kind: "literal", value, start, end };
    } catch (error) {
      if (error instanceof RulesFailure) return null;
      throw error;
    }
  }

  #readList(start: number): Expression | null {
    this.#depth += 1;
    if (this.#depth > maxDepth) return null;
    this.#at += 1;
    const items: Expression[] = [];
    let height = 1;
    for (let code = this.#skipBlanks(); code !== closeList;) {
      const item = this.#readValue();
      if (item === null) return null;
      items.push(item);
      height = Math.max(height, 1 + heightOf(item));
      code = this.#skipBlanks();
      if (code === comma) {
        this.#at += 1;
        code = this.#skipBlanks();
      } else if (code !== closeList) return null;
    }
    this.#at += 1;
    this.#depth -= 1;
    return nodeOf({ kind: "list", items, start, end: this.#at }, height);
  }

  /** From the opening bracket on. */
  #readCall(callee: Expression): Call | null {
    this.#depth += 1;
    if (this.#depth > maxDepth) return null;
    this.#at += 1;
    const given: CallArgument[] = [];
    let height = 1 + heightOf(callee);
    let named = false;
    for (let code = this.#skipBlanks(); code !== close;) {
      const argument = this.#readArgument(given, named);
      if (argument === null) return null;
      named ||= argument.form === "named";
      given.push(argument);
      height = Math.max(height, 1 + heightOf(argument.value));
      code = this.#skipBlanks();
      if (code === comma) {
        this.#at += 1;
        code = this.#skipBlanks();
      } else if (code !== close) return null;
    }
    this.#at += 1;
    this.#depth -= 1;
    return nodeOf({ kind: "call", callee, given, start: callee.start, end: this.#at }, height);
  }

  #readArgument(before: readonly CallArgument[], named: boolean): CallArgument | null {
    const first = this.#readValue();
    if (first === null) return null;
    const { start } = first;
    if (first.kind !== "name") return named ? null : { form: "plain", name: "", value: first, start, end: first.end };
    const end = this.#at;
    if (this.#skipBlanks() !== equals) {
      this.#at = end;
      return named ? null : { form: "plain", name: "", value: first, start, end: first.end };
    }
    if (this.#text.charCodeAt(this.#at + 1) === equals || before.length > maxNamed) return null;
    if (before.some(({ name }) => name === first.name)) return null;
    this.#at += 1;
    this.#skipBlanks();
    const value = this.#readValue();
    return value === null ? null : { form: "named", name: first.name, value, start, end: value.end };
  }
}

function isNamePart(code: number): boolean {
  return (code >= 97 && code <= 122) || code === 95 || (code >= 65 && code <= 90) || (code >= 48 && code <= 57);
}
