/** The patched Bash that `npm test` builds before it starts (scripts/ensure-bash.mjs). */
import { fileURLToPath } from "node:url";
import { findInstalledShell } from "../src/installed-shells.ts";
import { missing } from "./missing.ts";

/** A Sallyport home that has it. */
const bashHome: string = fileURLToPath(new URL("../../../node_modules/.cache/sallyport-bash", import.meta.url));

const shell = findInstalledShell(bashHome);

/** Its path; a test that takes it has `skip: noPatchedBash`. */
export const patchedBash: string = shell?.path ?? "/nosuch/patched-bash";
export const patchedVersion: string = shell?.bashVersion ?? "none";
export const noPatchedBash: string | false = missing(
  shell === null && "the patched Bash is not built: run node scripts/ensure-bash.mjs",
);
