// npm test: brings what the tests need, builds what is missing, then runs node --test.
// Arguments: options go to node as they are (write --name=value); anything else picks the test files whose path has it.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { ensurePatchedBash } from "./ensure-bash.mjs";
import { ensureBuild, ensureSanitizedBuild, NODE, ROOT } from "./ensure-build.mjs";
import { ensureSystemPackages } from "./system-packages.mjs";

const OPTIONS = [
  // Tests run the TypeScript sources of every package, not the last build.
  "--conditions=sallyport-source",
  "--test",
  "--test-reporter=spec",
  // Tests start real process trees and measure deadlines, so two files at once would disturb each other.
  "--test-concurrency=1",
  // For each test, not each file; a longer one says so itself.
  "--test-timeout=120000",
];

const given = process.argv.slice(2);
const options = given.filter((arg) => arg.startsWith("-"));
const wanted = given.filter((arg) => !arg.startsWith("-")).map((arg) => arg.replace(/^\.\//, ""));
const files = listTestFiles().filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
if (files.length === 0) {
  console.error(`No test file matches ${wanted.map((part) => `"${part}"`).join(" or ")}, expected part of a path`);
  process.exit(1);
}

ensureSystemPackages(["build", "demo", "test"]);
ensureBuild();
ensureSanitizedBuild();
if (files.some((file) => readFileSync(join(ROOT, file), "utf8").includes("/patched-bash.ts"))) ensurePatchedBash();

const env = { ...process.env };
// In CI a test that can't run is a failure, so that nothing goes unchecked in silence.
if (env["CI"]) env["SALLYPORT_MUST_RUN"] = "1";
const args = [...OPTIONS, ...options, ...files];
if (typeof process.execve === "function") {
  process.chdir(ROOT);
  process.execve(NODE, [NODE, ...args], env);
}
const { status } = spawnSync(NODE, args, { cwd: ROOT, env, stdio: "inherit" });
process.exitCode = status ?? 1;

function listTestFiles() {
  const packages = readdirSync(join(ROOT, "packages")).map((name) => join(ROOT, "packages", name, "test"));
  return [join(ROOT, "test"), ...packages.flatMap(listFolders)].flatMap(listTests);
}

/** @param {string} folder
 *  @returns {string[]} the folder and every folder in it */
function listFolders(folder) {
  if (!existsSync(folder)) return [];
  const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [folder, ...inside.flatMap((entry) => listFolders(join(folder, entry.name)))];
}

/** @param {string} folder */
function listTests(folder) {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
  return names.map((name) => relative(ROOT, join(folder, name)));
}
