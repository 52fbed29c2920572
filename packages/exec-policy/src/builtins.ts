/** The functions and constants that every file can use. The functions that make rules are apart. */
import { intOf, take, textOf } from "./arguments.ts";
import { addEntries, elementsOf } from "./elements.ts";
import { attributeNames, attributeOf } from "./methods.ts";
import { unary } from "./operators.ts";
import { joinedText, reprOf, strOf } from "./text-of.ts";
import {
  aType,
  Builtin,
  Bytes,
  compare,
  Dict,
  Elements,
  isTrue,
  List,
  Range,
  Tuple,
  typeName,
  ValueFailure,
} from "./values.ts";
import type { Given, Tools, Value } from "./values.ts";

const maxDigits = 1000;

type Function = (given: Given, tools: Tools) => Value;

const functions: Record<string, Function> = {
  abs: (given) => {
    const [value] = take("abs", given, ["x"]);
    return (typeof value === "bigint" || typeof value === "number") && value < 0
      ? unary("-", value)
      : unary("+", value ?? null);
  },
  all: (given, tools) => elements("all", given, tools).every(isTrue),
  any: (given, tools) => elements("any", given, tools).some(isTrue),
  bool: (given) => isTrue(take("bool", given, ["x?"])[0] ?? null),
  bytes: (given, tools) => {
    const [value] = take("bytes", given, ["x"]);
    if (value instanceof Bytes) return value;
    if (typeof value === "string") tools.charge(value.length * 4);
    const items =
      typeof value === "string"
        ? [...utf8(value)]
        : elementsOf(value ?? null, tools.charge).map((item) => Number(intOf(item, "a byte")));
    if (items.some((byte) => byte < 0 || byte > 255)) throw new ValueFailure("a byte is out of range", "0 to 255");
    return new Bytes(Uint8Array.from(items));
  },
  chr: (given) => {
    const code = Number(intOf(take("chr", given, ["i"])[0], "the code point"));
    if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
      throw new ValueFailure(`${code} is not a character`, "a Unicode scalar value");
    return String.fromCodePoint(code);
  },
  dict: (given, tools) => {
    const found = new Dict();
    const [from] = given.positional;
    if (given.positional.length > 1)
      throw new ValueFailure("too many positional arguments for call to dict", "at most 1");
    addEntries(found, from, tools.charge);
    for (const [key, value] of given.named) found.set(key, value, tools.charge);
    return found;
  },
  dir: (given) => new List(attributeNames(take("dir", given, ["x"])[0] ?? null)),
  enumerate: (given, tools) => {
    const [items, start] = take("enumerate", given, ["it", "start?"]);
    const first = start === undefined ? 0n : intOf(start, "the start");
    return new List(
      elementsOf(items ?? null, tools.charge).map((item, index) => new Tuple([first + BigInt(index), item])),
    );
  },
  fail: (given, tools) => {
    const text = joinedText(
      given.positional.map((part) => strOf(part, tools.charge)),
      tools.charge,
      " ",
    );
    throw new ValueFailure(`fail: ${text}`, "the file's own conditions to hold");
  },
  float: (given) => floatOf(take("float", given, ["x?"])[0]),
  getattr: (given) => {
    const [object, name, otherwise] = take("getattr", given, ["x", "attr", "default?"]);
    const text = textOf(name, "the name");
    if (otherwise !== undefined && !hasAttribute(object ?? null, text)) return otherwise;
    return attributeOf(object ?? null, text);
  },
  hasattr: (given) => {
    const [object, name] = take("hasattr", given, ["x", "attr"]);
    return hasAttribute(object ?? null, textOf(name, "the name"));
  },
  hash: (given, tools) => {
    const text = textOf(take("hash", given, ["x"])[0], "the argument");
    tools.charge(text.length);
    // As Java's String.hashCode, which the language took over.
    let sum = 0;
    for (let index = 0; index < text.length; index += 1) sum = (Math.imul(sum, 31) + text.charCodeAt(index)) | 0;
    return BigInt(sum);
  },
  int: (given) => {
    const [value, base] = take("int", given, ["x?", "base?"]);
    return integerOf(value ?? 0n, base);
  },
  len: (given, tools) => {
    const value = take("len", given, ["x"])[0] ?? null;
    if (typeof value === "string") {
      tools.charge(value.length);
      return BigInt([...value].length);
    }
    if (value instanceof Bytes) return BigInt(value.bytes.length);
    if (value instanceof Elements) throw new ValueFailure("an iterator has no length", "a list made of it");
    return BigInt(value instanceof Range ? value.length : elementsOf(value, tools.charge).length);
  },
  list: (given, tools) => {
    const value = take("list", given, ["it?"])[0];
    return new List(value === undefined ? [] : elementsOf(value, tools.charge).slice());
  },
  max: (given, tools) => extreme("max", given, tools),
  min: (given, tools) => extreme("min", given, tools),
  ord: (given) => {
    const text = textOf(take("ord", given, ["c"])[0], "the argument");
    if (text.length > 2 || Array.from(text).length !== 1)
      throw new ValueFailure("ord got not exactly one character", "a string of one character");
    return BigInt(text.codePointAt(0) ?? 0);
  },
  range: (given) => {
    const [first, second, third] = take("range", given, ["a", "b?", "step?"]);
    const start = second === undefined ? 0n : intOf(first, "the start");
    const stop = intOf(second ?? first, "the stop");
    return new Range(start, stop, third === undefined ? 1n : intOf(third, "the step"));
  },
  repr: (given, tools) => reprOf(take("repr", given, ["x"])[0] ?? null, tools.charge),
  reversed: (given, tools) => new List(elements("reversed", given, tools).toReversed()),
  sorted: (given, tools) => {
    const [items, key, reverse] = take("sorted", given, ["x", "=key?", "=reverse?"]);
    const keyed = elementsOf(items ?? null, tools.charge).map((item) => ({ item, key: keyOf(item, key, tools) }));
    const order = keyed.toSorted((left, right) => {
      const compared = compare(left.key, right.key, tools.charge);
      return isTrue(reverse ?? false) ? -compared : compared;
    });
    return new List(order.map(({ item }) => item));
  },
  str: (given, tools) => strOf(take("str", given, ["x"])[0] ?? null, tools.charge),
  tuple: (given, tools) => {
    const [value] = take("tuple", given, ["it?"]);
    return new Tuple(value === undefined ? [] : [...elementsOf(value, tools.charge)]);
  },
  type: (given) => typeName(take("type", given, ["x"])[0] ?? null),
  zip: (given, tools) => {
    const columns = given.positional.map((value) => elementsOf(value, tools.charge));
    const length = columns.length === 0 ? 0 : Math.min(...columns.map((column) => column.length));
    tools.charge(4 * length * columns.length);
    return new List(Array.from({ length }, (_, row) => new Tuple(columns.map((column) => column[row] ?? null))));
  },
};

export const builtins: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["True", true],
  ["False", false],
  ["None", null],
  ...Object.entries(functions).map(([name, call]): [string, Value] => [name, new Builtin(name, call)]),
]);

function elements(name: string, given: Given, tools: Tools): readonly Value[] {
  return elementsOf(take(name, given, ["x"])[0] ?? null, tools.charge);
}

function utf8(text: string): number[] {
  const bytes = encodeURIComponent(text).matchAll(/%([0-9A-F]{2})|[^%]/g);
  return Array.from(bytes, ([char, hex]) => (hex === undefined ? char.charCodeAt(0) : Number.parseInt(hex, 16)));
}

function hasAttribute(object: Value, name: string): boolean {
  return attributeNames(object).includes(name);
}

function keyOf(item: Value, key: Value | undefined, tools: Tools): Value {
  return key === undefined || key === null ? item : tools.apply(key, [item]);
}

function extreme(name: "max" | "min", given: Given, tools: Tools): Value {
  const key = given.named.get("key");
  for (const extra of given.named.keys()) {
    if (extra !== "key")
      throw new ValueFailure(`Found ${JSON.stringify(extra)} extra named parameter(s) for call to ${name}`, "key");
  }
  const [first] = given.positional;
  const items = given.positional.length === 1 ? elementsOf(first ?? null, tools.charge) : given.positional;
  let best: { item: Value; key: Value } | null = null;
  for (const item of items) {
    const found = { item, key: keyOf(item, key, tools) };
    const order = best === null ? 0 : compare(found.key, best.key, tools.charge);
    if (best === null || (name === "max" ? order > 0 : order < 0)) best = found;
  }
  if (best === null) throw new ValueFailure(`${name} got nothing to choose from`, "at least one value");
  return best.item;
}

function floatOf(value: Value | undefined): number {
  if (value === undefined) return 0;
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  if (typeof value === "boolean") return value ? 1 : 0;
  const given = textOf(value, "the argument");
  // Not only for the time: looking for the digits of a long text goes back and forth in it.
  if (given.length > maxDigits)
    throw new ValueFailure("the text is too long for a number", `at most ${maxDigits} characters`);
  const text = given.trim();
  if (/^[+-]?(inf|infinity)$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  if (!/^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(text))
    throw new ValueFailure(`${JSON.stringify(text.slice(0, 60))} is not a number`, "digits");
  return Number(text);
}

const digitsOf = "0123456789abcdefghijklmnopqrstuvwxyz";

function integerOf(value: Value, base: Value | undefined): bigint {
  if (typeof value === "string")
    return parseInteger(value, base === undefined ? null : Number(intOf(base, "the base")));
  if (base !== undefined) throw new ValueFailure("int got a base for what is no string", "a string, or no base");
  if (typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (typeof value !== "number" || !Number.isFinite(value))
    throw new ValueFailure(`int cannot be made of ${aType(value)}`, "a string, a finite number or a bool");
  return BigInt(Math.trunc(value));
}

/** Without a base a prefix names it; `_` may stand behind a digit. */
function parseInteger(text: string, given: number | null): bigint {
  const base = given ?? (/^[+-]?0[xXoObB]/.test(text) ? 0 : 10);
  const refuse = (): ValueFailure =>
    new ValueFailure(`${JSON.stringify(text.slice(0, 60))} is not a number of base ${base}`, "its digits");
  if (text.length > maxDigits) throw refuse();
  const [, sign = "", prefix = "", digits = ""] = /^([+-]?)(0[xXoObB])?(.*)$/s.exec(text) ?? [];
  const named = { x: 16, o: 8, b: 2 }[prefix.charAt(1).toLowerCase()];
  if (base !== 0 && (base < 2 || base > 36)) throw new ValueFailure(`the base is ${base}`, "0, or 2 to 36");
  const actual = named !== undefined && (base === 0 || base === named) ? named : base === 0 ? 10 : base;
  const all = named !== undefined && actual !== named ? `${prefix}${digits}` : digits;
  if (all === "" || all.startsWith("_") || all.length > maxDigits) throw refuse();
  let sum = 0n;
  for (const char of all.toLowerCase().replaceAll("_", "")) {
    const digit = digitsOf.indexOf(char);
    if (digit < 0 || digit >= actual) throw refuse();
    sum = sum * BigInt(actual) + BigInt(digit);
  }
  return sign === "-" ? -sum : sum;
}
