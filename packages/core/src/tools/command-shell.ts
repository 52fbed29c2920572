/** The shell that runs the model's commands: the account's own where that speaks the language that models write, else bash or sh. */
import { accessSync, constants } from "node:fs";
import { userInfo } from "node:os";
import { basename } from "node:path";

const knownShells: ReadonlySet<string> = new Set(["bash", "zsh", "sh", "dash", "ksh"]);

export function findCommandShell(): string {
  const own = accountShell();
  const candidates = [...(knownShells.has(basename(own)) ? [own] : []), "/bin/bash", "/usr/bin/bash"];
  return candidates.find(isExecutable) ?? "/bin/sh";
}

function accountShell(): string {
  try {
    return userInfo().shell ?? "";
  } catch {
    return ""; // a user without an entry in the password file has none
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
