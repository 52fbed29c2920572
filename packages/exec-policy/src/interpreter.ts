/** Runs the tree of a rules file. Bounded: steps, work, depth and sizes each have a limit, so that a file ends or is refused. */
import { attributeOf } from "./methods.ts";
import { builtins } from "./builtins.ts";
import { addEntries, elementAt, elementsOf, extendList, setElement, sliceOf } from "./elements.ts";
import { limits } from "./limits.ts";
import { binary, unary } from "./operators.ts";
import { quoted, RulesFailure } from "./rules-error.ts";
import { joinedText, reprOf, strOf } from "./text-of.ts";
import type { Call, Clause, Comprehension, Expression, FunctionBody, Name, Span, Statement, Target } from "./syntax.ts";
import { ellipsis } from "./syntax.ts";
import { readType } from "./type-tests.ts";
import {
  aType,
  Builtin,
  Bytes,
  Closure,
  Dict,
  isTrue,
  List,
  tooMany,
  Tuple,
  typeName,
  ValueFailure,
} from "./values.ts";
import type { Charge, Frame, Given, Tools, TypeTest, Value } from "./values.ts";

/** What a call of a rule function gets: the values, and the call as written, to point at. */
export type RuleFunction = (call: Call, given: Given) => void;

type Ending = "next" | "break" | "continue" | { returned: Value };

const maxDepth = 1200;
/** A value that a rule keeps takes more room than one that is looked at: a list of a thousand tokens, given to rule after rule. */
const keptUnits = 12;
const noNamed: ReadonlyMap<string, Value> = new Map();

export class Interpreter {
  readonly #module = new Map<string, Value>();
  readonly #ruleBuiltins = new Map<string, Builtin>();
  readonly #ruleFunctions = new Map<Builtin, RuleFunction>();
  #steps = 0;
  #work = 0;
  #calls = 0;
  #depth = 0;
  readonly charge = (units: number): void => {
    this.#work += units;
    if (this.#work > limits.work)
      throw new ValueFailure("the file takes too much work", `at most ${limits.work} units`);
  };

  constructor(ruleFunctions: ReadonlyMap<string, RuleFunction>) {
    for (const [name, act] of ruleFunctions) {
      const builtin = new Builtin(name, () => null);
      this.#ruleBuiltins.set(name, builtin);
      this.#ruleFunctions.set(builtin, act);
    }
  }

  /** Runs the statements of the file, as far as they are known by now. Throws RulesFailure. */
  run(statements: readonly Statement[]): void {
    for (const statement of statements) this.#statement(statement, null);
  }

  #block(statements: readonly Statement[], frame: Frame | null): Ending {
    for (const statement of statements) {
      const ending = this.#statement(statement, frame);
      if (ending !== "next") return ending;
    }
    return "next";
  }

  #statement(statement: Statement, frame: Frame | null): Ending {
    this.#step(statement);
    // Left in one way only: a failure ends the run, so nobody looks at the depth after it.
    this.#descend(statement);
    const ending = this.#endingOf(statement, frame);
    this.#depth -= 1;
    return ending;
  }

  #endingOf(statement: Statement, frame: Frame | null): Ending {
    switch (statement.kind) {
      case "expression":
        this.#evaluate(statement.value, frame);
        return "next";
      case "assign": {
        const value = this.#evaluate(statement.value, frame);
        if (statement.type !== null)
          this.#checkType(this.#typeOf(statement.type, frame), value, statement.value, "the value");
        this.#assign(statement.target, value, frame);
        return "next";
      }
      case "augment":
        this.#augment(statement, frame);
        return "next";
      case "if":
        return this.#block(
          isTrue(this.#evaluate(statement.test, frame)) ? statement.whenTrue : statement.otherwise,
          frame,
        );
      case "for":
        return this.#loop(statement, frame);
      case "def":
        this.#assign(statement.name, this.#closure(statement.function, frame), frame);
        return "next";
      case "return":
        return { returned: statement.value === null ? null : this.#evaluate(statement.value, frame) };
      case "break":
      case "continue":
        return statement.kind;
      case "pass":
        break;
    }
    return "next";
  }

  #loop(statement: Extract<Statement, { kind: "for" }>, frame: Frame | null): Ending {
    const over = this.#evaluate(statement.over, frame);
    let result: Ending = "next";
    this.#each(over, statement.over, (item) => {
      this.#step(statement);
      this.#assign(statement.target, item, frame);
      const ending = this.#block(statement.body, frame);
      if (typeof ending === "object") result = ending;
      return ending === "next" || ending === "continue";
    });
    return result;
  }

  /** Goes through a value until `visit` says false. What is gone through cannot change meanwhile. */
  #each(over: Value, at: Span, visit: (item: Value) => boolean): void {
    const items = this.#guard(at, () => elementsOf(over, this.charge));
    const held = over instanceof List || over instanceof Dict ? over : null;
    if (held !== null) held.iterations += 1;
    for (const item of items) if (!visit(item)) break;
    if (held !== null) held.iterations -= 1;
  }

  #assign(target: Target, value: Value, frame: Frame | null): void {
    if (target.kind === "name") this.#holder(target, frame).set(target.name, value);
    else this.#assignPart(target, value, frame);
  }

  #assignPart(target: Exclude<Target, Name>, value: Value, frame: Frame | null): void {
    if (target.kind === "index") {
      const object = this.#evaluate(target.object, frame);
      const index = this.#evaluate(target.index, frame);
      this.#guard(target, () => setElement(object, index, value, this.charge));
    } else if (target.kind === "attribute") {
      throw new RulesFailure(target.start, target.end, "attributes cannot be changed", "a variable or an element");
    } else {
      const items = this.#guard(target, () => [...elementsOf(value, this.charge)]);
      if (items.length !== target.items.length)
        throw new RulesFailure(
          target.start,
          target.end,
          `${items.length} values for ${target.items.length} variables`,
          "as many of one as of the other",
        );
      target.items.forEach((item, index) => this.#assign(item as Target, items[index] ?? null, frame)); // as the parser checked
    }
  }

  #augment(statement: Extract<Statement, { kind: "augment" }>, frame: Frame | null): void {
    const { target } = statement;
    if (target.kind !== "index") {
      const after = this.#augmented(statement, this.#evaluate(target, frame), frame);
      if (after !== undefined) this.#assign(target, after, frame);
      return;
    }
    // The element is looked up once: doing so may have effects.
    const object = this.#evaluate(target.object, frame);
    const index = this.#evaluate(target.index, frame);
    const before = this.#guard(target, () => elementAt(object, index, this.charge));
    const after = this.#augmented(statement, before, frame);
    if (after !== undefined) this.#guard(target, () => setElement(object, index, after, this.charge));
  }

  /** Undefined where the value itself has changed: a list or a dict grows in place, and other names of it see that. */
  #augmented(
    statement: Extract<Statement, { kind: "augment" }>,
    before: Value,
    frame: Frame | null,
  ): Value | undefined {
    const { operator } = statement;
    const value = this.#evaluate(statement.value, frame);
    return this.#guard(statement, () => {
      if (operator === "+" && before instanceof List) extendList(before, value, this.charge);
      else if (operator === "|" && before instanceof Dict && value instanceof Dict)
        addEntries(before, value, this.charge);
      else return binary(operator, before, value, this.charge);
      return undefined;
    });
  }

  #holder(name: Name, frame: Frame | null): Map<string, Value> {
    if (name.binding.kind !== "scope") return this.#module;
    let holder = frame;
    for (let up = name.binding.up; up > 0 && holder !== null; up -= 1) holder = holder.outer;
    if (holder === null)
      throw new RulesFailure(name.start, name.end, `the name ${quoted(name.name)} is not known`, "a variable");
    return holder.variables;
  }

  #evaluate(node: Expression, frame: Frame | null): Value {
    this.#descend(node);
    // Most nodes are these two, which have nothing below them.
    const value =
      node.kind === "literal" && typeof node.value === "string"
        ? node.value
        : node.kind === "name"
          ? this.#lookUp(node, frame)
          : this.#valueOf(node, frame);
    this.#depth -= 1;
    return value;
  }

  /** Every node that is looked at costs a unit: one statement can be as long as the file. */
  #descend(node: Span): void {
    this.#work += 1;
    if (this.#work > limits.work)
      throw new RulesFailure(node.start, node.end, "the file takes too much work", `at most ${limits.work} units`);
    this.#depth += 1;
    if (this.#depth > maxDepth)
      throw new RulesFailure(node.start, node.end, "too deeply nested", `at most ${maxDepth} levels`);
  }

  #valueOf(node: Expression, frame: Frame | null): Value {
    switch (node.kind) {
      case "literal":
        return node.value instanceof Uint8Array
          ? new Bytes(node.value)
          : node.value === ellipsis
            ? ellipsis
            : node.value;
      case "name":
        return this.#lookUp(node, frame);
      case "list":
      case "tuple": {
        const items = this.#valuesOf(node.items, frame);
        if (items.length > limits.elements) throw placed(tooMany(), node);
        return node.kind === "list" ? new List(items) : new Tuple(items);
      }
      case "formatted": {
        const parts = Array<string>(node.parts.length);
        for (let index = 0; index < parts.length; index += 1) {
          const part = node.parts[index] ?? "";
          parts[index] = typeof part === "string" ? part : this.#formattedPart(part, frame);
        }
        try {
          return joinedText(parts, this.charge);
        } catch (error) {
          throw placed(error, node);
        }
      }
      case "dict":
        return this.#dict(node, frame);
      case "listComprehension":
      case "dictComprehension":
        return this.#comprehension(node, frame);
      case "call":
        return this.#call(node, frame);
      case "unary": {
        const operand = this.#evaluate(node.operand, frame);
        if (node.operator === "not") return !isTrue(operand);
        try {
          return unary(node.operator, operand);
        } catch (error) {
          throw placed(error, node);
        }
      }
      case "binary":
        return this.#binary(node, frame);
      case "conditional":
        return this.#evaluate(isTrue(this.#evaluate(node.test, frame)) ? node.whenTrue : node.otherwise, frame);
      case "attribute": {
        const object = this.#evaluate(node.object, frame);
        try {
          return attributeOf(object, node.name);
        } catch (error) {
          throw placed(error, node);
        }
      }
      case "index": {
        const object = this.#evaluate(node.object, frame);
        const index = this.#evaluate(node.index, frame);
        try {
          return elementAt(object, index, this.charge);
        } catch (error) {
          throw placed(error, node);
        }
      }
      case "slice":
        return this.#slice(node, frame);
      case "lambda":
        break;
    }
    return this.#closure(node.function, frame);
  }

  #valuesOf(nodes: readonly Expression[], frame: Frame | null): Value[] {
    // Of the right size from the start: an array that grows from nothing takes room for 17.
    const values = Array<Value>(nodes.length);
    for (let index = 0; index < nodes.length; index += 1) {
      const node = nodes[index];
      if (node !== undefined) values[index] = this.#evaluate(node, frame);
    }
    return values;
  }

  #formattedPart(part: { value: Expression; conversion: "r" | "s" }, frame: Frame | null): string {
    const value = this.#evaluate(part.value, frame);
    if (typeof value === "string" && part.conversion === "s") return value;
    try {
      return part.conversion === "r" ? reprOf(value, this.charge) : strOf(value, this.charge);
    } catch (error) {
      throw placed(error, part.value);
    }
  }

  #lookUp(node: Name, frame: Frame | null): Value {
    if (node.binding.kind === "builtin") {
      return builtins.get(node.name) ?? this.#ruleBuiltins.get(node.name) ?? null;
    }
    const value = this.#holder(node, frame).get(node.name);
    if (value === undefined)
      throw new RulesFailure(
        node.start,
        node.end,
        `the variable ${quoted(node.name)} has no value yet`,
        "an assignment that runs before",
      );
    return value;
  }

  #dict(node: Extract<Expression, { kind: "dict" }>, frame: Frame | null): Dict {
    const found = new Dict();
    for (const entry of node.entries) {
      const key = this.#evaluate(entry.key, frame);
      const value = this.#evaluate(entry.value, frame);
      this.#guard(entry.key, () => {
        if (found.get(key, this.charge) !== undefined) throw new ValueFailure("the key occurs twice", "each key once");
        found.set(key, value, this.charge);
      });
    }
    return found;
  }

  #comprehension(node: Comprehension, frame: Frame | null): Value {
    const inner: Frame = { variables: new Map(), outer: frame };
    const items: Value[] = [];
    const entries = new Dict();
    const add = (): void => {
      const value = (): Value => this.#evaluate(node.value, inner);
      if (node.key === null) {
        if (items.length >= limits.elements) throw tooMany();
        items.push(value());
      } else {
        entries.set(this.#evaluate(node.key, inner), value(), this.charge);
      }
    };
    this.#clauses(node.clauses, 0, { outer: frame, inner, add: () => this.#guard(node, add) });
    return node.kind === "listComprehension" ? new List(items) : entries;
  }

  #clauses(clauses: readonly Clause[], at: number, run: { outer: Frame | null; inner: Frame; add(): void }): void {
    const clause = clauses[at];
    if (clause === undefined) {
      run.add();
    } else if (clause.kind === "if") {
      if (isTrue(this.#evaluate(clause.test, run.inner))) this.#clauses(clauses, at + 1, run);
    } else {
      const over = this.#evaluate(clause.over, at === 0 ? run.outer : run.inner);
      this.#each(over, clause.over, (item) => {
        this.#step(clause);
        this.#assign(clause.target, item, run.inner);
        this.#clauses(clauses, at + 1, run);
        return true;
      });
    }
  }

  #binary(node: Extract<Expression, { kind: "binary" }>, frame: Frame | null): Value {
    const left = this.#evaluate(node.left, frame);
    if (node.operator === "and") return isTrue(left) ? this.#evaluate(node.right, frame) : left;
    if (node.operator === "or") return isTrue(left) ? left : this.#evaluate(node.right, frame);
    const right = this.#evaluate(node.right, frame);
    try {
      return binary(node.operator, left, right, this.charge);
    } catch (error) {
      throw placed(error, node);
    }
  }

  #slice(node: Extract<Expression, { kind: "slice" }>, frame: Frame | null): Value {
    const object = this.#evaluate(node.object, frame);
    const [from, to, step] = [node.from, node.to, node.step].map((part) =>
      part === null ? null : this.#evaluate(part, frame),
    );
    return this.#guard(node, () => sliceOf(object, from ?? null, to ?? null, step ?? null, this.charge));
  }

  #call(node: Call, frame: Frame | null): Value {
    this.#step(node);
    const callee = this.#evaluate(node.callee, frame);
    const given = this.#given(node, frame);
    if (callee instanceof Closure) return this.#enter(callee, given, node);
    if (!(callee instanceof Builtin))
      throw new RulesFailure(node.start, node.end, `${aType(callee)} cannot be called`, "a function");
    const rule = this.#ruleFunctions.get(callee);
    if (rule !== undefined) {
      this.#chargeGiven(given, node);
      rule(node, given);
      return null;
    }
    try {
      return callee.call(given, this.#tools);
    } catch (error) {
      throw placed(error, node);
    }
  }

  /** What builtins need of the interpreter. */
  readonly #tools: Tools = {
    charge: this.charge,
    apply: (callee, positional) => {
      const given = { positional, named: noNamed };
      if (callee instanceof Closure) return this.#enter(callee, given, { start: 0, end: 0 });
      if (callee instanceof Builtin) return callee.call(given, this.#tools);
      throw new ValueFailure(`${aType(callee)} cannot be called`, "a function");
    },
  };

  #given(node: Call, frame: Frame | null): Given {
    const { given } = node;
    let plain = 0;
    while (plain < given.length && given[plain]?.form === "plain") plain += 1;
    const positional = Array<Value>(plain);
    let named: Map<string, Value> | null = null;
    for (let index = 0; index < given.length; index += 1) {
      const argument = given[index];
      if (argument === undefined) break;
      const value = this.#evaluate(argument.value, frame);
      if (argument.form === "plain") positional[index] = value;
      else if (argument.form === "list") this.#spreadList(argument, value, positional);
      else {
        named ??= new Map();
        if (argument.form === "named") named.set(argument.name, value);
        else this.#spread(argument, value, named);
      }
    }
    return { positional, named: named ?? noNamed };
  }

  #spreadList(at: Span, value: Value, positional: Value[]): void {
    for (const item of this.#guard(at, () => elementsOf(value, this.charge))) positional.push(item);
  }

  #spread(at: Span, value: Value, named: Map<string, Value>): void {
    if (!(value instanceof Dict)) throw new RulesFailure(at.start, at.end, `** got ${aType(value)}`, "a dict");
    for (const { key, value: item } of value.entries.values()) {
      if (typeof key !== "string")
        throw new RulesFailure(at.start, at.end, `** got ${aType(key)} for a name`, "strings");
      if (named.has(key)) throw new RulesFailure(at.start, at.end, "repeated named argument", `\`${key}\` once`);
      named.set(key, item);
    }
  }

  #closure(body: FunctionBody, frame: Frame | null): Closure {
    const defaults = new Map<string, Value>();
    const types = new Map<string, TypeTest>();
    for (const parameter of body.parameters) {
      const { name } = parameter;
      if (parameter.type !== null) types.set(name, this.#typeOf(parameter.type, frame));
      if (parameter.default === null) continue;
      const value = this.#evaluate(parameter.default, frame);
      defaults.set(name, value);
      const test = types.get(name);
      if (test !== undefined) this.#checkType(test, value, parameter.default, `the default of \`${name}\``);
    }
    const returns = body.returns === null ? null : this.#typeOf(body.returns, frame);
    return new Closure({ body, outer: frame, defaults, types, returns });
  }

  #enter(callee: Closure, given: Given, at: Span): Value {
    this.#calls += 1;
    if (this.#calls > limits.callDepth)
      throw new RulesFailure(
        at.start,
        at.end,
        "call stack overflow: functions call functions too deeply",
        `at most ${limits.callDepth} levels`,
      );
    const { body } = callee.body;
    const frame: Frame = { variables: this.#bound(callee, given, at), outer: callee.outer };
    const value = Array.isArray(body) ? this.#returned(body, frame) : this.#evaluate(body, frame);
    if (callee.returns !== null)
      this.#checkType(callee.returns, value, at, `the result of ${quoted(callee.body.name)}`);
    this.#calls -= 1;
    return value;
  }

  #returned(body: readonly Statement[], frame: Frame): Value {
    const ending = this.#block(body, frame);
    return typeof ending === "object" ? ending.returned : null;
  }

  #bound(callee: Closure, given: Given, at: Span): Map<string, Value> {
    try {
      return this.#bind(callee, given, at);
    } catch (error) {
      throw placed(error, at);
    }
  }

  #bind(callee: Closure, { positional, named }: Given, at: Span): Map<string, Value> {
    const { name, parameters } = callee.body;
    const fail = (text: string, expected: string): RulesFailure => new RulesFailure(at.start, at.end, text, expected);
    const variables = new Map<string, Value>();
    const left: Map<string, Value> | null = named.size === 0 ? null : new Map(named);
    let used = 0;
    let namedOnly = false;
    for (const parameter of parameters) {
      if (parameter.form === "list" || parameter.form === "keywordsFollow") {
        namedOnly = true;
        if (parameter.form === "keywordsFollow") continue;
        variables.set(parameter.name, new Tuple(positional.slice(used)));
        used = positional.length;
      } else if (parameter.form === "plain") {
        const byName = left?.get(parameter.name);
        const byPosition = namedOnly ? undefined : positional[used];
        if (byPosition !== undefined) used += 1;
        if (byPosition !== undefined && byName !== undefined)
          throw fail(`Argument \`${parameter.name}\` occurs more than once`, `\`${parameter.name}\` once`);
        const value =
          byPosition ?? byName ?? (byPosition === null || byName === null ? null : callee.defaults.get(parameter.name));
        if (value === undefined)
          throw fail(`Missing parameter \`${parameter.name}\` for call to \`${name}\``, "a value for it");
        left?.delete(parameter.name);
        variables.set(parameter.name, value);
      }
    }
    if (used < positional.length) throw fail(`too many positional arguments for call to ${name}`, `at most ${used}`);
    const rest = parameters.find(({ form }) => form === "dict");
    const unknown = left ?? noNamed;
    if (rest === undefined && unknown.size > 0) {
      const [extra = ""] = unknown.keys();
      throw fail(`Found ${quoted(extra)} extra named parameter(s) for call to ${name}`, "its parameters");
    }
    if (rest !== undefined) variables.set(rest.name, dictOf(unknown, this.charge));
    for (const [parameter, test] of callee.types) {
      const value = variables.get(parameter);
      if (value !== undefined) this.#checkType(test, value, at, `parameter \`${parameter}\``);
    }
    return variables;
  }

  #typeOf(node: Expression, frame: Frame | null): TypeTest {
    return this.#guard(node, () => readType(node, (inner) => this.#evaluate(inner, frame)));
  }

  #checkType(test: TypeTest, value: Value, at: Span, what: string): void {
    if (this.#guard(at, () => test.accepts(value, this.charge))) return;
    const text = `Type of ${what} doesn't match`;
    throw new RulesFailure(at.start, at.end, text, `\`${test.text}\`, actual \`${typeName(value)}\``);
  }

  #step(at: Span): void {
    this.#steps += 1;
    if (this.#steps > limits.steps)
      throw new RulesFailure(at.start, at.end, "the file takes too many steps", `at most ${limits.steps}`);
  }

  /** What a rule function will look at: tokens in lists in lists. */
  #chargeGiven({ positional, named }: Given, at: Span): void {
    for (const value of positional) this.#chargeValue(value, 0, at);
    if (named.size > 0) for (const value of named.values()) this.#chargeValue(value, 0, at);
  }

  /** Counted value by value: a list of one list many times, and so on, is small and has no end of elements. */
  #chargeValue(value: Value, depth: number, at: Span): void {
    this.#work += typeof value === "string" ? keptUnits + value.length : keptUnits;
    if (this.#work > limits.work)
      throw new RulesFailure(at.start, at.end, "the file takes too much work", `at most ${limits.work} units`);
    if (depth === 4) return;
    if (value instanceof List) for (const item of value.items) this.#chargeValue(item, depth + 1, at);
    else if (value instanceof Dict)
      for (const entry of value.entries.values()) this.#chargeValue(entry.value, depth + 1, at);
  }

  #guard<Result>(at: Span, act: () => Result): Result {
    try {
      return act();
    } catch (error) {
      throw placed(error, at);
    }
  }
}

function dictOf(entries: ReadonlyMap<string, Value>, charge: Charge): Dict {
  const found = new Dict();
  for (const [key, value] of entries) found.set(key, value, charge);
  return found;
}

/** Gives a failure of a value its place. */
function placed(error: unknown, at: Span): Error {
  if (error instanceof ValueFailure) return new RulesFailure(at.start, at.end, error.message, error.expected);
  return error instanceof Error ? error : new Error(String(error));
}
