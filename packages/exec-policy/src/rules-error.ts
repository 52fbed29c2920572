/** What is wrong with a rules file: where, what, and what was expected instead. */

export interface RulesError {
  file: string;
  /** From 1; columns count code points. */
  line: number;
  column: number;
  text: string;
  expected: string;
  /** The line at fault and a caret line below it; empty where there is no line to show. */
  excerpt: string;
}

/** One line: `FILE:LINE:COLUMN: text, expected ...`. */
export function formatRulesError(error: RulesError): string {
  return `${printable(error.file)}:${error.line}:${error.column}: ${error.text}, expected ${error.expected}`;
}

/** Ends the reading of one statement; the reader goes on behind it. */
export class RulesFailure extends Error {
  readonly start: number;
  readonly end: number;
  readonly expected: string;

  constructor(start: number, end: number, text: string, expected: string) {
    super(text);
    this.start = start;
    this.end = end;
    this.expected = expected;
  }
}

/** A message of bounded length that cannot break a line or paint on a terminal. */
export function shown(text: string): string {
  return printable(text.length > maxMessage ? `${text.slice(0, maxMessage)}...` : text);
}

const maxMessage = 500;

/** Escapes what could break a line or paint on a terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);
}

/** A value in quotes, escaped, and cut when it is long. */
export function quoted(text: string): string {
  const shown = text.length > 60 ? `${text.slice(0, 60)}...` : text;
  return printable(JSON.stringify(shown));
}

const excerptWidth = 100;

/** Offsets in a text to lines, columns and excerpts. */
export class Positions {
  readonly text: string;
  readonly #lineStarts: number[] = [0];
  // Columns are counted on from the last one asked for: a file of one long line stays linear.
  #last = { line: 0, offset: 0, column: 1 };

  constructor(text: string) {
    this.text = text;
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) this.#lineStarts.push(at + 1);
  }

  at(offset: number): { line: number; column: number } {
    const line = this.#lineOf(offset);
    const start = this.#lineStarts[line] ?? 0;
    const from = this.#last.line === line && this.#last.offset <= offset ? this.#last : { offset: start, column: 1 };
    let column = from.column;
    for (let index = from.offset; index < offset; index += 1) {
      const unit = this.text.charCodeAt(index);
      if (unit < 0xdc00 || unit > 0xdfff) column += 1;
    }
    this.#last = { line, offset, column };
    return { line: line + 1, column };
  }

  excerpt(start: number, end: number): string {
    const line = this.#lineOf(start);
    const lineStart = this.#lineStarts[line] ?? 0;
    const next = this.#lineStarts[line + 1];
    const lineEnd = next === undefined ? this.text.length : next - 1;
    const from = Math.max(lineStart, start - excerptWidth / 2);
    const to = Math.min(lineEnd, from + excerptWidth);
    const show = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ");
    const label = String(line + 1);
    const indent = " ".repeat([...show(this.text.slice(from, start))].length);
    const carets = "^".repeat(Math.max(1, [...show(this.text.slice(start, Math.min(end, to)))].length));
    return `${label} | ${show(this.text.slice(from, to))}\n${" ".repeat(label.length)} | ${indent}${carets}`;
  }

  #lineOf(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
