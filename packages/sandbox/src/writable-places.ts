/** Where a program of ours may write for whoever is behind the wall, without standing behind it itself: exactly the places that
 *  the wall would leave writable, less git's own folders. */
import { isWithin, realPath } from "./paths.ts";
import type { SandboxPolicy } from "./policy.ts";
import { writableRoots } from "./refusals.ts";
import { homesOf, namesIn } from "./survey.ts";
import type { Environment } from "./survey.ts";
import { defaultDenyRead } from "./deny-read.ts";

export interface WritablePlaces {
  /** Resolved; `/` alone without a wall, none in a read-only sandbox. */
  roots: readonly string[];
  /** Whether all that speaks against the resolved path is where it lies: not that it is protected or may not be read. */
  isElsewhere(path: string): boolean;
  /** Why the resolved path may not be written, in words that complete "PATH ..."; null: it may. */
  objectionTo(path: string): string | null;
}

/** Throws `WALL_REFUSED` for a policy that `planWall()` would refuse. */
export function surveyWritablePlaces(
  policy: Pick<
    SandboxPolicy,
    "mode" | "cwd" | "writable" | "home" | "journal" | "rulesFiles" | "programFolders" | "denyRead" | "allowGitInit"
  >,
  env: Environment,
): WritablePlaces {
  if (policy.mode === "danger-full-access") return { roots: ["/"], isElsewhere: () => false, objectionTo: () => null };
  const userHomes = homesOf(env);
  const roots = writableRoots(policy, userHomes);
  const names = namesIn(roots, policy);
  const closed = [...names.guards, ...names.missing].map(({ path }) => path);
  const hidden = [...userHomes.flatMap(defaultDenyRead), ...policy.denyRead].map(realPath);
  const isElsewhere = (path: string): boolean => !roots.some((root) => isWithin(path, root));
  return {
    roots,
    isElsewhere,
    objectionTo: (path) => {
      if (roots.length === 0) return "can't be written: the sandbox is read-only";
      if (isElsewhere(path)) return `lies outside the writable folders ${roots.join(", ")}`;
      // Where upper and lower case are alike, ".GIT" is git's folder too.
      const name = path.toLowerCase();
      const guard = closed.find((place) => isWithin(name, place.toLowerCase()));
      if (guard !== undefined) return `is protected: programs outside the sandbox act on ${guard}`;
      return hidden.some((place) => isWithin(path, place)) ? "may not be read, so it can't be changed" : null;
    },
  };
}
