/** Runs the built `sallyport` for tests, with a home of its own and a project folder. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after } from "node:test";

export const executable: string = fileURLToPath(new URL("../bin/sallyport", import.meta.url));
const deadlineMs = 60_000;

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A folder that is deleted after the tests of the file. */
function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export class Place {
  readonly base: string = makeFolder();
  readonly home: string = join(this.base, "home");
  readonly project: string = join(this.base, "project");

  constructor() {
    mkdirSync(this.home, { mode: 0o700 });
    mkdirSync(this.project);
  }

  get env(): NodeJS.ProcessEnv {
    const { NODE_OPTIONS: _, ...env } = process.env;
    return { ...env, SALLYPORT_HOME: this.home };
  }

  rules(text: string): string {
    const file = join(this.base, "test.rules");
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }

  call(words: string[], changes: { env?: NodeJS.ProcessEnv; cwd?: string } = {}): Ended {
    const options = { cwd: this.project, env: this.env, encoding: "utf8", timeout: deadlineMs, ...changes } as const;
    const { status, stdout, stderr, error } = spawnSync(executable, words, options);
    assert.equal(error, undefined);
    return { status, stdout, stderr };
  }

  run(...words: string[]): Ended {
    return this.call(["run", ...words]);
  }

  start(...words: string[]): ChildProcessWithoutNullStreams {
    const options = { cwd: this.project, env: this.env, timeout: deadlineMs, killSignal: "SIGKILL" } as const;
    return spawn(executable, ["run", ...words], options);
  }
}

export async function waitForEnd(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const collected = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (collected.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (collected.stderr += chunk.toString()));
  return await new Promise((resolve) => child.once("close", (status) => resolve({ status, ...collected })));
}

export async function waitForOutput(child: ChildProcessWithoutNullStreams, wanted: string): Promise<void> {
  let text = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes(wanted)) resolve();
    });
    child.once("close", () => reject(new Error(`ended before it printed "${wanted}": ${text}`)));
  });
}

/** Waits until `holds` is true; false at the deadline. */
export async function eventually(holds: () => boolean, withinMs = 60_000): Promise<boolean> {
  const endMs = Date.now() + withinMs;
  while (!holds()) {
    if (Date.now() > endMs) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/** Processes whose command line holds `text`, other than this one. */
export function processesWith(text: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    return readQuietly(`/proc/${name}/cmdline`).includes(text) ? [pid] : [];
  });
}

export function childrenOf(pid: number): number[] {
  return readQuietly(`/proc/${pid}/task/${pid}/children`)
    .split(" ")
    .filter((part) => part !== "")
    .map(Number);
}

function readQuietly(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    // Gone meanwhile.
    return "";
  }
}
