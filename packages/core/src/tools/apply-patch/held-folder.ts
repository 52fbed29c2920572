/** Files reached through folders that are held open, name by name, never through a symlink.
 *
 *  The attack: a patch is checked, then code in the sandbox swaps a folder on the way for a symlink to `~/.ssh`, then the file is
 *  written. Here every folder is opened below the one before it with O_NOFOLLOW, and files are reached through the last one's
 *  descriptor, so what was checked is what is written. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, basename, join, relative, sep } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { PatchError } from "./parse-patch.ts";

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
// O_NONBLOCK: a FIFO that was put in the place of the file must not hang us.
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const largestFile = 16 * 1024 * 1024;
const permissionBits = 0o777;

export interface FileState {
  bytes: Buffer;
  /** Null: what a new file gets. */
  mode: number | null;
}

export class HeldFile {
  /** Resolved and absolute, as it was when it was opened; for messages and the record. */
  readonly path: string;
  readonly #folder: number;
  readonly #name: string;

  private constructor(path: string, folder: number) {
    this.path = path;
    this.#folder = folder;
    this.#name = basename(path);
  }

  /** `path` is resolved and lies below `root`, which nothing in the sandbox can move. Makes the folders that are missing. */
  static open(path: string, root: string, options: { makeFolders: boolean }): HeldFile {
    const steps = relative(root, dirname(path))
      .split(sep)
      .filter((step) => step !== "");
    let folder = openFolder(root, root);
    try {
      for (const step of steps) {
        const at = `/proc/self/fd/${folder}/${step}`;
        if (options.makeFolders) makeFolder(at, join(root, ...steps));
        const next = openFolder(at, join(root, ...steps));
        closeSync(folder);
        folder = next;
      }
    } catch (error) {
      closeSync(folder);
      throw error;
    }
    return new HeldFile(path, folder);
  }

  get #at(): string {
    return `/proc/self/fd/${this.#folder}/${this.#name}`;
  }

  /** Null where there is nothing. Throws for anything but a regular file. */
  read(): FileState | null {
    let descriptor: number;
    try {
      descriptor = openSync(this.#at, readFlags);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return null;
      if (code === "ELOOP") throw new PatchError(`"${this.path}" is a symbolic link; name the file that it leads to`);
      throw new PatchError(`"${this.path}" can't be read (${code ?? "unknown error"})`);
    }
    try {
      const stats = fstatSync(descriptor);
      if (!stats.isFile()) throw new PatchError(`"${this.path}" is not a regular file`);
      if (stats.size > largestFile) throw new PatchError(`"${this.path}" is larger than ${largestFile} bytes`);
      return { bytes: readFileSync(descriptor), mode: stats.mode & permissionBits };
    } finally {
      closeSync(descriptor);
    }
  }

  /** Puts a whole file in the place of what is there: the name is a symlink by now, or another hard link shares the file, and
   *  neither matters, because nothing is written through the old one. */
  replace(content: Buffer, mode: number | null): void {
    const temporary = `/proc/self/fd/${this.#folder}/.sallyport-${uuidv7()}`;
    writeNew(temporary, content, mode);
    try {
      renameSync(temporary, this.#at);
    } catch (error) {
      unlinkQuietly(temporary);
      throw error;
    }
  }

  /** Fails where the name exists by now. */
  create(content: Buffer, mode: number | null): void {
    writeNew(this.#at, content, mode);
  }

  remove(): void {
    if (!lstatSync(this.#at).isFile()) throw new PatchError(`"${this.path}" is not a regular file`);
    unlinkSync(this.#at);
  }

  close(): void {
    closeSync(this.#folder);
  }
}

function openFolder(at: string, shown: string): number {
  try {
    return openSync(at, folderFlags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const what = code === "ELOOP" || code === "ENOTDIR" ? "a part of it is no folder" : (code ?? "unknown error");
    throw new PatchError(`Folder "${shown}" can't be opened: ${what}`);
  }
}

function makeFolder(at: string, shown: string): void {
  try {
    mkdirSync(at);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST") throw new PatchError(`Folder "${shown}" can't be made (${code ?? "unknown error"})`);
  }
}

function writeNew(path: string, content: Buffer, mode: number | null): void {
  const descriptor = openSync(path, createFlags, 0o666);
  try {
    writeFileSync(descriptor, content);
    if (mode !== null) fchmodSync(descriptor, mode);
  } catch (error) {
    unlinkQuietly(path);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It became the file, or its folder is gone; there is nothing left to remove.
  }
}
