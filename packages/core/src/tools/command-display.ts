/** A command in one line, for people. */
import { basename } from "node:path";
import type { Text } from "@sallyport/protocol";
import { textToDisplay, unfitCharacters, unfitInLine } from "@sallyport/supervisor";

const plainWord = /^[A-Za-z0-9_@%+=:,./-]+$/;
const firstPrinted = 0x20;
const asciiEnd = 0x7f;
const mostInFourDigits = 0xffff;

export function displayCommand(argv: readonly string[]): string {
  return argv.map((word) => (plainWord.test(word) ? word : quoted(word))).join(" ");
}

/** One program that people are asked about, as a shell would start it. The attack: argv[0] is the caller's word, so `rm` that is called "ls"
 *  would be asked about as "ls". What counts is the resolved file, and the name comes beside it where it is another: some programs do
 *  other things under other names. */
export function displayProgram(file: Text, argv: readonly Text[]): string {
  const [called = "", ...args] = argv;
  const isOwnName = basename(textToDisplay(called)) === basename(textToDisplay(file));
  const words = [...(isOwnName ? [] : ["exec", "-a", called]), file, ...args];
  return words.map(strictWord).join(" ");
}

/** What could deceive the eye, and what is no text, as escapes of a shell's own. */
function strictWord(word: Text): string {
  if (typeof word !== "string") return `$'${[...Buffer.from(word.base64, "base64")].map(escapedByte).join("")}'`;
  if (plainWord.test(word)) return word;
  if (word.replace(unfitInLine, "").replace(unfitCharacters, "") === word) return quoted(word);
  const marked = word.replace(/[\\']/g, String.raw`\$&`);
  return `$'${marked.replace(unfitInLine, escapedCharacter).replace(unfitCharacters, escapedCharacter)}'`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function escapedByte(byte: number): string {
  if (byte < firstPrinted || byte >= asciiEnd) return hex("x", byte, 2);
  const character = String.fromCharCode(byte);
  return character === "'" || character === "\\" ? `\\${character}` : character;
}

function escapedCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const short = { "\n": "n", "\r": "r", "\t": "t" }[character];
  if (short !== undefined) return `\\${short}`;
  if (code <= asciiEnd) return hex("x", code, 2);
  return code <= mostInFourDigits ? hex("u", code, 4) : hex("U", code, 8);
}

function hex(kind: string, code: number, digits: number): string {
  return `\\${kind}${code.toString(16).padStart(digits, "0")}`;
}
