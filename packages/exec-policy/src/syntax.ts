/** The tree of a rules file. Offsets are UTF-16 units of the text, `end` exclusive. */

export interface Span {
  start: number;
  end: number;
  /** Of expressions: how high the tree below is, from 3 on. Whoever walks it must not run out of stack. */
  height?: number;
}

/** Where a name is kept: in the file, in a function or comprehension that many levels up, or built in. */
export type Binding = { kind: "module" | "builtin" } | { kind: "scope"; up: number };

export interface Name extends Span {
  kind: "name";
  name: string;
  /** Set when the whole file has been read. */
  binding: Binding;
}

export interface CallArgument extends Span {
  form: "plain" | "named" | "list" | "dict";
  /** For `named`. */
  name: string;
  value: Expression;
}

export interface Call extends Span {
  kind: "call";
  callee: Expression;
  given: CallArgument[];
}

interface ListExpression extends Span {
  kind: "list" | "tuple";
  items: Expression[];
}

export type Clause = Span & ({ kind: "for"; target: Target; over: Expression } | { kind: "if"; test: Expression });

export interface Comprehension extends Span {
  kind: "listComprehension" | "dictComprehension";
  /** One expression, or key and value. */
  key: Expression | null;
  value: Expression;
  clauses: Clause[];
}

export interface Parameter extends Span {
  form: "plain" | "list" | "dict" | "keywordsFollow";
  name: string;
  type: Expression | null;
  default: Expression | null;
}

export interface FunctionBody {
  name: string;
  parameters: Parameter[];
  returns: Expression | null;
  /** A lambda has one expression for a body. */
  body: Statement[] | Expression;
}

export type Expression =
  | Name
  | Call
  | ListExpression
  | Comprehension
  | (Span & { kind: "literal"; value: string | bigint | number | Uint8Array | symbol })
  | (Span & { kind: "formatted"; parts: (string | { value: Expression; conversion: "r" | "s" })[] })
  | (Span & { kind: "dict"; entries: { key: Expression; value: Expression }[] })
  | (Span & { kind: "unary"; operator: string; operand: Expression })
  | (Span & { kind: "binary"; operator: string; left: Expression; right: Expression })
  | (Span & { kind: "conditional"; test: Expression; whenTrue: Expression; otherwise: Expression })
  | (Span & { kind: "attribute"; object: Expression; name: string })
  | (Span & { kind: "index"; object: Expression; index: Expression })
  | (Span & {
      kind: "slice";
      object: Expression;
      from: Expression | null;
      to: Expression | null;
      step: Expression | null;
    })
  | (Span & { kind: "lambda"; function: FunctionBody });

export type Target =
  | Name
  | ListExpression
  | Extract<Expression, { kind: "index" }>
  | Extract<Expression, { kind: "attribute" }>;

export type Statement = Span &
  (
    | { kind: "expression"; value: Expression }
    | { kind: "assign"; target: Target; type: Expression | null; value: Expression }
    | { kind: "augment"; target: Target; operator: string; value: Expression }
    | { kind: "if"; test: Expression; whenTrue: Statement[]; otherwise: Statement[] }
    | { kind: "for"; target: Target; over: Expression; body: Statement[] }
    | { kind: "def"; name: Name; function: FunctionBody }
    | { kind: "return"; value: Expression | null }
    | { kind: "break" | "continue" | "pass" }
  );

/** The value of `...`. */
export const ellipsis: symbol = Symbol("Ellipsis");

/** Before names are resolved. */
export const unresolved: Binding = { kind: "module" };

const ownWords = "and break continue def elif else for if in lambda load not or pass return";
const reservedWords =
  "as assert async await class del except finally from global import is nonlocal raise try while with yield";
const keywords: ReadonlySet<string> = new Set(`${ownWords} ${reservedWords}`.split(" "));
const reserved: ReadonlySet<string> = new Set(reservedWords.split(" "));

export function isKeyword(name: string): boolean {
  return keywords.has(name);
}

/** Kept free: no statement or operator has it. */
export function isReserved(name: string): boolean {
  return reserved.has(name);
}

/** How high the tree below and with the node is. */
export function heightOf(node: Expression): number {
  return node.height ?? (node.kind === "literal" || node.kind === "name" ? 1 : 2);
}

/** The node with its height noted. Only where it grows: most nodes are values and lists of values. */
export function nodeOf<Node extends Expression>(node: Node, height: number): Node {
  if (height > 2) node.height = height;
  return node;
}
