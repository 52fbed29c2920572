/** From sources, wherever they are, to a patched tree that is ready to be configured. */
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  utimesSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SallyportError } from "@sallyport/supervisor";
import type { BuildJob } from "./build-job.ts";

const patchFolder = fileURLToPath(new URL("../../patches/", import.meta.url));

/** The newest first: the seed's own name is that of the patch for Bash 5.3. */
export const patchNames: readonly string[] = ["bash-exec-wrapper.patch", "bash-exec-wrapper-5.2.patch"];

/** Files that are made from others by programs that a build should not need. A checkout's times would have them made again. */
const generatedFiles: readonly string[] = ["configure", "config.h.in", "y.tab.c", "y.tab.h", "parser-built"];

export function patchPath(name: string): string {
  return join(patchFolder, name);
}

/** What a shell is built with besides its sources: another digest means that it is out of date. */
export function recipeDigest(): string {
  const hash = createHash("sha256").update("recipe 1");
  for (const name of patchNames) hash.update(readFileSync(patchPath(name)));
  return hash.digest("hex");
}

/** Every path, link and content below a folder, or the bytes of a file; not a repository's own records. */
export function digestSource(source: string): string {
  const hash = createHash("sha256");
  const walk = (path: string): void => {
    const stats = lstatSync(path);
    if (stats.isSymbolicLink()) hash.update(`link ${readlinkSync(path)}\0`);
    else if (stats.isFile()) hash.update(`file ${stats.size} ${stats.mode & 0o111}\0`).update(readFileSync(path));
    else if (stats.isDirectory()) {
      for (const name of readdirSync(path).sort()) {
        if (name === ".git") continue;
        hash.update(`name ${name}\0`);
        walk(join(path, name));
      }
    }
  };
  walk(realpathSync(source));
  return hash.digest("hex");
}

/** Unpacks a tarball that holds one folder, and returns that folder. */
export async function unpack(job: BuildJob, tarball: string, into: string): Promise<string> {
  mkdirSync(into);
  await job.run("tar", ["-xf", tarball, "--no-same-owner"], { cwd: into });
  const names = readdirSync(into);
  const [name] = names;
  if (name === undefined || names.length > 1) {
    throw sourceRefused(tarball, `it holds ${names.length} entries at its top, expected one folder`);
  }
  return join(into, name);
}

/** A copy, so that the folder stays as it is and nothing built there before gets into the shell. */
export async function copyTree(job: BuildJob, source: string, into: string): Promise<string> {
  cpSync(source, into, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    filter: (path) => basename(path) !== ".git",
  });
  if (existsSync(join(into, "Makefile"))) {
    touchGenerated(into);
    await job.run("make", ["-s", "distclean"], { cwd: into, mayFail: true });
  }
  return into;
}

export function checkIsBash(tree: string, source: string): void {
  const missing = ["execute_cmd.c", "configure", "patchlevel.h", "y.tab.c"].filter(
    (name) => !existsSync(join(tree, name)),
  );
  if (missing.length === 0) return;
  throw sourceRefused(source, `it has no ${missing.join(", no ")}, expected the sources of Bash`);
}

/** The distribution's own changes of the code. Those of manuals, examples and packaging would only ask for more tools. */
export async function applyDebianPatches(job: BuildJob, tree: string, additions: string): Promise<number> {
  const folder = join(job.folder, "additions");
  mkdirSync(folder);
  await job.run("tar", ["-xf", additions, "--no-same-owner"], { cwd: folder });
  const patches = join(folder, "debian", "patches");
  if (!existsSync(join(patches, "series"))) return 0;
  const series = readFileSync(join(patches, "series"), "utf8").split("\n");
  const names = series.map((line) => line.trim().split(/\s/)[0] ?? "").filter((name) => /^[^#]/.test(name));
  const wanted = names.filter((name) => changesCode(readFileSync(join(patches, name), "utf8")));
  for (const name of wanted) await gitApply(job, tree, join(patches, name));
  return wanted.length;
}

/** Applies ours, and returns its name. Never with fuzz: a change that lands elsewhere in the code could let programs start unasked. */
export async function applyOurPatch(job: BuildJob, tree: string, source: string): Promise<string> {
  for (const name of patchNames) {
    if (await gitApply(job, tree, patchPath(name), ["--check", "--reverse"])) return `${name}, applied already`;
  }
  for (const name of patchNames) {
    if (!(await gitApply(job, tree, patchPath(name), ["--check"]))) continue;
    await gitApply(job, tree, patchPath(name), []);
    return name;
  }
  throw sourceRefused(
    source,
    `neither ${patchNames.join(" nor ")} applies to its execute_cmd.c; expected Bash 5.2 or 5.3, give such sources with --source`,
  );
}

export function touchGenerated(tree: string): void {
  const now = new Date();
  for (const name of generatedFiles) {
    if (existsSync(join(tree, name))) utimesSync(join(tree, name), now, now);
  }
}

export function sourceRefused(source: string, why: string): SallyportError {
  return new SallyportError("SHELL_SOURCE_REFUSED", `Source "${source}" is refused: ${why}`, { data: { source } });
}

function changesCode(patch: string): boolean {
  const files = [...patch.matchAll(/^\+\+\+ [^/\s]+\/(\S+)/gm)].map(([, file]) => file ?? "");
  return files.length > 0 && files.every((file) => /\.(c|h|def|y)$/.test(file) || file.startsWith("tests/"));
}

/** With `trial` options a failure is an answer; without, it ends the build. */
async function gitApply(job: BuildJob, tree: string, patch: string, trial: string[] = []): Promise<boolean> {
  const env = {
    // Inside a repository git would take the patch's paths for the repository's, and quietly change nothing.
    GIT_CEILING_DIRECTORIES: dirname(realpathSync(tree)),
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
  };
  const mayFail = trial.length > 0 ? ({ mayFail: true } as const) : {};
  return await job.run("git", ["apply", ...trial, patch], { cwd: tree, env, ...mayFail });
}
