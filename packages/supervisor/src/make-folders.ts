/** A folder with those above it, as `mkdir -p`. Node's own recursive mkdir never ends where the kernel calls a parent that is there
 *  missing, as in /proc. */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** `mode` is that of each folder that is made. Throws what `mkdirSync()` throws. */
export function makeFolders(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(path).isDirectory()) return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    makeFolders(dirname(path), mode);
    mkdirSync(path, mode);
  }
}
