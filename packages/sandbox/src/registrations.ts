/** Which runs hold which placeholders and scratch folders: one file a run in `<home>/placeholders`, so that a start can clean up
 *  after a run that was killed, and runs in the same folder share what they need.
 *
 *  A file is written before anything is made, renamed to `*.closing.json` before anything is removed, and unlinked at the end.
 *  The name tells the owner: `<pid>-<start time>-<pid namespace>-<boot>-<number>`.
 *
 *      opener: write own file -> wait until no closing file names my paths -> make or share
 *      closer: rename to closing -> read the others' files -> remove what nobody else names -> unlink
 *
 *  Whichever comes second sees the other, so nothing is removed under a run that needs it. */
import { mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SallyportError } from "@sallyport/supervisor";
import type { Placeholder } from "./protected-names.ts";
import { quote } from "./refusals.ts";

export interface Held {
  placeholders: Placeholder[];
  scratchFolder: string | null;
}

export interface Registration extends Held {
  file: string;
  closing: boolean;
  alive: boolean;
}

const namePattern = /^(\d+)-(\d+)-(\d+)-([0-9a-f]{8})-(\d+)(\.closing)?\.json$/;
let number = 0;

export class Register {
  readonly #folder: string;
  readonly #self: string;

  constructor(home: string) {
    this.#folder = join(home, "placeholders");
    this.#self = [process.pid, startTime(process.pid), pidNamespace(), bootId()].join("-");
  }

  /** Returns the new registration's file. */
  open(held: Held): string {
    const file = join(this.#folder, `${this.#self}-${number++}.json`);
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      this.write(file, held);
    } catch (cause) {
      throw new SallyportError(
        "HOME_UNWRITABLE",
        `Folder ${quote(this.#folder)} can't be written (${(cause as Error).message}), expected a home that can; set SALLYPORT_HOME to another folder`,
        {
          data: { folder: this.#folder },
          cause,
        },
      );
    }
    return file;
  }

  /** Whole or not at all: readers never see half a file. */
  write(file: string, held: Held): void {
    const draft = `${file}.draft`;
    writeFileSync(draft, JSON.stringify(held), { mode: 0o600 });
    renameSync(draft, file);
  }

  /** Marks a registration as closing, and takes it over where its owner is dead. Null when another process was first. */
  close(registration: string): string | null {
    const closing = join(this.#folder, `${this.#self}-${number++}.closing.json`);
    try {
      renameSync(registration, closing);
      return closing;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  forget(file: string): void {
    unlinkSync(file);
  }

  /** All registrations but `except`. What can't be read counts as held by nobody; it is left where it is. */
  list(except: string | null): Registration[] {
    const found: Registration[] = [];
    for (const name of this.#names()) {
      const file = join(this.#folder, name);
      const match = namePattern.exec(name);
      if (match === null || file === except) continue;
      const held = readHeld(file);
      if (held !== null) found.push({ file, closing: match[6] !== undefined, alive: isAlive(match), ...held });
    }
    return found;
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder);
    } catch {
      // No folder yet: no run before this one.
      return [];
    }
  }
}

function readHeld(file: string): Held | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Held; // Written by this class only; the home is mode 0700 and hidden inside.
  } catch {
    return null;
  }
}

/** A process of another pid namespace (a container that shares the home) can't be looked up, so it counts as alive until the next boot. */
function isAlive(match: RegExpExecArray): boolean {
  const [, pid = "", start = "", namespace = "", boot = ""] = match;
  if (boot !== bootId()) return false;
  return namespace !== pidNamespace() || startTime(Number(pid)) === start;
}

/** Start time of a process in clock ticks since boot: with the pid it names a process for good. Empty when it is gone. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function pidNamespace(): string {
  return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 8);
}
