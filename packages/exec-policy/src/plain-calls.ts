/** Calls whose meaning does not depend on the rest of the file: `prefix_rule(["a", ["b", "c"]], exact = True)`. */
import type { Binding, Expression, Statement } from "./syntax.ts";

const builtin: Binding = { kind: "builtin" };

/** Whether the statement is such a call; its names are then bound. A file of nothing else assigns nothing, so that every name
 *  in it is the built-in one. */
export function bindPlainCall(statement: Statement, functions: readonly string[]): boolean {
  if (statement.kind !== "expression" || statement.value.kind !== "call") return false;
  const { callee, given } = statement.value;
  if (callee.kind !== "name" || !functions.includes(callee.name)) return false;
  if (!given.every(({ form, value }) => (form === "plain" || form === "named") && bindPlainValue(value))) return false;
  callee.binding = builtin;
  return true;
}

function bindPlainValue(value: Expression): boolean {
  if (value.kind === "literal") return true;
  if (value.kind === "list") return value.items.every(bindPlainValue);
  if (value.kind === "dict")
    return value.entries.every((entry) => bindPlainValue(entry.key) && bindPlainValue(entry.value));
  if (value.kind !== "name" || (value.name !== "True" && value.name !== "False")) return false;
  value.binding = builtin;
  return true;
}
