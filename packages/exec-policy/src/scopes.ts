/** Settles where each name is kept, before anything runs: a misspelt name anywhere stops the whole file, also behind good rules. */
import { limits } from "./limits.ts";
import { quoted, RulesFailure } from "./rules-error.ts";
import type { Binding, Clause, Expression, FunctionBody, Name, Statement, Target } from "./syntax.ts";

/** The names of a function or comprehension; the file's own names are apart. */
type Scope = ReadonlySet<string>;

/** Line by line, with all that the file assigns known before. */
export class WholeNames {
  readonly #resolver: Resolver;

  constructor(module: ReadonlySet<string>, builtins: ReadonlySet<string>) {
    this.#resolver = new Resolver(module, builtins, { isWhole: true });
  }

  get failures(): readonly RulesFailure[] {
    return this.#resolver.failures;
  }

  add(line: readonly Statement[]): void {
    this.#resolver.statements(line, noScopes);
  }
}

/** The same for a file that is run while it is read. What comes later is taken to be good: names that nothing has
 *  assigned yet are variables of the file, and those of the language stay what they are. `isRight()` says in the end whether it was. */
export class LineNames {
  readonly #module = new Set<string>();
  readonly #resolver: Resolver;
  #shadowed = false;

  constructor(builtins: ReadonlySet<string>) {
    this.#resolver = new Resolver(this.#module, builtins, { isWhole: false });
  }

  add(line: readonly Statement[]): void {
    if (line.some(({ kind }) => kind !== "expression")) this.#addAssigned(line);
    this.#resolver.statements(line, noScopes);
  }

  /** All of them, behind the last line. */
  get assigned(): ReadonlySet<string> {
    return this.#module;
  }

  #addAssigned(line: readonly Statement[]): void {
    const assigned = new Set<string>();
    collectAssigned(line, assigned);
    for (const name of assigned) {
      // It was the file's variable all along, also where it was read as the language's own.
      if (this.#resolver.builtinsUsed.has(name)) this.#shadowed = true;
      this.#module.add(name);
    }
  }

  isRight(): boolean {
    if (this.#shadowed) return false;
    for (const name of this.#resolver.unknown) if (!this.#module.has(name)) return false;
    return true;
  }
}

const noScopes: readonly Scope[] = [];

/** Names that a list of statements assigns, without looking into functions. */
export function collectAssigned(statements: readonly Statement[], found: Set<string>): void {
  for (const statement of statements) {
    switch (statement.kind) {
      case "assign":
      case "augment":
        collectTarget(statement.target, found);
        break;
      case "for":
        collectTarget(statement.target, found);
        collectAssigned(statement.body, found);
        break;
      case "if":
        collectAssigned(statement.whenTrue, found);
        collectAssigned(statement.otherwise, found);
        break;
      case "def":
        found.add(statement.name.name);
        break;
      case "expression":
      case "return":
      case "break":
      case "continue":
      case "pass":
        break;
    }
  }
}

function collectTarget(target: Target, found: Set<string>): void {
  if (target.kind === "name") found.add(target.name);
  else if (target.kind === "list" || target.kind === "tuple") {
    for (const item of target.items) collectTarget(item as Target, found); // the parser let nothing else through
  }
}

const ofModule: Binding = { kind: "module" };
const ofLanguage: Binding = { kind: "builtin" };

class Resolver {
  readonly failures: RulesFailure[] = [];
  readonly builtinsUsed = new Set<string>();
  /** Names that nothing has assigned, as far as the file is known; only where that is not the whole of it. */
  readonly unknown = new Set<string>();
  readonly #module: Scope;
  readonly #builtins: ReadonlySet<string>;
  readonly #isWhole: boolean;

  constructor(module: Scope, builtins: ReadonlySet<string>, { isWhole }: { isWhole: boolean }) {
    this.#module = module;
    this.#builtins = builtins;
    this.#isWhole = isWhole;
  }

  statements(list: readonly Statement[], scopes: readonly Scope[]): void {
    for (const statement of list) this.#statement(statement, scopes);
  }

  #statement(statement: Statement, scopes: readonly Scope[]): void {
    switch (statement.kind) {
      case "expression":
        this.#expression(statement.value, scopes);
        return;
      case "assign":
        this.#maybe(statement.type, scopes);
        this.#expression(statement.value, scopes);
        this.#expression(statement.target, scopes);
        return;
      case "augment":
        this.#expression(statement.value, scopes);
        this.#expression(statement.target, scopes);
        return;
      case "if":
        this.#expression(statement.test, scopes);
        this.statements(statement.whenTrue, scopes);
        this.statements(statement.otherwise, scopes);
        return;
      case "for":
        this.#expression(statement.over, scopes);
        this.#expression(statement.target, scopes);
        this.statements(statement.body, scopes);
        return;
      case "def":
        this.#expression(statement.name, scopes);
        this.#function(statement.function, scopes);
        return;
      case "return":
        this.#maybe(statement.value, scopes);
        return;
      case "break":
      case "continue":
      case "pass":
        return;
    }
  }

  #function({ parameters, returns, body }: FunctionBody, scopes: readonly Scope[]): void {
    this.#maybe(returns, scopes);
    for (const parameter of parameters) {
      this.#maybe(parameter.type, scopes);
      this.#maybe(parameter.default, scopes);
    }
    const own = new Set(parameters.map(({ name }) => name));
    if (Array.isArray(body)) {
      collectAssigned(body, own);
      this.statements(body, [...scopes, own]);
    } else {
      this.#expression(body, [...scopes, own]);
    }
  }

  #maybe(node: Expression | null, scopes: readonly Scope[]): void {
    if (node !== null) this.#expression(node, scopes);
  }

  #all(nodes: readonly Expression[], scopes: readonly Scope[]): void {
    for (const node of nodes) this.#expression(node, scopes);
  }

  #expression(node: Expression, scopes: readonly Scope[]): void {
    switch (node.kind) {
      case "name":
        this.#name(node, scopes);
        return;
      case "literal":
        return;
      case "formatted":
        for (const part of node.parts) if (typeof part !== "string") this.#expression(part.value, scopes);
        return;
      case "list":
      case "tuple":
        this.#all(node.items, scopes);
        return;
      case "dict":
        for (const { key, value } of node.entries) this.#all([key, value], scopes);
        return;
      case "listComprehension":
      case "dictComprehension":
        this.#comprehension(node.clauses, node.key === null ? [node.value] : [node.key, node.value], scopes);
        return;
      case "call":
        this.#expression(node.callee, scopes);
        for (const { value } of node.given) this.#expression(value, scopes);
        return;
      case "unary":
        this.#expression(node.operand, scopes);
        return;
      case "binary":
        this.#expression(node.left, scopes);
        this.#expression(node.right, scopes);
        return;
      case "conditional":
        this.#all([node.test, node.whenTrue, node.otherwise], scopes);
        return;
      case "attribute":
        this.#expression(node.object, scopes);
        return;
      case "index":
        this.#all([node.object, node.index], scopes);
        return;
      case "slice":
        this.#all([node.object, ...[node.from, node.to, node.step].filter((part) => part !== null)], scopes);
        return;
      case "lambda":
        this.#function(node.function, scopes);
        return;
    }
  }

  #comprehension(clauses: readonly Clause[], results: readonly Expression[], scopes: readonly Scope[]): void {
    const own = new Set<string>();
    for (const clause of clauses) if (clause.kind === "for") collectTarget(clause.target, own);
    const inner = [...scopes, own];
    clauses.forEach((clause, index) => {
      // What the first loop goes through is looked up outside, as in Python.
      if (clause.kind === "for") this.#all([clause.over], index === 0 ? scopes : inner);
      else this.#expression(clause.test, inner);
      if (clause.kind === "for") this.#expression(clause.target, inner);
    });
    this.#all(results, inner);
  }

  #name(node: Name, scopes: readonly Scope[]): void {
    for (let up = 0; up < scopes.length; up += 1) {
      if (scopes[scopes.length - 1 - up]?.has(node.name) === true) {
        node.binding = { kind: "scope", up };
        return;
      }
    }
    if (this.#module.has(node.name)) {
      node.binding = ofModule;
    } else if (this.#builtins.has(node.name)) {
      node.binding = ofLanguage;
      this.builtinsUsed.add(node.name);
    } else if (!this.#isWhole) {
      node.binding = ofModule;
      this.unknown.add(node.name);
    } else if (this.failures.length < limits.errors) {
      const expected = `a variable of this file, or one of ${nearest(node.name, this.#builtins)}`;
      this.failures.push(
        new RulesFailure(node.start, node.end, `the name ${quoted(node.name)} is not known`, expected),
      );
    }
  }
}

/** The names that may have been meant: those that share a start, else the three that make rules. */
function nearest(name: string, known: ReadonlySet<string>): string {
  const start = name.slice(0, 3).toLowerCase();
  const alike = [...known].filter((other) => other.toLowerCase().startsWith(start));
  return (alike.length > 0 ? alike : ["prefix_rule", "host_executable", "network_rule"]).join(", ");
}
