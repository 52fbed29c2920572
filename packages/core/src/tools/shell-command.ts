/** Runs one command line of the model behind the guarded door. */
import type { ExecRecord, Text } from "@sallyport/protocol";
import { loadRules } from "@sallyport/rules-store";
import { checkHome, runGuarded } from "@sallyport/shell-escalation";
import type {
  ExecAnswer,
  ExecForOpinion,
  ExecOpinion,
  ExecQuestion,
  GuardedRunOptions,
} from "@sallyport/shell-escalation";
import { isSallyportError } from "@sallyport/supervisor";
import { BoundedOutput } from "./output-limits.ts";
import { OutputStream } from "./output-stream.ts";
import type { OutputDelta } from "./output-stream.ts";

/** What clients and the store get of a command's output. */
export const keptOutputBytes: number = 1024 * 1024;
const recordBatchMs = 20;

export interface ShellCommandOptions {
  argv: string[];
  cwd: string;
  env: Text[];
  home: string;
  sandbox: GuardedRunOptions["sandbox"];
  timeoutMs: number;
  signal: AbortSignal;
  onOutput(delta: OutputDelta): Promise<void>;
  /** Records in the order in which they came, each when it is decided and again when it has ended. */
  onRecords(records: ExecRecord[]): Promise<void>;
  /** At once, in the order in which they came. */
  onRecord(record: ExecRecord): void;
  ask(question: ExecQuestion, signal: AbortSignal): Promise<ExecAnswer>;
  /** Null where nobody wants to be consulted: then no exec waits for it. */
  consult: ((exec: ExecForOpinion) => Promise<ExecOpinion | null>) | null;
}

export interface ShellCommandResult {
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  durationMs: number;
  output: BoundedOutput;
  /** Why it did not run, or not to its end, where that is Sallyport's doing; one sentence each. */
  problems: string[];
}

/** Never rejects for what the command or its rules did; rejects when output or records could not be kept. */
export async function runShellCommand(options: ShellCommandOptions): Promise<ShellCommandResult> {
  const startedAtMs = performance.now();
  const output = new BoundedOutput(keptOutputBytes);
  const stream = new OutputStream((delta) => options.onOutput(delta));
  const records = new RecordBatch((batch) => options.onRecords(batch));
  try {
    const summary = await runGuarded({
      ...guardedOptions(options),
      onOutput: (chunk) => {
        output.add(chunk);
        return stream.add(chunk);
      },
      onRecord: (record) => {
        records.add(record);
        options.onRecord(record);
      },
    });
    return {
      exitCode: summary.exitCode,
      signal: summary.signal,
      timedOut: summary.timedOut,
      durationMs: summary.durationMs,
      output,
      problems: summary.failures.map(({ message }) => message),
    };
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    const durationMs = Math.round(performance.now() - startedAtMs);
    return { exitCode: null, signal: null, timedOut: false, durationMs, output, problems: [error.message] };
  } finally {
    await stream.close();
    await records.close();
  }
}

function guardedOptions(options: ShellCommandOptions): GuardedRunOptions {
  const { argv, cwd, env, home, sandbox, timeoutMs, signal } = options;
  // Read for every command: a rule that was added counts from the next one on, and a broken file stops everything.
  const ruleSet = loadRules({ home, files: [], discover: checkHome(home) });
  return {
    argv,
    cwd,
    env,
    home,
    policy: { kind: "rules", ruleSet },
    rulesFiles: [],
    sandbox,
    interceptor: "auto",
    isShellCommand: true,
    timeoutMs,
    signal,
    ask: (question, withdrawn) => options.ask(question, withdrawn),
    ...(options.consult === null ? {} : { consult: options.consult }),
    passSignals: false,
  };
}

/** A build starts thousands of programs: their records are stored together. */
class RecordBatch {
  readonly #store: (records: ExecRecord[]) => Promise<void>;
  #waiting: ExecRecord[] = [];
  #timer: NodeJS.Timeout | undefined;
  #storing: Promise<void> = Promise.resolve();

  constructor(store: (records: ExecRecord[]) => Promise<void>) {
    this.#store = store;
  }

  add(record: ExecRecord): void {
    this.#waiting.push(record);
    this.#timer ??= setTimeout(() => this.#flush(), recordBatchMs);
  }

  async close(): Promise<void> {
    this.#flush();
    await this.#storing;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const records = this.#waiting;
    this.#waiting = [];
    if (records.length === 0) return;
    this.#storing = this.#storing.then(() => this.#store(records));
    this.#storing.catch(() => {}); // close() tells
  }
}
