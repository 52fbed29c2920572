// Builds what is missing or older than its sources: the C programs and each package's dist. Run directly, it does just that.
// It runs on the machine's own Node, so it keeps to what Node 18 has.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { delimiter, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TOOLS = join(ROOT, "node_modules", ".bin");
/** The pinned Node of the checkout: tests, builds and the demo all run on this one. */
export const NODE = join(TOOLS, "node");

/** The C programs by the folder of their Makefile. */
const NATIVE = new Map([
  [join(ROOT, "packages/supervisor/native"), ["sallyport-broker", "sallyport-stand-in"]],
  [join(ROOT, "packages/shell-escalation/native"), ["codex-execve-wrapper"]],
]);

export function ensureBuild() {
  for (const tool of ["node", "tsc"]) {
    if (!existsSync(join(TOOLS, tool))) fail(`"${relative(ROOT, join(TOOLS, tool))}" is missing; run npm ci`);
  }
  for (const [folder, names] of NATIVE) {
    if (isNativeStale(folder, names, "build")) run(names.join(", "), "make", ["-s", "-C", folder]);
  }
  if (listPackages().some(isDistStale)) run("TypeScript", "tsc", ["-b", ...listPackages()]);
}

/** The C programs once more, with sanitizers, for the tests that feed them nonsense. */
export function ensureSanitizedBuild() {
  for (const [folder, names] of NATIVE) {
    if (isNativeStale(folder, names, "build/sanitized"))
      run(`${names.join(", ")} with sanitizers`, "make", ["-s", "-C", folder, "sanitized"]);
  }
}

/** @param {string} folder
 *  @param {string[]} names
 *  @param {string} build */
function isNativeStale(folder, names, build) {
  const products = names.map((name) => join(folder, build, name));
  return isStale(products, listFiles(folder, /(\.[ch]|Makefile)$/));
}

function listPackages() {
  const packages = join(ROOT, "packages");
  return readdirSync(packages)
    .map((name) => join(packages, name))
    .filter((folder) => existsSync(join(folder, "tsconfig.json")));
}

/** @param {string} folder */
function isDistStale(folder) {
  const configs = ["tsconfig.json", "package.json"].map((name) => join(folder, name));
  const sources = [join(ROOT, "tsconfig.base.json"), ...configs, ...listFiles(join(folder, "src"), /\.ts$/)];
  // tsc touches its own record even when nothing that it writes has changed.
  return isStale([join(folder, "dist", ".tsbuildinfo")], sources);
}

/** @param {string[]} products
 *  @param {string[]} sources */
function isStale(products, sources) {
  if (!products.every((file) => existsSync(file))) return true;
  const oldestProduct = Math.min(...products.map((file) => statSync(file).mtimeMs));
  return sources.some((file) => statSync(file).mtimeMs > oldestProduct);
}

/** @param {string} folder
 *  @param {RegExp} pattern
 *  @returns {string[]} */
function listFiles(folder, pattern) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "build" ? [] : listFiles(path, pattern);
    return pattern.test(entry.name) ? [path] : [];
  });
}

/** @param {string} what
 *  @param {string} command
 *  @param {string[]} args */
function run(what, command, args) {
  console.error(`Building ${what} ...`);
  const startedAtMs = Date.now();
  const env = { ...process.env, PATH: `${TOOLS}${delimiter}${process.env["PATH"] ?? ""}` };
  // Build output goes to stderr, so that stdout holds only what the started program prints.
  const { status, signal, error } = spawnSync(command, args, { cwd: ROOT, env, stdio: ["ignore", 2, 2] });
  if (status !== 0) {
    const end = error?.message ?? signal ?? `status ${status}`;
    fail(`${command} ${args.map((arg) => relative(ROOT, arg) || arg).join(" ")} ended with ${end}, expected status 0`);
  }
  console.error(`  ${what}: ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`);
}

/** @param {string} message */
function fail(message) {
  console.error(message);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) ensureBuild();
