/** Going through values, and taking and setting their parts. */
import { limits } from "./limits.ts";
import { quoted } from "./rules-error.ts";
import { strOf } from "./text-of.ts";
import { aType, Bytes, changedInLoop, Dict, Elements, List, Range, tooMany, Tuple, ValueFailure } from "./values.ts";
import type { Charge, Value } from "./values.ts";

/** Charged in full before anything is gone through: a loop may leave a long list at its first element, again and again. */
export function elementsOf(value: Value, charge: Charge): readonly Value[] {
  if (value instanceof List || value instanceof Tuple || value instanceof Elements) {
    charge(value.items.length);
    return value.items;
  }
  if (value instanceof Dict) {
    charge(value.entries.size);
    return value.keys();
  }
  if (value instanceof Range) {
    if (value.length > limits.steps) throw tooMany();
    charge(2 * value.length);
    return Array.from({ length: value.length }, (_, index) => value.at(index));
  }
  const hint = typeof value === "string" ? "its .elems()" : "a list, tuple, dict or range";
  throw new ValueFailure(`${aType(value)} cannot be gone through`, hint);
}

export function extendList(list: List, value: Value, charge: Charge): void {
  if (list.iterations > 0) throw changedInLoop("list");
  const items = elementsOf(value, charge);
  if (list.items.length + items.length > limits.elements) throw tooMany();
  // A copy: a list can be added to itself.
  for (const item of items.slice()) list.items.push(item);
}

export function setElement(object: Value, index: Value, value: Value, charge: Charge): void {
  if (object instanceof Dict) {
    object.set(index, value, charge);
  } else if (object instanceof List) {
    if (object.iterations > 0) throw changedInLoop("list");
    object.items[indexIn(index, object.items.length)] = value;
  } else {
    throw new ValueFailure(`elements of ${aType(object)} cannot be changed`, "a list or a dict");
  }
}

export function elementAt(object: Value, index: Value, charge: Charge): Value {
  if (object instanceof Dict) {
    const value = object.get(index, charge);
    if (value === undefined)
      throw new ValueFailure(`the key ${quoted(strOf(index, charge))} is not in the dict`, "a key that is there");
    return value;
  }
  if (object instanceof List || object instanceof Tuple)
    return object.items[indexIn(index, object.items.length)] ?? null;
  if (object instanceof Range) return object.at(indexIn(index, object.length));
  if (object instanceof Bytes) return BigInt(object.bytes[indexIn(index, object.bytes.length)] ?? 0);
  if (typeof object === "string") {
    charge(object.length);
    const characters = [...object];
    return characters[indexIn(index, characters.length)] ?? "";
  }
  throw new ValueFailure(`${aType(object)} has no elements`, "a string, list, tuple, dict or range");
}

function indexIn(index: Value, length: number): number {
  if (typeof index !== "bigint") throw new ValueFailure(`an index is ${aType(index)}`, "an int");
  const at = index < 0n ? index + BigInt(length) : index;
  if (at < 0n || at >= BigInt(length))
    throw new ValueFailure(`the index ${index} is out of range`, `one below ${length}`);
  return Number(at);
}

export function sliceOf(object: Value, from: Value, to: Value, step: Value, charge: Charge): Value {
  if (object instanceof Range) {
    const { start, stop, stride } = sliceBounds(object.length, from, to, step);
    return new Range(object.at(start), object.at(stop), object.step * BigInt(stride));
  }
  const items: readonly Value[] =
    typeof object === "string"
      ? [...object]
      : object instanceof List || object instanceof Tuple
        ? object.items
        : object instanceof Bytes
          ? bytesOf(object)
          : notSliced(object);
  charge(items.length);
  const picked = pickSlice(items, from, to, step);
  if (typeof object === "string") return picked.map(String).join("");
  if (object instanceof List) return new List(picked);
  if (object instanceof Bytes) return new Bytes(Uint8Array.from(picked.map(Number)));
  return new Tuple(picked);
}

function bytesOf(bytes: Bytes): Value[] {
  return Array.from(bytes.bytes, (byte) => BigInt(byte));
}

function notSliced(object: Value): never {
  throw new ValueFailure(`${aType(object)} cannot be sliced`, "a string, list or tuple");
}

function sliceBounds(
  length: number,
  from: Value,
  to: Value,
  step: Value,
): { start: number; stop: number; stride: number } {
  const stride = step === null ? 1 : wholeOf(step);
  if (stride === 0) throw new ValueFailure("the step of the slice is 0", "a step that leads somewhere");
  const [lowest, highest] = stride > 0 ? [0, length] : [-1, length - 1];
  const bound = (value: Value, otherwise: number): number => {
    if (value === null) return otherwise;
    const whole = wholeOf(value);
    return Math.min(highest, Math.max(lowest, whole < 0 ? whole + length : whole));
  };
  const start = bound(from, stride > 0 ? lowest : highest);
  return { start, stop: bound(to, stride > 0 ? highest : lowest), stride };
}

function pickSlice(items: readonly Value[], from: Value, to: Value, step: Value): Value[] {
  const { start, stop, stride } = sliceBounds(items.length, from, to, step);
  const picked: Value[] = [];
  for (let at = start; stride > 0 ? at < stop : at > stop; at += stride) picked.push(items[at] ?? null);
  return picked;
}

function wholeOf(value: Value): number {
  if (typeof value !== "bigint") throw new ValueFailure(`a slice is bounded by ${aType(value)}`, "ints");
  return Number(BigInt.asIntN(53, value > 2n ** 40n ? 2n ** 40n : value < -(2n ** 40n) ? -(2n ** 40n) : value));
}

/** Puts another dict, or pairs of key and value, into a dict. */
export function addEntries(found: Dict, from: Value | undefined, charge: Charge): void {
  if (from === undefined || from === found) return;
  if (!(from instanceof Dict)) return addPairs(found, from, charge);
  charge(from.entries.size);
  for (const { key, value } of from.entries.values()) found.set(key, value, charge);
}

function addPairs(found: Dict, from: Value, charge: Charge): void {
  for (const pair of elementsOf(from, charge)) {
    const items = elementsOf(pair, charge);
    const [key, value] = items;
    if (items.length !== 2 || key === undefined || value === undefined)
      throw new ValueFailure(`a dict is made of pairs, and got ${items.length} values`, "pairs of key and value");
    found.set(key, value, charge);
  }
}
