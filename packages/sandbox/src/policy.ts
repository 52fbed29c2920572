/** What a caller asks of the wall, and what it gets. */
import type { WallSpec } from "@sallyport/supervisor";
import type { ProtectedNames } from "./protected-names.ts";

export interface SandboxPolicy {
  mode: "read-only" | "workspace-write" | "danger-full-access";
  /** Working directory of the command; the first writable root in workspace-write. */
  cwd: string;
  /** Further writable folders. One that names a protected name (`.vscode`, `.git/hooks`) lifts its protection. */
  writable: string[];
  network: boolean;
  /** Paths that are hidden besides `defaultDenyRead()` and Sallyport's home. */
  denyRead: string[];
  /** Leave out the placeholder that keeps a new `.git` from being made. */
  allowGitInit: boolean;
  /** Unix sockets that stay reachable. */
  sockets: string[];
  wall: "auto" | "bubblewrap" | "landlock";
  /** Sallyport's home. */
  home: string;
  /** Folders of Sallyport's own program. */
  programFolders: string[];
  journal: string | null;
  rulesFiles: string[];
  /** Folders and files that must stay readable at their own path even where a private folder would hide them: the PATH, the program. */
  readableExtra: string[];
  /** Landlock ABI of this kernel, 0 without Landlock. */
  landlockAbi: number;
  /** A sandbox for one program: `writable` is all that can be written, besides private folders in memory of its own. */
  bounds?: {
    /** What of the hidden paths may be read: a hidden path itself, a folder that holds some, or a path in one. */
    read: readonly string[];
    /** The command's own writable folders, and what was protected in them when its wall was built. The attack: code inside makes a
     *  further name that is protected, and puts a symlink in its place before it is mounted. */
    known: { roots: readonly string[]; names: ProtectedNames };
  };
}

export interface WallPlan {
  level: "bubblewrap" | "landlock" | "none";
  /** What this level leaves open, one plain sentence each. */
  gaps: string[];
  /** What a user may stumble over although nothing is open, one plain sentence each. */
  notes: string[];
  /** For `LaunchSpec.outerArgv`. */
  outerArgv: string[];
  /** For `LaunchSpec.wall`. */
  wall: WallSpec | null;
  /** For `LaunchSpec.pidNamespace`. */
  pidNamespace: boolean;
  /** Variables that the command must get in place of its own. */
  env: Record<string, string>;
  /** What is protected in the writable roots. */
  protectedNames: ProtectedNames;
  /** Everything that the command can write, by its name outside: the writable roots and the scratch folder. */
  writableRoots: string[];
  /** Paths that neither the command nor what it starts outside may read; resolved, existing or not. */
  denyRead: string[];
  /** Folder of this run on the host, mode 0700; null without a wall. */
  scratchFolder: string | null;
  /** The name outside of what the command calls `path` (absolute, resolved). A name for something that has no outside lies in `scratchFolder`. */
  translate(path: string): string;
  /** Protected files that were replaced from outside since the start. A mount over a file ends when the file is replaced on the
   *  host, so these are writable inside from then on. */
  replacedSinceStart(): string[];
  /** Removes the placeholders and the scratch folder. Call it after the tree has ended, in any case, once or more.
   *  Returns what could not be removed, one sentence each; the next start tries again. */
  close(): string[];
}
