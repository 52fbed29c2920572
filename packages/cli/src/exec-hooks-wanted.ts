/** Whether any file of the configuration could have a hook on programs. Reading it for good takes longer than many a command, so what
 *  does not even have the words is not read.
 *
 *  Errs towards yes, because a guard that is not seen does not guard: a file that can't be read, and whatever may lead to further
 *  files (`[hooks] read`, a worktree, whose settings lie in another folder). */
import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** Both formats can write any letter of a key as an escape. */
const words = /(Pre|Post)Exec|\\[uUx]/;
const furtherFiles = /\bread\b["']?\s*=/;
const systemFolder = "/etc/sallyport";

export function mayHaveExecHooks(home: string, cwd: string): boolean {
  const system = ["requirements.toml", "managed_config.toml", "config.toml", "hooks.json"];
  if (system.some((name) => has(join(systemFolder, name), words))) return true;
  const config = join(home, "config.toml");
  if ([config, join(home, "hooks.json")].some((file) => has(file, words)) || has(config, furtherFiles)) return true;
  // Nothing of a project is read before the user's own file says that it is trusted.
  if (!has(config, /trust_level|\\[uUx]/)) return false;
  return foldersUpFrom(cwd).some(
    (folder) =>
      isWorktree(join(folder, ".git")) ||
      ["config.toml", "hooks.json"].some((name) => has(join(folder, ".sallyport", name), words)),
  );
}

function has(file: string, pattern: RegExp): boolean {
  try {
    return pattern.test(readFileSync(file, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== "ENOENT" && code !== "ENOTDIR";
  }
}

function isWorktree(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function foldersUpFrom(cwd: string): string[] {
  const parent = dirname(cwd);
  return parent === cwd ? [cwd] : [cwd, ...foldersUpFrom(parent)];
}
