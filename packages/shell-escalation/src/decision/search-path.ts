/** The PATH that the session started with: what a bare name in a rule means. */
import { readdirSync, statSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { fileAt } from "./known-file.ts";
import type { KnownFile } from "./known-file.ts";
import type { Session } from "./types.ts";

interface Folder {
  path: string;
  /** What it holds; null while that has not been read, and where it cannot be. */
  names: ReadonlySet<string> | null;
}

export class SearchPath {
  readonly #folders: Folder[];

  constructor(session: Session) {
    // An empty or relative folder starts at the session's cwd.
    const paths = session.path
      .split(":")
      .map((path) => (isAbsolute(path) ? resolve(path) : resolve(session.cwd, path)));
    this.#folders = [...new Set(paths)].map((path) => ({ path, names: null }));
  }

  /** Lists each folder once; for more than a few names that is cheaper than asking for each in each folder. */
  expectMany(): void {
    for (const folder of this.#folders) folder.names ??= namesIn(folder.path);
  }

  /** From now on only folders count that cannot be written from inside: the session has started, and a name that is looked up later
   *  must not lead to what was put there meanwhile. */
  close(isWritable: (path: string) => boolean): void {
    const safe = this.#folders.filter(({ path }) => !isWritable(path)).map(({ path }) => ({ path, names: null }));
    this.#folders.splice(0, this.#folders.length, ...safe);
  }

  /** The program of this name, as a shell would find it. */
  find(name: string): KnownFile | null {
    for (const path of this.#candidates(name)) {
      const stats = statQuietly(path);
      if (stats?.isFile() !== true || (stats.mode & 0o111n) === 0n) continue;
      const found = fileAt(path);
      if (found !== null) return found;
    }
    return null;
  }

  /** Every file of this name, in whichever folder; `key` is `dev:ino`. */
  filesOf(name: string): { path: string; key: string; size: number }[] {
    return this.#candidates(name).flatMap((path) => {
      const stats = statQuietly(path);
      const isProgram = stats !== null && stats.isFile();
      return isProgram ? [{ path, key: `${stats.dev}:${stats.ino}`, size: Number(stats.size) }] : [];
    });
  }

  #candidates(name: string): string[] {
    if (name === "" || name.includes("/")) return [];
    return this.#folders.flatMap(({ path, names }) => (names === null || names.has(name) ? [join(path, name)] : []));
  }
}

function namesIn(path: string): ReadonlySet<string> | null {
  try {
    return new Set(readdirSync(path));
  } catch {
    // Searchable but not readable, or not there.
    return null;
  }
}

function statQuietly(path: string): BigIntStats | null {
  try {
    return statSync(path, { throwIfNoEntry: false, bigint: true }) ?? null;
  } catch {
    return null;
  }
}
