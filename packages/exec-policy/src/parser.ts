/** Tokens to a tree, by recursive descent. A statement that cannot be read throws; the caller goes on behind it. */
import { TokenReader, tokenName } from "./lexer.ts";
import type { Token } from "./lexer.ts";
import { limits } from "./limits.ts";
import { QuickStatements } from "./quick-statements.ts";
import { quoted, RulesFailure } from "./rules-error.ts";
import { ellipsis, heightOf, isKeyword, isReserved, nodeOf, unresolved } from "./syntax.ts";
import type {
  CallArgument,
  Clause,
  Expression,
  FunctionBody,
  Name,
  Parameter,
  Span,
  Statement,
  Target,
} from "./syntax.ts";

/** From the loosest to the tightest. "not" stands between "and" and the comparisons. */
const notRank = 2;
const comparisonRank = 3;
const ranks: ReadonlyMap<string, number> = new Map(
  [
    ["or"],
    ["and"],
    [],
    ["==", "!=", "<", ">", "<=", ">=", "in", "not"],
    ["|"],
    ["^"],
    ["&"],
    ["<<", ">>"],
    ["+", "-"],
    ["*", "/", "//", "%"],
  ].flatMap((row, rank) => row.map((operator): [string, number] => [operator, rank])),
);
const augments = new Set(["+=", "-=", "*=", "/=", "//=", "%=", "&=", "|=", "^=", "<<=", ">>="]);
const maxHeight = 500;

/** What the arguments of a call before the next one were. */
interface ArgumentsBefore {
  list: boolean;
  dict: boolean;
  names: Set<string>;
}

interface ParametersBefore {
  names: Set<string>;
  /** One with a star, or with two. */
  rest: boolean;
  dict: boolean;
  hasDefault: boolean;
}

export class Parser {
  readonly #reader: TokenReader;
  readonly #quick: QuickStatements | null;
  #depth = 0;
  #functions = 0;
  #loops = 0;
  /** Of the line that is read, with its blocks. */
  #values = 0;

  /** `byTokens`: even what could be read without them. */
  constructor(text: string, at = 0, { byTokens = false }: { byTokens?: boolean } = {}) {
    this.#reader = new TokenReader(text, at);
    this.#quick = byTokens ? null : new QuickStatements(text);
  }

  /** The statements of the next line, with the blocks that belong to them; null at the end of the file. */
  nextLine(): Statement[] | null {
    if (this.#quick !== null && this.#reader.isBetweenLines()) {
      const statement = this.#quick.read(this.#reader.lexer.offset);
      if (statement !== null) {
        this.#reader.lexer.goOn(this.#quick.end);
        return [statement];
      }
    }
    this.#values = 0;
    const token = this.#reader.peek();
    if (token.kind === "end") return null;
    if (token.kind === "newline") {
      this.#reader.take();
      return [];
    }
    if (token.kind === "indent") throw unexpected(token, "a statement in column 1", "unexpected indentation");
    return this.#statements();
  }

  #statements(): Statement[] {
    const token = this.#reader.peek();
    if (token.kind === "name") {
      if (token.text === "if") return [this.#if()];
      if (token.text === "for") return [this.#for()];
      if (token.text === "def") return [this.#def()];
    }
    return this.#simpleLine();
  }

  #simpleLine(): Statement[] {
    const found = [this.#simpleStatement()];
    while (this.#reader.takeIf(";")) {
      const next = this.#reader.peek();
      if (next.kind === "newline" || next.kind === "end") break;
      found.push(this.#simpleStatement());
    }
    const end = this.#reader.take();
    if (end.kind !== "newline" && end.kind !== "end") throw notJoined(end, "a new line or the end of the file");
    return found;
  }

  #block(): Statement[] {
    this.#expect(":", "a block");
    if (this.#reader.peek().kind !== "newline") return this.#simpleLine();
    this.#reader.take();
    const indent = this.#reader.take();
    if (indent.kind !== "indent") throw unexpected(indent, "an indented block");
    const found: Statement[] = [];
    this.#enter(indent);
    for (;;) {
      const token = this.#reader.peek();
      if (token.kind === "dedent") break;
      if (token.kind === "end") break;
      if (token.kind === "indent") throw unexpected(token, "the indentation of the line above");
      if (token.kind === "newline") this.#reader.take();
      else for (const statement of this.#statements()) found.push(statement);
    }
    this.#depth -= 1;
    if (this.#reader.peek().kind === "dedent") this.#reader.take();
    return found;
  }

  #if(): Statement {
    const { start } = this.#reader.take();
    const test = this.#expression();
    const whenTrue = this.#block();
    const next = this.#reader.peek();
    let otherwise: Statement[] = [];
    if (this.#reader.isAt("elif")) {
      // A long chain is a deep tree.
      this.#enter(next);
      otherwise = [this.#if()];
      this.#depth -= 1;
    } else if (this.#reader.takeIf("else")) {
      otherwise = this.#block();
    }
    return { kind: "if", test, whenTrue, otherwise, start, end: test.end };
  }

  #for(): Statement {
    const { start } = this.#reader.take();
    const target = this.#targets();
    this.#expect("in", "what is gone through");
    const over = this.#expression();
    this.#loops += 1;
    const body = this.#block();
    this.#loops -= 1;
    return { kind: "for", target, over, body, start, end: over.end };
  }

  #def(): Statement {
    const { start } = this.#reader.take();
    const name = this.#name("the name of the function");
    this.#expect("(", "parameters");
    const parameters = this.#parameters(")", true);
    const returns = this.#reader.takeIf("->") ? this.#test() : null;
    const loops = this.#loops;
    this.#loops = 0;
    this.#functions += 1;
    const body = this.#block();
    this.#functions -= 1;
    this.#loops = loops;
    return { kind: "def", name, function: { name: name.name, parameters, returns, body }, start, end: name.end };
  }

  #parameters(close: string, mayHaveTypes: boolean): Parameter[] {
    const found: Parameter[] = [];
    const before: ParametersBefore = { names: new Set(), rest: false, dict: false, hasDefault: false };
    while (!this.#reader.isAt(close)) {
      found.push(this.#parameter(before, mayHaveTypes));
      if (!this.#reader.takeIf(",")) break;
    }
    this.#expect(close, "the end of the parameters");
    const last = found.at(-1);
    if (last?.form === "keywordsFollow")
      throw new RulesFailure(last.start, last.end, 'nothing follows "*"', "parameters that are given by name");
    return found;
  }

  #parameter(before: ParametersBefore, mayHaveTypes: boolean): Parameter {
    const token = this.#reader.peek();
    this.#count(token);
    const star = this.#reader.takeIf("*");
    const stars = !star && this.#reader.takeIf("**");
    if (before.dict || (star && before.rest))
      throw unexpected(token, "no parameter of that kind behind the one before");
    if (star && (this.#reader.isAt(",") || this.#reader.isAt(")") || this.#reader.isAt(":"))) {
      before.rest = true;
      return { form: "keywordsFollow", name: "", type: null, default: null, start: token.start, end: token.end };
    }
    const name = this.#name("a parameter");
    if (before.names.has(name.name))
      throw new RulesFailure(
        name.start,
        name.end,
        `the parameter ${quoted(name.name)} occurs twice`,
        "different names",
      );
    const type = mayHaveTypes && this.#reader.takeIf(":") ? this.#test() : null;
    const byDefault = !star && !stars && this.#reader.takeIf("=") ? this.#test() : null;
    if (!star && !stars && !before.rest && byDefault === null && before.hasDefault) {
      const text = `the parameter ${quoted(name.name)} has no default and follows one that has`;
      throw new RulesFailure(name.start, name.end, text, "a default");
    }
    const form = star ? "list" : stars ? "dict" : "plain";
    before.names.add(name.name);
    before.rest ||= form !== "plain";
    before.dict ||= form === "dict";
    before.hasDefault ||= byDefault !== null;
    return { form, name: name.name, type, default: byDefault, start: token.start, end: name.end };
  }

  #simpleStatement(): Statement {
    const token = this.#reader.peek();
    this.#count(token);
    const { start } = token;
    if (token.kind === "name") {
      if (token.text === "pass" || token.text === "break" || token.text === "continue") {
        this.#reader.take();
        if (token.text !== "pass" && this.#loops === 0)
          throw new RulesFailure(start, token.end, `"${token.text}" stands outside a loop`, "a loop around it");
        return { kind: token.text, start, end: token.end };
      }
      if (token.text === "return") return this.#return();
      if (token.text === "load")
        throw new RulesFailure(start, token.end, "no imports are available", "all in one file");
    }
    const value = this.#expression();
    return this.#assignment(value) ?? { kind: "expression", value, start, end: value.end };
  }

  #return(): Statement {
    const { start, end } = this.#reader.take();
    if (this.#functions === 0)
      throw new RulesFailure(start, end, '"return" stands outside a function', "a def around it");
    const next = this.#reader.peek();
    const isBare = next.kind === "newline" || next.kind === "end" || this.#reader.isAt(";");
    return { kind: "return", value: isBare ? null : this.#expression(), start, end };
  }

  #assignment(left: Expression): Statement | null {
    const token = this.#reader.peek();
    if (token.kind !== "operator") return null;
    const { start } = left;
    if (token.text === ":") {
      if (left.kind !== "name") throw unexpected(token, "a new line or the end of the file");
      this.#reader.take();
      const type = this.#test();
      this.#expect("=", "a value");
      const value = this.#expression();
      return { kind: "assign", target: left, type, value, start, end: value.end };
    }
    if (token.text === "=") {
      const target = asTarget(left);
      this.#reader.take();
      const value = this.#expression();
      if (this.#reader.isAt("=")) throw unexpected(this.#reader.peek(), "one assignment a statement");
      return { kind: "assign", target, type: null, value, start, end: value.end };
    }
    if (!augments.has(token.text)) return null;
    const target = asTarget(left);
    if (target.kind === "list" || target.kind === "tuple")
      throw new RulesFailure(left.start, left.end, `${token.text} changes one value`, "one variable on the left");
    this.#reader.take();
    const value = this.#expression();
    return { kind: "augment", target, operator: token.text.slice(0, -1), value, start, end: value.end };
  }

  /** One or more tests with commas between: a tuple without its brackets. */
  #expression(): Expression {
    const first = this.#test();
    if (!this.#reader.isAt(",")) return first;
    const items = [first];
    while (this.#reader.takeIf(",")) {
      if (this.#endsTuple()) break;
      items.push(this.#test());
    }
    const last = items.at(-1) ?? first;
    return this.#made({ kind: "tuple", items, start: first.start, end: last.end }, items);
  }

  #endsTuple(): boolean {
    const token = this.#reader.peek();
    if (token.kind === "newline" || token.kind === "end") return true;
    return token.kind === "operator" && [")", "]", "}", "=", ":", ";"].includes(token.text);
  }

  #test(): Expression {
    const token = this.#reader.peek();
    this.#enter(token);
    const found = this.#reader.isAt("lambda") ? this.#lambda() : this.#conditional();
    this.#depth -= 1;
    return found;
  }

  #lambda(): Expression {
    const { start } = this.#reader.take();
    const parameters = this.#parameters(":", false);
    const body = this.#test();
    const found: FunctionBody = { name: "lambda", parameters, returns: null, body };
    return this.#made({ kind: "lambda", function: found, start, end: body.end }, [body]);
  }

  #conditional(): Expression {
    const whenTrue = this.#or();
    if (!this.#reader.takeIf("if")) return whenTrue;
    const test = this.#or();
    this.#expect("else", "the other value");
    const otherwise = this.#test();
    const span = { start: whenTrue.start, end: otherwise.end };
    return this.#made({ kind: "conditional", test, whenTrue, otherwise, ...span }, [test, whenTrue, otherwise]);
  }

  #or(): Expression {
    return this.#operators(0);
  }

  /** Operators of at least this rank; one loop for all ranks, because every value passes here. */
  #operators(rank: number): Expression {
    let left = this.#operand(rank);
    for (;;) {
      const token = this.#reader.peek();
      if (token.kind !== "operator" && token.kind !== "name") return left;
      const found = ranks.get(token.text);
      if (found === undefined || found < rank) return left;
      const operator = this.#takeOperator(token.text);
      left = this.#binary(operator, left, this.#operators(found + 1));
      if (found === comparisonRank) this.#refuseChain();
    }
  }

  #operand(rank: number): Expression {
    const token = this.#reader.peek();
    if (token.kind !== "name" || token.text !== "not") return this.#unary();
    if (rank > notRank) throw unexpected(token, "brackets around it");
    this.#reader.take();
    this.#enter(token);
    const operand = this.#operators(notRank);
    this.#depth -= 1;
    return this.#made({ kind: "unary", operator: "not", operand, start: token.start, end: operand.end }, [operand]);
  }

  #takeOperator(text: string): string {
    this.#reader.take();
    if (text !== "not") return text;
    this.#expect("in", '"not in"');
    return "not in";
  }

  #refuseChain(): void {
    const token = this.#reader.peek();
    if ((token.kind === "operator" || token.kind === "name") && ranks.get(token.text) === comparisonRank)
      throw unexpected(token, 'comparisons joined with "and"', "comparisons do not chain");
  }

  #binary(operator: string, left: Expression, right: Expression): Expression {
    return this.#made({ kind: "binary", operator, left, right, start: left.start, end: right.end }, [left, right]);
  }

  #unary(): Expression {
    const token = this.#reader.peek();
    if (token.kind !== "operator" || !["+", "-", "~"].includes(token.text)) return this.#primary();
    this.#reader.take();
    this.#enter(token);
    const operand = this.#unary();
    this.#depth -= 1;
    return this.#made({ kind: "unary", operator: token.text, operand, start: token.start, end: operand.end }, [
      operand,
    ]);
  }

  #primary(): Expression {
    let found = this.#atom();
    for (;;) {
      if (this.#reader.takeIf(".")) {
        const name = this.#name("the name of an attribute");
        const span = { start: found.start, end: name.end };
        found = this.#made({ kind: "attribute", object: found, name: name.name, ...span }, [found]);
      } else if (this.#reader.isAt("(")) {
        this.#reader.take();
        const given = this.#given();
        const { end } = this.#expect(")", "the end of the arguments");
        const below = [found, ...given.map(({ value }) => value)];
        found = this.#made({ kind: "call", callee: found, given, start: found.start, end }, below);
      } else if (this.#reader.takeIf("[")) {
        found = this.#subscript(found);
      } else {
        return found;
      }
    }
  }

  #given(): CallArgument[] {
    const found: CallArgument[] = [];
    const before: ArgumentsBefore = { list: false, dict: false, names: new Set() };
    while (!this.#reader.isAt(")")) {
      found.push(this.#argument(before));
      if (!this.#reader.takeIf(",")) break;
    }
    return found;
  }

  /** `before` instead of the arguments themselves: looking through them for each one would take the square of their number. */
  #argument(before: ArgumentsBefore): CallArgument {
    const token = this.#reader.peek();
    const form = this.#reader.takeIf("*") ? "list" : this.#reader.takeIf("**") ? "dict" : "plain";
    const value = this.#test();
    if (form === "plain" && value.kind === "name" && this.#reader.takeIf("=")) {
      const given = this.#test();
      if (before.names.has(value.name))
        throw new RulesFailure(value.start, given.end, "repeated named argument", `\`${value.name}\` once`);
      before.names.add(value.name);
      return { form: "named", name: value.name, value: given, start: value.start, end: given.end };
    }
    const span = { start: token.start, end: value.end };
    if (before.dict || (form === "list" && before.list) || (form === "plain" && before.names.size > 0))
      throw new RulesFailure(
        span.start,
        span.end,
        "a positional argument follows a named one",
        "positional arguments first",
      );
    if (form === "plain" && before.list)
      throw new RulesFailure(span.start, span.end, "a positional argument follows *", "positional arguments first");
    before.list ||= form === "list";
    before.dict ||= form === "dict";
    return { form, name: "", value, ...span };
  }

  #subscript(object: Expression): Expression {
    const { start } = object;
    const from = this.#reader.isAt(":") ? null : this.#expression();
    if (!this.#reader.takeIf(":")) {
      const { end } = this.#expect("]", "the end of the index");
      const index = from ?? object;
      return this.#made({ kind: "index", object, index, start, end }, [object, index]);
    }
    const to = this.#reader.isAt(":") || this.#reader.isAt("]") ? null : this.#test();
    const step = this.#reader.takeIf(":") && !this.#reader.isAt("]") ? this.#test() : null;
    const { end } = this.#expect("]", "the end of the slice");
    const parts = [object, from, to, step].filter((part) => part !== null);
    return this.#made({ kind: "slice", object, from, to, step, start, end }, parts);
  }

  #atom(): Expression {
    const token = this.#reader.take();
    this.#count(token);
    const { start, end } = token;
    switch (token.kind) {
      case "string":
        if (this.#reader.peek().kind === "string") throw notJoined(this.#reader.peek(), "one string, or + between");
        return { kind: "literal", value: token.value, start, end };
      case "bytes":
        return { kind: "literal", value: utf8Of(token.value), start, end };
      case "number":
        return { kind: "literal", value: numberOf(token), start, end };
      case "formatted":
        return this.#formatted(token);
      case "name":
        if (!isKeyword(token.text)) return { kind: "name", name: token.text, binding: unresolved, start, end };
        throw isReserved(token.text)
          ? unexpected(token, "a value", `"${token.text}" is a reserved word`)
          : unexpected(token, "a value");
      case "operator":
        if (token.text === "(") return this.#parenthesised(start);
        if (token.text === "[") return this.#list(start);
        if (token.text === "{") return this.#dict(start);
        if (token.text === "...") return { kind: "literal", value: ellipsis, start, end };
        throw unexpected(token, "a value");
      case "newline":
      case "indent":
      case "dedent":
      case "end":
        break;
    }
    throw unexpected(token, "a value");
  }

  #formatted(token: Extract<Token, { kind: "formatted" }>): Expression {
    const parts: (string | { value: Expression; conversion: "r" | "s" })[] = [];
    for (;;) {
      const piece = this.#reader.lexer.formattedPiece(token.form);
      if (piece.value !== "") parts.push(piece.value);
      if (piece.ended) {
        const below = parts.flatMap((part) => (typeof part === "string" ? [] : [part.value]));
        return this.#made({ kind: "formatted", parts, start: token.start, end: piece.end }, below);
      }
      const value = this.#expression();
      const conversion = this.#reader.takeIf("!") ? this.#conversion() : "s";
      const close = this.#reader.take();
      // Nothing was read ahead: the text behind the brace is not code.
      if (close.kind !== "operator" || close.text !== "}")
        throw unexpected(close, '"}"', "format specifications are not part of the language");
      parts.push({ value, conversion });
    }
  }

  #conversion(): "r" | "s" {
    const token = this.#reader.take();
    if (token.kind === "name" && (token.text === "r" || token.text === "s")) return token.text;
    throw unexpected(token, "!r or !s");
  }

  #parenthesised(start: number): Expression {
    if (this.#reader.isAt(")")) return { kind: "tuple", items: [], start, end: this.#reader.take().end };
    const inner = this.#expression();
    const { end } = this.#expect(")", "the closing bracket");
    return this.#made({ ...inner, start, end }, [inner]);
  }

  #list(start: number): Expression {
    if (this.#reader.isAt("]")) return { kind: "list", items: [], start, end: this.#reader.take().end };
    const first = this.#test();
    if (this.#reader.isAt("for")) {
      const clauses = this.#clauses();
      const { end } = this.#expect("]", "the end of the list");
      const node: Expression = { kind: "listComprehension", key: null, value: first, clauses, start, end };
      return this.#made(node, [first, ...clauses.map((clause) => (clause.kind === "for" ? clause.over : clause.test))]);
    }
    const items = [first];
    while (this.#reader.takeIf(",")) {
      if (this.#reader.isAt("]")) break;
      items.push(this.#test());
    }
    const token = this.#reader.peek();
    if (!this.#reader.takeIf("]")) throw notJoined(token, '"," or "]"');
    return this.#made({ kind: "list", items, start, end: token.end }, items);
  }

  #dict(start: number): Expression {
    const entries: { key: Expression; value: Expression }[] = [];
    while (!this.#reader.isAt("}")) {
      const key = this.#test();
      this.#expect(":", "a value for the key");
      const value = this.#test();
      if (entries.length === 0 && this.#reader.isAt("for")) {
        const clauses = this.#clauses();
        const { end } = this.#expect("}", "the end of the dict");
        const below = clauses.map((clause) => (clause.kind === "for" ? clause.over : clause.test));
        return this.#made({ kind: "dictComprehension", key, value, clauses, start, end }, [key, value, ...below]);
      }
      entries.push({ key, value });
      if (!this.#reader.takeIf(",")) break;
    }
    const { end } = this.#expect("}", '"," or the end of the dict');
    const below = entries.flatMap((entry) => [entry.key, entry.value]);
    return this.#made({ kind: "dict", entries, start, end }, below);
  }

  #clauses(): Clause[] {
    const found: Clause[] = [];
    for (;;) {
      const { start, end } = this.#reader.peek();
      // The run goes down a level with each of them.
      if (found.length > limits.nesting)
        throw new RulesFailure(start, end, "too many loops and conditions in one list", `at most ${limits.nesting}`);
      if (this.#reader.takeIf("for")) {
        const target = this.#targets();
        this.#expect("in", "what is gone through");
        const over = this.#or();
        found.push({ kind: "for", target, over, start, end: over.end });
      } else if (this.#reader.takeIf("if")) {
        const test = this.#or();
        found.push({ kind: "if", test, start, end: test.end });
      } else {
        return found;
      }
    }
  }

  /** What a loop assigns to. Not a whole expression, because "in" ends it. */
  #targets(): Target {
    const first = asTarget(this.#primary());
    if (!this.#reader.isAt(",")) return first;
    const items: Target[] = [first];
    while (this.#reader.takeIf(",")) {
      if (this.#reader.isAt("in")) break;
      items.push(asTarget(this.#primary()));
    }
    return { kind: "tuple", items, start: first.start, end: (items.at(-1) ?? first).end };
  }

  #name(what: string): Name {
    const token = this.#reader.take();
    if (token.kind !== "name" || isKeyword(token.text)) throw unexpected(token, what);
    return { kind: "name", name: token.text, binding: unresolved, start: token.start, end: token.end };
  }

  #expect(text: string, what: string): Token {
    const token = this.#reader.peek();
    if (!this.#reader.takeIf(text))
      throw notJoined(token, `${quoted(text)} and then ${what}`.replace(/ and then the /, ", "));
    return token;
  }

  /** The tree of one line is kept until it has run, and is far larger than its text. */
  #count(at: Span): void {
    this.#values += 1;
    if (this.#values > limits.values)
      throw new RulesFailure(at.start, at.end, "the statement is too long", `at most ${limits.values} values in one`);
  }

  #enter(at: Span): void {
    this.#depth += 1;
    if (this.#depth > limits.nesting)
      throw new RulesFailure(
        at.start,
        at.end,
        "expressions or blocks are too deeply nested",
        `at most ${limits.nesting}`,
      );
  }

  #made<Node extends Expression>(node: Node, below: readonly Expression[]): Node {
    let height = 1;
    for (const part of below) height = Math.max(height, 1 + heightOf(part));
    if (height > maxHeight)
      throw new RulesFailure(
        node.start,
        node.end,
        "the expression has too many operators in a row",
        `at most ${maxHeight}`,
      );
    return nodeOf(node, height);
  }
}

function asTarget(node: Expression): Target {
  if (node.kind === "name" || node.kind === "index" || node.kind === "attribute") return node;
  if (node.kind === "list" || node.kind === "tuple") {
    for (const item of node.items) asTarget(item);
    return node;
  }
  throw new RulesFailure(
    node.start,
    node.end,
    "this cannot be assigned to",
    "a variable, an element or a list of them",
  );
}

function numberOf({ text, start, end }: { text: string; start: number; end: number }): bigint | number {
  if (/^0[xXoObB]/.test(text) || /^[0-9]+$/.test(text)) {
    if (text.length > 1000) throw new RulesFailure(start, end, "the number is too long", "at most 1000 digits");
    return BigInt(text);
  }
  return Number(text);
}

function utf8Of(text: string): Uint8Array {
  const bytes = encodeURIComponent(text).matchAll(/%([0-9A-F]{2})|[^%]/g);
  return Uint8Array.from(bytes, ([char, hex]) => (hex === undefined ? char.charCodeAt(0) : Number.parseInt(hex, 16)));
}

function unexpected(token: Token, expected: string, what = `unexpected ${tokenName(token)}`): RulesFailure {
  return new RulesFailure(token.start, Math.max(token.end, token.start + 1), what, expected);
}

/** The failure for what stands behind a value and neither joins nor ends it. */
function notJoined(token: Token, expected: string): RulesFailure {
  const isString = token.kind === "string" || token.kind === "bytes" || token.kind === "formatted";
  return unexpected(token, expected, isString ? "two strings side by side are not joined" : undefined);
}
