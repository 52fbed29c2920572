// The one table of Debian packages that the build, the demo and the tests use, and the step that installs them.
// It runs on the machine's own Node, so it keeps to what Node 18 has.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** @typedef {"build" | "demo" | "test"} Group
 *  @typedef {{ name: string, proof: string, groups: Group[], isOptional?: true }} SystemPackage */

/** `proof` is a command to find on PATH or, with a slash in front, a file or folder that must exist. What only `test`
 *  needs is worth having but not required: a test that misses it is skipped and says so.
 *  @type {SystemPackage[]} */
const SYSTEM_PACKAGES = [
  { name: "gcc", proof: "gcc", groups: ["build", "demo", "test"] },
  { name: "make", proof: "make", groups: ["build", "demo", "test"] },
  // gcc only recommends the headers, so they need a row of their own.
  { name: "libc6-dev", proof: "/usr/include/stdio.h", groups: ["build", "demo", "test"] },
  // Without it the C programs link to the system's libc.
  { name: "musl-tools", proof: "musl-gcc", groups: ["build"], isOptional: true },
  { name: "bubblewrap", proof: "bwrap", groups: ["demo", "test"] },
  { name: "git", proof: "git", groups: ["demo", "test"] },
  // From here on: programs that the bypass corpus attacks with, and that tests run, trace or compile with.
  { name: "bash", proof: "bash", groups: ["demo", "test"] },
  { name: "bsdextrautils", proof: "column", groups: ["test"] },
  { name: "bsdutils", proof: "script", groups: ["test"] },
  { name: "busybox-static", proof: "busybox", groups: ["test"] },
  { name: "clang", proof: "clang", groups: ["test"] },
  { name: "clang-format", proof: "clang-format", groups: ["test"] },
  { name: "fd-find", proof: "fdfind", groups: ["test"] },
  { name: "gawk", proof: "awk", groups: ["test"] },
  { name: "gdb", proof: "gdb", groups: ["test"] },
  { name: "less", proof: "less", groups: ["test"] },
  { name: "libclang-rt-14-dev", proof: "/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux", groups: ["test"] },
  { name: "man-db", proof: "man", groups: ["test"] },
  { name: "openssh-client", proof: "ssh", groups: ["test"] },
  { name: "perl", proof: "perl", groups: ["test"] },
  { name: "procps", proof: "top", groups: ["test"] },
  { name: "python3", proof: "python3", groups: ["test"] },
  { name: "ripgrep", proof: "rg", groups: ["test"] },
  { name: "socat", proof: "socat", groups: ["test"] },
  { name: "strace", proof: "strace", groups: ["test"] },
  { name: "tmux", proof: "tmux", groups: ["test"] },
  { name: "vim-tiny", proof: "vim.tiny", groups: ["test"] },
  { name: "xz-utils", proof: "xz", groups: ["test"] },
  { name: "xxd", proof: "xxd", groups: ["test"] },
  { name: "zsh", proof: "zsh", groups: ["test"] },
];

/** Makes sure that what `groups` need is there. Installs it on Debian as root; otherwise prints the command to run and
 *  ends the process with 1. Off Debian only what is required ends it: package names differ there.
 *  @param {Group[]} groups */
export function ensureSystemPackages(groups) {
  const missing = findMissing(groups);
  if (missing.length === 0) return;
  if (findCommand("apt-get") === undefined) return giveUpIfRequired(missing, adviceWithoutApt(missing));
  if (process.getuid?.() !== 0) {
    console.error(`Missing: ${list(missing)}. Run this, then try again:\n  ${aptCommand(missing)}`);
    process.exit(1);
  }
  install(missing);
  const left = findMissing(groups);
  if (left.length > 0) giveUpIfRequired(left, `apt-get did not bring: ${list(left)}`);
}

/** @param {Group[]} groups */
function findMissing(groups) {
  return SYSTEM_PACKAGES.filter((entry) => entry.groups.some((group) => groups.includes(group)) && !isPresent(entry));
}

/** @param {SystemPackage} entry */
function isPresent({ proof }) {
  return proof.startsWith("/") ? existsSync(proof) : findCommand(proof) !== undefined;
}

/** @param {string} command */
export function findCommand(command) {
  // The administrator's folders are often missing from an ordinary user's PATH.
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, command))
    .find(isExecutable);
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (_missing) {
    return false;
  }
}

/** @param {SystemPackage[]} missing */
function install(missing) {
  console.error(`Installing ${missing.length} Debian packages: ${list(missing)}`);
  const startedAtMs = Date.now();
  const names = missing.map(({ name }) => name);
  const installOnly = ["install", "-y", "-q", "--no-install-recommends"];
  // An update that fails in part still leaves usable lists, so only the install decides.
  runApt(["update", "-q"]);
  const wasInstalled = runApt([...installOnly, ...names]);
  // apt-get takes all names or none; one name that this release lacks must not cost the others.
  if (!wasInstalled && names.length > 1) for (const name of names) runApt([...installOnly, name]);
  console.error(`  packages: ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`);
}

/** @param {string[]} args */
function runApt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status, error, stdout, stderr } = spawnSync("apt-get", args, { env, encoding: "utf8" });
  if (status === 0) return true;
  const lastLines = `${stdout ?? ""}${stderr ?? ""}`.trim().split("\n").slice(-5).join("\n  ");
  console.error(`apt-get ${args.join(" ")} ended with ${error?.message ?? status}, expected 0:\n  ${lastLines}`);
  return false;
}

/** @param {SystemPackage[]} missing
 *  @param {string} message */
function giveUpIfRequired(missing, message) {
  console.error(message);
  const required = missing.filter(({ groups, isOptional }) => !isOptional && groups.some((group) => group !== "test"));
  if (required.length > 0) process.exit(1);
  console.error("Going on without: what needs them says so");
}

/** @param {SystemPackage[]} missing */
function adviceWithoutApt(missing) {
  const wanted = missing.map(({ name, proof }) => `${proof} (Debian: ${name})`).join(", ");
  return `Missing, and there is no apt-get here to install it: ${wanted}`;
}

/** @param {SystemPackage[]} missing */
function aptCommand(missing) {
  const names = missing.map(({ name }) => name).join(" ");
  return `sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${names}'`;
}

/** @param {SystemPackage[]} missing */
function list(missing) {
  return missing.map(({ name }) => name).join(", ");
}
