/** One build: the folder it happens in, its log, its steps and the tools that it runs. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { SallyportError } from "@sallyport/supervisor";

const shownLogLines = 20;

export type StepName = "fetch" | "unpack" | "patch" | "configure" | "build" | "test" | "install";

export interface StepReport {
  name: StepName;
  /** What came of it, such as the version that was fetched; empty at the start and where there is nothing to say. */
  detail: string;
  /** Null at the start. */
  durationMs: number | null;
}

export interface ToolCall {
  cwd: string;
  env?: Record<string, string>;
  /** A failure is the caller's to judge: false is returned instead of thrown. */
  mayFail?: true;
}

export class BuildJob {
  readonly folder: string;
  readonly logFile: string;
  readonly signal: AbortSignal;
  readonly steps: { name: StepName; durationMs: number }[] = [];
  readonly #log: number;
  readonly #report: (report: StepReport) => void;
  #step: StepName = "fetch";

  constructor(folder: string, options: { signal: AbortSignal; onStep: (report: StepReport) => void }) {
    mkdirSync(folder, { mode: 0o700 });
    this.folder = folder;
    this.logFile = join(folder, "log");
    this.signal = options.signal;
    this.#log = openSync(this.logFile, "ax", 0o600);
    this.#report = options.onStep;
  }

  /** Runs one step; what `action` returns as `detail` is shown beside its time. */
  async step<Result extends { detail: string }>(
    name: StepName,
    action: () => Promise<Result> | Result,
  ): Promise<Result> {
    this.signal.throwIfAborted();
    this.#step = name;
    this.note(`== ${name}`);
    this.#report({ name, detail: "", durationMs: null });
    const startedAtMs = Date.now();
    const result = await action();
    const durationMs = Date.now() - startedAtMs;
    this.steps.push({ name, durationMs });
    this.#report({ name, detail: result.detail, durationMs });
    return result;
  }

  /** A line of the log. */
  note(line: string): void {
    writeSync(this.#log, `${line}\n`);
  }

  /** Runs a program to its end, with its output in the log. Throws `SHELL_BUILD_FAILED`, or the signal's reason when aborted. */
  async run(command: string, args: readonly string[], { cwd, env = {}, mayFail }: ToolCall): Promise<boolean> {
    this.signal.throwIfAborted();
    this.note(`$ ${[command, ...args].join(" ")}`);
    const end = await this.#spawn(command, args, cwd, env);
    this.signal.throwIfAborted();
    if (end === null || mayFail === true) return end === null;
    throw this.failure(`${command} ended with ${end}, expected status 0`);
  }

  failure(why: string): SallyportError {
    return new SallyportError("SHELL_BUILD_FAILED", `Step "${this.#step}" failed: ${why}`, {
      data: { step: this.#step, logEnd: this.#logEnd() },
    });
  }

  close(): void {
    closeSync(this.#log);
  }

  /** Null for status 0, else how it ended. */
  async #spawn(
    command: string,
    args: readonly string[],
    cwd: string,
    env: Record<string, string>,
  ): Promise<string | null> {
    // A process group of its own, so that nothing of a build goes on when it is stopped: make has many children.
    const child = spawn(command, args, {
      cwd,
      env: { ...toolEnvironment(), ...env },
      stdio: ["ignore", this.#log, this.#log],
      detached: true,
    });
    const stop = (): void => {
      if (child.pid !== undefined) killGroup(child.pid);
    };
    this.signal.addEventListener("abort", stop);
    try {
      return await new Promise<string | null>((resolve) => {
        child.once("error", (error) => resolve(error.message));
        child.once("exit", (status, signal) => resolve(status === 0 ? null : (signal ?? `status ${status}`)));
      });
    } finally {
      this.signal.removeEventListener("abort", stop);
    }
  }

  #logEnd(): string[] {
    const lines = readFileSync(this.logFile, "utf8").trimEnd().split("\n");
    return lines.slice(lines.lastIndexOf(`== ${this.#step}`) + 1).slice(-shownLogLines);
  }
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** What steers shells, make or configure from outside would make another shell of the same sources. CC, CFLAGS and LDFLAGS are
 *  the caller's to choose. */
const droppedVariables: ReadonlySet<string> = new Set(
  [
    "BASH_ENV ENV CDPATH POSIXLY_CORRECT SHELLOPTS BASHOPTS EXEC_WRAPPER BASH_EXEC_WRAPPER CODEX_ESCALATE_SOCKET",
    "CONFIG_SITE MAKEFLAGS MFLAGS MAKELEVEL MAKEFILES GREP_OPTIONS TAR_OPTIONS GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE",
  ].flatMap((names) => names.split(" ")),
);

export function toolEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !droppedVariables.has(name));
  return { ...Object.fromEntries(kept), LC_ALL: "C" };
}
