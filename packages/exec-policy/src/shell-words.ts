/** Splits an example into tokens. Quotes, backslashes and comments count; nothing else of a shell does. */

/** Nothing in it but words and spaces. */
const isPlain = /^[^\t\n#'"\\]*$/;

/** Returns null for an unfinished quote or a backslash at the end. */
export function splitShellWords(text: string): string[] | null {
  if (isPlain.test(text)) return text.split(" ").filter((word) => word !== "");
  const words: string[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (" \t\n".includes(char)) {
      at += 1;
    } else if (char === "#") {
      const end = text.indexOf("\n", at);
      at = end === -1 ? text.length : end + 1;
    } else {
      const word = readWord(text, at);
      if (word === null) return null;
      words.push(...(word.value === null ? [] : [word.value]));
      at = word.end;
    }
  }
  return words;
}

function readWord(text: string, start: number): { value: string | null; end: number } | null {
  const parts: string[] = [];
  // A backslash before a newline disappears and does not make a word by itself; empty quotes do.
  let isWord = false;
  let at = start;
  while (at < text.length && !" \t\n".includes(text.charAt(at))) {
    const piece = readPart(text, at);
    if (piece === null) return null;
    if (!(text.charAt(at) === "\\" && piece.value === "")) isWord = true;
    parts.push(piece.value);
    at = piece.end;
  }
  return { value: isWord ? parts.join("") : null, end: at };
}

function readPart(text: string, at: number): { value: string; end: number } | null {
  const char = text.charAt(at);
  if (char === "'") {
    const end = text.indexOf("'", at + 1);
    return end === -1 ? null : { value: text.slice(at + 1, end), end: end + 1 };
  }
  if (char === '"') return readDoubleQuoted(text, at + 1);
  if (char !== "\\") return { value: char, end: at + 1 };
  if (at + 1 >= text.length) return null;
  const next = text.charAt(at + 1);
  return { value: next === "\n" ? "" : next, end: at + 2 };
}

function readDoubleQuoted(text: string, start: number): { value: string; end: number } | null {
  const parts: string[] = [];
  let at = start;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === '"') return { value: parts.join(""), end: at + 1 };
    if (char !== "\\") {
      parts.push(char);
      at += 1;
      continue;
    }
    const next = text.charAt(at + 1);
    if (next === "") return null;
    if (next === "\n") parts.push("");
    else parts.push('$`"\\'.includes(next) ? next : `\\${next}`);
    at += 2;
  }
  return null;
}
