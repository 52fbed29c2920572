/** Builds the patched Bash:
 *
 *      fetch -> unpack -> patch -> configure -> build -> test -> install
 *
 *  Everything happens in `HOME/shells/.building-PID-...`, which no reader takes for a shell, and is removed however the build ends.
 *  A shell appears below its name by one rename, whole and tested. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { SallyportError } from "@sallyport/supervisor";
import { checkHome, createHome } from "../home.ts";
import { listInstalledShells, shellFolder } from "../installed-shells.ts";
import type { InstalledShell } from "../installed-shells.ts";
import { BuildJob } from "./build-job.ts";
import type { BuildShellOptions, BuiltShell } from "./build-shell.ts";
import { findBrokenPromise, promiseCount } from "./contract.ts";
import { fetchDebianSource } from "./debian-source.ts";
import {
  applyDebianPatches,
  applyOurPatch,
  checkIsBash,
  copyTree,
  digestSource,
  recipeDigest,
  sourceRefused,
  touchGenerated,
  unpack,
} from "./source-tree.ts";

/** The tools, and the Debian package that has each. */
const tools: readonly (readonly [command: string, name: string])[] = [
  ["cc", "gcc libc6-dev"],
  ["make", "make"],
  ["git", "git"],
  ["tar", "tar"],
];
const fetchTools: readonly (readonly [command: string, name: string])[] = [
  ["apt-get", "apt"],
  ["xz", "xz-utils"],
];
/** The distribution's translations of messages are those of its own Bash. */
const configureOptions: readonly string[] = ["--without-bash-malloc", "--localedir=/usr/share/locale"];

/** What a shell was made of: the distribution's sources of any version, or given ones by their digest. */
interface Ingredients {
  source: "debian" | `sha256:${string}`;
  recipe: string;
}

export async function buildShell(options: BuildShellOptions): Promise<BuiltShell> {
  const source = options.source === null ? null : checkSource(options.source);
  if (options.name !== null) checkName(options.name);
  const ingredients: Ingredients = {
    source: source === null ? "debian" : `sha256:${digestSource(source)}`,
    recipe: recipeDigest(),
  };
  const existing = checkHome(options.home) && !options.rebuild ? findSame(options, ingredients) : null;
  if (existing !== null) return { ...existing, isNew: false, steps: [] };
  checkTools(source === null);
  createHome(options.home);
  const shells = join(options.home, "shells");
  mkdirSync(shells, { recursive: true });
  removeAbandoned(shells);
  const job = new BuildJob(join(shells, `.building-${process.pid}-${randomBytes(4).toString("hex")}`), options);
  try {
    return await build(job, { ...options, source }, ingredients);
  } finally {
    job.close();
    rmSync(job.folder, { recursive: true, force: true });
    removeIfEmpty(shells);
  }
}

async function build(job: BuildJob, options: BuildShellOptions, ingredients: Ingredients): Promise<BuiltShell> {
  const tree = await prepareTree(job, options);
  await makeShell(job, tree, options.jobs ?? availableParallelism());
  const staged = join(job.folder, "shell");
  const bashVersion = await job.step("test", () => {
    const version = stage(job, join(tree, "bash"), staged);
    const broken = findBrokenPromise(join(staged, "bin", "bash"), join(job.folder, "check"));
    if (broken !== null) throw job.failure(broken);
    return { detail: `bash ${version}, ${promiseCount} promises held`, version };
  });
  const { shell } = await job.step("install", () => {
    const installed = install(job, staged, options, bashVersion.version, ingredients);
    return { detail: installed.path, shell: installed };
  });
  return { ...shell, isNew: true, steps: job.steps };
}

/** Fetches or copies the sources and patches them; returns the folder that is ready to be configured. */
export async function prepareTree(
  job: BuildJob,
  options: Pick<BuildShellOptions, "source" | "aptFolder">,
): Promise<string> {
  const { source } = options;
  const into = join(job.folder, "source");
  const fetched =
    source === null ? await job.step("fetch", () => fetchDebianSource(job, options.aptFolder ?? "/etc/apt")) : null;
  const origin = source ?? fetched?.tarball ?? "";
  const { tree } = await job.step("unpack", async () => {
    const folder = statSync(origin).isDirectory() ? await copyTree(job, origin, into) : await unpack(job, origin, into);
    checkIsBash(folder, origin);
    return { detail: source === null ? "" : `"${source}"`, tree: folder };
  });
  await job.step("patch", async () => {
    const additions = fetched?.additions ?? null;
    const count = additions === null ? 0 : await applyDebianPatches(job, tree, additions);
    const name = await applyOurPatch(job, tree, origin);
    return { detail: count === 0 ? name : `${count} of the distribution, ${name}` };
  });
  return tree;
}

/** Leaves the program as `bash` in `tree`. */
export async function makeShell(job: BuildJob, tree: string, jobs: number): Promise<void> {
  await job.step("configure", async () => {
    touchGenerated(tree);
    await job.run("./configure", configureOptions, { cwd: tree });
    return { detail: configureOptions.join(" ") };
  });
  await job.step("build", async () => {
    await job.run("make", [`-j${jobs}`], { cwd: tree });
    return { detail: `${jobs} at a time` };
  });
}

/** Puts the program where it will be installed from; returns what it says its version is. */
function stage(job: BuildJob, program: string, staged: string): string {
  const target = join(staged, "bin", "bash");
  mkdirSync(join(staged, "bin"), { recursive: true });
  copyFileSync(program, target);
  chmodSync(target, 0o755);
  // Only for its size: a machine without strip keeps a larger file.
  spawnSync("strip", [target]);
  const { status, stdout, error } = spawnSync(target, ["--norc", "-c", 'echo "$BASH_VERSION"'], { encoding: "utf8" });
  if (status !== 0) throw job.failure(`the shell does not start (${error?.message ?? `status ${status}`})`);
  return stdout.trim();
}

function install(
  job: BuildJob,
  staged: string,
  options: BuildShellOptions,
  bashVersion: string,
  ingredients: Ingredients,
): InstalledShell {
  const name = options.name ?? `bash-${bashVersion.replace(/\(.*$/, "")}`;
  const folder = shellFolder(options.home, name);
  const shell = { name, path: join(folder, "bin", "bash"), bashVersion, builtAtMs: Date.now() };
  const record = { version: 1, path: shell.path, bashVersion, builtAtMs: shell.builtAtMs, ...ingredients };
  writeFileSync(join(staged, "shell.json"), `${JSON.stringify(record, null, 2)}\n`);
  // From here on it is whole or not there; Ctrl-C comes too late.
  job.signal.throwIfAborted();
  if (existsSync(folder)) renameSync(folder, join(job.folder, "replaced"));
  renameSync(staged, folder);
  return shell;
}

/** The shell that a build would only make again. */
function findSame(options: BuildShellOptions, ingredients: Ingredients): InstalledShell | null {
  const { shells } = listInstalledShells(options.home);
  const named = shells.filter(({ name }) => options.name === null || name === options.name);
  return named.find((shell) => madeOf(shellFolder(options.home, shell.name), ingredients)) ?? null;
}

function madeOf(folder: string, ingredients: Ingredients): boolean {
  // The reader of installed shells has parsed it already.
  const record = JSON.parse(readFileSync(join(folder, "shell.json"), "utf8")) as Partial<Ingredients>;
  return record.source === ingredients.source && record.recipe === ingredients.recipe;
}

function checkSource(source: string): string {
  const path = resolve(source);
  if (!existsSync(path)) throw sourceRefused(source, "it does not exist, expected a folder or a tarball");
  return path;
}

function checkName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/.test(name)) return;
  throw new SallyportError(
    "SHELL_NAME_REFUSED",
    `Shell name "${name}" is refused, expected letters, digits and . _ + - after a letter or digit`,
    { data: { name } },
  );
}

function checkTools(needsApt: boolean): void {
  const needed = needsApt ? [...tools, ...fetchTools] : tools;
  const missing = needed.filter(([command]) => !isOnPath(command));
  if (missing.length === 0) return;
  const commands = missing.map(([command]) => command);
  const advice = commands.includes("apt-get")
    ? "give the sources of Bash with --source"
    : `on Debian: apt install ${missing.map(([, name]) => name).join(" ")}`;
  throw new SallyportError(
    "SHELL_TOOLS_MISSING",
    `Building a shell needs ${commands.join(", ")}, not found on the PATH; ${advice}`,
    { data: { missing: commands } },
  );
}

function isOnPath(command: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(":").filter((folder) => folder !== "");
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function removeIfEmpty(folder: string): void {
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

/** What builds left that were killed: their folder names the process. */
function removeAbandoned(shells: string): void {
  for (const name of readdirSync(shells)) {
    const [, pid] = /^\.building-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(shells, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
