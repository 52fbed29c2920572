/** Writable roots that would let the command change what guards it. Fails closed: a wrong root ends the run before it starts. */
import { SallyportError } from "@sallyport/supervisor";
import { otherNames } from "./mount-aliases.ts";
import { isWithin, lookThrough, realPath } from "./paths.ts";
import type { SandboxPolicy } from "./policy.ts";

/** Kernel interfaces: a writable bind of them undoes the mounts over them. */
const kernelFolders = ["/proc", "/sys", "/dev"];

/** The attack: a command of root's that may write below /etc makes itself a rule there, or a hook, which the next program is held to. */
const systemFolders = ["/etc/sallyport", "/etc/codex"];

type RootPolicy = Pick<
  SandboxPolicy,
  "mode" | "cwd" | "writable" | "home" | "journal" | "rulesFiles" | "programFolders" | "bounds"
>;

/** Returns the writable roots, resolved, each once, the working directory first. Empty in read-only mode. */
export function writableRoots(policy: RootPolicy, userHomes: readonly string[]): string[] {
  if (policy.mode === "read-only") {
    if (policy.writable.length === 0) return [];
    throw refusal(
      `Writable folder ${quote(policy.writable[0])} contradicts the read-only sandbox, expected no writable folder; use workspace-write`,
      {
        root: policy.writable[0],
      },
    );
  }
  const roots = new Set<string>();
  for (const given of policy.bounds === undefined ? [policy.cwd, ...policy.writable] : policy.writable) {
    const root = realPath(given);
    refuseRoot(given, root, policy, userHomes);
    roots.add(root);
  }
  return [...roots];
}

function refuseRoot(given: string, root: string, policy: RootPolicy, userHomes: readonly string[]): void {
  const name = root === given ? quote(root) : `${quote(given)} (${quote(root)})`;
  const stats = lookThrough(root);
  if (stats === null)
    throw refusal(`Writable folder ${name} can't be opened, expected an existing folder; create it first`, { root });
  if (!stats.isDirectory())
    throw refusal(`Writable folder ${name} is not a folder, expected one; name the folder that holds it`, { root });
  if (root === "/")
    throw refusal(
      `Writable folder ${name} is the whole file system, expected a project folder; start from another folder`,
      { root },
    );
  const kernel = kernelFolders.find((folder) => isWithin(root, folder));
  if (kernel !== undefined && !root.startsWith("/dev/shm/")) {
    throw refusal(
      `Writable folder ${name} lies in ${kernel}, which belongs to the kernel, expected an ordinary folder`,
      { root, conflict: kernel },
    );
  }
  refuseGuarded(name, root, policy, userHomes);
  for (const other of otherNames([root]))
    refuseGuarded(`${name}, which is also mounted at ${quote(other)},`, other, policy, userHomes);
}

/** `root`: the writable folder, or another name of it or of a part of it. */
function refuseGuarded(name: string, root: string, policy: RootPolicy, userHomes: readonly string[]): void {
  for (const home of userHomes) {
    if (isWithin(home, root)) {
      const what = home === root ? "is the home folder" : `holds the home folder ${quote(home)}`;
      throw refusal(`Writable folder ${name} ${what}, expected a folder below it; start from a project folder`, {
        root,
        conflict: home,
      });
    }
  }
  for (const [what, path] of guardedPaths(policy)) {
    if (isWithin(path, root)) {
      throw refusal(
        `Writable folder ${name} holds ${what} ${quote(path)}, expected it elsewhere; move it or choose another folder`,
        {
          root,
          conflict: path,
        },
      );
    }
    if (isWithin(root, path)) {
      throw refusal(`Writable folder ${name} lies inside ${what} ${quote(path)}, expected a folder outside of it`, {
        root,
        conflict: path,
      });
    }
  }
}

function guardedPaths(policy: RootPolicy): [what: string, path: string][] {
  const paths: [string, string][] = [["Sallyport's home", realPath(policy.home)]];
  if (policy.journal !== null) paths.push(["the journal", realPath(policy.journal)]);
  for (const file of policy.rulesFiles) paths.push(["the rules file", realPath(file)]);
  for (const folder of systemFolders) paths.push(["the machine's own rules", realPath(folder)]);
  for (const folder of policy.programFolders) paths.push(["Sallyport's own program", realPath(folder)]);
  return paths;
}

/** A writable or working folder below a hidden path: one of the two wishes would be broken silently. */
export function refuseHiddenFolders(folders: readonly string[], denied: readonly string[]): void {
  for (const folder of folders) {
    const conflict = denied.find((path) => isWithin(folder, path));
    if (conflict === undefined) continue;
    throw refusal(
      `Folder ${quote(folder)} lies in ${quote(conflict)}, which the command may not read, expected a folder outside of it`,
      {
        root: folder,
        conflict,
      },
    );
  }
}

export function refusal(message: string, data: Record<string, unknown>, cause?: unknown): SallyportError {
  return new SallyportError("WALL_REFUSED", message, { data, cause });
}

export function quote(value: unknown): string {
  return JSON.stringify(value);
}
