import { spawnSync } from "node:child_process";

/** False, or why a test that mounts a disk of its own can't run here, for its `skip`. With SALLYPORT_MUST_RUN=1 it runs and fails
 *  instead, so that nothing goes unchecked in silence. */
export function missingNamespace(): string | false {
  if (process.env["SALLYPORT_MUST_RUN"] === "1") return false;
  const words = ["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"];
  return spawnSync("unshare", words).status === 0 ? false : "needs unshare, with a user and a mount namespace";
}
