/** A program in a session of its own, ended by its process group: the way where there is no broker. Who leaves the group lives on,
 *  so nothing here is sure. */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { SallyportError } from "./errors.ts";
import type { PlainProgram, PlainProgramOptions } from "./plain-program.ts";
import { signalNumber } from "./signals.ts";
import type { RunResult } from "./types.ts";

export function startInProcessGroup(options: PlainProgramOptions): PlainProgram {
  const child = spawn(options.file, options.argv.slice(1), {
    argv0: options.argv[0] ?? options.file,
    cwd: options.cwd,
    env: environmentOf(options.env),
    detached: true,
    stdio: "pipe",
  });
  const group = new ProcessGroup(child, options);
  const { stdin, stdout, stderr } = child;
  return { stdin, stdout, stderr, terminate: (graceMs) => group.terminate(graceMs), finished: group.finished };
}

class ProcessGroup {
  readonly finished: Promise<RunResult>;
  readonly #finished = Promise.withResolvers<RunResult>();
  readonly #pid: number | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(child: ChildProcessWithoutNullStreams, options: PlainProgramOptions) {
    this.finished = this.#finished.promise;
    this.finished.catch(() => {}); // whoever awaits it sees it
    this.#pid = child.pid;
    child.once("error", (cause: NodeJS.ErrnoException) => this.#finished.reject(launchFailure(cause, options.cwd)));
    child.once("exit", (exitCode, signal) => {
      const status = { exitCode, signal: signal === null ? null : signalNumber(signal) };
      this.#linger(status, options);
    });
  }

  terminate(graceMs: number): void {
    if (graceMs > 0) this.#signal("SIGTERM");
    this.#killTimer ??= setTimeout(() => this.#signal("SIGKILL"), graceMs);
  }

  #linger(status: Pick<RunResult, "exitCode" | "signal">, options: PlainProgramOptions): void {
    if (!this.#isAlive()) {
      this.#end(status, 0);
      return;
    }
    options.onLingering();
    const until = Date.now() + options.lingerMs;
    const look = (): void => {
      if (!this.#isAlive()) this.#end(status, 0);
      else if (Date.now() >= until) this.#end(status, 1);
      else setTimeout(look, 5);
    };
    look();
  }

  /** A group that is still there is ended. How many it had and what they are called can't be told. */
  #end(status: Pick<RunResult, "exitCode" | "signal">, killed: 0 | 1): void {
    clearTimeout(this.#killTimer);
    if (killed > 0) this.#signal("SIGKILL");
    this.#ended = true;
    const cleanup = { how: "process-group", sure: false, killed } as const;
    this.#finished.resolve({
      ...status,
      cleanup,
      ...(killed > 0 && { leftBehind: ["a program of its process group"] }),
    });
  }

  /** The group's number stays taken as long as it has a member; once it was seen empty it may be another's. */
  #signal(name: NodeJS.Signals | 0): boolean {
    if (this.#pid === undefined || this.#ended) return false;
    try {
      return process.kill(-this.#pid, name);
    } catch {
      return false; // ESRCH: nobody is left
    }
  }

  #isAlive(): boolean {
    return this.#signal(0);
  }
}

function launchFailure(cause: NodeJS.ErrnoException, cwd: string): SallyportError {
  const stage = existsSync(cwd) ? "exec" : "entering the working directory";
  const errno = constants.errno[cause.code as keyof typeof constants.errno] ?? 0;
  return new SallyportError("LAUNCH_FAILED", `Starting the command failed at: ${stage} (errno ${errno})`, {
    data: { stage, errno },
    cause,
  });
}

function environmentOf(entries: readonly string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(
    entries.map((entry) => {
      const end = entry.indexOf("=", 1);
      return [entry.slice(0, end), entry.slice(end + 1)];
    }),
  );
}
