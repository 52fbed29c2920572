/** A folder with the fixtures of the patched Bash's tests, and the one way to run a shell in it. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { makeExecFixtures } from "./exec-cases.ts";

const deadlineMs = 60_000;

export interface Ended {
  status: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export class BashPlace {
  readonly folder: string = mkdtempSync(join(tmpdir(), "sallyport-bash-"));
  readonly bin: string = mkdtempSync(join(tmpdir(), "sallyport-bash-bin-"));
  /** Becomes the program at once. */
  readonly runAlways: string = join(this.bin, "run-always");
  /** Notes what it was asked in `asked`, then becomes the program. */
  readonly note: string = join(this.bin, "note");
  /** Starts nothing. */
  readonly refuse: string = join(this.bin, "refuse");
  readonly #asked: string = join(this.bin, "asked");

  constructor() {
    chmodSync(this.folder, 0o777);
    chmodSync(this.bin, 0o755);
    makeExecFixtures(this.folder);
    const source = join(import.meta.dirname, "../fixtures/run-always.c");
    const { status, stderr } = spawnSync("cc", ["-O1", "-o", this.runAlways, source], { encoding: "utf8" });
    if (status !== 0) throw new Error(`run-always.c does not compile: ${stderr}`);
    const note = `{ printf '<%s>' "$@"; echo; } >>'${this.#asked}'; file=$1; shift 2; exec "$file" "$@"`;
    writeFileSync(this.note, `#!/bin/sh\n${note}\n`, { mode: 0o755 });
    writeFileSync(this.refuse, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    after(() => {
      chmodSync(join(this.folder, "closed"), 0o755);
      for (const folder of [this.folder, this.bin]) rmSync(folder, { recursive: true, force: true });
    });
  }

  /** Bytes come back one a character. */
  run(shell: string, script: string, env: Record<string, string> = {}): Ended {
    const { status, signal, stdout, stderr, error } = spawnSync(shell, ["--norc", "-c", script], {
      argv0: "bash",
      cwd: this.folder,
      env: { PATH: "/usr/bin:/bin", HOME: "/", LC_ALL: "C", ...env },
      encoding: "latin1",
      timeout: deadlineMs,
    });
    if (error !== undefined) throw error;
    return { status, signal, stdout, stderr };
  }

  /** What `note` was asked since the last call. */
  takeAsked(): string[] {
    if (!existsSync(this.#asked)) return [];
    const lines = readFileSync(this.#asked, "latin1").split("\n").slice(0, -1);
    rmSync(this.#asked);
    return lines;
  }
}

/** The variables in which a wrapper is given to a shell. */
export function wrapperEnvironment(path: string): Record<string, string> {
  return { EXEC_WRAPPER: path, BASH_EXEC_WRAPPER: path };
}
