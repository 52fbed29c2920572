/** From a policy to the wall: surveys the machine, plans the mounts, makes what has to exist on the host. */
import { chmodSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WallSpec } from "@sallyport/supervisor";
import { findBubblewrap, keptCapabilities, namespaceArguments } from "./bubblewrap.ts";
import { bubblewrapGaps, landlockGaps } from "./gaps.ts";
import { landlockAlone, landlockInside, oldestAbiAlone } from "./landlock.ts";
import { canaryName, mountArguments, shownCanaryName, outsideName, planMounts } from "./mounts.ts";
import { isWithin } from "./paths.ts";
import { HostTraces, nameScratchFolder } from "./placeholders.ts";
import type { SandboxPolicy, WallPlan } from "./policy.ts";
import { refusal } from "./refusals.ts";
import { survey, type Environment, type Survey } from "./survey.ts";

export interface PlanOptions {
  /** Environment of the session: its PATH is searched for bubblewrap, its HOME is guarded, its sockets are hidden. Default: this process's own. */
  env?: Environment;
}

/** Plans the wall and makes placeholders and the scratch folder on the host: call `close()` of the result in any case.
 *  Throws `WALL_REFUSED` for a policy that would open the wall, or that can't be met here, and `HOME_UNWRITABLE`.
 *  @see docs/wall.md */
export function planWall(policy: SandboxPolicy, options: PlanOptions = {}): WallPlan {
  if (policy.mode === "danger-full-access") return noWall();
  const env = options.env ?? process.env;
  const found = survey(policy, env);
  if (policy.wall === "landlock") return planLandlock(policy, found, []);
  const bubblewrap = findBubblewrap(env["PATH"] ?? "", found.roots, { asRoot: found.asRoot });
  if (bubblewrap.kind === "works") return planBubblewrap(policy, found, bubblewrap.file, env);
  const { reason, advice } = bubblewrap;
  if (policy.wall === "bubblewrap")
    throw refusal(`The bubblewrap wall can't be built (${reason}), expected a working bwrap; ${advice}`, { reason });
  return planLandlock(policy, found, [`the wall is Landlock alone, since ${reason}; ${advice}`]);
}

function noWall(): WallPlan {
  return {
    level: "none",
    gaps: [],
    notes: [],
    outerArgv: [],
    wall: null,
    pidNamespace: false,
    env: {},
    protectedNames: { guards: [], missing: [], notes: [] },
    writableRoots: [],
    denyRead: [],
    scratchFolder: null,
    translate: (path) => path,
    replacedSinceStart: () => [],
    close: () => [],
  };
}

function planBubblewrap(policy: SandboxPolicy, found: Survey, bubblewrap: string, env: Environment): WallPlan {
  const scratchFolder = nameScratchFolder(found.scratchParent);
  const { traces, standing } = HostTraces.create(policy.home, {
    placeholders: found.protectedNames.missing,
    scratchFolder,
  });
  return closingOnError(traces, () => {
    const { mounts, scratchFolders, canaryFolder } = planMounts(found, standing, scratchFolder);
    makeScratch(scratchFolder, scratchFolders, shownCanaryName);
    const watched = protectedFiles(
      found,
      standing.map(({ path }) => path),
    );
    const { asRoot } = found;
    const { network } = policy;
    return {
      level: "bubblewrap",
      gaps: bubblewrapGaps({ abi: policy.landlockAbi, network }),
      notes: found.protectedNames.notes,
      outerArgv: [
        bubblewrap,
        ...namespaceArguments({ asRoot, network }),
        "--as-pid-1",
        ...mountArguments(mounts),
        "--chdir",
        found.cwd,
        "--",
        "@init",
      ],
      wall: wallSpec(policy, {
        landlock: landlockInside(found, policy.landlockAbi),
        probe: {
          canaryFolder,
          canaryFile: join(canaryFolder, "file"),
          network,
          gaps: [],
        },
      }),
      pidNamespace: true,
      env: temporaryFolder(found, env),
      protectedNames: found.protectedNames,
      writableRoots: [...found.roots, scratchFolder],
      denyRead: found.denyRead,
      scratchFolder,
      translate: (path) => outsideName(path, mounts, scratchFolder),
      replacedSinceStart: () => watched.filter(({ path, key }) => fileKey(path) !== key).map(({ path }) => path),
      close: () => traces.remove({ racing: false }),
    };
  });
}

function planLandlock(policy: SandboxPolicy, found: Survey, why: string[]): WallPlan {
  if (policy.landlockAbi < oldestAbiAlone) {
    const message = `The wall of Landlock alone needs Landlock ABI ${oldestAbiAlone} (Linux 6.2), this kernel has ABI ${policy.landlockAbi}, expected a newer kernel or bubblewrap`;
    throw refusal([message, ...why].join("; "), { abi: policy.landlockAbi });
  }
  const scratchFolder = nameScratchFolder(found.scratchParent);
  const scratchTmp = join(scratchFolder, "tmp");
  const landlock = landlockAlone(found, scratchTmp, { abi: policy.landlockAbi, network: policy.network });
  const { traces } = HostTraces.create(policy.home, { placeholders: [], scratchFolder });
  return closingOnError(traces, () => {
    makeScratch(scratchFolder, [scratchTmp], canaryName);
    const canaryFolder = join(scratchFolder, canaryName);
    const gaps = ["chmod", "chown", "utime", "setxattr", ...(policy.sockets.length > 0 ? ["unix-connect"] : [])];
    return {
      level: "landlock",
      gaps: [
        ...why,
        ...landlockGaps({ abi: policy.landlockAbi, sockets: policy.sockets.length, network: policy.network }),
      ],
      notes: [],
      outerArgv: [],
      wall: {
        ...wallSpec(policy, {
          landlock,
          probe: { canaryFolder, canaryFile: join(canaryFolder, "file"), network: policy.network, gaps },
        }),
        refuseUnixSockets: policy.sockets.length === 0,
        refuseInetSockets: !policy.network,
      },
      pidNamespace: false,
      env: found.roots.length > 0 ? { TMPDIR: scratchTmp } : {},
      protectedNames: found.protectedNames,
      writableRoots: [...found.roots, scratchFolder],
      denyRead: found.denyRead,
      scratchFolder,
      translate: (path) => path,
      replacedSinceStart: () => [],
      // Processes may outlive the command here, and swap folders while they are removed.
      close: () => traces.remove({ racing: true }),
    };
  });
}

function wallSpec(policy: SandboxPolicy, parts: Pick<WallSpec, "landlock" | "probe">): WallSpec {
  return {
    ...parts,
    seccomp: true,
    refuseUnixSockets: false,
    refuseInetSockets: false,
    keepCapabilities: keptCapabilities,
  };
}

/** TMPDIR is honoured where it can be written inside; a folder that can't would break every mktemp. */
function temporaryFolder(found: Survey, env: Environment): Record<string, string> {
  const given = env["TMPDIR"];
  const writable = [...found.roots, ...found.privateFolders];
  const stays =
    given === undefined ||
    given === "" ||
    writable.some((folder) => given === folder || (found.roots.includes(folder) && isWithin(given, folder)));
  const canWrite = found.roots.length > 0 || found.ownMemory;
  return stays || !canWrite ? {} : { TMPDIR: found.privateFolders[0] ?? "/tmp" };
}

/** `seenCanary`: the folder that the probe sees under the name of the canary folder. */
function makeScratch(scratchFolder: string, folders: readonly string[], seenCanary: string): void {
  for (const folder of folders) {
    mkdirSync(folder, { recursive: true });
    // As /tmp is, whatever the umask. Nobody else gets here: the scratch folder itself is mode 0700.
    chmodSync(folder, 0o1777);
  }
  for (const name of new Set([canaryName, seenCanary])) mkdirSync(join(scratchFolder, name));
  const canaryFile = join(scratchFolder, seenCanary, "file");
  writeFileSync(canaryFile, "The command could change this file if its wall had a hole.\n");
  chmodSync(canaryFile, 0o644);
}

function protectedFiles(found: Survey, standing: readonly string[]): { path: string; key: string | null }[] {
  const guarded = found.protectedNames.guards.filter(({ how }) => how === "read-only").map(({ path }) => path);
  return [...guarded, ...standing].map((path) => ({ path, key: fileKey(path) }));
}

function fileKey(path: string): string | null {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats === undefined ? null : `${stats.dev}:${stats.ino}`;
}

function closingOnError(traces: HostTraces, build: () => WallPlan): WallPlan {
  try {
    return build();
  } catch (error) {
    traces.remove({ racing: false });
    throw error;
  }
}
