// Builds the patched Bash that tests use, once for a checkout, as a user would: with sallyport shell build. Run directly, it
// does just that. It runs on the machine's own Node, so it keeps to what Node 18 has.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBuild, ROOT } from "./ensure-build.mjs";

/** Sallyport's home for tests; packages/shell-escalation/test/patched-bash.ts looks for the shell there. */
const HOME = join(ROOT, "node_modules", ".cache", "sallyport-bash");

/** Goes on without: tests that need the shell are skipped and say so, or fail where nothing may be skipped. */
export function ensurePatchedBash() {
  mkdirSync(HOME, { recursive: true, mode: 0o755 });
  const env = { ...process.env, SALLYPORT_HOME: HOME };
  const { status, error } = spawnSync(join(ROOT, "packages/cli/bin/sallyport"), ["shell", "build", "--json"], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) console.error(`No patched Bash: ${error?.message ?? `sallyport shell build ended with ${status}`}`);
  return status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureBuild();
  if (!ensurePatchedBash()) process.exitCode = 1;
}
