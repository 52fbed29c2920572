/** The front of the shell builder. The builder itself is loaded when it is needed: `sallyport run` should not wait for it. */
import type { StepName, StepReport } from "./build-job.ts";

export type { StepName, StepReport };

export interface BuildShellOptions {
  home: string;
  /** A folder or a tarball with the sources of Bash; null fetches those of the distribution. */
  source: string | null;
  /** The folder's name below `HOME/shells`; null takes `bash-VERSION`. */
  name: string | null;
  /** How many compilers at a time; null takes one a processor. */
  jobs: number | null;
  /** Builds even if the same shell is there already. */
  rebuild: boolean;
  /** Aborting ends every process of the build and removes what it wrote; the reason is thrown. */
  signal: AbortSignal;
  onStep(report: StepReport): void;
  /** Default `/etc/apt`. */
  aptFolder?: string;
}

export interface BuiltShell {
  name: string;
  path: string;
  bashVersion: string;
  builtAtMs: number;
  /** False if the same shell was there already: then nothing was done. */
  isNew: boolean;
  steps: { name: StepName; durationMs: number }[];
}

/** Builds the patched Bash and installs it as `HOME/shells/NAME`. Throws `SHELL_TOOLS_MISSING`, `SHELL_SOURCE_REFUSED`,
 *  `SHELL_NAME_REFUSED` and `SHELL_BUILD_FAILED`, whose `data` has the step and the log's last lines (`logEnd`). */
export async function buildShell(options: BuildShellOptions): Promise<BuiltShell> {
  const recipe = await import("./recipe.ts");
  return await recipe.buildShell(options);
}
