/** Git folders of repositories in the working folder, at any depth.
 *
 *  The attack: `vendor/lib/.git/hooks/post-checkout`, or `core.fsmonitor` in its `config`. The wall protects the git folder of the
 *  working folder itself; a patch is applied outside the wall, and git runs what lies in the others just as well. No patch to a
 *  repository's files needs to touch them. */
import { lstatSync } from "node:fs";
import { dirname, join, sep } from "node:path";

const gitFolder = ".git";

/** What is wrong with writing `path`, in words that complete its name; null: nothing. `path` is resolved. */
export function repositoryObjection(path: string, roots: readonly string[]): string | null {
  // Without a sandbox there is nothing that a patch must not do.
  if (roots.includes("/")) return null;
  // A root may be a git folder that was granted by name: what counts is what lies below the innermost.
  const root = roots
    .filter((folder) => path.startsWith(`${folder}${sep}`))
    .reduce((longest, folder) => (folder.length > longest.length ? folder : longest), "");
  // Where upper and lower case are alike, ".GIT" is git's folder too.
  const names = path.slice(root.length).split(sep);
  if (names.some((name) => name.toLowerCase() === gitFolder)) return objectionTo(gitFolder);
  for (let folder = dirname(path); folder.length > Math.max(root.length, sep.length); folder = dirname(folder)) {
    if (isBareRepository(folder)) return objectionTo(folder);
  }
  return null;
}

function objectionTo(folder: string): string {
  return `is protected: git outside the sandbox acts on what lies in ${folder}`;
}

/** As git tells: a HEAD, objects and refs. */
export function isBareRepository(folder: string): boolean {
  return ["HEAD", "objects", "refs"].every((name) => isThere(join(folder, name)));
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
