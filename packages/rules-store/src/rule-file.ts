/** Reads one rules file, and only one that nobody else can have written: a rules file decides what leaves the sandbox. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { limits } from "@sallyport/exec-policy";
import type * as LanguageModule from "@sallyport/exec-policy/language";
import type * as PlainModule from "@sallyport/exec-policy/plain";
import type { HostExecutables, ParsedRules } from "@sallyport/exec-policy";

type Language = typeof LanguageModule;

/** Loaded with the first file: a session without rules starts without it. */
export function language(): Language {
  return createRequire(import.meta.url)("@sallyport/exec-policy/language") as Language; // as the package's exports say
}

/** Enough for most files, and much quicker to load than the language. */
function plain(): typeof PlainModule {
  return createRequire(import.meta.url)("@sallyport/exec-policy/plain") as typeof PlainModule; // as the package's exports say
}

/** Whose files and folders are believed. `own`: this user's and root's; a number: that user's alone. */
export type Owner = "own" | number;

export interface RuleFileOptions {
  /** For files that a person named. */
  followLinks: boolean;
  owner: Owner;
  /** The entries of the files before. */
  hosts: HostExecutables;
}

/** Never throws: what is wrong is in `errors`. */
export function readRuleFile(path: string, { followLinks, owner, hosts }: RuleFileOptions): ParsedRules {
  const read = readGuardedText(path, { followLinks, owner });
  if ("problem" in read) return broken(path, read.problem);
  const known = plain().readPlainRules(read.text, path);
  if (known !== null) {
    const all = known.hosts.size === 0 ? hosts : new Map([...hosts, ...known.hosts]);
    return { ...known, networkRules: [], hosts: all, errors: [] };
  }
  return language().parseRules(read.text, path, hosts);
}

export type GuardedText = { text: string } | { problem: Problem };

/** The text of a file that nobody else can have written. Never throws. */
export function readGuardedText(path: string, options: { followLinks: boolean; owner?: Owner }): GuardedText {
  const { followLinks, owner = "own" } = options;
  const folder = folderProblem(dirname(path), owner);
  if (folder !== null) return { problem: folder };
  let descriptor: number;
  try {
    // Without blocking: opening a named pipe would wait for a writer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | (followLinks ? 0 : constants.O_NOFOLLOW));
  } catch (error) {
    const text = `the file cannot be read (${errorCode(error)})`;
    const isMissing = errorCode(error) === "ENOENT";
    return { problem: { text, expected: "a file that you may read", isMissing } };
  }
  try {
    return readOpened(descriptor, owner);
  } catch (error) {
    return { problem: { text: `the file cannot be read (${errorCode(error)})`, expected: "a regular file" } };
  } finally {
    closeSync(descriptor);
  }
}

export interface Problem {
  text: string;
  expected: string;
  /** From 1; absent for the file as a whole. */
  line?: number;
  /** There is no such file or folder. */
  isMissing?: boolean;
}

function readOpened(descriptor: number, owner: Owner): GuardedText {
  // Judged on the descriptor that is read from, so that no other file can take the name in between.
  const stats = fstatSync(descriptor);
  if (!stats.isFile()) return { problem: { text: "this is not a regular file", expected: "a regular file" } };
  const shared = ownershipProblem(stats, "the file", owner);
  if (shared !== null) return { problem: shared };
  const bytes = readUpTo(descriptor, limits.fileSize + 1, stats.size + 1);
  if (bytes.length > limits.fileSize) {
    return { problem: { text: "the file is too large", expected: `at most ${limits.fileSize} bytes` } };
  }
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { problem: notUtf8(bytes) };
  }
}

/** `likely`: a first guess at the length, one byte more than what is there. */
function readUpTo(descriptor: number, length: number, likely: number): Buffer {
  let buffer = Buffer.alloc(Math.min(length, likely));
  let filled = 0;
  for (;;) {
    const count = readSync(descriptor, buffer, filled, buffer.length - filled, null);
    filled += count;
    if (count === 0 || filled === length) return buffer.subarray(0, filled);
    if (filled === buffer.length) buffer = Buffer.concat([buffer], Math.min(length, 2 * filled));
  }
}

function notUtf8(bytes: Buffer): Problem {
  // The line of the first undecodable byte: decode line by line, as a newline never is part of a longer character.
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const newline = bytes.indexOf(10, start);
    const end = newline === -1 ? bytes.length : newline + 1;
    const part = bytes.subarray(start, end);
    if (!Buffer.from(part.toString("utf8"), "utf8").equals(part)) break;
    start = end;
  }
  return { text: "bytes that are not valid UTF-8", expected: "text in UTF-8", line };
}

/** The folder too: who can rename in it can replace the file. In a sticky one, such as /tmp, only owners can. */
export function folderProblem(path: string, owner: Owner): Problem | null {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    const text = `its folder cannot be looked at (${errorCode(error)})`;
    return { text, expected: "a folder that you may read", isMissing: errorCode(error) === "ENOENT" };
  }
  if (!stats.isDirectory()) return { text: "its folder is not a folder", expected: "a folder" };
  if ((stats.mode & 0o1000) !== 0) {
    return ownerProblem(stats, "its folder", owner);
  }
  return ownershipProblem(stats, "its folder", owner);
}

function ownerProblem(stats: Stats, what: string, wanted: Owner): Problem | null {
  const text = `${what} belongs to user ${stats.uid}`;
  if (wanted !== "own") {
    if (stats.uid === wanted) return null;
    return { text, expected: `${wanted === 0 ? "root" : `user ${wanted}`} as its owner` };
  }
  const self = process.geteuid?.() ?? stats.uid;
  return stats.uid === 0 || stats.uid === self ? null : { text, expected: `user ${self} or root as its owner` };
}

function ownershipProblem(stats: Stats, what: string, wanted: Owner): Problem | null {
  const owner = ownerProblem(stats, what, wanted);
  if (owner !== null || (stats.mode & 0o022) === 0) return owner;
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
  return {
    text: `${what} can be written by others (mode ${mode})`,
    expected: "only its owner to write it: chmod go-w",
  };
}

export function broken(path: string, problem: Problem): ParsedRules {
  const { text, expected, line = 1 } = problem;
  const nothing = { rules: [], networkRules: [], hosts: new Map(), own: [] };
  return { ...nothing, errors: [{ file: path, line, column: 1, text, expected, excerpt: "" }] };
}

export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
