/** Where that which must not be read is by now. The attack: a program outside renames the folder of a denied path, and a sandbox
 *  that is made afterwards hides the old name. So each path is held open from the start and asked for its name. */
import { closeSync, constants, lstatSync, openSync, readlinkSync } from "node:fs";

/** O_PATH, which Node doesn't name: nothing is opened for reading, so no right to read is needed. */
const pathOnly = 0o10000000;

export class HeldPaths {
  readonly #descriptors: number[];

  /** What doesn't exist is not held. */
  constructor(paths: readonly string[]) {
    this.#descriptors = paths.flatMap(openPath);
  }

  /** The names that there are now. What was removed has none. */
  names(): string[] {
    return this.#descriptors.map((descriptor) => readlinkSync(`/proc/self/fd/${descriptor}`)).filter(exists);
  }

  close(): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor);
  }
}

function openPath(path: string): number[] {
  try {
    return [openSync(path, pathOnly | constants.O_NOFOLLOW)];
  } catch {
    return []; // there is nothing, or nothing that this user gets at
  }
}

function exists(name: string): boolean {
  return lstatSync(name, { throwIfNoEntry: false }) !== undefined;
}
