/** Control groups for one command's tree: a cgroup v2 folder through which the whole tree can be killed at once, and a limit on
 *  the number of its processes. Escalated programs run outside the pid namespace, so this is what is sure to reach them too. */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { SallyportError } from "@sallyport/supervisor";

/** Ours among the tree's processes: the outer namespace builder and the init. */
const ownProcesses = 2;
const killPollMs = 10;
const killDeadlineMs = 5000;
const namePattern = /^sallyport-(\d+)-(\d+)-(\d+)-\d+$/;

/** Folders below which this process may make a cgroup, or null with the reason. */
export interface CgroupSurvey {
  kill: { folder: string } | { missing: string };
  pids: { folder: string; version: 1 | 2 } | { missing: string };
}

export interface TreeCgroups {
  /** For `LaunchSpec`. */
  cgroup: string | null;
  pidsCgroup: string | null;
  freezerCgroup: string | null;
  /** Kills what is in them and waits until they are empty, for the case that the broker, whose task this is, is gone.
   *  Returns false where there is no cgroup, or something is still left after 5 s. */
  kill(): Promise<boolean>;
  remove(): void;
}

let madeCount = 0;

/** Looks for a writable place: the process's own cgroup, then the one above it. */
export function surveyCgroups(): CgroupSurvey {
  const own = readOwnCgroups();
  return { kill: findKillFolder(own.v2), pids: findPidsFolder(own) };
}

/** Makes the groups. Without a writable place for killing it does without; with `maxProcesses` and no place for the limit it
 *  throws `LIMIT_UNAVAILABLE`, because a limit that does not hold is worse than none. */
export function makeTreeCgroups(maxProcesses: number | null): TreeCgroups {
  const { kill, pids } = surveyCgroups();
  const killFolder = "folder" in kill ? kill.folder : null;
  if (maxProcesses === null) return treeCgroups(killFolder === null ? null : makeGroup(killFolder), null);
  if ("missing" in pids) throw limitUnavailable(maxProcesses, pids.missing);
  const limited = makeGroup(pids.folder);
  if (limited === null) throw limitUnavailable(maxProcesses, `no cgroup could be made in "${pids.folder}"`);
  writeFileSync(join(limited, "pids.max"), String(maxProcesses + ownProcesses));
  // In version 2 one group does both.
  if (pids.version === 2) return treeCgroups(limited, null);
  return treeCgroups(killFolder === null ? null : makeGroup(killFolder), limited);
}

function limitUnavailable(maxProcesses: number, why: string): SallyportError {
  return new SallyportError("LIMIT_UNAVAILABLE", `--max-procs ${maxProcesses} can't be kept: ${why}`, {
    data: { maxProcesses },
  });
}

function treeCgroups(cgroup: string | null, pidsCgroup: string | null): TreeCgroups {
  // In version 2 the group that kills can freeze too.
  const freezerCgroup = cgroup === null ? makeFreezer() : null;
  const folders = [cgroup, pidsCgroup, freezerCgroup].filter((folder) => folder !== null);
  return {
    cgroup,
    pidsCgroup,
    freezerCgroup,
    kill: async () => {
      const results = await Promise.all(folders.map(killGroup));
      return results.length > 0 && results.every(Boolean);
    },
    remove: () => folders.forEach(removeGroup),
  };
}

/** The name says who made it, so that a later run can tell what a dead one left. Process ids mean something only within one
 *  pid namespace, and containers may share a cgroup tree: so the namespace is part of the name. */
function makeGroup(parent: string): string | null {
  removeLeftovers(parent);
  madeCount += 1;
  const folder = join(parent, `sallyport-${pidNamespace()}-${process.pid}-${startTime(process.pid) ?? 0}-${madeCount}`);
  try {
    mkdirSync(folder);
    return folder;
  } catch {
    // The survey saw a writable place, but a limit on groups or a race took it: the same as having none.
    return null;
  }
}

/** Where there is no version 2: a question to a person freezes the tree through it. */
function makeFreezer(): string | null {
  const { v1Freezer } = readOwnCgroups();
  if (v1Freezer === null) return null;
  const folder = join(v1Freezer.mount, v1Freezer.path);
  return isWritableGroup(folder) ? makeGroup(folder) : null;
}

function removeLeftovers(parent: string): void {
  // A server has a group for each command that runs: one look at it tells of them all.
  const startTimes = new Map<string, string | null>();
  for (const name of listFolder(parent)) {
    const [, namespace, pid = "", started] = namePattern.exec(name) ?? [];
    if (namespace === undefined || Number(namespace) !== pidNamespace()) continue;
    if (!startTimes.has(pid)) startTimes.set(pid, startTime(Number(pid)));
    if (startTimes.get(pid) === started) continue;
    const folder = join(parent, name);
    writeQuietly(join(folder, "cgroup.kill"), "1");
    writeQuietly(join(folder, "freezer.state"), "THAWED");
    removeGroup(folder);
  }
}

async function killGroup(folder: string): Promise<boolean> {
  const hasKill = existsSync(join(folder, "cgroup.kill"));
  // cgroup v1 has no kill of its own: with the limit at 0 nothing can fork, so killing one by one comes to an end.
  if (!hasKill) writeQuietly(join(folder, "pids.max"), "0");
  // In version 1 what is frozen doesn't die.
  if (!hasKill) writeQuietly(join(folder, "freezer.state"), "THAWED");
  const deadlineMs = Date.now() + killDeadlineMs;
  for (;;) {
    if (hasKill) writeQuietly(join(folder, "cgroup.kill"), "1");
    const left = readMembers(folder);
    if (left.length === 0) return true;
    if (!hasKill) left.forEach(killQuietly);
    if (Date.now() > deadlineMs) return false;
    await new Promise((resolve) => setTimeout(resolve, killPollMs));
  }
}

function removeGroup(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Still dying processes (EBUSY) keep it; the next run removes it. The broker may have removed it already (ENOENT).
    if (code !== "ENOENT" && code !== "EBUSY") throw error;
  }
}

interface OwnCgroups {
  v2: { mount: string; path: string } | null;
  v1Pids: { mount: string; path: string } | null;
  v1Freezer: { mount: string; path: string } | null;
}

/** Where this process is in the hierarchies, as paths below their mount points. */
function readOwnCgroups(): OwnCgroups {
  const paths = new Map<string, string>();
  for (const line of readLines("/proc/self/cgroup")) {
    const [, controllers = "", ...path] = line.split(":");
    for (const controller of controllers.split(",")) paths.set(controller, path.join(":"));
  }
  const own: OwnCgroups = { v2: null, v1Pids: null, v1Freezer: null };
  for (const line of readLines("/proc/self/mountinfo")) {
    const [mountPart = "", filePart = ""] = line.split(" - ");
    const [, , , root = "", mount = ""] = mountPart.split(" ");
    const [type, , options = ""] = filePart.split(" ");
    if (type === "cgroup2") own.v2 ??= locate(paths.get(""), root, mount);
    if (type !== "cgroup") continue;
    const controllers = options.split(",");
    if (controllers.includes("pids")) own.v1Pids ??= locate(paths.get("pids"), root, mount);
    if (controllers.includes("freezer")) own.v1Freezer ??= locate(paths.get("freezer"), root, mount);
  }
  return own;
}

/** A container may see only a part of the hierarchy: then `root` names the part that is mounted. */
function locate(path: string | undefined, root: string, mount: string): { mount: string; path: string } | null {
  if (path === undefined) return null;
  if (root === "/") return { mount, path };
  return path === root || path.startsWith(`${root}/`) ? { mount, path: path.slice(root.length) || "/" } : null;
}

function findKillFolder(v2: OwnCgroups["v2"]): CgroupSurvey["kill"] {
  if (v2 === null) return { missing: "no cgroup v2 hierarchy is mounted; mount one or boot with systemd" };
  const folder = candidates(v2).find(isWritableGroup);
  if (folder === undefined) {
    return {
      missing: `"${join(v2.mount, v2.path)}" is not writable; run inside a user service, e.g. systemd-run --user --scope`,
    };
  }
  // The file is not in the root group, so look at a group that is not the root, or at the version of the kernel.
  if (!hasKillFile(folder)) return { missing: "this kernel has no cgroup.kill; use Linux 5.14 or newer" };
  return { folder };
}

/** cgroup.kill exists in every group but the root, whose children are asked instead; an empty root group is tried. */
function hasKillFile(folder: string): boolean {
  if (existsSync(join(folder, "cgroup.kill"))) return true;
  const probe = join(folder, `sallyport-${pidNamespace()}-${process.pid}-${startTime(process.pid) ?? 0}-0`);
  try {
    mkdirSync(probe);
  } catch {
    return false;
  }
  const found = existsSync(join(probe, "cgroup.kill"));
  removeGroup(probe);
  return found;
}

function findPidsFolder(own: OwnCgroups): CgroupSurvey["pids"] {
  if (own.v2 !== null) {
    const delegates = (folder: string): boolean =>
      isWritableGroup(folder) && readWords(join(folder, "cgroup.subtree_control")).includes("pids");
    const folder = candidates(own.v2).find(delegates);
    if (folder !== undefined) return { folder, version: 2 };
  }
  if (own.v1Pids !== null) {
    const folder = join(own.v1Pids.mount, own.v1Pids.path);
    if (isWritableGroup(folder)) return { folder, version: 1 };
    return { missing: `the pids cgroup "${folder}" is not writable; run as a user to whom it is delegated` };
  }
  return {
    missing:
      "no cgroup v2 folder with the pids controller is delegated to this user; run inside a user service, e.g. systemd-run --user --scope -p Delegate=pids",
  };
}

function candidates(v2: { mount: string; path: string }): string[] {
  const own = join(v2.mount, v2.path);
  return v2.path === "/" ? [own] : [own, dirname(own)];
}

/** Moving a process needs the right to write the member list of the group that both groups have in common. */
function isWritableGroup(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    accessSync(join(folder, "cgroup.procs"), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

let ownPidNamespace: number | undefined;

function pidNamespace(): number {
  ownPidNamespace ??= statSync("/proc/self/ns/pid").ino;
  return ownPidNamespace;
}

/** Start time of a process in clock ticks since boot, or null for a process that is not there. */
function startTime(pid: number): string | null {
  const stat = readQuietly(`/proc/${pid}/stat`);
  // The name of the program, in parentheses, may hold blanks and parentheses itself.
  return stat === null ? null : (stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null);
}

function readMembers(folder: string): number[] {
  return readLines(join(folder, "cgroup.procs")).map(Number);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone meanwhile, which is what was wanted.
  }
}

function writeQuietly(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: "r+" });
  } catch {
    // The group is gone, or it has no such file: what matters is looked at afterwards, in the member list.
  }
}

function readQuietly(file: string): string | null {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return null;
  }
}

function readLines(file: string): string[] {
  return (readQuietly(file) ?? "").split("\n").filter((line) => line !== "");
}

function readWords(file: string): string[] {
  return (readQuietly(file) ?? "").split(/\s+/);
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
