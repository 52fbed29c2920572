/** Which program a command handler starts: the account's shell with the command line, or the program itself. */
import { accessSync, constants, statSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, resolve } from "node:path";

export interface ProgramToStart {
  file: string;
  argv: string[];
}

export interface ProgramProblem {
  failure: "notFound" | "notExecutable";
  problem: string;
}

const plainShell = "/bin/sh";
/** What stands in the user database for accounts that nobody logs into. They run agents all the same. */
const noShells = new Set(["nologin", "false", "true", "sync"]);

/** The login shell of the user database; `$SHELL` is not asked. */
export function accountShell(shell: string | null = databaseShell()): string {
  return shell === null || shell === "" || noShells.has(basename(shell)) ? plainShell : shell;
}

function databaseShell(): string | null {
  try {
    return userInfo().shell;
  } catch {
    return null; // a user id without an entry, as in containers
  }
}

/** `args` null: the shell form. Else the exec form: `command` is a path where it has a slash, else it is searched on `path`. */
export function programToStart(
  command: string,
  args: readonly string[] | null,
  path: string,
  cwd: string,
): ProgramToStart | ProgramProblem {
  if (args === null) {
    const shell = accountShell();
    return { file: shell, argv: [shell, "-c", command] };
  }
  const candidates = command.includes("/")
    ? [resolve(cwd, command)]
    : path.split(":").map((folder) => resolve(cwd, folder, command));
  let refused: string | null = null;
  for (const file of candidates) {
    const state = stateOf(file);
    if (state === "executable") return { file, argv: [command, ...args] };
    if (state === "notExecutable") refused ??= file;
  }
  if (refused !== null) return { failure: "notExecutable", problem: `"${refused}" may not be executed` };
  const where = command.includes("/") ? "there is no such file" : "it is in no folder of the PATH";
  return { failure: "notFound", problem: `"${command}" was not found: ${where}` };
}

function stateOf(file: string): "executable" | "notExecutable" | "missing" {
  try {
    if (!statSync(file).isFile()) return "notExecutable";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES" ? "notExecutable" : "missing";
  }
  try {
    accessSync(file, constants.X_OK);
    return "executable";
  } catch {
    return "notExecutable";
  }
}
