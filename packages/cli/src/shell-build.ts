/** `sallyport shell build`: makes the patched Bash, and says on stderr how far it is. */
import { resolve } from "node:path";
import { buildShell, locateHome } from "@sallyport/shell-escalation";
import type { BuiltShell, StepReport } from "@sallyport/shell-escalation";
import { isSallyportError, signalNumber } from "@sallyport/supervisor";
import { displayText } from "./display-text.ts";
import { complain, lookOf, paint, write } from "./terminal.ts";
import type { Look } from "./terminal.ts";
import { usageError } from "./usage-error.ts";

const endSignals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
const tickMs = 1000;
const maxJobs = 1024;

export interface ShellBuildWords {
  source?: string;
  name?: string;
  jobs?: string;
  rebuild?: true;
  json?: true;
}

/** Exit status: 0 if the shell is there, 128+n if a signal stopped the build. */
export async function runShellBuild(words: ShellBuildWords): Promise<number> {
  const jobs = words.jobs === undefined ? null : parseJobs(words.jobs);
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  const progress = new Progress();
  const stop = stopOnSignals();
  try {
    const shell = await buildShell({
      home,
      source: words.source === undefined ? null : resolve(words.source),
      name: words.name ?? null,
      jobs,
      rebuild: words.rebuild === true,
      signal: stop.signal,
      onStep: (report) => progress.show(report),
    });
    tell(shell, words.json === true);
    return 0;
  } catch (error) {
    progress.breakOff();
    const name = stop.stoppedBy();
    if (name === null) {
      showLogEnd(error);
      throw error;
    }
    complain(`stopped by ${name}; nothing of the build is left`);
    return 128 + signalNumber(name);
  } finally {
    progress.breakOff();
    stop.forget();
  }
}

function tell(shell: BuiltShell, asJson: boolean): void {
  if (asJson) {
    write(`${JSON.stringify(shell)}\n`, 1);
    return;
  }
  if (!shell.isNew) write(`sallyport: nothing to do: this shell is built already; --rebuild builds it again\n`, 2);
  write(`${shell.path}\n`, 1);
}

function parseJobs(word: string): number {
  const jobs = Number(word);
  if (/^\d+$/.test(word) && jobs >= 1 && jobs <= maxJobs) return jobs;
  throw usageError(`--jobs "${word}" is no whole number from 1 to ${maxJobs}`, "shell");
}

function showLogEnd(error: unknown): void {
  if (!isSallyportError(error) || !Array.isArray(error.data["logEnd"])) return;
  for (const line of error.data["logEnd"]) write(`  | ${displayText(String(line))}\n`, 2);
}

/** The first signal stops the build; the exit status tells which it was. */
function stopOnSignals(): { signal: AbortSignal; stoppedBy(): NodeJS.Signals | null; forget(): void } {
  const controller = new AbortController();
  let stoppedBy: NodeJS.Signals | null = null;
  const stop = (name: NodeJS.Signals): void => {
    stoppedBy ??= name;
    controller.abort();
  };
  for (const name of endSignals) process.on(name, stop);
  return {
    signal: controller.signal,
    stoppedBy: () => stoppedBy,
    forget: () => {
      for (const name of endSignals) process.off(name, stop);
    },
  };
}

/** One line a step: its name, its time, what came of it. On a terminal the time of the running step counts up. */
class Progress {
  readonly #look: Look = lookOf(process.stderr, process.env);
  readonly #isTerminal: boolean = process.stderr.isTTY;
  #tick: NodeJS.Timeout | null = null;

  show({ name, detail, durationMs }: StepReport): void {
    if (durationMs !== null) {
      this.#end(
        `${name.padEnd(10)}${seconds(durationMs).padStart(8)}  ${paint(displayText(detail), "dim", this.#look)}`,
      );
      return;
    }
    if (!this.#isTerminal) return;
    const startedAtMs = Date.now();
    const draw = (): void => write(`\r  ${name.padEnd(10)}${seconds(Date.now() - startedAtMs).padStart(8)}`, 2);
    draw();
    this.#tick = setInterval(draw, tickMs);
  }

  /** The running step has no end to show. */
  breakOff(): void {
    if (this.#tick === null) return;
    clearInterval(this.#tick);
    this.#tick = null;
    write("\n", 2);
  }

  #end(line: string): void {
    if (this.#tick !== null) clearInterval(this.#tick);
    this.#tick = null;
    write(`${this.#isTerminal ? "\r" : ""}  ${line.trimEnd()}\n`, 2);
  }
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
