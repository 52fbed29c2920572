/** What a hook of the conformance table does, as a shell command that Sallyport and the peer both can run. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export type Ending = "SIGKILL" | "SIGTERM" | "timeout" | "noProgram" | "notExecutable" | "noScript" | "noFolder";

export interface Hook {
  stdout?: string | { before?: string; fill: string; times: number; after?: string };
  stderr?: string;
  exit?: number;
  /** How it ends where it does not simply exit. `noFolder`: the folder in which it would run is not there. */
  ends?: Ending;
}

export function printed({ stdout = "" }: Hook): string {
  if (typeof stdout === "string") return stdout;
  const { before = "", fill, times, after = "" } = stdout;
  return before + fill.repeat(times) + after;
}

/** Writes what it prints into `folder`. */
export function hookCommand(hook: Hook, folder: string): string {
  const out = join(folder, "out");
  const err = join(folder, "err");
  writeFileSync(out, printed(hook), { mode: 0o600 });
  writeFileSync(err, hook.stderr ?? "");
  const endings: Record<Ending, string> = {
    SIGKILL: "kill -KILL $$",
    SIGTERM: "kill -TERM $$",
    timeout: "sleep 60",
    noProgram: "no-such-program",
    notExecutable: `'${out}'`,
    // Perl exits with 2 when it can't find its script.
    noScript: "perl no-such-script.pl",
    noFolder: "true",
  };
  return `cat '${out}'; cat '${err}' >&2; ${hook.ends === undefined ? `exit ${hook.exit ?? 0}` : endings[hook.ends]}`;
}
