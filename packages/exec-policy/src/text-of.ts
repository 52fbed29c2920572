/** Values as text: what str() and repr() give. */
import { limits } from "./limits.ts";
import { Bytes, Builtin, Closure, Dict, Elements, List, Range, ValueFailure } from "./values.ts";
import type { Charge, Value } from "./values.ts";

const escapes: Record<string, string> = { "\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r" };

const smallestPlain = 1e-5;
const largestPlain = 1e6;
const exponentDigits = 6;

export function fitting(text: string): string {
  if (text.length > limits.stringLength)
    throw new ValueFailure("the string is too long", `at most ${limits.stringLength} characters`);
  return text;
}

/** The sum of the lengths is looked at first: joining could fill the memory. */
export function joinedText(parts: readonly string[], charge: Charge, separator = ""): string {
  let length = Math.max(0, parts.length - 1) * separator.length;
  for (const part of parts) length += part.length;
  if (length > limits.stringLength)
    throw new ValueFailure("the string is too long", `at most ${limits.stringLength} characters`);
  charge(length);
  if (separator !== "" || parts.length > 8) return parts.join(separator);
  let text = "";
  for (const part of parts) text += part;
  return text;
}

export function strOf(value: Value, charge: Charge): string {
  if (typeof value === "string") return value;
  if (value instanceof Bytes) {
    charge(value.bytes.length);
    return textOfUtf8(value.bytes);
  }
  return reprOf(value, charge);
}

export function reprOf(value: Value, charge: Charge): string {
  return fitting(pieceOf(value, charge, []));
}

/** `around` holds the values that this one lies in: a list can be put into itself. */
function pieceOf(value: Value, charge: Charge, around: readonly Value[]): string {
  charge(1);
  if (value === null) return "None";
  if (typeof value === "string") return quotedText(value, charge);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return charged(value.toString(), charge);
  if (typeof value === "number") return floatText(value);
  if (typeof value === "symbol") return "Ellipsis";
  if (value instanceof Builtin) return value.name;
  if (value instanceof Closure) return value.body.name;
  if (value instanceof Elements) return "iterator";
  charge(value instanceof Bytes ? value.bytes.length : 0);
  if (value instanceof Bytes) return `b${quotedText(latin1Text(value.bytes), charge)}`;
  if (value instanceof Range) return rangeText(value);
  if (around.includes(value) || around.length > limits.nesting) return value instanceof Dict ? "{...}" : "[...]";
  const inside = [...around, value];
  if (value instanceof Dict) {
    const entries = [...value.entries.values()];
    const parts = entries.map(
      (entry) => `${pieceOf(entry.key, charge, inside)}: ${pieceOf(entry.value, charge, inside)}`,
    );
    return charged(`{${parts.join(", ")}}`, charge);
  }
  const parts = value.items.map((item) => pieceOf(item, charge, inside));
  if (value instanceof List) return charged(`[${parts.join(", ")}]`, charge);
  return charged(parts.length === 1 ? `(${parts.join("")},)` : `(${parts.join(", ")})`, charge);
}

function charged(text: string, charge: Charge): string {
  charge(text.length);
  return text;
}

function quotedText(text: string, charge: Charge): string {
  charge(text.length);
  return `"${text.replace(/[\\"]|[^ -~]/gu, escapeOf)}"`;
}

/** Letters and digits beyond Latin-1 stay; everything else that is not plain ASCII is shown by its number. */
function escapeOf(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  const known = escapes[char];
  if (known !== undefined) return known;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (/[\p{Alphabetic}\p{N}]/u.test(char)) return char;
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** What is no UTF-8 becomes the replacement character. */
function textOfUtf8(bytes: Uint8Array): string {
  const escaped = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
  try {
    return decodeURIComponent(escaped);
  } catch {
    return latin1Text(bytes).replace(/[\x80-\xff]+/g, "\ufffd");
  }
}

function latin1Text(bytes: Uint8Array): string {
  return [...bytes].map((byte) => String.fromCodePoint(byte)).join("");
}

function rangeText({ start, stop, step }: Range): string {
  if (step !== 1n) return `range(${start}, ${stop}, ${step})`;
  return start === 0n ? `range(${stop})` : `range(${start}, ${stop})`;
}

/** Never in exponents between the bounds. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "+inf" : "-inf";
  const size = Math.abs(value);
  if (size !== 0 && (size < smallestPlain || size >= largestPlain)) {
    const [digits = "", exponent = ""] = exponentText(value).split("e");
    return `${digits.replace(/\.?0+$/, "")}e${exponent}`;
  }
  // JavaScript turns to exponents only outside of these bounds.
  const text = Object.is(value, -0) ? "-0" : String(value);
  return text.includes(".") ? text : `${text}.0`;
}

/** `-1.234500e+05`. */
export function exponentText(value: number): string {
  const [digits = "", exponent = ""] = value.toExponential(exponentDigits).split("e");
  const sign = exponent.startsWith("-") ? "-" : "+";
  return `${Object.is(value, -0) ? "-" : ""}${digits}e${sign}${exponent.replace(/^[+-]/, "").padStart(2, "0")}`;
}
