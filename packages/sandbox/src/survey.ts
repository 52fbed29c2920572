/** Looks at this machine once, so that the plan can be made from values. Every path in a survey is resolved. */
import { homedir, tmpdir, userInfo } from "node:os";
import { accessSync, constants } from "node:fs";
import { join, resolve } from "node:path";
import { defaultDenyRead } from "./deny-read.ts";
import { depth, isWithin, lookAt, lookThrough, realPath, unique } from "./paths.ts";
import type { SandboxPolicy } from "./policy.ts";
import { protectedNames, type ProtectedNames } from "./protected-names.ts";
import { quote, refusal, refuseHiddenFolders, writableRoots } from "./refusals.ts";
import { listSockets } from "./unix-sockets.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A path to be kept reachable under the name that the caller gave, which may lead through symlinks that a private folder hides. */
export interface Shown {
  at: string;
  source: string;
}

interface Denied {
  path: string;
  kind: "folder" | "file";
}

export interface Survey {
  asRoot: boolean;
  userHomes: string[];
  cwd: string;
  /** Writable roots, the working directory first; empty in read-only mode. */
  roots: string[];
  /** `/tmp`, `/var/tmp`, as far as they exist and are no writable root. */
  privateFolders: string[];
  /** `/run`, which holds sockets of the whole system. */
  runFolders: string[];
  hasSharedMemory: boolean;
  /** Sallyport's home. It may not exist yet, but does before the command starts: the run is recorded in it. */
  home: string;
  /** Existing paths that are hidden. */
  denied: Denied[];
  /** All paths that must not be read, existing or not. */
  denyRead: string[];
  /** Existing paths in hidden folders that may be read all the same. */
  lifted: string[];
  /** The private folders and /dev/shm are memory that nobody else has. */
  ownMemory: boolean;
  shown: Shown[];
  /** Existing unix sockets outside the writable roots that were not granted. */
  sockets: string[];
  grantedSockets: Shown[];
  /** Folders that never disappear as a whole because of a socket in them. */
  keptFolders: string[];
  protectedNames: ProtectedNames;
  /** Parts of /proc that root could write, and that bubblewrap leaves writable. */
  procFolders: string[];
  /** Where the run's scratch folder goes. */
  scratchParent: string;
}

export function survey(policy: SandboxPolicy, env: Environment): Survey {
  const userHomes = homesOf(env);
  const roots = writableRoots(policy, userHomes);
  const home = realPath(policy.home);
  const lifted = liftedPaths(policy, home);
  const denyRead = unique([...userHomes.flatMap(defaultDenyRead), ...policy.denyRead].map(realPath))
    .filter((path) => !lifted.some((folder) => isWithin(path, folder)))
    .concat(home);
  const cwd = workingDirectory(policy);
  refuseHiddenFolders([...roots, cwd], denyRead);
  const granted = policy.sockets.map(grantedSocket);
  const shown = policy.readableExtra
    .map((path) => ({ at: resolve(path), source: realPath(path) }))
    .filter(({ source }) => lookAt(source) !== null);
  const privateFolders = existingFolders(["/tmp", "/var/tmp"]).filter((folder) => !roots.includes(folder));
  const runFolders = existingFolders(["/run", "/var/run"]).filter(
    (folder) => !roots.includes(folder) && !privateFolders.includes(folder),
  );
  const isOpen = (path: string): boolean =>
    roots.some((root) => isWithin(path, root)) || granted.some(({ source }) => source === path);
  return {
    asRoot: process.geteuid?.() === 0,
    userHomes,
    cwd,
    roots,
    privateFolders,
    runFolders,
    hasSharedMemory: lookAt("/dev/shm") !== null,
    home,
    denied: denyRead.filter((path) => path !== home).flatMap(existingDenied),
    denyRead,
    lifted: lifted.filter((path) => lookAt(path) !== null && denyRead.some((denied) => isWithin(path, denied))),
    ownMemory: policy.bounds !== undefined,
    shown: policy.network ? [...shown, ...resolverFile()] : shown,
    sockets: listSockets(env).filter((path) => !isOpen(path)),
    grantedSockets: granted,
    keptFolders: unique([
      ...userHomes,
      cwd,
      ...roots,
      ...shown.map(({ source }) => source),
      ...policy.programFolders.map(realPath),
    ]),
    protectedNames: surveyNames(roots, policy),
    procFolders: writableProcFolders(),
    scratchParent: scratchParent(roots, home),
  };
}

/** HOME and the account's own entry may differ (sudo), and both are somebody's home. */
export function homesOf(env: Environment): string[] {
  const homes = [env["HOME"] ?? "", homedir()];
  try {
    homes.push(userInfo().homedir);
  } catch {
    // A user without an entry in the password file has no other home.
  }
  return unique(homes.filter((path) => path.startsWith("/")).map(realPath)).filter((path) => path !== "/");
}

/** Fails closed: what is in Sallyport's home is nobody's to lift. */
function liftedPaths({ bounds }: SandboxPolicy, home: string): string[] {
  const lifted = (bounds?.read ?? []).map(realPath);
  const conflict = lifted.find((path) => isWithin(path, home));
  if (conflict === undefined) return lifted;
  throw refusal(`Path ${quote(conflict)} lies in Sallyport's home ${quote(home)}, which no program may read`, {
    path: conflict,
  });
}

function workingDirectory(policy: SandboxPolicy): string {
  const cwd = realPath(policy.cwd);
  if (lookThrough(cwd)?.isDirectory() !== true)
    throw refusal(`Working directory ${quote(policy.cwd)} is not a folder, expected an existing one`, { cwd });
  return cwd;
}

function grantedSocket(path: string): Shown {
  const source = realPath(path);
  if (lookAt(source)?.isSocket() !== true)
    throw refusal(`Socket ${quote(path)} is not a unix socket, expected an existing one; start its server first`, {
      path,
    });
  return { at: resolve(path), source };
}

function existingFolders(paths: readonly string[]): string[] {
  return unique(paths.filter((path) => lookThrough(path)?.isDirectory() === true).map(realPath)).filter(
    (path) => path !== "/",
  );
}

function existingDenied(path: string): Denied[] {
  const stats = lookAt(path);
  return stats === null ? [] : [{ path, kind: stats.isDirectory() ? "folder" : "file" }];
}

/** Name resolution needs this one file, which often lies in /run. */
function resolverFile(): Shown[] {
  const source = realPath("/etc/resolv.conf");
  return lookAt(source) === null ? [] : [{ at: source, source }];
}

function surveyNames(roots: readonly string[], policy: SandboxPolicy): ProtectedNames {
  const known = policy.bounds?.known ?? { roots: [], names: { guards: [], missing: [], notes: [] } };
  const fresh = namesIn(
    roots.filter((root) => !known.roots.includes(root)),
    policy,
  );
  const isKnown = ({ path }: { path: string }): boolean =>
    roots.some((root) => known.roots.includes(root) && isWithin(path, root));
  return {
    guards: [...known.names.guards.filter(isKnown), ...fresh.guards],
    missing: [...known.names.missing.filter(isKnown), ...fresh.missing],
    notes: fresh.notes,
  };
}

export function namesIn(
  roots: readonly string[],
  policy: Pick<SandboxPolicy, "writable" | "allowGitInit">,
): ProtectedNames {
  const lifted = new Set(policy.writable.flatMap((path) => [resolve(path), realPath(path)]));
  const all = roots.map((root) => protectedNames(root, { allowGitInit: policy.allowGitInit, lifted }));
  return {
    guards: all.flatMap(({ guards }) => guards),
    missing: all.flatMap(({ missing }) => missing),
    notes: all.flatMap(({ notes }) => notes),
  };
}

/** bubblewrap covers /proc/sys only if access(2) says that it can be written, which it denies even to root, who can write the files in it. */
function writableProcFolders(): string[] {
  return ["sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "asound", "driver", "mtrr", "tty"]
    .map((name) => join("/proc", name))
    .filter((path) => lookAt(path) !== null);
}

/** Not in a writable root: the canary in it must not be writable, and a run must not find its own scratch folder. */
function scratchParent(roots: readonly string[], home: string): string {
  const candidates = unique([tmpdir(), "/tmp", "/var/tmp"].map(realPath)).filter((path) => depth(path) > 0);
  const isUsable = (path: string): boolean => !roots.some((root) => isWithin(path, root)) && isWritableFolder(path);
  return candidates.find(isUsable) ?? home;
}

function isWritableFolder(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return lookAt(path)?.isDirectory() === true;
  } catch {
    return false;
  }
}
