/** Relations between absolute, normalised paths, and what they really are on this file system. */
import { lstatSync, realpathSync, statSync, type Stats } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/** True for the folder itself and for everything below it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || folder === "/" || path.startsWith(`${folder}/`);
}

/** `/` is 0, `/usr` is 1, `/usr/bin` is 2. */
export function depth(path: string): number {
  return path === "/" ? 0 : path.split("/").length - 1;
}

/** The folders strictly between `outer` and `inner`, outermost first. */
export function foldersBetween(outer: string, inner: string): string[] {
  const found: string[] = [];
  for (let at = dirname(inner); at !== outer && isWithin(at, outer); at = dirname(at)) found.unshift(at);
  return found;
}

/** The path with every symlink resolved. What doesn't exist yet is resolved as far as it does. */
export function realPath(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync.native(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(realPath(parent), basename(absolute));
  }
}

/** What the path is, without following a last symlink; null where there is nothing or it can't be seen. */
export function lookAt(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}

/** As `lookAt`, through symlinks, and null also where a component refuses. */
export function lookThrough(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

export function unique(paths: Iterable<string>): string[] {
  return [...new Set(paths)];
}
