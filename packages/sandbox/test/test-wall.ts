/** What the tests of the wall share: throw-away folders, a policy, and running a script behind a plan without the broker. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { findBubblewrap, planWall, type SandboxPolicy, type WallPlan } from "../src/index.ts";

export const isRoot: boolean = process.geteuid?.() === 0;

/** False, or what is missing; with SALLYPORT_MUST_RUN=1 nothing may be missing. */
export function missingBubblewrap(): string | false {
  const found = findBubblewrap(process.env["PATH"] ?? "", [], { asRoot: isRoot });
  if (found.kind === "works") return false;
  if (process.env["SALLYPORT_MUST_RUN"] === "1") throw new Error(`these tests must run: ${found.reason}`);
  return `${found.reason}; ${found.advice}`;
}

export interface Folders {
  base: string;
  /** The working directory. */
  project: string;
  /** Sallyport's home. */
  home: string;
  /** Closed before the folders go. */
  plans: WallPlan[];
}

export function makeFolders(t: TestContext): Folders {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "wall-test-")));
  const folders: Folders = { plans: [], base, project: join(base, "project"), home: join(base, "home") };
  t.after(() => {
    for (const made of folders.plans) made.close();
    rmSync(base, { recursive: true, force: true });
  });
  mkdirSync(folders.project);
  mkdirSync(folders.home);
  return folders;
}

export function policyFor(cwd: string, home: string, changes: Partial<SandboxPolicy> = {}): SandboxPolicy {
  return {
    mode: "workspace-write",
    cwd,
    writable: [],
    network: false,
    denyRead: [],
    allowGitInit: false,
    sockets: [],
    wall: "bubblewrap",
    home,
    programFolders: [],
    journal: null,
    rulesFiles: [],
    readableExtra: [...(process.env["PATH"] ?? "").split(":"), process.execPath],
    landlockAbi: 6,
    ...changes,
  };
}

/** Plans, and closes the plan before the folders go. */
export function plan(folders: Folders, changes: Partial<SandboxPolicy> = {}): WallPlan {
  const made = planWall(policyFor(folders.project, folders.home, changes));
  folders.plans.push(made);
  return made;
}

export interface ScriptResult {
  exitCode: number | null;
  stdout: string;
}

const gitIdentity = {
  GIT_AUTHOR_NAME: "n",
  GIT_AUTHOR_EMAIL: "n@example.org",
  GIT_COMMITTER_NAME: "n",
  GIT_COMMITTER_EMAIL: "n@example.org",
  GIT_CONFIG_NOSYSTEM: "1",
};

/** Runs a script behind the mounts and namespaces of the plan: what the init would add on top (Landlock, filter) is not there,
 *  so that a hole in the mounts shows. */
export function runInside(made: WallPlan, script: string): ScriptResult {
  const [file = "", ...args] = made.outerArgv.filter((argument) => argument !== "--as-pid-1" && argument !== "@init");
  return run(file, [...args, "/bin/sh", "-c", script], made.env);
}

/** The negative control: the same script without a wall. */
export function runOutside(folder: string, script: string): ScriptResult {
  return run("/bin/sh", ["-c", script], {}, folder);
}

function run(file: string, args: string[], env: Record<string, string>, cwd?: string): ScriptResult {
  const result = spawnSync(file, args, {
    encoding: "utf8",
    cwd,
    env: { ...process.env, ...gitIdentity, ...env },
    timeout: 60_000,
  });
  return { exitCode: result.status, stdout: result.stdout };
}

/** One line per attempt, `name yes` or `name no`, so that a test compares them all at once. */
export function attempts(commands: Record<string, string>): string {
  return Object.entries(commands)
    .map(([name, command]) => `if ( ${command} ) >/dev/null 2>&1; then echo '${name} yes'; else echo '${name} no'; fi`)
    .join("\n");
}

export function outcomes(result: ScriptResult): Record<string, string> {
  return Object.fromEntries(
    result.stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" ") as [string, string]),
  ); // The lines of attempts().
}
