/** Type annotations: `str`, `list[str]`, `dict[str, int]`, `int | None` and so on, checked when a value arrives. */
import type { Expression } from "./syntax.ts";
import { aType, Builtin, Dict, List, Range, Tuple, typeName, ValueFailure } from "./values.ts";
import type { Charge, TypeTest, Value } from "./values.ts";

const simple: Record<string, (value: Value) => boolean> = {
  str: (value) => typeof value === "string",
  int: (value) => typeof value === "bigint",
  float: (value) => typeof value === "number",
  bool: (value) => typeof value === "boolean",
  list: (value) => value instanceof List,
  dict: (value) => value instanceof Dict,
  tuple: (value) => value instanceof Tuple,
  range: (value) => value instanceof Range,
  bytes: (value) => typeName(value) === "bytes",
};

/** `evaluate` gives the value of a name: a shadowed `str` is not a type. */
export function readType(node: Expression, evaluate: (node: Expression) => Value): TypeTest {
  if (node.kind === "binary" && node.operator === "|") {
    const [left, right] = [readType(node.left, evaluate), readType(node.right, evaluate)];
    return {
      text: `${left.text} | ${right.text}`,
      accepts: (value, charge) => left.accepts(value, charge) || right.accepts(value, charge),
    };
  }
  if (node.kind === "index") return readIndexed(node, evaluate);
  const value = evaluate(node);
  if (value === null) return { text: "None", accepts: (given) => given === null };
  const accepts = value instanceof Builtin && Object.hasOwn(simple, value.name) ? simple[value.name] : undefined;
  if (!(value instanceof Builtin) || accepts === undefined)
    throw new ValueFailure(`${aType(value)} is not a type`, `${Object.keys(simple).join(", ")} or None`);
  return { text: value.name, accepts };
}

function readIndexed(node: Extract<Expression, { kind: "index" }>, evaluate: (node: Expression) => Value): TypeTest {
  const holder = readType(node.object, evaluate);
  const inner = (node.index.kind === "tuple" ? node.index.items : [node.index]).map((part) =>
    part.kind === "literal" && typeof part.value === "symbol" ? null : readType(part, evaluate),
  );
  const text = `${holder.text}[${inner.map((part) => part?.text ?? "...").join(", ")}]`;
  const [first, second] = inner;
  if (holder.text === "list" && first != null && inner.length === 1)
    return { text, accepts: (value, charge) => value instanceof List && acceptsAll(value.items, first, charge) };
  if (holder.text === "dict" && first != null && second != null && inner.length === 2) {
    const accepts = (value: Value, charge: Charge): boolean =>
      value instanceof Dict && acceptsAll(value.keys(), first, charge) && acceptsAll(value.values(), second, charge);
    return { text, accepts };
  }
  if (holder.text !== "tuple") throw new ValueFailure(`${text} is not a type`, "list[T], dict[K, V] or tuple[T, ...]");
  return { text, accepts: (value, charge) => value instanceof Tuple && acceptsTuple(value, inner, charge) };
}

function acceptsTuple(value: Tuple, inner: readonly (TypeTest | null)[], charge: Charge): boolean {
  const [first, second] = inner;
  if (inner.length === 2 && second === null) return first != null && acceptsAll(value.items, first, charge);
  charge(value.items.length);
  return (
    value.items.length === inner.length &&
    value.items.every((item, index) => inner[index]?.accepts(item, charge) === true)
  );
}

function acceptsAll(items: readonly Value[], test: TypeTest, charge: Charge): boolean {
  charge(items.length);
  return items.every((item) => test.accepts(item, charge));
}
