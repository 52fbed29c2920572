/** Pins the bytes of the files that a hook's command names. The trust hash covers the command's text; whoever can change the script behind
 *  it would still run what they like. With pins a change of the script makes the hook `modified`, and it does not run. */
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import type { HandlerAction } from "../types.ts";

/** The word as the command has it, and the hash of the file that it names. */
export type PinnedFiles = Record<string, string>;

export interface PinPlace {
  /** What relative words are relative to: hooks run in the session's folder. */
  cwd: string;
  projectDir: string;
}

const maxPinnedBytes = 67_108_864;
const chunkBytes = 65_536;
/** Programs of the system: they change with every update, and only root can change them. */
const systemFolders = /^\/(?:usr\/)?(?:bin|sbin|lib|lib64|libexec)\//;

/** Hashes of all files that the command names by a path, or by a name in the session's folder. */
export function pinFiles(action: HandlerAction, place: PinPlace): PinnedFiles {
  const pins: PinnedFiles = {};
  for (const word of wordsOf(action)) {
    const path = pathOf(word, place);
    if (path === null || systemFolders.test(path)) continue;
    const hash = hashFile(path);
    if (hash !== null) pins[word] = hash;
  }
  return pins;
}

/** Why the hook must not run, or null. A word that leads to another file now, or to none, counts as a change. */
export function checkPins(pins: PinnedFiles, place: PinPlace): string | null {
  for (const [word, expected] of Object.entries(pins)) {
    const path = pathOf(word, place);
    const found = path === null ? null : hashFile(path);
    if (found === null) return `its pinned file ${JSON.stringify(word)} is gone or can't be read`;
    if (found !== expected) return `its pinned file ${JSON.stringify(word)} has changed`;
  }
  return null;
}

/** Words that may name files. The first word of a shell command is looked up on the PATH unless it has a slash. */
function wordsOf(action: HandlerAction): Set<string> {
  if (action.type !== "command") return new Set();
  if (action.args !== null) return new Set([...(action.command.includes("/") ? [action.command] : []), ...action.args]);
  return new Set(splitShellWords(action.command).filter((word) => word !== ""));
}

/** The words of a shell command, without quotes; a quote that is not closed goes on to the end. It need not understand the shell: a
 *  word too many names no file. */
function splitShellWords(command: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  for (let at = 0; at < command.length; at += 1) {
    const character = command[at] ?? "";
    const next = command[at + 1] ?? "";
    if (character === "\\" && (quote === "" || (quote === '"' && /["\\$`]/.test(next)))) {
      word += next;
      at += 1;
    } else if (character === quote) quote = "";
    else if (quote === "" && (character === '"' || character === "'")) quote = character;
    else if (quote === "" && /[\s;&|<>()`]/.test(character)) {
      words.push(word);
      word = "";
    } else word += character;
  }
  return [...words, word];
}

/** Null where the word holds something that only the shell knows. */
function pathOf(word: string, { cwd, projectDir }: PinPlace): string | null {
  const home = process.env["HOME"] || homedir();
  const expanded = word
    .replace(/^~(?=\/)/, home)
    .replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced: string | undefined, bare: string | undefined) => {
      const name = braced ?? bare ?? "";
      if (name === "HOME") return home;
      return name === "SALLYPORT_PROJECT_DIR" || name === "CLAUDE_PROJECT_DIR" ? projectDir : whole;
    });
  return expanded.includes("$") || expanded.includes("\0") ? null : resolve(cwd, expanded);
}

/** Null where there is no regular file of a sane size that can be read. */
function hashFile(path: string): string | null {
  let descriptor: number;
  try {
    if (!statSync(path).isFile()) return null;
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.size > maxPinnedBytes) return null;
    const hash = createHash("sha256");
    const chunk = Buffer.alloc(chunkBytes);
    for (let total = 0; total <= maxPinnedBytes;) {
      const count = readSync(descriptor, chunk);
      if (count === 0) return `sha256:${hash.digest("hex")}`;
      hash.update(chunk.subarray(0, count));
      total += count;
    }
    return null;
  } catch {
    return null;
  } finally {
    closeSync(descriptor);
  }
}
