/** The arguments of a call that makes a rule: checked, and each with the place where it is written. */
import { limits } from "./limits.ts";
import { quoted } from "./rules-error.ts";
import type { Call, CallArgument, Expression, Span } from "./syntax.ts";
import { reprOf } from "./text-of.ts";
import { List, typeName } from "./values.ts";
import type { Given, Value } from "./values.ts";

/** A value, and the expression that it came from: messages point at the part at fault where it is written out. */
export interface Placed extends Span {
  value: Value;
  written: Expression | null;
}

export type Report = (where: Span, text: string, expected: string) => void;

type ParameterType = "string" | "list" | "bool" | "dict";

export interface ParameterTable {
  /** The name of the function. */
  name: string;
  types: ReadonlyMap<string, ParameterType>;
  /** In the order in which they may be given without a name. */
  positional: readonly string[];
  required: readonly string[];
}

/** `named`: the parameters that need their name. */
export function parameterTable(
  name: string,
  types: Readonly<Record<string, ParameterType>>,
  { named = [], required }: { named?: readonly string[]; required: readonly string[] },
): ParameterTable {
  const positional = Object.keys(types).filter((parameter) => !named.includes(parameter));
  return { name, types: new Map(Object.entries(types)), positional, required };
}

/** The arguments by their parameters. What is wrong is reported. */
export function readArguments(table: ParameterTable, call: Call, given: Given, report: Report): Map<string, Placed> {
  const found = new Map<string, Placed>();
  let spread = false;
  for (const { form } of call.given) spread ||= form === "list";
  const { positional } = given;
  // More than that many problems nobody is told.
  for (let index = 0; index < Math.min(positional.length, limits.errors); index += 1) {
    const written = spread ? null : (call.given[index]?.value ?? null);
    const { start, end } = written ?? call;
    const place: Placed = { value: positional[index] ?? null, written, start, end };
    const name = table.positional[index];
    if (name === undefined)
      report(place, `too many positional arguments for call to ${table.name}`, `at most ${table.positional.length}`);
    else if (hasType(table, name, place, report)) found.set(name, place);
  }
  const before = table.positional.slice(0, positional.length);
  let named = 0;
  for (const [name, value] of given.named) {
    named += 1;
    if (named > limits.errors) break;
    const argument = namedArgument(call, name);
    const written = argument?.value ?? null;
    const { start, end } = written ?? call;
    const place: Placed = { value, written, start, end };
    if (!table.types.has(name)) {
      const known = `one of ${[...table.types.keys()].join(", ")}`;
      report(argument ?? call, `Found ${quoted(name)} extra named parameter(s) for call to ${table.name}`, known);
    } else if (before.includes(name))
      report(argument ?? call, `Argument \`${name}\` occurs more than once`, `\`${name}\` once`);
    else if (hasType(table, name, place, report)) found.set(name, place);
  }
  for (const name of table.required) {
    if (before.includes(name) || given.named.has(name)) continue;
    report(call, `Missing parameter \`${name}\` for call to \`${table.name}\``, describe(name, table));
  }
  return found;
}

/** An argument as it is written out, by its place or its name; null where it came by way of * or **. */
export function writtenArgument(call: Call, index: number, name: string): Expression | null {
  const named = namedArgument(call, name);
  if (named !== null) return named.value;
  for (const { form } of call.given) if (form === "list") return null;
  const argument = call.given[index];
  return argument?.form === "plain" ? argument.value : null;
}

function namedArgument(call: Call, name: string): CallArgument | null {
  for (const argument of call.given) if (argument.form === "named" && argument.name === name) return argument;
  return null;
}

function describe(name: string, table: ParameterTable): string {
  if (name === "pattern") return "a list of tokens";
  return table.types.get(name) === "list" ? "a list" : "a string";
}

function hasType(table: ParameterTable, name: string, place: Placed, report: Report): boolean {
  const wanted = table.types.get(name);
  const actual = typeName(place.value);
  if (actual === wanted) return true;
  const what = `Type of parameter \`${name}\` doesn't match`;
  report(place, what, `\`${wanted}\`, actual \`${actual} (repr: ${shortRepr(place.value)})\``);
  return false;
}

/** One line of bounded length. */
export function shortRepr(value: Value): string {
  if (typeof value === "string") return quoted(value);
  if (value instanceof List && value.items.length > 0) return `[${value.items.length} elements]`;
  const text = reprOf(value, () => undefined);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

/** The elements of a list, each at its own place where the list is written out. */
export function elementsOfList({ value, written, start, end }: Placed): Placed[] {
  if (!(value instanceof List)) return [];
  const items = written?.kind === "list" && written.items.length === value.items.length ? written.items : null;
  return value.items.map((item, index) => {
    const part = items?.[index] ?? null;
    return { value: item, written: part, start: part?.start ?? start, end: part?.end ?? end };
  });
}
