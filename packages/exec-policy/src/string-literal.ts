/** String literals: where they end and what they mean. */
import { limits } from "./limits.ts";
import { RulesFailure } from "./rules-error.ts";

const plainEscapes: Record<string, string> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\u0007",
  b: "\b",
  f: "\f",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

export interface StringForm {
  quote: string;
  triple: boolean;
  raw: boolean;
  /** Where the literal with its prefix starts. */
  start: number;
}

/** Reads the literal whose opening quote is at `quoteAt`; `start` is where its prefix starts. */
export function readString(text: string, start: number, quoteAt: number, raw: boolean): { value: string; end: number } {
  const quote = text.charAt(quoteAt);
  const triple = text.startsWith(quote.repeat(3), quoteAt);
  const close = triple ? quote.repeat(3) : quote;
  let at = quoteAt + close.length;
  if (!triple) {
    // Nearly every string: nothing special in it.
    const end = nextSpecial(text, at, quote);
    if (text.charAt(end) === quote && end - at <= limits.stringLength)
      return { value: text.slice(at, end), end: end + 1 };
  }
  const parts: string[] = [];
  let length = 0;
  for (;;) {
    if (text.startsWith(close, at)) return { value: parts.join(""), end: at + close.length };
    const piece = readPiece(text, start, at, { quote, triple, raw, start });
    parts.push(piece.value);
    length += piece.value.length;
    at = piece.end;
    refuseLong(length, start, at);
  }
}

function refuseLong(length: number, start: number, end: number): void {
  if (length <= limits.stringLength) return;
  throw new RulesFailure(start, end, "the string is too long", `at most ${limits.stringLength} characters`);
}

/** Reads a formatted string from `from` on: up to its end, or to behind the brace that opens an expression. */
export function readFormattedPiece(
  text: string,
  from: number,
  form: StringForm,
): { value: string; ended: boolean; end: number } {
  const close = form.triple ? form.quote.repeat(3) : form.quote;
  const parts: string[] = [];
  let length = 0;
  let at = from;
  for (;;) {
    if (text.startsWith(close, at)) return { value: parts.join(""), ended: true, end: at + close.length };
    const brace = text.charAt(at);
    if (brace === "{" || brace === "}") {
      if (text.charAt(at + 1) === brace) {
        parts.push(brace);
        at += 2;
        continue;
      }
      if (brace === "{") return { value: parts.join(""), ended: false, end: at + 1 };
      throw new RulesFailure(at, at + 1, 'a lone "}" in a formatted string', '"}}" for a brace');
    }
    const piece = readPiece(text, form.start, at, form);
    parts.push(piece.value);
    length += piece.value.length;
    at = piece.end;
    refuseLong(length, form.start, at);
  }
}

function readPiece(text: string, start: number, at: number, form: StringForm): { value: string; end: number } {
  const char = text.charAt(at);
  if (char === "") throw unfinished(start, at, form);
  if (char === "\n" || text.startsWith("\r\n", at)) {
    if (!form.triple) throw unfinished(start, at, form);
    return { value: "\n", end: at + (char === "\n" ? 1 : 2) };
  }
  if (char === "\\") return form.raw ? readRawEscape(text, start, at, form) : readEscape(text, start, at, form);
  // A run of ordinary characters at once: a character at a time would be slow for long strings.
  const end = nextSpecial(text, at + 1, form.quote);
  return { value: text.slice(at, end), end };
}

function nextSpecial(text: string, from: number, quote: string): number {
  let at = from;
  // Bounded, so that a file full of long strings that are too long is refused early.
  const stop = Math.min(text.length, from + limits.stringLength + 1);
  const quoteCode = quote.charCodeAt(0);
  while (at < stop) {
    const code = text.charCodeAt(at);
    if (code === quoteCode || code === 0x5c || code === 0x0a || code === 0x0d || code === 0x7b || code === 0x7d) break;
    at += 1;
  }
  return at;
}

function unfinished(start: number, at: number, form: StringForm): RulesFailure {
  const close = form.triple ? form.quote.repeat(3) : form.quote;
  const where = form.triple ? "before the end of the file" : "before the end of the line";
  return new RulesFailure(start, at, "unfinished string literal", `${close} ${where}`);
}

/** A backslash keeps the quote or line end after it from ending the string, and vanishes before any quote; else it stays as written. */
function readRawEscape(text: string, start: number, at: number, form: StringForm): { value: string; end: number } {
  const next = text.charAt(at + 1);
  if (next === "") throw unfinished(start, at, form);
  if (next === '"' || next === "'") return { value: next, end: at + 2 };
  if (next === "\n") return { value: "\\\n", end: at + 2 };
  if (next === "\\") return { value: "\\\\", end: at + 2 };
  return { value: "\\", end: at + 1 };
}

function readEscape(text: string, start: number, at: number, form: StringForm): { value: string; end: number } {
  const next = text.charAt(at + 1);
  if (next === "") throw unfinished(start, at, form);
  const plain = Object.hasOwn(plainEscapes, next) ? plainEscapes[next] : undefined;
  if (plain !== undefined) return { value: plain, end: at + 2 };
  if (next === "\n") return { value: "", end: at + 2 };
  if (text.startsWith("\r\n", at + 1)) return { value: "", end: at + 3 };
  if (next >= "0" && next <= "7") {
    const digits = /^[0-7]{1,3}/.exec(text.slice(at + 1, at + 4))?.[0] ?? next;
    return { value: String.fromCodePoint(Number.parseInt(digits, 8)), end: at + 1 + digits.length };
  }
  const digitCount = { x: 2, u: 4, U: 8 }[next];
  if (digitCount === undefined) return { value: `\\${next}`, end: at + 2 };
  return readHexEscape(text, at, next, digitCount);
}

function readHexEscape(text: string, at: number, letter: string, digitCount: number): { value: string; end: number } {
  const end = at + 2 + digitCount;
  const digits = text.slice(at + 2, end);
  if (digits.length !== digitCount || !/^[0-9a-fA-F]+$/.test(digits)) {
    throw new RulesFailure(
      at,
      at + 2,
      `invalid escape \\${letter}`,
      `exactly ${digitCount} hexadecimal digits after it`,
    );
  }
  const code = Number.parseInt(digits, 16);
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    throw new RulesFailure(at, end, `escape \\${letter}${digits} is not a character`, "a Unicode scalar value");
  }
  return { value: String.fromCodePoint(code), end };
}
