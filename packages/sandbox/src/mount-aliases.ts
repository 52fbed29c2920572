/** Other names of folders: what is mounted twice is the same under both names, and changed under both. */
import { readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { isWithin, unique } from "./paths.ts";

interface Mount {
  /** `major:minor` of the file system. */
  device: string;
  /** Which part of it. */
  root: string;
  at: string;
  readOnly: boolean;
}

/** The attack: a program that a rule names lies in a folder that is mounted into the project as well, or the other way round (containers do
 *  both), so that the command can write under one name what runs outside under the other. Returns the other names of these resolved folders,
 *  of what is mounted in them, and of what they hold; none where the kernel doesn't tell. */
export function otherNames(folders: readonly string[], table: string = readTable()): string[] {
  const mounts = mountsIn(table);
  const found = folders.flatMap((folder) => {
    const around = mountOf(folder, mounts);
    const parts = mounts.filter(({ at }) => at !== folder && isWithin(at, folder));
    if (around !== undefined) parts.push(partOf(around, folder));
    return parts.filter(({ readOnly }) => !readOnly).flatMap((part) => mounts.flatMap((mount) => namesIn(mount, part)));
  });
  return unique(found).filter((name) => !folders.some((folder) => isWithin(name, folder)));
}

/** The names that a mount gives to a part of a file system, or to something in that part. */
function namesIn(mount: Mount, part: Mount): string[] {
  if (mount.device !== part.device) return [];
  let names: [other: string, known: string] | undefined;
  if (isWithin(part.root, mount.root)) names = [moved(part.root, mount.root, mount.at), part.at];
  else if (isWithin(mount.root, part.root)) names = [mount.at, moved(mount.root, part.root, part.at)];
  // Another mount over it shows something else there.
  return names !== undefined && isSame(...names) ? [names[0]] : [];
}

function partOf(mount: Mount, folder: string): Mount {
  return { ...mount, root: moved(folder, mount.at, mount.root), at: folder };
}

/** The name of `path`, which lies in `from`, where that is `to`. */
function moved(path: string, from: string, to: string): string {
  return join(to, relative(from, path));
}

/** The deepest mount that holds the folder, of several in one place the last: it covers the others. */
function mountOf(folder: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts
    .filter(({ at }) => isWithin(folder, at))
    .reduce<Mount | undefined>((best, mount) => (mount.at.length >= (best?.at.length ?? 0) ? mount : best), undefined);
}

function isSame(name: string, other: string): boolean {
  try {
    const [left, right] = [statSync(name, { bigint: true }), statSync(other, { bigint: true })];
    return left.dev === right.dev && left.ino === right.ino;
  } catch {
    return false; // by this name nothing can be reached
  }
}

/** `36 35 98:0 /part /mounted/at rw,noatime - ext3 /dev/sda1 rw`, with blanks in paths as `\040`. */
function mountsIn(table: string): Mount[] {
  return table.split("\n").flatMap((line) => {
    const [, , device, root, at, flags] = line.split(" ");
    if (device === undefined || root === undefined || at === undefined || flags === undefined) return [];
    return [{ device, root: unescaped(root), at: unescaped(at), readOnly: flags.split(",").includes("ro") }];
  });
}

function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function readTable(): string {
  try {
    return readFileSync("/proc/self/mountinfo", "utf8");
  } catch {
    return "";
  }
}
