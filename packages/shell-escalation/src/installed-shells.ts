/** The patched shells below Sallyport's home, as `sallyport shell build` leaves them:
 *
 *      HOME/shells/NAME/bin/bash      the program
 *      HOME/shells/NAME/shell.json    {"version": 1, "path", "bashVersion", "builtAtMs"}, written last: without it the shell is not whole */
import { accessSync, constants, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const recordVersion = 1;

export interface InstalledShell {
  /** The folder's name below `HOME/shells`. */
  name: string;
  /** Absolute path of the program. */
  path: string;
  /** As the shell says it itself: "5.2.15(1)-release". */
  bashVersion: string;
  builtAtMs: number;
}

export interface ShellListing {
  /** The newest first. */
  shells: InstalledShell[];
  /** Folders that hold no usable shell, with the reason. */
  broken: { name: string; reason: string }[];
}

/** The folder that holds the shell of this name. */
export function shellFolder(home: string, name: string): string {
  return join(home, "shells", name);
}

/** Lists what is installed; nothing where the home has no shells. Never throws: what can't be read is listed as broken. */
export function listInstalledShells(home: string): ShellListing {
  const listing: ShellListing = { shells: [], broken: [] };
  for (const name of namesIn(join(home, "shells"))) {
    const shell = readInstalledShell(home, name);
    if (typeof shell === "string") listing.broken.push({ name, reason: shell });
    else listing.shells.push(shell);
  }
  listing.shells.sort((left, right) => right.builtAtMs - left.builtAtMs || left.name.localeCompare(right.name));
  return listing;
}

/** The newest usable shell, or null. */
export function findInstalledShell(home: string): InstalledShell | null {
  return listInstalledShells(home).shells[0] ?? null;
}

/** The shell of this name, or the reason why it can't be used. */
export function readInstalledShell(home: string, name: string): InstalledShell | string {
  const folder = shellFolder(home, name);
  const record = readRecord(join(folder, "shell.json"));
  if (typeof record === "string") return record;
  const { version, path, bashVersion, builtAtMs } = record;
  if (version !== recordVersion) return `shell.json has version ${JSON.stringify(version)}, expected ${recordVersion}`;
  if (typeof bashVersion !== "string" || typeof builtAtMs !== "number" || !Number.isSafeInteger(builtAtMs)) {
    return "shell.json lacks bashVersion or builtAtMs";
  }
  const expected = join(folder, "bin", "bash");
  // The record stays where the shell is: a copied or moved folder would start the program of another one.
  if (path !== expected) return `shell.json names ${JSON.stringify(path)}, expected "${expected}"; build it again`;
  if (!isExecutable(expected)) return `"${expected}" is not an executable file`;
  return { name, path: expected, bashVersion, builtAtMs };
}

function readRecord(file: string): Record<"version" | "path" | "bashVersion" | "builtAtMs", unknown> | string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return `shell.json can't be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`;
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return "shell.json holds no object";
    // Looked at key by key above; what is missing is undefined.
    return parsed as Record<"version" | "path" | "bashVersion" | "builtAtMs", unknown>;
  } catch {
    return "shell.json is not JSON";
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** A name that begins with a dot is a build that has not come to its end. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() && !entry.name.startsWith(".") ? [entry.name] : [],
    );
  } catch {
    return [];
  }
}
