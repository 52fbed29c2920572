/** Finds the program that a command line names, as execvp would. */
import { accessSync, constants, openSync, readSync, closeSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import type { Text } from "@sallyport/protocol";
import { SallyportError } from "@sallyport/supervisor";

const defaultPath = "/bin:/usr/bin";
const sniffBytes = 80;

export interface FoundProgram {
  file: string;
  argv: Text[];
}

/** `argv[0]` names the program: with a slash it is a path, without one it is searched on `path`. A file that is neither a
 *  binary nor has a `#!` line is given to /bin/sh, as execvp does. Throws `PROGRAM_NOT_FOUND` or `PROGRAM_NOT_EXECUTABLE`. */
export function findProgram(name: string, argv: Text[], path: string | undefined, cwd: string): FoundProgram {
  const file = name.includes("/") ? checkPath(name, cwd) : searchPath(name, path ?? defaultPath, cwd);
  if (!isPlainText(file)) return { file, argv };
  return { file: "/bin/sh", argv: ["/bin/sh", file, ...argv.slice(1)] };
}

function checkPath(name: string, cwd: string): string {
  const file = resolve(cwd, name);
  const objection = objectionTo(file);
  if (objection === "missing") throw notFound(name, "No such file or directory");
  if (objection === "unreachable") throw notExecutable(name, "Permission denied");
  if (objection !== null) throw notExecutable(name, objection);
  return file;
}

function searchPath(name: string, path: string, cwd: string): string {
  let refusal: string | null = null;
  for (const folder of name === "" ? [] : path.split(":")) {
    const file = join(isAbsolute(folder) ? folder : resolve(cwd, folder), name);
    const objection = objectionTo(file);
    if (objection === null) return file;
    // A file that may not be executed is passed over, and named only if no later folder has a better one. A folder that may not
    // be searched has no such file, as to a shell.
    if (objection === "Permission denied") refusal ??= objection;
  }
  if (refusal !== null) throw notExecutable(name, refusal);
  throw notFound(name, "command not found");
}

type Objection = "missing" | "unreachable" | "Is a directory" | "Permission denied";

function objectionTo(file: string): Objection | null {
  let stats: Stats;
  try {
    stats = statSync(file);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES" ? "unreachable" : "missing";
  }
  if (stats.isDirectory()) return "Is a directory";
  if (!stats.isFile()) return "Permission denied";
  try {
    accessSync(file, constants.X_OK);
    return null;
  } catch {
    return "Permission denied";
  }
}

/** Neither ELF nor `#!` nor, by the absence of NUL bytes in its beginning, any other binary format. */
function isPlainText(file: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch {
    // Executable but not readable: only the kernel can tell, and it will.
    return false;
  }
  try {
    const start = Buffer.alloc(sniffBytes);
    const length = readSync(descriptor, start, 0, sniffBytes, 0);
    const head = start.subarray(0, length);
    return !head.includes(0) && head.subarray(0, 2).toString("latin1") !== "#!";
  } finally {
    closeSync(descriptor);
  }
}

function notFound(name: string, text: string): SallyportError {
  return new SallyportError("PROGRAM_NOT_FOUND", `${name}: ${text}`, { data: { program: name } });
}

function notExecutable(name: string, text: string): SallyportError {
  return new SallyportError("PROGRAM_NOT_EXECUTABLE", `${name}: ${text}`, { data: { program: name } });
}
