/** One shape for what JSON and TOML files hold, with the place of each value and with what a plain object loses: keys written
 *  twice, and numbers as they were written (the trust hash needs them). */
import { parseTree, printParseErrorCode } from "jsonc-parser";
import type { Node as JsonNode, ParseError } from "jsonc-parser";
import { parse as parseToml, TomlDate, TomlError } from "smol-toml";
import type { Place } from "./config-warning.ts";

export type ConfigNode = { place: Place } & (
  | { kind: "object"; entries: { key: string; keyPlace: Place; value: ConfigNode }[] }
  | { kind: "array"; items: ConfigNode[] }
  | { kind: "string"; value: string }
  | { kind: "boolean"; value: boolean }
  | { kind: "number"; value: number; isInteger: boolean; hashText: string }
  | { kind: "date"; value: string }
  | { kind: "null" }
);

interface ParseProblem {
  place: Place;
  message: string;
}

export type ParsedNode = { node: ConfigNode } | { problem: ParseProblem };

/** Deeper than any hook needs; a file of a million brackets must not overflow the stack. */
const maxDepth = 64;

const jsonProblems: Partial<Record<string, string>> = {
  InvalidSymbol: "this is not JSON",
  InvalidNumberFormat: "this is not a number",
  PropertyNameExpected: "a key in double quotes is expected",
  ValueExpected: "a value is expected",
  ColonExpected: 'a ":" is expected',
  CommaExpected: 'a "," is expected',
  CloseBraceExpected: 'a "}" is expected',
  CloseBracketExpected: 'a "]" is expected',
  EndOfFileExpected: "text after the end of the JSON document",
  InvalidCommentToken: "JSON has no comments",
  UnexpectedEndOfComment: "JSON has no comments",
  UnexpectedEndOfString: "the string does not end",
  UnexpectedEndOfNumber: "the number does not end",
  InvalidUnicode: "this \\u escape is not valid",
  InvalidEscapeCharacter: "this escape is not valid",
  InvalidCharacter: "control characters must be escaped",
};

/** Strict JSON: no comments, no trailing commas, nothing after the document, no byte order mark. Never throws. */
export function parseJsonNode(text: string): ParsedNode {
  const lines = new LineTable(text);
  if (text.startsWith("\ufeff")) {
    return {
      problem: { place: lines.place(0, ""), message: "the file starts with a byte order mark; save it without" },
    };
  }
  const depth = depthProblem(text);
  if (depth !== null) return { problem: { place: lines.place(depth, ""), message: tooDeep } };
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { disallowComments: true, allowTrailingComma: false });
  const [error] = errors;
  if (error !== undefined || tree === undefined) {
    const message = error === undefined ? "the file is empty" : jsonProblems[printParseErrorCode(error.error)];
    return { problem: { place: lines.place(error?.offset ?? 0, ""), message: message ?? "this is not JSON" } };
  }
  return { node: fromJson(tree, "", text, lines) };
}

const tooDeep = `nested deeper than ${maxDepth} levels`;

/** Where brackets nest too deeply, before a recursive parser sees them; null: nowhere. One pass and no regular expression: with
 *  quotes that don't end, those take time that grows with the square of the length. */
function depthProblem(text: string): number | null {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inString) {
      if (character === "\\") at += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "[" || character === "{") {
      depth += 1;
      if (depth > maxDepth) return at;
    } else if (character === "]" || character === "}") depth -= 1;
  }
  return null;
}

function fromJson(node: JsonNode, path: string, text: string, lines: LineTable): ConfigNode {
  const place = lines.place(node.offset, path);
  switch (node.type) {
    case "object":
      return {
        kind: "object",
        place,
        entries: (node.children ?? []).flatMap(({ children }) => {
          const [key, value] = children ?? [];
          if (key === undefined || value === undefined) return [];
          const inner = joinPath(path, String(key.value));
          return [
            {
              key: String(key.value),
              keyPlace: lines.place(key.offset, inner),
              value: fromJson(value, inner, text, lines),
            },
          ];
        }),
      };
    case "array":
      return {
        kind: "array",
        place,
        items: (node.children ?? []).map((child, index) => fromJson(child, `${path}[${index}]`, text, lines)),
      };
    case "string":
      return { kind: "string", place, value: String(node.value) };
    case "boolean":
      return { kind: "boolean", place, value: node.value === true };
    case "number": {
      const digits = text.slice(node.offset, node.offset + node.length);
      const isInteger = /^-?\d+$/.test(digits);
      return { kind: "number", place, value: Number(node.value), isInteger, hashText: numberHash(digits) };
    }
    case "null":
    case "property": // stands only inside objects
    default:
      return { kind: "null", place };
  }
}

/** The peer's JSON library keeps numbers as text, and this is how that shows in its hashes. Exponents get a sign. */
function numberHash(digits: string): string {
  const text = digits === "-0" ? "0" : digits.replace(/e(?=\d)/i, "e+").toLowerCase();
  return `{"$serde_json::private::Number":${JSON.stringify(text)}}`;
}

class LineTable {
  readonly #starts: number[] = [0];

  constructor(text: string) {
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) this.#starts.push(at + 1);
  }

  place(offset: number, path: string): Place {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1, path };
  }
}

export type ParsedToml = { table: Record<string, unknown>; node: ConfigNode } | { problem: ParseProblem };

/** Never throws. In `table` integers are numbers where they fit, and dates are text. */
export function parseTomlFile(text: string): ParsedToml {
  let raw: Record<string, unknown>;
  try {
    raw = parseToml(text, { integersAsBigInt: true, unsafeKeyBehaviour: "throw", maxDepth });
  } catch (error) {
    if (error instanceof TomlError) {
      const message = (error.message.split("\n")[0] ?? "").replace("Invalid TOML document: ", "this is not TOML: ");
      return { problem: { place: { line: error.line, column: error.column, path: "" }, message } };
    }
    // The parser recurses over dotted keys as well; whatever it stumbles over, the file is not one that can be used.
    const message = error instanceof Error ? error.message : String(error);
    return { problem: { place: { line: null, column: null, path: "" }, message: `this is not TOML: ${message}` } };
  }
  // A header of thousands of dotted keys nests without brackets.
  if (depthOf(raw) > maxDepth) return { problem: { place: { line: null, column: null, path: "" }, message: tooDeep } };
  return { table: plainValue(raw) as Record<string, unknown>, node: nodeFromValue(raw, "") }; // a document is a table
}

function depthOf(value: unknown): number {
  let depth = 0;
  let level: unknown[] = [value];
  while (level.length > 0 && depth <= maxDepth + 1) {
    level = level.flatMap((item) => (typeof item === "object" && item !== null ? Object.values(item) : []));
    depth += 1;
  }
  return depth;
}

/** A value that came as TOML or through the API. Integers are bigints or integral numbers. */
export function nodeFromValue(value: unknown, path: string): ConfigNode {
  const place = { line: null, column: null, path };
  if (value instanceof TomlDate) return { kind: "date", place, value: dateText(value) };
  if (Array.isArray(value)) {
    return { kind: "array", place, items: value.map((item, index) => nodeFromValue(item, `${path}[${index}]`)) };
  }
  switch (typeof value) {
    case "string":
      return { kind: "string", place, value };
    case "boolean":
      return { kind: "boolean", place, value };
    case "bigint":
      return { kind: "number", place, value: Number(value), isInteger: true, hashText: numberHash(String(value)) };
    case "number":
      return { kind: "number", place, value, isInteger: false, hashText: numberHash(floatText(value)) };
    case "object": {
      if (value === null) return { kind: "null", place };
      const entries = Object.entries(value).map(([key, inner]) => {
        const innerPath = joinPath(path, key);
        return { key, keyPlace: { ...place, path: innerPath }, value: nodeFromValue(inner, innerPath) };
      });
      return { kind: "object", place, entries };
    }
    case "function":
    case "symbol":
    case "undefined":
    default:
      return { kind: "null", place };
  }
}

/** A floating point number as the peer's JSON library writes it: at least one decimal, exponents from 17 digits on. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return "null";
  const [, sign = "", first = "", rest = "", exponentText = "0"] =
    /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(value.toExponential()) ?? [];
  const digits = first + rest;
  const point = Number(exponentText) + 1;
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  if (point > 16 || point <= -5) return `${sign}${first}${rest === "" ? "" : `.${rest}`}e${point - 1}`;
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (digits.length <= point) return `${sign}${digits.padEnd(point, "0")}.0`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** As TOML writes it: no fraction of a second where there is none. */
function dateText(date: TomlDate): string {
  return date
    .toISOString()
    .replace(/(\.\d*?)0+(?=$|Z|[+-])/, "$1")
    .replace(/\.(?=$|Z|[+-])/, "");
}

/** As programs want it: numbers for integers that fit, text for dates, objects whose keys can't reach a prototype. */
export function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof TomlDate) return dateText(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainValue(inner)]));
  }
  return value;
}

export function plainNode(node: ConfigNode): unknown {
  switch (node.kind) {
    case "object":
      return Object.fromEntries(node.entries.map(({ key, value }) => [key, plainNode(value)]));
    case "array":
      return node.items.map(plainNode);
    case "null":
      return null;
    case "string":
    case "boolean":
    case "number":
    case "date":
    default:
      return node.value;
  }
}

function joinPath(path: string, key: string): string {
  const shown = /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
  return path === "" ? shown : `${path}.${shown}`;
}
