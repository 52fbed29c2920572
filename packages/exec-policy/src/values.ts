/** The values of the language. Integers are bigints, floats are numbers, None is null; the rest are classes. */
import { limits } from "./limits.ts";
import type { FunctionBody } from "./syntax.ts";

export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | symbol
  | Bytes
  | List
  | Tuple
  | Dict
  | Range
  | Elements
  | Builtin
  | Closure;

/** A run-time failure without a place: the interpreter adds where. */
export class ValueFailure extends Error {
  readonly expected: string;

  constructor(text: string, expected: string) {
    super(text);
    this.expected = expected;
  }
}

export class Bytes {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    if (bytes.length > limits.stringLength) throw tooMany();
    this.bytes = bytes;
  }
}

export class List {
  readonly items: Value[];
  /** How many loops go through it now: it must not change under them. */
  iterations = 0;
  constructor(items: Value[]) {
    if (items.length > limits.elements) throw tooMany();
    this.items = items;
  }
}

export class Tuple {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    if (items.length > limits.elements) throw tooMany();
    this.items = items;
  }
}

/** What `elems()` and `codepoints()` give: something to go through, and nothing else. */
export class Elements {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

export class Range {
  readonly start: bigint;
  readonly stop: bigint;
  readonly step: bigint;
  readonly length: number;
  constructor(start: bigint, stop: bigint, step: bigint) {
    if (step === 0n) throw new ValueFailure("the step of range is 0", "a step that leads somewhere");
    const span = step > 0n ? stop - start + step - 1n : stop - start + step + 1n;
    const length = span / step;
    this.start = start;
    this.stop = stop;
    this.step = step;
    this.length =
      length <= 0n ? 0 : length > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(length);
  }
  at(index: number): bigint {
    return this.start + this.step * BigInt(index);
  }
}

/** Keys keep the order in which they were put in. */
export class Dict {
  readonly entries: Map<string, { key: Value; value: Value }> = new Map();
  iterations = 0;

  get(key: Value, charge: Charge): Value | undefined {
    return this.entries.get(hashKey(key, charge))?.value;
  }

  set(key: Value, value: Value, charge: Charge): void {
    const hash = hashKey(key, charge);
    const known = this.entries.get(hash);
    if (known === undefined && this.iterations > 0) throw changedInLoop("dict");
    if (known === undefined && this.entries.size >= limits.elements) throw tooMany();
    this.entries.set(hash, { key: known === undefined ? key : known.key, value });
  }

  delete(key: Value, charge: Charge): Value | undefined {
    if (this.iterations > 0) throw changedInLoop("dict");
    const hash = hashKey(key, charge);
    const known = this.entries.get(hash);
    this.entries.delete(hash);
    return known?.value;
  }

  keys(): Value[] {
    return [...this.entries.values()].map(({ key }) => key);
  }

  values(): Value[] {
    return [...this.entries.values()].map(({ value }) => value);
  }
}

/** A function of the language itself, or a method bound to its value. */
export class Builtin {
  readonly name: string;
  readonly call: (given: Given, tools: Tools) => Value;
  constructor(name: string, call: (given: Given, tools: Tools) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** What builtins need of the interpreter. */
export interface Tools {
  charge: Charge;
  /** Calls a function that was given as a value. */
  apply(callee: Value, positional: Value[]): Value;
}

/** The arguments of a call: by position, by name. */
export interface Given {
  positional: Value[];
  named: ReadonlyMap<string, Value>;
}

export interface Frame {
  variables: Map<string, Value>;
  /** The function or comprehension around this one; null: the file. */
  outer: Frame | null;
}

export class Closure {
  readonly body: FunctionBody;
  readonly outer: Frame | null;
  readonly defaults: ReadonlyMap<string, Value>;
  readonly types: ReadonlyMap<string, TypeTest>;
  readonly returns: TypeTest | null;
  constructor(made: Pick<Closure, "body" | "outer" | "defaults" | "types" | "returns">) {
    this.body = made.body;
    this.outer = made.outer;
    this.defaults = made.defaults;
    this.types = made.types;
    this.returns = made.returns;
  }
}

export interface TypeTest {
  text: string;
  accepts(value: Value, charge: Charge): boolean;
}

export function tooMany(): ValueFailure {
  return new ValueFailure("too many elements", `at most ${limits.elements}`);
}

export function changedInLoop(type: string): ValueFailure {
  return new ValueFailure(`the ${type} is changed while a loop goes through it`, "a copy to change, or another loop");
}

/** `a list`, `an int`. */
export function aType(value: Value): string {
  const name = typeName(value);
  return /^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`;
}

/** Names as messages have them: `str` values are called `string` there. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float";
  if (typeof value === "string") return "string";
  if (typeof value === "symbol") return "ellipsis";
  if (value instanceof List) return "list";
  if (value instanceof Tuple) return "tuple";
  if (value instanceof Dict) return "dict";
  if (value instanceof Range) return "range";
  if (value instanceof Elements) return "iterator";
  return value instanceof Bytes ? "bytes" : "function";
}

export function isTrue(value: Value): boolean {
  if (value === null || value === false || value === 0n || value === 0 || value === "") return false;
  if (value instanceof List || value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Dict) return value.entries.size > 0;
  if (value instanceof Range) return value.length > 0;
  return value instanceof Bytes ? value.bytes.length > 0 : true;
}

const functionNumbers = new WeakMap<Builtin | Closure, number>();
let lastFunctionNumber = 0;

function functionNumber(key: Builtin | Closure): number {
  const number = functionNumbers.get(key) ?? ++lastFunctionNumber;
  functionNumbers.set(key, number);
  return number;
}

/** Equal keys have equal texts: an int and a float of the same value are one key, a bool is another. */
function hashKey(key: Value, charge: Charge, depth = 0): string {
  if (depth > limits.nesting) throw new ValueFailure("the key is too deeply nested", `at most ${limits.nesting}`);
  if (key === null || typeof key === "boolean") return String(key);
  if (typeof key === "string") {
    charge(1 + (key.length >> 2));
    return `s${key}`;
  }
  if (typeof key === "bigint") return `n${key}`;
  if (typeof key === "number") return Number.isInteger(key) ? `n${BigInt(key)}` : `f${key}`;
  if (key instanceof Bytes) {
    charge(key.bytes.length);
    return `b${key.bytes.join()}`;
  }
  if (key instanceof Tuple) {
    // The attack: a pair of pairs of pairs is small in memory, and its text is endless.
    const parts = key.items.map((item) => {
      const part = hashKey(item, charge, depth + 1);
      charge(1 + part.length);
      return part;
    });
    return `(${parts.map((part) => `${part.length}:${part}`).join("")}`;
  }
  if (key instanceof Builtin || key instanceof Closure) return `f${functionNumber(key)}`;
  throw new ValueFailure(
    `${aType(key)} cannot be a key`,
    "a string, a number, True, False, None, a function or a tuple of them",
  );
}

/** Counts what operators look at, so that values inside values cannot make one comparison endless. */
export type Charge = (units: number) => void;

export function areEqual(left: Value, right: Value, charge: Charge, depth = 0): boolean {
  charge(1);
  if (depth > limits.nesting)
    throw new ValueFailure("the values are too deeply nested to compare", `at most ${limits.nesting}`);
  if (typeof left === "number" || typeof right === "number") return sameNumber(left, right);
  if (typeof left === "string" && typeof right === "string") {
    charge(Math.min(left.length, right.length) >> 4);
    return left === right;
  }
  if ((left instanceof List && right instanceof List) || (left instanceof Tuple && right instanceof Tuple)) {
    const others = right.items;
    return (
      left.items.length === others.length &&
      left.items.every((item, index) => areEqual(item, others[index] ?? null, charge, depth + 1))
    );
  }
  if (left instanceof Dict && right instanceof Dict) {
    charge(left.entries.size);
    return (
      left.entries.size === right.entries.size &&
      [...left.entries].every(([hash, { value }]) => {
        const other = right.entries.get(hash);
        return other !== undefined && areEqual(value, other.value, charge, depth + 1);
      })
    );
  }
  if (left instanceof Range && right instanceof Range) {
    return (
      left.length === right.length &&
      (left.length === 0 || (left.start === right.start && (left.length === 1 || left.step === right.step)))
    );
  }
  if (left instanceof Bytes && right instanceof Bytes) {
    charge(left.bytes.length);
    return left.bytes.length === right.bytes.length && left.bytes.every((byte, index) => byte === right.bytes[index]);
  }
  return left === right;
}

function sameNumber(left: Value, right: Value): boolean {
  const isNumber = (value: Value): value is number | bigint => typeof value === "number" || typeof value === "bigint";
  if (!isNumber(left) || !isNumber(right)) return false;
  // NaN equals itself here, so that sorting has one order.
  if (typeof left === "number" && typeof right === "number")
    return left === right || (Number.isNaN(left) && Number.isNaN(right));
  // An int and a float are equal where neither is the larger.
  return !(left < right) && !(left > right) && !Number.isNaN(Number(left)) && !Number.isNaN(Number(right));
}

/** Negative, zero or positive. */
export function compare(left: Value, right: Value, charge: Charge, depth = 0): number {
  charge(1);
  if (depth > limits.nesting)
    throw new ValueFailure("the values are too deeply nested to compare", `at most ${limits.nesting}`);
  const isNumber = (value: Value): value is number | bigint => typeof value === "number" || typeof value === "bigint";
  if (isNumber(left) && isNumber(right)) return left < right ? -1 : left > right ? 1 : 0;
  if (typeof left === "string" && typeof right === "string") return compareTexts(left, right, charge);
  if (typeof left === "boolean" && typeof right === "boolean") return Number(left) - Number(right);
  if ((left instanceof List && right instanceof List) || (left instanceof Tuple && right instanceof Tuple)) {
    const shared = Math.min(left.items.length, right.items.length);
    for (let index = 0; index < shared; index += 1) {
      const order = compare(left.items[index] ?? null, right.items[index] ?? null, charge, depth + 1);
      if (order !== 0) return order;
    }
    return left.items.length - right.items.length;
  }
  throw new ValueFailure(
    `${typeName(left)} and ${typeName(right)} have no order`,
    "two numbers, strings, lists or tuples",
  );
}

/** By code points; JavaScript's own order is by UTF-16 units. */
function compareTexts(left: string, right: string, charge: Charge): number {
  charge(Math.min(left.length, right.length) >> 2);
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const [one, other] = [left.charCodeAt(index), right.charCodeAt(index)];
    if (one === other) continue;
    const [isHighOne, isHighOther] = [one >= 0xd800 && one < 0xe000, other >= 0xd800 && other < 0xe000];
    if (isHighOne !== isHighOther) return isHighOne ? 1 : -1;
    return one - other;
  }
  return left.length - right.length;
}
