/** Finds bubblewrap and tries it. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";
import { isWithin, lookThrough, realPath } from "./paths.ts";
import { quote } from "./refusals.ts";

export type Bubblewrap = { kind: "works"; file: string } | { kind: "unusable"; reason: string; advice: string };

const trialTimeoutMs = 5000;

/** What builds the namespaces. Without a terminal session of its own, so that job control works; TIOCSTI is refused by the filter.
 *  Root gets no user namespace: in one, files of other users could not be given to them. It keeps what packaging and tests need. */
export function namespaceArguments(options: { asRoot: boolean; network: boolean }): string[] {
  // SETPCAP lets the init cut the bounding set; it goes with that cut.
  const capabilities = ["SETPCAP", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "KILL"];
  return [
    "--die-with-parent",
    "--unshare-pid",
    "--unshare-ipc",
    ...(options.network ? [] : ["--unshare-net"]),
    ...(options.asRoot
      ? ["--cap-drop", "ALL", ...capabilities.flatMap((name) => ["--cap-add", `CAP_${name}`])]
      : ["--unshare-user"]),
  ];
}

/** What is left of them after the init's cut, as bits by number. */
export const keptCapabilities: bigint = [0n, 1n, 3n, 4n, 5n, 6n, 7n].reduce((mask, bit) => mask | (1n << bit), 0n);

/** A real start with all namespaces and a new /proc: what forbids it (sysctl, AppArmor, a container's filter) can't be told from settings alone.
 *  About 10 ms; nothing is remembered between starts, since an answer that was true once may not be. */
export function findBubblewrap(path: string, roots: readonly string[], options: { asRoot: boolean }): Bubblewrap {
  const file = path
    .split(":")
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => join(folder, "bwrap"))
    .find(isExecutable);
  if (file === undefined) return { kind: "unusable", reason: "bwrap is not on the PATH", advice: "install bubblewrap" };
  const distrust = distrustOf(realPath(file), roots);
  if (distrust !== null)
    return {
      kind: "unusable",
      reason: `${quote(file)} ${distrust}`,
      advice: "install bubblewrap from your distribution",
    };
  const refused = tryBubblewrap(realPath(file), options);
  return refused === null
    ? { kind: "works", file: realPath(file) }
    : { kind: "unusable", reason: `bwrap can't build the namespaces: ${refused}`, advice: adviceFor() };
}

/** It builds the wall, so nobody but root and this user may have written it. */
function distrustOf(file: string, roots: readonly string[]): string | null {
  const stats = lookThrough(file);
  if (stats === null) return "can't be read";
  if (roots.some((root) => isWithin(file, root))) return "lies in a writable folder";
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.()) return `belongs to user ${stats.uid}, neither root nor you`;
  return (stats.mode & 0o022) === 0 ? null : "can be written by others";
}

function tryBubblewrap(file: string, { asRoot }: { asRoot: boolean }): string | null {
  const args = [
    ...namespaceArguments({ asRoot, network: false }),
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
    "--",
    "/proc/self/exe",
    "--version",
  ];
  const { status, stderr, error } = spawnSync(file, args, {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
    timeout: trialTimeoutMs,
    env: {},
  });
  if (status === 0) return null;
  return error?.message ?? (stderr.trim().split("\n")[0] || `it exited ${status}`);
}

function adviceFor(): string {
  const forbidden = [
    ["kernel/unprivileged_userns_clone", "0"],
    ["user/max_user_namespaces", "0"],
    ["kernel/apparmor_restrict_unprivileged_userns", "1"],
  ].find(([name, value]) => setting(name ?? "") === value);
  if (forbidden !== undefined)
    return `allow user namespaces: sysctl ${forbidden[0]?.replace("/", ".")} is ${forbidden[1]}`;
  return "allow user, mount and pid namespaces; in a container, its security profile forbids them";
}

function setting(name: string): string | null {
  try {
    return readFileSync(join("/proc/sys", name), "latin1").trim();
  } catch {
    // Not a setting of this kernel.
    return null;
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
