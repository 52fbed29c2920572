/** Files that have several names (hard links). Whoever can write one of them changes what runs under all. */
import { lstatSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Text } from "@sallyport/protocol";
import type { ExecFile } from "@sallyport/supervisor";
import { isWithin } from "./text-path.ts";
import type { Places } from "./way.ts";

type LinkedFile = Pick<ExecFile, "path" | "key" | "ctimeNs" | "nlink" | "uid">;

/** Nobody links what packages put there into a project; package stores of whole systems link it among themselves. */
const packaged = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];
const unpackaged = "/usr/local";

/** By path, file and its last change: a name more or less is a change of the file. */
const namesBeside = new Map<string, number>();
const namesBesideLimit = 1000;

/** Whether a name that is not known may lie where it can be written from inside. The attack: a package store links its files into the
 *  project, and what is written there runs outside. Root's files can't be written through such a name, unless root runs the command. */
export function mayBeWithinReach(file: LinkedFile, places: Places, commandIsRoot: boolean): boolean {
  const { path, nlink, uid } = file;
  if (nlink === 1 || (uid === 0 && (!commandIsRoot || isPackaged(path)))) return false;
  if (nlink === 0 || typeof path !== "string" || !path.startsWith("/") || places.isWritable(path)) return true;
  return countNamesBeside(file, path) < nlink;
}

function isPackaged(path: Text): boolean {
  if (typeof path !== "string" || isWithin(unpackaged, path)) return false;
  return packaged.some((folder) => isWithin(folder, path));
}

/** In the file's own folder: bzip2, bunzip2 and bzcat, perl and perl5.36.0. */
function countNamesBeside({ key, ctimeNs, nlink }: LinkedFile, path: string): number {
  const identity = `${path}\0${key}\0${ctimeNs}\0${nlink}`;
  let count = namesBeside.get(identity);
  if (count === undefined) {
    count = namesIn(dirname(path)).filter((other) => isFile(other, key)).length;
    if (namesBeside.size < namesBesideLimit) namesBeside.set(identity, count);
  }
  return count;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return []; // what can't be looked at proves nothing
  }
}

function isFile(path: string, key: string): boolean {
  try {
    const { dev, ino } = lstatSync(path, { bigint: true });
    return `${dev}:${ino}` === key;
  } catch {
    return false;
  }
}
