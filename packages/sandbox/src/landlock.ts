/** Landlock rules: inside bubblewrap as the second layer, and alone as the weaker level. Rights are the bits of linux/landlock.h. */
import { join } from "node:path";
import type { LandlockRule, WallSpec } from "@sallyport/supervisor";
import { isWithin, lookAt } from "./paths.ts";
import { refusal, quote } from "./refusals.ts";
import type { Survey } from "./survey.ts";

type LandlockSpec = NonNullable<WallSpec["landlock"]>;

const execute = 1n << 0n;
const writeFile = 1n << 1n;
const readFile = 1n << 2n;
const readDir = 1n << 3n;
const removeDir = 1n << 4n;
const removeFile = 1n << 5n;
const makeDir = 1n << 7n;
const makeReg = 1n << 8n;
const makeSock = 1n << 9n;
const makeFifo = 1n << 10n;
const makeSym = 1n << 12n;
const refer = 1n << 13n;
const truncate = 1n << 14n;
const ioctlDev = 1n << 15n;

const reading = execute | readFile | readDir;
/** Everything but devices: nobody needs to make one, and root could. */
const changing =
  writeFile | removeDir | removeFile | makeDir | makeReg | makeSock | makeFifo | makeSym | refer | truncate;
const writingDevices = writeFile | truncate | ioctlDev;

/** 13 rights in ABI 1, then refer, truncate and device ioctl. */
function handledRights(abi: number): bigint {
  const rights = abi >= 5 ? 16n : abi >= 3 ? 15n : abi >= 2 ? 14n : 13n;
  return (1n << rights) - 1n;
}

/** Abstract unix sockets and signals. */
function scopes(abi: number): bigint {
  return abi >= 6 ? 3n : 0n;
}

export const oldestAbiAlone = 3;

/** The mounts deny already; this holds where a mount is wrong. TCP is left to the network namespace, as servers on its own loopback must work. */
export function landlockInside(survey: Survey, abi: number): LandlockSpec | null {
  if (abi === 0) return null;
  const canWrite = survey.roots.length > 0 || survey.ownMemory;
  const writable = canWrite ? [...survey.roots, ...survey.privateFolders, "/dev/shm"] : [];
  return {
    handledFs: handledRights(abi),
    handledNet: 0n,
    scoped: scopes(abi),
    rules: [
      { path: "/", access: reading },
      // bubblewrap's own /dev: a few harmless devices and terminals.
      { path: "/dev", access: writingDevices },
      // /proc/self/oom_score_adj and its like. What concerns the system is mounted read-only.
      { path: "/proc", access: writeFile | truncate },
      ...writable.map((path): LandlockRule => ({ path, access: changing })),
    ],
    exceptPaths: [],
    exceptAccess: 0n,
  };
}

/** `scratchTmp` is the only private writable folder here. */
export function landlockAlone(
  survey: Survey,
  scratchTmp: string,
  options: { abi: number; network: boolean },
): LandlockSpec {
  const denied = [...survey.denied.map(({ path }) => path), survey.home];
  refuseDeniedInRoots(survey.roots, denied);
  const devices = ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts"].map((name) => join("/dev", name));
  const writable = survey.roots.length > 0 ? [...survey.roots, scratchTmp] : [];
  return {
    handledFs: handledRights(options.abi),
    // From ABI 4; both bits, bind and connect, without a rule that grants a port.
    handledNet: options.network ? 0n : 3n,
    scoped: scopes(options.abi),
    rules: [
      ...devices
        .filter((path) => lookAt(path) !== null)
        .map((path): LandlockRule => ({ path, access: writingDevices | readFile | readDir })),
      // Reading too: a root may hold what is made while the command runs, which the list of siblings below does not name.
      ...writable.map((path): LandlockRule => ({ path, access: changing | reading })),
      // A patched shell lies in the home, which is hidden otherwise.
      ...survey.shown
        .filter(({ source }) => isWithin(source, survey.home) && lookAt(source)?.isFile() === true)
        .map(({ source }): LandlockRule => ({ path: source, access: execute | readFile })),
    ],
    exceptPaths: denied,
    exceptAccess: reading,
  };
}

/** Landlock only adds rights: what a root grants can't be taken back for a path in it. */
function refuseDeniedInRoots(roots: readonly string[], denied: readonly string[]): void {
  for (const root of roots) {
    const path = denied.find((candidate) => isWithin(candidate, root));
    if (path === undefined) continue;
    throw refusal(
      `Path ${quote(path)} in writable folder ${quote(root)} can't be hidden by Landlock alone, expected it outside; install bubblewrap or do without the writable folder`,
      {
        root,
        conflict: path,
      },
    );
  }
}
