/** The journal: a file with one JSON record a line. A record is appended when its exec is decided, before the verdict takes
 *  effect, and appended again when the program has ended; the last line of an id counts. So a crash loses no decision that a
 *  program waited for; it may lose how the programs of the last moment ended, and those that a verdict stood for. */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from "node:fs";
import type { Stats } from "node:fs";
import type { ExecRecord } from "@sallyport/protocol";
import { SallyportError } from "@sallyport/supervisor";

// O_NONBLOCK: opening a pipe without a reader must fail instead of waiting. O_NOFOLLOW: a symlink would let whoever can
// write its folder choose which of the user's files grows.
const openFlags =
  constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const memoryDeviceMajor = 1;
const nullDeviceMinor = 3;
const fullDeviceMinor = 7;
const newline = 0x0a;
const endingDelayMs = 20;

export class Journal {
  readonly path: string;
  /** The first write that failed. Once set, nothing is written any more and every exec has to be denied. */
  failure: SallyportError | null = null;
  /** Called when `failure` is set. */
  onFailure: () => void = () => {};
  #descriptor: number | null;
  #lineIsOpen: boolean;
  /** Lines that nobody waits for, until the next decision that somebody waits for. */
  #waiting = "";
  #flushesSoon = false;
  #timer: NodeJS.Timeout | undefined;

  private constructor(path: string, descriptor: number, lineIsOpen: boolean) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#lineIsOpen = lineIsOpen;
  }

  /** Opens or creates the file (mode 0600). Throws `JOURNAL_REFUSED` for anything but a regular file of one's own, one link,
   *  that nobody else may write; `/dev/null` and `/dev/full` are let through. */
  static open(path: string): Journal {
    let descriptor: number;
    try {
      descriptor = openSync(path, openFlags, 0o600);
    } catch (error) {
      throw openError(path, error as NodeJS.ErrnoException);
    }
    try {
      const stats = fstatSync(descriptor);
      const objection = objectionTo(stats);
      if (objection !== null) throw refused(path, objection);
      return new Journal(path, descriptor, endsInsideLine(descriptor, stats));
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  /** Writes one record and returns whether it is in the file. */
  append(record: ExecRecord): boolean {
    if (this.failure !== null || this.#descriptor === null) return false;
    const lines = `${this.#waiting}${JSON.stringify(record)}\n`;
    this.#waiting = "";
    return this.#write(this.#descriptor, lines);
  }

  /** Writes the record of a program that runs already, when everything that Node was told at once has been decided. */
  appendRunning(record: ExecRecord): void {
    if (this.failure !== null || this.#descriptor === null) return;
    this.#waiting += `${JSON.stringify(record)}\n`;
    if (this.#flushesSoon) return;
    this.#flushesSoon = true;
    queueMicrotask(() => {
      this.#flushesSoon = false;
      this.#flush();
    });
  }

  /** Writes the record of a program that has ended, with the next decision or a few milliseconds from now. */
  appendEnded(record: ExecRecord): void {
    if (this.failure !== null || this.#descriptor === null) return;
    this.#waiting += `${JSON.stringify(record)}\n`;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, endingDelayMs);
  }

  #flush(): void {
    if (this.#waiting === "" || this.failure !== null || this.#descriptor === null) return;
    const lines = this.#waiting;
    this.#waiting = "";
    this.#write(this.#descriptor, lines);
  }

  #write(descriptor: number, lines: string): boolean {
    // A line that a crash cut short keeps its own line, so that only that one record is unreadable.
    const bytes = Buffer.from(this.#lineIsOpen ? `\n${lines}` : lines);
    this.#lineIsOpen = false;
    try {
      writeAll(descriptor, bytes);
      return true;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.failure = new SallyportError(
        "JOURNAL_WRITE_FAILED",
        `Journal "${this.path}" can't be written (${code ?? message}), so further programs were denied; make room or choose another file with --journal`,
        { data: { path: this.path, errno: code ?? null }, cause: error },
      );
      this.onFailure();
      return false;
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#flush();
    if (this.#descriptor === null) return;
    closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}

function writeAll(descriptor: number, bytes: Buffer): void {
  let at = 0;
  while (at < bytes.length) {
    const written = writeSync(descriptor, bytes, at, bytes.length - at);
    if (written === 0) throw Object.assign(new Error("nothing was written"), { code: "EIO" });
    at += written;
  }
}

function endsInsideLine(descriptor: number, stats: Stats): boolean {
  if (!stats.isFile() || stats.size === 0) return false;
  const last = Buffer.alloc(1);
  return readSync(descriptor, last, 0, 1, stats.size - 1) === 1 && last[0] !== newline;
}

/** Why this file can't be a journal, or null. */
function objectionTo(stats: Stats): string | null {
  if (isMemoryDevice(stats)) return null;
  if (!stats.isFile()) return "it is not a regular file; choose another path";
  if (stats.uid !== process.geteuid?.()) {
    return `it belongs to user ${stats.uid}, expected ${process.geteuid?.() ?? "you"}; choose another path`;
  }
  // A second name could lie where the sandboxed command may write.
  if (stats.nlink !== 1) return `it has ${stats.nlink} hard links, expected 1; choose another path`;
  if ((stats.mode & 0o022) !== 0) {
    return `others may write it (mode ${(stats.mode & 0o7777).toString(8)}), expected 600; run chmod 600 on it`;
  }
  return null;
}

function isMemoryDevice(stats: Stats): boolean {
  if (!stats.isCharacterDevice() || Math.floor(stats.rdev / 256) !== memoryDeviceMajor) return false;
  const minor = stats.rdev % 256;
  return minor === nullDeviceMinor || minor === fullDeviceMinor;
}

function openError(path: string, error: NodeJS.ErrnoException): SallyportError {
  const objection =
    openObjections[error.code ?? ""] ?? `it can't be opened for writing (${error.code ?? error.message})`;
  return refused(path, objection, error);
}

const openObjections: Partial<Record<string, string>> = {
  ELOOP: "it is a symbolic link, expected a regular file; name the file itself",
  ENOENT: "its folder does not exist; create the folder first",
  ENXIO: "it is not a regular file; choose another path",
  EISDIR: "it is a folder, expected a file",
  EACCES: "it can't be opened for reading and writing (EACCES); choose a file that you own",
  EROFS: "it lies on a read-only file system; choose another path",
};

function refused(path: string, objection: string, cause?: unknown): SallyportError {
  return new SallyportError("JOURNAL_REFUSED", `Journal "${path}" is refused: ${objection}`, {
    data: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}
