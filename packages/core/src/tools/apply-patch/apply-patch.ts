/** Applies a patch to the disk: all of it or nothing.
 *
 *      actions -> planned: every path checked, every file read, every new text made    nothing is written yet
 *              -> written, one after the other; at the first failure what was written is taken back  */
import { isUtf8 } from "node:buffer";
import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { FileUpdateChange } from "@sallyport/protocol";
import type { WritablePlaces } from "@sallyport/sandbox";
import { applyChunks } from "./apply-chunks.ts";
import { HeldFile } from "./held-folder.ts";
import type { FileState } from "./held-folder.ts";
import { PatchError } from "./parse-patch.ts";
import { repositoryObjection } from "./repository-folders.ts";
import type { PatchAction } from "./parse-patch.ts";
import { unifiedDiff } from "./unified-diff.ts";

/** One file as it was and as it shall be; null: it is not there. */
interface PlannedFile {
  file: HeldFile;
  before: FileState | null;
  after: FileState | null;
}

export interface PlannedPatch {
  /** As the item shows them. */
  changes: FileUpdateChange[];
  /** Per path, absolute: texts before and after, for the diff of the whole turn. */
  texts: { path: string; before: string | null; after: string | null }[];
  /** Writes it all. Throws a PatchError after it has taken back what it wrote. */
  apply(): void;
  /** Call it in any case. */
  close(): void;
}

/** Reads, checks and computes; writes nothing but missing folders, and these only in `apply()`. Throws a PatchError. */
export async function planPatch(
  actions: readonly PatchAction[],
  options: { cwd: string; places: WritablePlaces },
): Promise<PlannedPatch> {
  const planner = new Planner(options);
  try {
    for (const action of actions) await planner.add(action);
    return planner.finish();
  } catch (error) {
    planner.close();
    throw error;
  }
}

/** What the patch would write beyond the writable folders: a folder that exists for each file, once, and why it needs a person's word;
 *  null: nothing. */
export function findPlacesElsewhere(
  actions: readonly PatchAction[],
  { cwd, places }: { cwd: string; places: WritablePlaces },
): { folders: string[]; reason: string } | null {
  const named = actions.flatMap((action) =>
    action.kind === "update" && action.moveTo !== null ? [action.path, action.moveTo] : [action.path],
  );
  const paths = named.map((given) => resolvePath(cwd, given)).filter((path) => places.isElsewhere(path));
  const [first] = paths;
  if (first === undefined) return null;
  const names = paths.map((path) => `"${path}"`).join(", ");
  const reason = `${names} ${places.objectionTo(first) ?? ""}`;
  return { folders: [...new Set(paths.map((path) => existingFolder(dirname(path))))], reason };
}

class Planner {
  readonly #options: { cwd: string; places: WritablePlaces };
  readonly #files: (() => PlannedFile)[] = [];
  readonly #open: HeldFile[] = [];
  readonly #changes: FileUpdateChange[] = [];
  readonly #texts: PlannedPatch["texts"] = [];
  readonly #taken = new Set<string>();

  constructor(options: { cwd: string; places: WritablePlaces }) {
    this.#options = options;
  }

  async add(action: PatchAction): Promise<void> {
    const path = this.#resolve(action.path);
    this.#take(path);
    const before = this.#peek(path);
    switch (action.kind) {
      case "add":
        if (before !== null) throw new PatchError(`"${path}" exists already; use "*** Update File: " to change it`);
        this.#plan(path, null, { bytes: Buffer.from(action.content), mode: null });
        this.#changes.push({ path, kind: { type: "add" }, diff: action.content });
        this.#texts.push({ path, before: null, after: action.content });
        return;
      case "delete": {
        const text = textOf(path, before);
        this.#plan(path, before, null);
        this.#changes.push({ path, kind: { type: "delete" }, diff: text });
        this.#texts.push({ path, before: text, after: null });
        return;
      }
      case "update":
        return this.#addUpdate(action, path, before);
    }
  }

  async #addUpdate(action: PatchAction & { kind: "update" }, path: string, before: FileState | null): Promise<void> {
    const text = textOf(path, before);
    const changed = action.chunks.length === 0 ? text : applyChunks(text, action.chunks, path);
    const mode = before?.mode ?? null;
    const moved = action.moveTo === null ? null : this.#resolve(action.moveTo);
    const diff = await unifiedDiff({ from: path, to: moved ?? path, before: text, after: changed });
    this.#changes.push({ path, kind: { type: "update", move_path: moved }, diff });
    if (moved === null || moved === path) {
      this.#plan(path, before, { bytes: Buffer.from(changed), mode });
      this.#texts.push({ path, before: text, after: changed });
      return;
    }
    this.#take(moved);
    if (this.#peek(moved) !== null) throw new PatchError(`"${moved}" exists already, so nothing can be moved there`);
    this.#plan(moved, null, { bytes: Buffer.from(changed), mode });
    this.#plan(path, before, null);
    this.#texts.push({ path, before: text, after: null }, { path: moved, before: null, after: changed });
  }

  /** One file, one action: two of them would have to be applied in an order that the patch does not tell. */
  #take(path: string): void {
    if (this.#taken.has(path)) throw new PatchError(`"${path}" is named twice`);
    this.#taken.add(path);
  }

  /** Symlinks on the way are followed here, once, and the place where they end is judged. */
  #resolve(given: string): string {
    const path = resolvePath(this.#options.cwd, given);
    const objection = this.#options.places.objectionTo(path);
    if (objection !== null) throw new PatchError(`"${given}" ${objection}`);
    const repository = repositoryObjection(path, this.#options.places.roots);
    if (repository !== null) throw new PatchError(`"${given}" ${repository}`);
    return path;
  }

  #rootOf(path: string): string {
    const roots = this.#options.places.roots.filter((root) => root === "/" || path.startsWith(`${root}/`));
    const root = roots.toSorted((left, right) => left.length - right.length)[0];
    if (root === undefined) throw new PatchError(`"${path}" is a writable folder itself, expected a file in it`);
    return root;
  }

  #peek(path: string): FileState | null {
    let file: HeldFile;
    try {
      file = HeldFile.open(path, this.#rootOf(path), { makeFolders: false });
    } catch (error) {
      if (error instanceof PatchError && error.message.endsWith("ENOENT")) return null;
      throw error;
    }
    try {
      return file.read();
    } finally {
      file.close();
    }
  }

  #plan(path: string, before: FileState | null, after: FileState | null): void {
    this.#files.push(() => {
      const file = HeldFile.open(path, this.#rootOf(path), { makeFolders: after !== null });
      this.#open.push(file);
      return { file, before, after };
    });
  }

  finish(): PlannedPatch {
    return {
      changes: this.#changes,
      texts: this.#texts,
      apply: () => writeAll(this.#files.map((open) => open())),
      close: () => this.close(),
    };
  }

  close(): void {
    for (const file of this.#open.splice(0)) file.close();
  }
}

function writeAll(files: readonly PlannedFile[]): void {
  const written: PlannedFile[] = [];
  try {
    for (const planned of files) {
      refuseChanged(planned);
      write(planned.file, { from: planned.before, to: planned.after });
      written.push(planned);
    }
  } catch (error) {
    const left = takeBack(written);
    const reason = error instanceof Error ? error.message : String(error);
    throw new PatchError(`Nothing was changed: ${reason}${left === "" ? "" : `. Except: ${left}`}`);
  }
}

/** Somebody wrote the file since it was read: applying the patch would undo that. */
function refuseChanged({ file, before }: PlannedFile): void {
  const now = file.read();
  const isSame = now === null || before === null ? now === before : now.bytes.equals(before.bytes);
  if (!isSame) throw new PatchError(`"${file.path}" was changed by something else meanwhile; read it again`);
}

function write(file: HeldFile, { from, to }: { from: FileState | null; to: FileState | null }): void {
  if (to === null) file.remove();
  else if (from === null) file.create(to.bytes, to.mode);
  else file.replace(to.bytes, to.mode);
}

function takeBack(written: readonly PlannedFile[]): string {
  const failures: string[] = [];
  for (const { file, before, after } of written.toReversed()) {
    try {
      write(file, { from: after, to: before });
    } catch (error) {
      failures.push(`"${file.path}" (${error instanceof Error ? error.message : String(error)})`);
    }
  }
  return failures.join(", ");
}

function textOf(path: string, state: FileState | null): string {
  if (state === null) throw new PatchError(`"${path}" does not exist`);
  if (!isUtf8(state.bytes)) throw new PatchError(`"${path}" is not UTF-8 text`);
  return state.bytes.toString("utf8");
}

function resolvePath(cwd: string, given: string): string {
  const wanted = resolve(cwd, given);
  return join(realFolder(dirname(wanted)), basename(wanted));
}

function existingFolder(folder: string): string {
  return existsSync(folder) ? folder : existingFolder(dirname(folder));
}

/** The folder with every symlink resolved, as far as it exists. */
function realFolder(folder: string): string {
  try {
    return realpathSync.native(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      throw new PatchError(`Folder "${folder}" can't be looked at`);
    const parent = dirname(folder);
    return parent === folder ? folder : join(realFolder(parent), basename(folder));
  }
}
