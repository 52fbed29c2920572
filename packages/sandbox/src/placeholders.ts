/** Makes and removes what a run leaves on the host: placeholders in writable roots, and its scratch folder. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, rmdirSync, unlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { lookAt } from "./paths.ts";
import { isPlaceholder, type Placeholder } from "./protected-names.ts";
import { quote, refusal } from "./refusals.ts";
import { Register, type Held, type Registration } from "./registrations.ts";

const scratchPrefix = "sallyport-";
const closerPatienceMs = 2000;

/** Name for a new scratch folder; nothing is made yet. */
export function nameScratchFolder(parent: string): string {
  return join(
    parent,
    `${scratchPrefix}${Buffer.from(crypto.getRandomValues(new Uint8Array(9))).toString("base64url")}`,
  );
}

/** What one run holds on the host. */
export class HostTraces {
  readonly #register: Register;
  readonly #held: Held;
  #file: string | null;

  private constructor(register: Register, held: Held, file: string) {
    this.#register = register;
    this.#held = held;
    this.#file = file;
  }

  /** Cleans up after dead runs, then makes the scratch folder and the placeholders. `placeholders` holds those that stand now, own or shared. */
  static create(home: string, wanted: Held): { traces: HostTraces; standing: Placeholder[] } {
    const register = new Register(home);
    recover(register);
    // Recorded before it is made: a kill in between leaves a record without a folder, never a folder without a record.
    const file = register.open(wanted);
    const traces = new HostTraces(register, { placeholders: [], scratchFolder: wanted.scratchFolder }, file);
    try {
      if (wanted.scratchFolder !== null) mkdirSync(wanted.scratchFolder, { mode: 0o700 });
      waitForClosers(register, file, wanted.placeholders);
      const standing = wanted.placeholders.filter((placeholder) => traces.#make(placeholder, file));
      register.write(file, traces.#held);
      return { traces, standing };
    } catch (error) {
      traces.remove({ racing: false });
      throw error;
    }
  }

  /** False where there is nothing to protect: nobody with our rights can create the name either. */
  #make(placeholder: Placeholder, ownFile: string): boolean {
    try {
      if (placeholder.kind === "folder") mkdirSync(placeholder.path);
      else writeFileSync(placeholder.path, placeholder.content, { flag: "wx" });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") return this.#share(placeholder, ownFile);
      if (code === "EROFS" || (code === "EACCES" && !isOwnFolder(dirname(placeholder.path)))) return false;
      throw refusal(
        `Protected name ${quote(placeholder.path)} can't be made (${(error as Error).message}), expected to hold its place while the command runs; make its folder writable`,
        {
          path: placeholder.path,
        },
        error,
      );
    }
    this.#held.placeholders.push(placeholder);
    return true;
  }

  /** A placeholder of another run is held together with it; anything else there is the user's, and is left alone. */
  #share(placeholder: Placeholder, ownFile: string): true {
    const others = this.#register.list(ownFile);
    if (isPlaceholder(placeholder) && others.some((other) => other.alive && names(other, placeholder)))
      this.#held.placeholders.push(placeholder);
    return true;
  }

  /** Removes everything that no other run holds. With `racing`, a process of the run may still be alive and swap folders for symlinks. */
  remove(options: { racing: boolean }): string[] {
    if (this.#file === null) return [];
    const file = this.#file;
    this.#file = null;
    const problems: string[] = [];
    let record = file;
    // Without a record (the home is gone or read-only by now) what was made is removed all the same.
    attempt(problems, file, () => (record = this.#register.close(file) ?? file));
    return [...problems, ...removeHeld(this.#register, record, this.#held, options)];
  }
}

/** Removes what dead runs left. */
function recover(register: Register): void {
  for (const left of register.list(null)) {
    if (left.alive) continue;
    const closing = register.close(left.file);
    // Processes of a dead run may live on where the wall has no pid namespace.
    if (closing !== null) removeHeld(register, closing, left, { racing: true });
  }
}

function removeHeld(register: Register, record: string, held: Held, options: { racing: boolean }): string[] {
  const problems: string[] = [];
  const others = register.list(record);
  // The deepest first, so that a placeholder's folder is empty when its turn comes.
  for (const placeholder of held.placeholders.toReversed()) {
    if (others.some((other) => names(other, placeholder)) || !isPlaceholder(placeholder)) continue;
    attempt(problems, placeholder.path, () =>
      (placeholder.kind === "folder" ? rmdirSync : unlinkSync)(placeholder.path),
    );
  }
  const { scratchFolder } = held;
  if (scratchFolder !== null) attempt(problems, scratchFolder, () => removeScratch(scratchFolder, options));
  // Kept for the next start where something is left; the placeholders are done with, and must not hold up other runs.
  attempt(problems, record, () =>
    problems.length === 0 ? register.forget(record) : register.write(record, { placeholders: [], scratchFolder }),
  );
  return problems;
}

function attempt(problems: string[], path: string, step: () => void): void {
  try {
    step();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      problems.push(`${quote(path)} could not be removed: ${(error as Error).message}`);
  }
}

function removeScratch(folder: string, { racing }: { racing: boolean }): void {
  const stats = lookAt(folder);
  // The name comes from a record; only what a run of ours can have made is ever removed with all that it holds.
  if (
    stats === null ||
    !stats.isDirectory() ||
    stats.uid !== process.getuid?.() ||
    !basename(folder).startsWith(scratchPrefix)
  )
    return;
  if (!racing && isRemoved(folder)) return;
  // rm walks by descriptors, so a symlink swapped in does not lead it outside, and neither does depth stop it. Folders without
  // rights for their owner are opened first.
  spawnSync("/bin/chmod", ["-R", "u+rwX", "--", folder], { stdio: "ignore" });
  const { status, stderr } = spawnSync("/bin/rm", ["-rf", "--", folder], {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (status !== 0) throw new Error((stderr ?? "rm could not be started").trim().split("\n")[0]);
}

function isRemoved(folder: string): boolean {
  try {
    rmSync(folder, { recursive: true, force: true });
    return true;
  } catch {
    // Folders without rights, or deeper than a path can name: rm gets them.
    return false;
  }
}

function names(registration: Registration, placeholder: Placeholder): boolean {
  return registration.placeholders.some((other) => other.path === placeholder.path);
}

function isOwnFolder(folder: string): boolean {
  return lookAt(folder)?.uid === process.getuid?.();
}

function waitForClosers(register: Register, ownFile: string, wanted: readonly Placeholder[]): void {
  const deadlineMs = Date.now() + closerPatienceMs;
  const isClosing = (): boolean =>
    register.list(ownFile).some((other) => other.closing && wanted.some((placeholder) => names(other, placeholder)));
  while (isClosing()) {
    if (Date.now() > deadlineMs) {
      throw refusal(
        `Another run has been removing placeholders in the same folder for ${closerPatienceMs} ms, expected it to end; try again`,
        {},
      );
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    recover(register);
  }
}
