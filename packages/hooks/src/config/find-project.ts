/** Which folders belong to the project around a folder, and where the files that configure it lie. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";

export interface Project {
  /** The repository's root, or the folder itself outside of one. Real path. */
  root: string;
  /** Where the root's configuration is taken from: for a linked worktree the main checkout, else `root`. */
  configRoot: string;
  /** Folders whose configuration applies, from `configRoot` down. */
  configFolders: string[];
  inRepository: boolean;
}

const maxLinkFileBytes = 4096;

/** Outside of a repository only the folder itself counts: folders above it belong to who knows whom. */
export function findProject(cwd: string): Project {
  const folder = realPath(cwd);
  const root = findRepositoryRoot(folder);
  if (root === null) return { root: folder, configRoot: folder, configFolders: [folder], inRepository: false };
  const configRoot = mainCheckoutOf(root) ?? root;
  const below = relative(root, folder);
  const names = below === "" ? [] : below.split(sep);
  const configFolders = [configRoot, ...names.map((_, index) => join(configRoot, ...names.slice(0, index + 1)))];
  return { root, configRoot, configFolders, inRepository: true };
}

function findRepositoryRoot(folder: string): string | null {
  for (let at = folder; ; at = dirname(at)) {
    if (lookAt(join(at, ".git")) !== null) return at;
    if (dirname(at) === at) return null;
  }
}

/** For a linked worktree the checkout that it belongs to; null for everything else.
 *
 *  The link is believed only where both sides say so. A folder from a stranger could hold a `.git` file that points into a
 *  repository that the user trusts, and would be taken for a part of it; it can't write the other half of the link there. */
function mainCheckoutOf(root: string): string | null {
  const link = join(root, ".git");
  const gitFolder = readPathFile(link, /^gitdir: (.+)\n?$/);
  if (gitFolder === null) return null;
  const own = resolve(root, gitFolder);
  const back = readPathFile(join(own, "gitdir"), /^(.+)\n?$/);
  if (back === null || realPath(resolve(own, back)) !== realPath(link)) return null;
  const common = readPathFile(join(own, "commondir"), /^(.+)\n?$/);
  if (common === null) return null;
  const commonFolder = realPath(resolve(own, common));
  // A bare repository with worktrees has no main checkout.
  return commonFolder.endsWith(`${sep}.git`) ? dirname(commonFolder) : null;
}

function readPathFile(path: string, shape: RegExp): string | null {
  const stats = lookAt(path);
  if (stats === null || !stats.isFile() || stats.size > maxLinkFileBytes) return null;
  try {
    return shape.exec(readFileSync(path, "utf8"))?.[1] ?? null;
  } catch {
    return null;
  }
}

function lookAt(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    // A folder that may not be looked into tells nothing about a project.
    return null;
  }
}

/** The path without links, or as it is where something of it does not exist. */
export function realPath(path: string): string {
  try {
    return realpathSync(resolve(path));
  } catch {
    return resolve(path);
  }
}
