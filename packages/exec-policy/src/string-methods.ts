/** The methods of strings. Lengths and places count code points. */
import { intOf, take, textOf } from "./arguments.ts";
import { elementsOf } from "./elements.ts";
import { limits } from "./limits.ts";
import { chargeSearch } from "./operators.ts";
import { quoted } from "./rules-error.ts";
import { fitting, joinedText, reprOf, strOf } from "./text-of.ts";
import { Elements, isTrue, List, Tuple, ValueFailure } from "./values.ts";
import type { Charge, Given, Tools, Value } from "./values.ts";

type Method = (text: string, given: Given, tools: Tools) => Value;

export const stringMethods: Record<string, Method> = {
  capitalize: plain("capitalize", capitalized),
  codepoints: (text, given, { charge }) => {
    take("codepoints", given, []);
    // Each becomes a number of its own, far larger than the character.
    charge(4 * text.length);
    return new Elements([...text].map((char) => BigInt(char.codePointAt(0) ?? 0)));
  },
  count: (text, given, { charge }) => {
    const { part, wanted } = searched("count", text, given, charge);
    if (part === null) return 0n;
    if (wanted === "") return BigInt([...part].length + 1);
    return BigInt(part.split(wanted).length - 1);
  },
  elems: (text, given, { charge }) => {
    take("elems", given, []);
    charge(text.length);
    return new Elements([...text]);
  },
  endswith: (text, given, { charge }) => affix("endswith", text, given, charge, (part, end) => part.endsWith(end)),
  find: (text, given, tools) => place("find", text, given, tools.charge, (part, wanted) => part.indexOf(wanted)) ?? -1n,
  format: (text, given, tools) => format(text, given, tools.charge),
  index: (text, given, tools) =>
    found(place("index", text, given, tools.charge, (part, wanted) => part.indexOf(wanted))),
  isalnum: test("isalnum", /^[\p{Alphabetic}\p{N}]+$/u),
  isalpha: test("isalpha", /^\p{Alphabetic}+$/u),
  isdigit: test("isdigit", /^\p{N}+$/u),
  islower: plain("islower", (text) => text === text.toLowerCase() && text !== text.toUpperCase()),
  isspace: test("isspace", /^\p{White_Space}+$/u),
  istitle: plain("istitle", (text) => text === titleOf(text) && text.toLowerCase() !== text.toUpperCase()),
  isupper: plain("isupper", (text) => text === text.toUpperCase() && text !== text.toLowerCase()),
  join: (text, given, { charge }) => {
    const parts = elementsOf(take("join", given, ["to_join"])[0] ?? null, charge);
    return joinedText(
      parts.map((part) => textOf(part, "what is joined")),
      charge,
      text,
    );
  },
  lower: plain("lower", (text) => text.toLowerCase()),
  lstrip: (text, given, { charge }) => strip("lstrip", text, given, charge, { start: true, end: false }),
  partition: (text, given, { charge }) => {
    const wanted = separator("partition", text, given, charge);
    const at = text.indexOf(wanted);
    return new Tuple(at === -1 ? [text, "", ""] : [text.slice(0, at), wanted, text.slice(at + wanted.length)]);
  },
  removeprefix: (text, given, { charge }) => {
    const start = textOf(take("removeprefix", given, ["x"])[0], "the start");
    charge(start.length >> 4);
    return text.startsWith(start) ? text.slice(start.length) : text;
  },
  removesuffix: (text, given, { charge }) => {
    const end = textOf(take("removesuffix", given, ["x"])[0], "the end");
    charge(end.length >> 4);
    return end !== "" && text.endsWith(end) ? text.slice(0, -end.length) : text;
  },
  replace: (text, given, { charge }) => {
    const [old, by, count] = take("replace", given, ["old", "new", "count?"]);
    const [wanted, other] = [textOf(old, "the old text"), textOf(by, "the new text")];
    chargeSearch(text, wanted, charge);
    const times = count === undefined ? Infinity : Number(intOf(count, "the count"));
    return replaceTimes(text, wanted, other, times < 0 ? Infinity : times, charge);
  },
  rfind: (text, given, tools) =>
    place("rfind", text, given, tools.charge, (part, wanted) => part.lastIndexOf(wanted)) ?? -1n,
  rindex: (text, given, tools) =>
    found(place("rindex", text, given, tools.charge, (part, wanted) => part.lastIndexOf(wanted))),
  rpartition: (text, given, { charge }) => {
    const wanted = separator("rpartition", text, given, charge);
    const at = text.lastIndexOf(wanted);
    return new Tuple(at === -1 ? ["", "", text] : [text.slice(0, at), wanted, text.slice(at + wanted.length)]);
  },
  rsplit: (text, given, { charge }) => new List(split("rsplit", text, given, charge, true)),
  rstrip: (text, given, { charge }) => strip("rstrip", text, given, charge, { start: false, end: true }),
  split: (text, given, { charge }) => new List(split("split", text, given, charge, false)),
  splitlines: (text, given, { charge }) => {
    const keep = isTrue(take("splitlines", given, ["keepends?"])[0] ?? false);
    charge(text.length);
    const lines = text.match(/[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g) ?? [];
    return new List(lines.map((line) => (keep ? line : line.replace(/(?:\r\n|\n|\r)$/, ""))));
  },
  startswith: (text, given, { charge }) =>
    affix("startswith", text, given, charge, (part, start) => part.startsWith(start)),
  strip: (text, given, { charge }) => strip("strip", text, given, charge, { start: true, end: true }),
  title: plain("title", titleOf),
  upper: plain("upper", (text) => text.toUpperCase()),
};

function plain(name: string, act: (text: string) => Value): Method {
  return (text, given, { charge }) => {
    take(name, given, []);
    charge(text.length);
    const value = act(text);
    return typeof value === "string" ? fitting(value) : value;
  };
}

function test(name: string, pattern: RegExp): Method {
  return plain(name, (text) => pattern.test(text));
}

function titleOf(text: string): string {
  return text.replace(/\p{L}+/gu, capitalized);
}

/** Letter by letter: the last sigma of a word is none of its own. */
function capitalized(text: string): string {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.map((char) => char.toLowerCase()).join("");
}

function tooLong(): ValueFailure {
  return new ValueFailure("the string is too long", `at most ${limits.stringLength} characters`);
}

function affix(
  name: string,
  text: string,
  given: Given,
  charge: Charge,
  has: (part: string, wanted: string) => boolean,
): boolean {
  const [value, start, end] = take(name, given, ["x", "start?", "end?"]);
  const wanted = (value instanceof Tuple ? value.items : [value]).map((item) => {
    const one = textOf(item, "the text");
    charge(1 + (one.length >> 4));
    return one;
  });
  const { part } = partOf(text, start, end, charge);
  return part !== null && wanted.some((one) => has(part, one));
}

function separator(name: string, text: string, given: Given, charge: Charge): string {
  const wanted = textOf(take(name, given, ["needle"])[0], "the separator");
  if (wanted === "") throw new ValueFailure("the separator is empty", "at least one character");
  chargeSearch(text, wanted, charge);
  return wanted;
}

/** The part between `start` and `end`, and what is looked for in it. */
function searched(name: string, text: string, given: Given, charge: Charge): Part & { wanted: string } {
  const [needle, start, end] = take(name, given, ["needle", "start?", "end?"]);
  const wanted = textOf(needle, "what is looked for");
  chargeSearch(text, wanted, charge);
  return { ...partOf(text, start, end, charge), wanted };
}

/** Null where the start lies behind the end: there not even an empty text is. */
interface Part {
  part: string | null;
  from: number;
}

function partOf(text: string, start: Value | undefined, end: Value | undefined, charge: Charge): Part {
  if ((start ?? null) === null && (end ?? null) === null) return { part: text, from: 0 };
  charge(text.length);
  const characters = [...text];
  const bound = (value: Value | undefined, otherwise: number): number => {
    if (value === undefined || value === null) return otherwise;
    const index = Number(intOf(value, "the bound"));
    return Math.max(0, index < 0 ? index + characters.length : index);
  };
  const from = bound(start, 0);
  const to = Math.min(characters.length, bound(end, characters.length));
  return { part: from > to ? null : characters.slice(from, to).join(""), from };
}

function place(
  name: string,
  text: string,
  given: Given,
  charge: Charge,
  search: (part: string, wanted: string) => number,
): bigint | null {
  const { part, wanted, from } = searched(name, text, given, charge);
  if (part === null) return null;
  const at = search(part, wanted);
  return at === -1 ? null : BigInt(from + Array.from(part.slice(0, at)).length);
}

function found(at: bigint | null): bigint {
  if (at === null) throw new ValueFailure("the text is not in the string", "one that is there");
  return at;
}

function strip(
  name: string,
  text: string,
  given: Given,
  charge: Charge,
  sides: { start: boolean; end: boolean },
): string {
  const [chars] = take(name, given, ["chars?"]);
  charge(text.length);
  if (chars === undefined || chars === null)
    return sides.start ? (sides.end ? text.trim() : text.trimStart()) : text.trimEnd();
  const set = new Set(textOf(chars, "the characters"));
  const characters = [...text];
  let [from, to] = [0, characters.length];
  while (sides.start && from < to && set.has(characters[from] ?? "")) from += 1;
  while (sides.end && to > from && set.has(characters[to - 1] ?? "")) to -= 1;
  return characters.slice(from, to).join("");
}

function replaceTimes(text: string, wanted: string, by: string, times: number, charge: Charge): string {
  // Nothing is between any two characters, and at both ends.
  const parts = wanted === "" ? ["", ...text, ""] : text.split(wanted);
  const replaced = Math.min(times, parts.length - 1);
  charge(replaced * by.length);
  if (text.length + replaced * by.length > limits.stringLength + replaced * wanted.length) throw tooLong();
  const head = parts.slice(0, replaced + 1).join(by);
  const tail = parts.slice(replaced + 1);
  return tail.length === 0 ? head : head + wanted + tail.join(wanted);
}

function split(name: string, text: string, given: Given, charge: Charge, fromRight: boolean): string[] {
  const [by, count] = take(name, given, ["sep?", "maxsplit?"]);
  const most = count === undefined || count === null ? Infinity : Number(intOf(count, "the count"));
  const times = most < 0 ? Infinity : most;
  if (by === undefined || by === null) {
    charge(text.length);
    return splitBlanks(text, times, fromRight);
  }
  const wanted = textOf(by, "the separator");
  chargeSearch(text, wanted, charge);
  // Nothing is between any two characters, and at both ends.
  const parts = wanted === "" ? ["", ...text, ""] : text.split(wanted);
  if (parts.length > limits.elements) throw new ValueFailure("too many elements", `at most ${limits.elements}`);
  if (parts.length - 1 <= times) return parts;
  if (fromRight) return [parts.slice(0, parts.length - times).join(wanted), ...parts.slice(parts.length - times)];
  return [...parts.slice(0, times), parts.slice(times).join(wanted)];
}

function splitBlanks(text: string, times: number, fromRight: boolean): string[] {
  const words = [...text.matchAll(/[^\p{White_Space}]+/gu)];
  if (words.length > limits.elements) throw new ValueFailure("too many elements", `at most ${limits.elements}`);
  if (words.length - 1 <= times) return words.map(([word]) => word);
  if (fromRight) {
    const first = words[words.length - times];
    return [
      text.slice(0, first?.index ?? text.length).trim(),
      ...words.slice(words.length - times).map(([word]) => word),
    ];
  }
  const rest = words[times];
  return [...words.slice(0, times).map(([word]) => word), text.slice(rest?.index ?? text.length).trimEnd()];
}

/** `"{} {name} {0!r}".format(...)`. */
function format(text: string, given: Given, charge: Charge): string {
  let next = 0;
  let numbered = false;
  let length = 0;
  charge(text.length);
  const made = text.replace(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (whole, field: string | undefined) => {
    if (whole === "{{" || whole === "}}") return whole.charAt(0);
    if (field === undefined)
      throw new ValueFailure(`a lone ${quoted(whole)} in a format`, `${quoted(whole + whole)} for a brace`);
    const [, name = "", conversion] = /^([^!:]*)(?:!([rs]))?$/.exec(field) ?? [];
    if (field !== name && conversion === undefined)
      throw new ValueFailure(`the field ${quoted(field)} cannot be read`, "a name or number, and !r or !s");
    numbered ||= /^[0-9]/.test(name);
    const value = fieldValue(name, given, () => next++);
    if (numbered && next > 0)
      throw new ValueFailure("the format has fields with and without numbers", "one kind of them");
    const piece = conversion === "r" ? reprOf(value, charge) : strOf(value, charge);
    length += piece.length;
    if (length > limits.stringLength) throw tooLong();
    return piece;
  });
  return fitting(made);
}

function fieldValue(name: string, given: Given, nextIndex: () => number): Value {
  if (name === "" || /^[0-9]+$/.test(name)) {
    const index = name === "" ? nextIndex() : Number(name);
    const value = given.positional[index];
    if (value === undefined)
      throw new ValueFailure(`the format has no value number ${index}`, `less than ${given.positional.length}`);
    return value;
  }
  const value = given.named.get(name);
  if (value === undefined)
    throw new ValueFailure(`the format has no value ${quoted(name)}`, "an argument of that name");
  return value;
}
