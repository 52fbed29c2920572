/** The way from a path as it was written to the file that it leads to, followed name by name. Whoever can write a folder or
 *  a symlink on the way decides where it ends, so a way that touches a place writable from inside proves nothing. */
import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { otherNames } from "@sallyport/sandbox";
import { isWithin } from "./text-path.ts";
import type { Wall } from "./types.ts";

/** Names below these are made by the kernel, or lie in a private file system: they say nothing about a file outside. */
const privateFolders = ["/proc", "/sys", "/dev"];
const maxLinks = 40;

export class Places {
  readonly #wall: Wall;
  readonly #roots: string[];

  constructor(wall: Wall) {
    this.#wall = wall;
    const roots = new Set(wall.writableRoots.flatMap((root) => [resolve(root), realPath(root)]));
    this.#roots = [...roots, ...otherNames([...roots])];
  }

  outside(path: string): string {
    return this.#wall.translate(path);
  }

  /** For a name inside. A folder that has another name outside is the session's private one, and so writable. */
  isWritable(path: string): boolean {
    const outside = this.outside(path);
    return outside !== path || this.#roots.some((root) => isWithin(root, outside));
  }

  isPrivate(path: string): boolean {
    return privateFolders.some((folder) => isWithin(folder, path));
  }
}

export interface Way {
  /** Where the way ends; null where something on it is missing or cannot be looked at. */
  resolved: string | null;
  /** The first place on the way that can be written from inside. */
  writable: string | null;
  /** The first symlink on the way that can be changed from inside. */
  writableLink: string | null;
  private: boolean;
}

/** Follows an absolute path of the sandbox. */
export function followWay(path: string, places: Places): Way {
  const way: Way = { resolved: null, writable: null, writableLink: null, private: false };
  const names = path.split("/");
  let at = "/";
  let links = 0;
  while (names.length > 0) {
    const name = names.shift() ?? "";
    if (name === "" || name === ".") continue;
    at = name === ".." ? resolve(at, "..") : join(at, name);
    if (places.isPrivate(at)) way.private = true;
    const isWritable = places.isWritable(at);
    if (isWritable) way.writable ??= at;
    const target = name === ".." ? null : linkTarget(places.outside(at));
    if (target === undefined) {
      // The rest does not exist yet; whether it could be made is a question of its name alone.
      const rest = resolve(at, ...names);
      if (places.isPrivate(rest)) way.private = true;
      if (places.isWritable(rest)) way.writable ??= rest;
      return way;
    }
    if (target === null) continue;
    if (isWritable) way.writableLink ??= at;
    links += 1;
    if (links > maxLinks) return way;
    names.unshift(...target.split("/"));
    at = target.startsWith("/") ? "/" : resolve(at, "..");
  }
  way.resolved = at;
  return way;
}

/** Null for what is no symlink, undefined for what is not there. */
function linkTarget(path: string): string | null | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : null;
  } catch {
    return undefined;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
