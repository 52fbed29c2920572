/** Names in a writable root through which later programs outside would run what a command wrote: git's hooks and settings,
 *  and the settings of tools. Finds what exists and must become read-only, and what is missing and must not come into being. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { lookAt } from "./paths.ts";
import { quote, refusal } from "./refusals.ts";

/** A path that is mounted over itself. `pinned` stays writable, but can't be renamed or removed: a folder that holds a protected
 *  name could otherwise be moved away, protection and all, and made anew. */
interface Guard {
  path: string;
  how: "read-only" | "pinned";
}

/** Something harmless that takes the place of what does not exist, as a mount needs something to lie on. */
export interface Placeholder {
  path: string;
  kind: "folder" | "file";
  /** Content of a file. */
  content: string;
}

export interface ProtectedNames {
  guards: Guard[];
  /** What does not exist, or looks like a placeholder that another run made. */
  missing: Placeholder[];
  notes: string[];
}

const settingsFolders = [".sallyport", ".codex", ".claude", ".vscode"];

/** An empty commondir breaks git ("failed to read"); "." names the git folder itself, which is what git assumes without the file. */
const commondirPlaceholder = ".\n";
const filesInGit: [name: string, placeholder: string][] = [
  ["config", ""],
  ["config.worktree", ""],
  ["commondir", commondirPlaceholder],
];

/** Names are protected in the root itself, not in folders below it. A path in `lifted` was granted explicitly. */
export function protectedNames(
  root: string,
  options: { allowGitInit: boolean; lifted: ReadonlySet<string> },
): ProtectedNames {
  const found: ProtectedNames = { guards: [], missing: [], notes: [] };
  const survey = new Surveyor(found, options.lifted);
  for (const name of settingsFolders) survey.protectFolder(join(root, name));
  surveyGit(root, survey, found, options);
  if (isGitFolder(root)) survey.protectGitFolder(root);
  return found;
}

function surveyGit(
  root: string,
  survey: Surveyor,
  found: ProtectedNames,
  options: { allowGitInit: boolean; lifted: ReadonlySet<string> },
): void {
  const git = join(root, ".git");
  if (options.lifted.has(git)) {
    // The root that lifts it is a git folder itself, and is protected as one.
    return;
  }
  const stats = lookAt(git);
  if (stats?.isDirectory() === true && !isEmptyFolder(git)) {
    found.guards.push({ path: git, how: "pinned" });
    survey.protectGitFolder(git);
  } else if (stats?.isFile() === true) {
    found.guards.push({ path: git, how: "read-only" });
    found.notes.push(
      `${quote(git)} is a file that names a git folder elsewhere; git can't write there unless that folder is given with --writable`,
    );
  } else if (!options.allowGitInit) {
    survey.protectFolder(git);
  }
}

class Surveyor {
  readonly #found: ProtectedNames;
  readonly #lifted: ReadonlySet<string>;

  constructor(found: ProtectedNames, lifted: ReadonlySet<string>) {
    this.#found = found;
    this.#lifted = lifted;
  }

  protectFolder(path: string): void {
    this.#protect({ path, kind: "folder", content: "" });
  }

  protectFile(path: string, content: string): void {
    this.#protect({ path, kind: "file", content });
  }

  #protect(placeholder: Placeholder): void {
    const { path } = placeholder;
    if (this.#lifted.has(path)) return;
    const stats = lookAt(path);
    if (stats?.isSymbolicLink() === true) {
      // Nothing can be mounted on a symlink, so it could be replaced; fails closed.
      throw refusal(
        `Protected name ${quote(path)} is a symlink, expected a file or a folder, as a symlink can't be made read-only; replace it by what it names, or give it with --writable to do without its protection`,
        { path },
      );
    }
    if (stats === null || isPlaceholder(placeholder)) this.#found.missing.push(placeholder);
    else this.#found.guards.push({ path, how: "read-only" });
  }

  /** `git` is a repository's git folder, a submodule's, or a bare repository. */
  protectGitFolder(git: string): void {
    this.protectFolder(join(git, "hooks"));
    for (const [name, content] of filesInGit) this.protectFile(join(git, name), content);
    this.#protectInfo(join(git, "info"));
    this.#descend(
      join(git, "modules"),
      (path) => isGitFolder(path) && this.#isPinned(path, () => this.protectGitFolder(path)),
    );
    this.#descend(
      join(git, "worktrees"),
      (path) => isGitFolder(path) && this.#isPinned(path, () => this.#protectWorktree(path)),
    );
  }

  #protectWorktree(git: string): void {
    for (const [name, content] of filesInGit) if (name !== "config") this.protectFile(join(git, name), content);
  }

  #protectInfo(info: string): void {
    const stats = lookAt(info);
    if (stats?.isDirectory() !== true) return this.protectFolder(info);
    this.#found.guards.push({ path: info, how: "pinned" });
    this.protectFile(join(info, "attributes"), "");
  }

  /** Names of submodules hold slashes, so a git folder may lie several levels down. */
  #descend(folder: string, take: (path: string) => boolean): void {
    if (lookAt(folder)?.isDirectory() !== true) return;
    this.#isPinned(folder, () => {
      for (const name of entriesOf(folder)) {
        const path = join(folder, name);
        if (!take(path)) this.#descend(path, take);
      }
    });
  }

  #isPinned(path: string, inside: () => void): true {
    this.#found.guards.push({ path, how: "pinned" });
    inside();
    return true;
  }
}

/** As git tells: a HEAD, and objects and refs or the name of the folder that has them. */
function isGitFolder(path: string): boolean {
  if (lookAt(join(path, "HEAD")) === null) return false;
  const has = (name: string): boolean => lookAt(join(path, name)) !== null;
  return has("commondir") || (has("objects") && has("refs"));
}

/** True for what a run of ours may have put there. Whether it did, the registrations tell. */
export function isPlaceholder(placeholder: Placeholder): boolean {
  const stats = lookAt(placeholder.path);
  if (stats === null) return false;
  if (placeholder.kind === "folder") return stats.isDirectory() && isEmptyFolder(placeholder.path);
  return (
    stats.isFile() &&
    stats.size === placeholder.content.length &&
    readFileSync(placeholder.path, "latin1") === placeholder.content
  );
}

function isEmptyFolder(path: string): boolean {
  return entriesOf(path).length === 0;
}

function entriesOf(folder: string): string[] {
  return readdirSync(folder);
}
