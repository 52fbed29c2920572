// npm run test:bash-suite [-- SOURCE]: Bash's own tests on three shells of the same sources: unpatched, patched without a
// wrapper, patched with a wrapper that always runs. Every test has to print the same on all three.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { BuildJob } from "../packages/shell-escalation/src/shell-build/build-job.ts";
import { makeShell, prepareTree } from "../packages/shell-escalation/src/shell-build/recipe.ts";
import { patchNames, patchPath } from "../packages/shell-escalation/src/shell-build/source-tree.ts";
import { ROOT } from "./ensure-build.mjs";

const HELPERS = ["recho", "zecho", "printenv", "xcase"];
const NOT_TESTS = new Set(["run-all", "run-minimal", "run-gprof"]);
const TEST_TIMEOUT_MS = 180_000;
// Some tests print what depends on the time or on process ids; a difference counts when it stays.
const TRIES = 4;

/** @typedef {{ name: string, tree: string, env: Record<string, string> }} Variant */

const base = mkdtempSync(join(tmpdir(), "bash-suite-"));
process.on("exit", () => rmSync(base, { recursive: true, force: true }));
for (const name of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.on(name, () => process.exit(1));

if (process.getuid?.() === 0)
  console.log("As root, some tests of Bash say that they should not be: better run this as a user");
const variants = await buildVariants();
const tests = readdirSync(join(base, "unpatched", "tests")).filter(isTest);
const unequal = [];
const retried = [];
for (const test of tests) {
  const { isEqual, tries } = await compare(test);
  if (!isEqual) unequal.push(test);
  else if (tries > 1) retried.push(test);
}
console.log(`${tests.length - unequal.length} of ${tests.length} tests of Bash print the same on all three shells`);
if (retried.length > 0) console.log(`Not at the first try: ${retried.join(", ")}`);
if (unequal.length > 0) {
  console.error(`Different: ${unequal.join(", ")}`);
  process.exitCode = 1;
}

/** @returns {Promise<Variant[]>} */
async function buildVariants() {
  const source = process.argv[2] === undefined ? null : resolve(process.argv[2]);
  const job = new BuildJob(join(base, "job"), {
    signal: new AbortController().signal,
    onStep: ({ name, detail, durationMs }) => {
      if (durationMs !== null) console.log(`  ${name.padEnd(10)} ${(durationMs / 1000).toFixed(1)} s  ${detail}`);
    },
  });
  const tree = await prepareTree(job, { source });
  await makeShell(job, tree, availableParallelism());
  await job.run("make", HELPERS, { cwd: tree });
  const copy = (/** @type {string} */ name) => {
    cpSync(tree, join(base, name), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    return join(base, name);
  };
  const unpatched = copy("unpatched");
  await unpatch(job, unpatched);
  const wrapper = join(base, "run-always");
  const wrapperSource = join(ROOT, "packages/shell-escalation/test/fixtures/run-always.c");
  await job.run("cc", ["-O1", "-o", wrapper, wrapperSource], { cwd: base });
  return [
    { name: "unpatched", tree: unpatched, env: {} },
    { name: "patched", tree: copy("patched"), env: {} },
    { name: "wrapped", tree: copy("wrapped"), env: { EXEC_WRAPPER: wrapper, BASH_EXEC_WRAPPER: wrapper } },
  ];
}

/** @param {BuildJob} job
 *  @param {string} tree */
async function unpatch(job, tree) {
  const env = { GIT_CEILING_DIRECTORIES: base };
  for (const name of patchNames) {
    const options = ["apply", "--reverse", patchPath(name)];
    if (await job.run("git", options, { cwd: tree, env, mayFail: true })) break;
  }
  if (readFileSync(join(tree, "execute_cmd.c"), "utf8").includes("EXEC_WRAPPER"))
    throw new Error("the patch is still in");
  const now = new Date();
  utimesSync(join(tree, "execute_cmd.c"), now, now);
  await job.run("make", [], { cwd: tree });
}

/** @param {string} name */
function isTest(name) {
  return /^run-[\w-]+$/.test(name) && !NOT_TESTS.has(name);
}

/** Runs one test on each shell until there is something that all of them print.
 *  @param {string} test */
async function compare(test) {
  const startedAtMs = Date.now();
  const seen = variants.map(() => new Set());
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const outputs = tries === 1 ? await runTogether(test) : await runInTurn(test);
    outputs.forEach((output, index) => seen[index]?.add(output));
    const isEqual = [...(seen[0] ?? [])].some((output) => seen.every((outputsOfOne) => outputsOfOne.has(output)));
    if (isEqual || tries === TRIES) {
      const verdict = isEqual ? "same" : "DIFFERENT";
      console.log(`  ${test.padEnd(22)} ${verdict} ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`);
      if (!isEqual) showDifference(outputs);
      return { isEqual, tries };
    }
  }
  throw new Error("unreachable: the last try returns");
}

/** Quicker, but some tests share files in /tmp.
 *  @param {string} test */
async function runTogether(test) {
  return await Promise.all(variants.map((variant) => runTest(variant, test)));
}

/** @param {string} test */
async function runInTurn(test) {
  const outputs = [];
  for (const variant of variants) outputs.push(await runTest(variant, test));
  return outputs;
}

/** @param {string[]} outputs */
function showDifference(outputs) {
  outputs.forEach((output, index) => console.log(`--- ${variants[index]?.name}\n${output}`));
}

/** What the test prints, with its shell's folder and process ids made equal.
 *  @param {Variant} variant
 *  @param {string} test
 *  @returns {Promise<string>} */
async function runTest({ name, tree, env }, test) {
  const temporary = join(base, `tmp-${name}`);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary);
  const shell = join(tree, "bash");
  const child = spawn("timeout", ["-k", "2", String(TEST_TIMEOUT_MS / 1000), "sh", test], {
    cwd: join(tree, "tests"),
    env: {
      ...env,
      PATH: [tree, join(tree, "tests"), process.env["PATH"] ?? ""].join(":"),
      HOME: temporary,
      TERM: "dumb",
      BUILD_DIR: tree,
      THIS_SH: shell,
      TMPDIR: temporary,
      BASH_TSTOUT: join(temporary, "test-output"),
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk.toString("latin1")));
  const status = await new Promise((done) => child.once("close", done));
  return `${output}status ${status}\n`
    .replaceAll(temporary, "TMP")
    .replaceAll(tree, "TREE")
    .replaceAll(/terminal process group \(-?\d+\)/g, "terminal process group (PID)");
}
