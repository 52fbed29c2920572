/** Programs that are many programs in one file, told apart by the name that they are called by. */
import type { Text } from "@sallyport/protocol";
import type { KnownFile } from "./known-file.ts";
import type { SearchPath } from "./search-path.ts";
import { baseName } from "./text-path.ts";

/** Called by their own name, these take the applet's name as first argument. */
const boxName = /^(?:busybox|toybox|coreutils|uutils|uu-coreutils|uucore|box|sbase-box|ubase-box)(?:[-.].*)?$/;

/** These only look at the name that they are called by. */
const namedOnly = new Set(["kmod", "systemctl", "xz", "lz4", "xtables-nft-multi", "xtables-legacy-multi", "mtools"]);

export function isBoxName(name: Text): boolean {
  return typeof name === "string" && boxName.test(name);
}

export function isNamedOnly(name: Text): boolean {
  return typeof name === "string" && namedOnly.has(name);
}

/** The boxes of this machine, to be recognised under other names. */
export function findBoxes(searchPath: SearchPath): KnownFile[] {
  return ["busybox", "toybox", "coreutils"].map((name) => searchPath.find(name)).filter((file) => file !== null);
}

export interface Applet {
  /** The name, and other readings of it. */
  names: string[];
  args: Text[];
}

/** The applet that a box runs when it is called with `argv`, or null for none. */
export function appletOf(argv: readonly Text[]): Applet | null {
  let at = 0;
  let name = bareName(argv[0]);
  while (name !== null && isBoxName(name)) {
    at += 1;
    const next = argv[at];
    const chosen = typeof next === "string" ? /^--coreutils-prog(?:-shebang)?=(.*)$/.exec(next)?.[1] : undefined;
    name = chosen === undefined ? bareName(next) : bareName(chosen);
  }
  if (name === null) return null;
  // Some boxes take "PREFIX-name" and "PREFIX_name" for the name.
  const end = /[-_]([^-_]+)$/.exec(name)?.[1];
  return { names: end === undefined ? [name] : [name, end], args: argv.slice(at + 1) };
}

function bareName(word: Text | undefined): string | null {
  if (word === undefined) return null;
  const name = baseName(word);
  // A login shell is called with a dash before its name.
  return typeof name === "string" ? name.replace(/^-/, "") : null;
}
