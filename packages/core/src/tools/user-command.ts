/** A command line that the user typed: it runs as the user, without sandbox, rules or hooks, as if typed at a terminal of their own.
 *  Its whole tree still ends with it. */
import type { Text } from "@sallyport/protocol";
import { isSallyportError, signalName, startPlainProgram } from "@sallyport/supervisor";
import type { PlainProgram } from "@sallyport/supervisor";
import { BoundedOutput } from "./output-limits.ts";
import { OutputStream } from "./output-stream.ts";
import type { OutputDelta } from "./output-stream.ts";
import { keptOutputBytes } from "./shell-command.ts";
import type { ShellCommandResult } from "./shell-command.ts";

const graceMs = 2000;
const lingerMs = 500;

export interface UserCommandOptions {
  shell: string;
  command: string;
  cwd: string;
  env: readonly Text[];
  timeoutMs: number;
  signal: AbortSignal;
  onOutput(delta: OutputDelta): Promise<void>;
}

/** Rejects only when output could not be kept. */
export async function runUserCommand(options: UserCommandOptions): Promise<ShellCommandResult> {
  const startedAtMs = performance.now();
  const output = new BoundedOutput(keptOutputBytes);
  const stream = new OutputStream((delta) => options.onOutput(delta));
  const ended = { exitCode: null as number | null, signal: null as string | null };
  const problems: string[] = [];
  let timedOut = false;
  try {
    const program = await start(options);
    const stop = (): void => program.terminate(graceMs);
    const timer = setTimeout(() => {
      timedOut = true;
      stop();
    }, options.timeoutMs);
    options.signal.addEventListener("abort", stop, { once: true });
    if (options.signal.aborted) stop();
    try {
      program.stdin.destroy();
      const read = Promise.all([take(program.stdout, output, stream), take(program.stderr, output, stream)]);
      const [{ exitCode, signal }] = await Promise.all([program.finished, read]);
      ended.exitCode = exitCode ?? (signal === null ? null : 128 + signal);
      ended.signal = signal === null ? null : signalName(signal);
    } finally {
      clearTimeout(timer);
      options.signal.removeEventListener("abort", stop);
    }
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    problems.push(error.message);
  } finally {
    await stream.close();
  }
  const durationMs = Math.round(performance.now() - startedAtMs);
  return { ...ended, timedOut, durationMs, output, problems };
}

function start({ shell, command, cwd, env }: UserCommandOptions): Promise<PlainProgram> {
  return startPlainProgram({
    file: shell,
    argv: [shell, "-c", command],
    // The plain mode takes text; an entry that is none has no place in a command that a person typed.
    env: env.filter((entry) => typeof entry === "string"),
    cwd,
    lingerMs,
    onLingering: () => {},
  });
}

/** In order; a command that prints faster than can be stored waits. */
async function take(from: PlainProgram["stdout"], output: BoundedOutput, stream: OutputStream): Promise<void> {
  for await (const chunk of from) {
    const bytes = chunk as Buffer; // no encoding was set
    output.add(bytes);
    await stream.add(bytes);
  }
}
