/** Text from inside the sandbox, made fit to be shown. It is hostile: left as it is, it could paint over the lines of a report,
 *  turn them around (bidi) or hide in them (zero width). */
import type { Text } from "@sallyport/protocol";
import { unfitCharacters, unfitInLine } from "@sallyport/supervisor";

const plainArgument = /^[\p{L}\p{N}\p{M}_@%+=:,./~^-]+$/u;
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const combining = /\p{M}/u;
const shortEscapes: Partial<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const asciiEnd = 0x7f;
const asciiStart = 0x20;

/** One line, with every character that could deceive written as an escape; bytes that are not UTF-8 as `\xNN`. */
export function displayText(text: Text): string {
  if (typeof text !== "string") return displayBytes(Buffer.from(text.base64, "base64"));
  return text.replace(
    unfitCharacters,
    (character) => shortEscapes[character] ?? escapeCodePoint(character.codePointAt(0) ?? 0),
  );
}

/** As a shell would take it: quoted where blanks or special characters need it. */
export function displayArgument(text: Text): string {
  const shown = displayText(text);
  return plainArgument.test(shown) ? shown : `'${shown.replaceAll("'", "\\'")}'`;
}

/** As `displayText()`, for what a person decides on: marks that are drawn over other characters stand alone, and what would be
 *  drawn from right to left is written out too. */
export function displayStrictly(text: string): string {
  return displayText(text.replace(unfitInLine, (character) => escapeCodePoint(character.codePointAt(0) ?? 0)));
}

/** The same in double quotes, and never to be mistaken for another text: the escapes are escaped too. */
export function displayQuoted(text: Text): string {
  if (typeof text !== "string") return `"${displayBytes(Buffer.from(text.base64, "base64"), true)}"`;
  return `"${displayStrictly(text.replaceAll("\\", "\\\\").replaceAll('"', '\\"'))}"`;
}

/** Cuts to `columns` of the terminal, ending in "…" where something is left out. */
export function cutToWidth(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let width = 0;
  let cut = "";
  for (const character of text) {
    width += characterWidth(character);
    if (width > columns - 1) break;
    cut += character;
  }
  return columns < 1 ? "" : `${cut}…`;
}

export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** As `cutToWidth()`, for where nothing may run over the edge, whatever the terminal takes for a wide character. */
export function cutToRoom(text: string, columns: number): string {
  const fitted = fitInto(text, columns);
  return fitted.length === text.length ? text : `${fitInto(text, columns - roomOf("…"))}…`;
}

/** The start of the text that has room in `columns` in any terminal. */
export function fitInto(text: string, columns: number): string {
  let room = columns;
  let end = 0;
  for (const character of text) {
    room -= roomOf(character);
    if (room < 0) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** Terminals differ in what they draw over two columns, by age, font and setting. */
function roomOf(character: string): number {
  return character <= "\u007e" ? 1 : 2;
}

/** Breaks at blanks; a word that is longer than a line keeps its own line. */
export function wrapToWidth(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && displayWidth(line) + 1 + displayWidth(word) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return line === "" ? lines : [...lines, line];
}

function characterWidth(character: string): number {
  if (character <= "\u007e") return 1;
  if (combining.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

function displayBytes(bytes: Buffer, quoted = false): string {
  return [...bytes]
    .map((byte) => {
      const isShown = byte >= asciiStart && byte < asciiEnd;
      const character = String.fromCharCode(byte);
      if (quoted && (character === "\\" || character === '"')) return `\\${character}`;
      return isShown ? character : escapeByte(byte);
    })
    .join("");
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

function escapeCodePoint(codePoint: number): string {
  return codePoint <= 0xff ? escapeByte(codePoint) : `\\u{${codePoint.toString(16)}}`;
}
