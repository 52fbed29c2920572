/** Operators between values. */
import { limits } from "./limits.ts";
import { formatPercent } from "./percent-format.ts";
import { fitting } from "./text-of.ts";
import {
  areEqual,
  aType,
  Bytes,
  compare,
  Dict,
  List,
  Range,
  tooMany,
  Tuple,
  typeName,
  ValueFailure,
} from "./values.ts";
import type { Charge, Value } from "./values.ts";

/** `and`, `or` and `not` are the interpreter's: they do not always look at both sides. */
export function binary(operator: string, left: Value, right: Value, charge: Charge): Value {
  switch (operator) {
    case "==":
      return areEqual(left, right, charge);
    case "!=":
      return !areEqual(left, right, charge);
    case "<":
      return compare(left, right, charge) < 0;
    case ">":
      return compare(left, right, charge) > 0;
    case "<=":
      return compare(left, right, charge) <= 0;
    case ">=":
      return compare(left, right, charge) >= 0;
    case "in":
      return contains(right, left, charge);
    case "not in":
      return !contains(right, left, charge);
    case "+":
      return add(left, right, charge);
    case "*":
      return multiply(left, right, charge);
    case "%":
      return typeof left === "string" ? formatPercent(left, right, charge) : arithmetic("%", left, right);
    case "|":
      return left instanceof Dict && right instanceof Dict ? merge(left, right, charge) : bits("|", left, right);
    case "&":
    case "^":
    case "<<":
    case ">>":
      return bits(operator, left, right);
    default:
      return arithmetic(operator, left, right);
  }
}

export function unary(operator: string, operand: Value): Value {
  if (typeof operand === "bigint") return operator === "-" ? -operand : operator === "~" ? ~operand : operand;
  if (typeof operand === "number" && operator !== "~") return operator === "-" ? -operand : operand;
  throw new ValueFailure(`${operator} is not known for ${aType(operand)}`, "a number");
}

function contains(holder: Value, wanted: Value, charge: Charge): boolean {
  if (typeof holder === "string") {
    if (typeof wanted !== "string") throw new ValueFailure(`${aType(wanted)} cannot be in a string`, "a string");
    chargeSearch(holder, wanted, charge);
    return holder.includes(wanted);
  }
  if (holder instanceof Dict) return holder.get(wanted, charge) !== undefined;
  if (holder instanceof List || holder instanceof Tuple)
    return holder.items.some((item) => areEqual(item, wanted, charge));
  if (holder instanceof Range) {
    if (typeof wanted !== "bigint") return false;
    const index = (wanted - holder.start) / holder.step;
    return index >= 0n && index < BigInt(holder.length) && holder.start + index * holder.step === wanted;
  }
  if (holder instanceof Bytes && wanted instanceof Bytes) {
    charge(holder.bytes.length * (1 + wanted.bytes.length));
    return holder.bytes.some((_, at) => wanted.bytes.every((byte, index) => holder.bytes[at + index] === byte));
  }
  throw new ValueFailure(`${aType(holder)} holds nothing`, "a string, list, tuple, dict or range");
}

/** Looking for a long text in a longer one may take their product. */
export function chargeSearch(text: string, wanted: string, charge: Charge): void {
  charge(text.length + (wanted.length > 32 ? (text.length / 32) * wanted.length : 0));
}

function add(left: Value, right: Value, charge: Charge): Value {
  if (typeof left === "string" && typeof right === "string") {
    charge(left.length + right.length);
    return fitting(left + right);
  }
  if (left instanceof Bytes && right instanceof Bytes) {
    charge(left.bytes.length + right.bytes.length);
    return new Bytes(Uint8Array.from([...left.bytes, ...right.bytes]));
  }
  if (left instanceof List && right instanceof List) return new List(joined(left.items, right.items, charge));
  if (left instanceof Tuple && right instanceof Tuple) return new Tuple(joined(left.items, right.items, charge));
  return arithmetic("+", left, right);
}

function joined(left: readonly Value[], right: readonly Value[], charge: Charge): Value[] {
  charge(left.length + right.length);
  return [...left, ...right];
}

function multiply(left: Value, right: Value, charge: Charge): Value {
  const [value, times] = typeof left === "bigint" ? [right, left] : [left, right];
  if (typeof times === "bigint") {
    if (typeof value === "string") return repeatText(value, times, charge);
    if (value instanceof List) return new List(repeatItems(value.items, times, charge));
    if (value instanceof Tuple) return new Tuple(repeatItems(value.items, times, charge));
  }
  return arithmetic("*", left, right);
}

function repeatText(text: string, times: bigint, charge: Charge): string {
  const length = BigInt(text.length) * times;
  if (length > BigInt(limits.stringLength))
    throw new ValueFailure("the string is too long", `at most ${limits.stringLength} characters`);
  if (length <= 0n) return "";
  charge(Number(length));
  return text.repeat(Number(times));
}

function repeatItems(items: readonly Value[], times: bigint, charge: Charge): Value[] {
  const length = BigInt(items.length) * times;
  if (length > BigInt(limits.elements)) throw tooMany();
  if (length <= 0n) return [];
  charge(Number(length));
  return Array.from({ length: Number(length) }, (_, index) => items[index % items.length] ?? null);
}

function merge(left: Dict, right: Dict, charge: Charge): Dict {
  const found = new Dict();
  charge(left.entries.size + right.entries.size);
  for (const dict of [left, right]) for (const { key, value } of dict.entries.values()) found.set(key, value, charge);
  return found;
}

function bits(operator: string, left: Value, right: Value): Value {
  if (typeof left !== "bigint" || typeof right !== "bigint") throw notKnown(operator, left, right);
  switch (operator) {
    case "|":
      return left | right;
    case "&":
      return left & right;
    case "^":
      return left ^ right;
    default:
      break;
  }
  if (right < 0n) throw new ValueFailure("a shift by less than 0", "0 or more");
  if (operator === ">>") return left >> (right > BigInt(limits.integerBits) ? BigInt(limits.integerBits) : right);
  if (right > BigInt(limits.integerBits)) throw tooLarge();
  return bounded(left << right);
}

function arithmetic(operator: string, left: Value, right: Value): Value {
  if (typeof left === "bigint" && typeof right === "bigint") return integers(operator, left, right);
  const isNumber = (value: Value): value is number | bigint => typeof value === "number" || typeof value === "bigint";
  if (!isNumber(left) || !isNumber(right)) throw notKnown(operator, left, right);
  return floats(operator, Number(left), Number(right));
}

function integers(operator: string, left: bigint, right: bigint): Value {
  switch (operator) {
    case "+":
      return bounded(left + right);
    case "-":
      return bounded(left - right);
    case "*":
      return bounded(left * right);
    case "/":
      return floats("/", Number(left), Number(right));
    default:
      break;
  }
  if (right === 0n) throw divisionByZero();
  const quotient = left / right;
  const floor = left % right !== 0n && left < 0n !== right < 0n ? quotient - 1n : quotient;
  return operator === "//" ? floor : left - floor * right;
}

function floats(operator: string, left: number, right: number): Value {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    default:
      break;
  }
  if (right === 0) throw divisionByZero();
  if (operator === "/") return left / right;
  const floor = Math.floor(left / right);
  return operator === "//" ? floor : left - floor * right;
}

/** So that no chain of multiplications makes one step endless. */
function bounded(value: bigint): bigint {
  // Cheap for the numbers that there are; the exact count only for large ones.
  if (value >= -0x7fffffffffffffffn && value <= 0x7fffffffffffffffn) return value;
  if (value.toString(16).length * 4 > limits.integerBits) throw tooLarge();
  return value;
}

function tooLarge(): ValueFailure {
  return new ValueFailure("the number is too large", `at most ${limits.integerBits} bits`);
}

function divisionByZero(): ValueFailure {
  return new ValueFailure("division by zero", "another number");
}

function notKnown(operator: string, left: Value, right: Value): ValueFailure {
  return new ValueFailure(
    `${operator} is not known for ${typeName(left)} and ${typeName(right)}`,
    "two values that go together",
  );
}
