// npm run check: every check that needs no test run, each with its time. All of them run, even after one has failed.
import { spawnSync } from "node:child_process";
import { ROOT } from "./ensure-build.mjs";

/** @type {[name: string, command: string, args: string[]][]} */
const CHECKS = [
  ["types", "tsc", ["-b"]],
  ["lint", "oxlint", ["--type-aware", "--report-unused-disable-directives"]],
  ["format", "oxfmt", ["--check"]],
  ["format of C", "node", ["scripts/format-native.mjs", "--check"]],
  ["dead code and dependencies", "knip", []],
  ["layers", "node", ["--test", "--test-reporter=dot", "test/architecture.test.ts"]],
];

const failed = CHECKS.filter(([name, command, args]) => {
  const startedAtMs = Date.now();
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: ROOT, encoding: "utf8" });
  const isGood = status === 0;
  console.log(`${isGood ? "ok  " : "FAIL"} ${name} (${((Date.now() - startedAtMs) / 1000).toFixed(1)} s)`);
  if (!isGood) console.log(`${error?.message ?? ""}${stdout ?? ""}${stderr ?? ""}`.trimEnd());
  return !isGood;
}).map(([name]) => name);

if (failed.length > 0) {
  console.error(`${failed.length} of ${CHECKS.length} checks failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
