/** Paths that need not be UTF-8. */
import type { Text } from "@sallyport/protocol";
import { textFromBytes, textToBytes, textToDisplay, unfitCharacters, unfitInLine } from "@sallyport/supervisor";

const slash = 0x2f;

/** What stands behind the last slash. Taken from the bytes: the name may be text where its folder is not. */
export function baseName(path: Text): Text {
  if (typeof path === "string") return path.slice(path.lastIndexOf("/") + 1);
  const bytes = textToBytes(path);
  return textFromBytes(bytes.subarray(bytes.lastIndexOf(slash) + 1));
}

export function hasSlash(path: Text): boolean {
  return typeof path === "string" ? path.includes("/") : textToBytes(path).includes(slash);
}

export function startsWith(text: Text, start: string): boolean {
  if (typeof text === "string") return text.startsWith(start);
  return textToBytes(text).subarray(0, start.length).toString("latin1") === start;
}

/** True for `folder` itself and for everything below it. */
export function isWithin(folder: string, path: string): boolean {
  if (folder === "/" || path === folder) return true;
  return path.startsWith(folder) && path.charAt(folder.length) === "/";
}

/** Quoted. A reason is read by whoever is asked, so a path must not turn around or hide a part of it. */
export function displayPath(path: Text): string {
  const escape = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  return JSON.stringify(textToDisplay(path)).replace(unfitInLine, escape).replace(unfitCharacters, escape);
}
