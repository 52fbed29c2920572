/** A throw-away place to run the built `sallyport` in, as root or as an ordinary user.
 *
 *      base/home      Sallyport's home
 *      base/user      HOME
 *      base/bin       first on the PATH, not writable from inside
 *      base/project   the working folder                            */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

export const root: string = dirname(dirname(import.meta.dirname));
export const executable: string = join(root, "bin", "sallyport");
const deadlineMs = 60_000;
const ordinaryId = 1000;
const ownId = process.geteuid?.() ?? 0;

/** Who runs Sallyport. Only root can test both. */
export interface Caller {
  name: "root" | "ordinary user";
  /** Words in front of the command that make it this user's. */
  prefix: string[];
  uid: number;
}

const own: Caller = { name: ownId === 0 ? "root" : "ordinary user", prefix: [], uid: ownId };
const ordinary: Caller = {
  name: "ordinary user",
  // By its path: a test may give a PATH of its own.
  prefix: ["/usr/bin/setpriv", `--reuid=${ordinaryId}`, `--regid=${ordinaryId}`, "--clear-groups"],
  uid: ordinaryId,
};
export const callers: Caller[] = own.uid === 0 ? [own, ordinary] : [own];
/** An ordinary user where there is one: root may read and write what others may not. */
export const ordinaryCaller: Caller = callers.at(-1) ?? own;

/** Not in `/tmp`, which is private inside: programs there could not be carried outside. Every user can get there. */
export const visibleParent: string = ownId === 0 ? "/var/lib" : homedir();

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  /** Added to the place's own. */
  env?: NodeJS.ProcessEnv;
}

export class Place {
  readonly caller: Caller;
  readonly base: string;
  readonly home: string;
  readonly user: string;
  readonly bin: string;
  readonly project: string;

  constructor(caller: Caller = own) {
    this.caller = caller;
    this.base = mkdtempSync(join(visibleParent, "sallyport-test-"));
    this.#own(this.base, 0o755);
    this.home = this.folder("home", 0o700);
    this.user = this.folder("user");
    this.bin = this.folder("bin");
    this.project = this.folder("project");
  }

  remove(): void {
    rmSync(this.base, { recursive: true, force: true });
  }

  folder(name: string, mode = 0o755): string {
    mkdirSync(join(this.base, name), { recursive: true });
    return this.#own(join(this.base, name), mode);
  }

  file(name: string, text: string, mode = 0o644): string {
    writeFileSync(join(this.base, name), text);
    return this.#own(join(this.base, name), mode);
  }

  copy(program: string, name: string): string {
    copyFileSync(program, join(this.base, name));
    return this.#own(join(this.base, name), 0o755);
  }

  rules(text: string): string {
    return this.file("test.rules", text, 0o600);
  }

  run(words: string[], options: RunOptions = {}): Ended {
    const [file = "", ...args] = this.#words(words);
    const limits = { timeout: deadlineMs, killSignal: "SIGKILL", encoding: "utf8" } as const;
    const { status, stdout, stderr, error } = spawnSync(file, args, {
      ...this.#options(options),
      ...limits,
      stdio: ["ignore", "pipe", "pipe"],
    });
    assert.equal(error, undefined);
    return { status, stdout, stderr };
  }

  start(words: string[], options: RunOptions = {}): ChildProcess {
    const [file = "", ...args] = this.#words(words);
    return spawn(file, args, { ...this.#options(options), stdio: ["ignore", "pipe", "pipe"] });
  }

  #words(words: string[]): string[] {
    return [...this.caller.prefix, executable, "run", ...words];
  }

  #options({ cwd, env }: RunOptions): { cwd: string; env: NodeJS.ProcessEnv } {
    const path = [this.bin, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", dirname(process.execPath)].join(
      ":",
    );
    const base = { PATH: path, HOME: this.user, SALLYPORT_HOME: this.home, LANG: "C.UTF-8" };
    return { cwd: cwd ?? this.project, env: { ...base, ...env } };
  }

  #own(path: string, mode: number): string {
    chmodSync(path, mode);
    if (this.caller.uid !== own.uid) chownSync(path, this.caller.uid, this.caller.uid);
    return path;
  }
}
