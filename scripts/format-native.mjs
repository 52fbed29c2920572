// Formats the C sources with clang-format, or with --check only reports those that it would change.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./ensure-build.mjs";
import { findCommand } from "./system-packages.mjs";

const isCheck = process.argv.includes("--check");
const folders = readdirSync(join(ROOT, "packages")).map((name) => join(ROOT, "packages", name, "native"));
const sources = folders.filter((folder) => existsSync(folder)).flatMap(listSources);

// It comes with the system packages of the tests, which `npm run check` doesn't install.
if (findCommand("clang-format") === undefined)
  console.log("clang-format is missing (Debian: clang-format): C left as it is");
else if (sources.length > 0) {
  const args = [...(isCheck ? ["--dry-run", "--Werror"] : ["-i"]), ...sources];
  process.exitCode = spawnSync("clang-format", args, { stdio: "inherit" }).status ?? 1;
}

/** @param {string} folder */
function listSources(folder) {
  return readdirSync(folder)
    .filter((name) => /\.[ch]$/.test(name))
    .map((name) => join(folder, name));
}
