/** Runs one command line of the model behind the guarded door. */
import type { ExecRecord, Text } from "@sallyport/protocol";
import type { ApprovalBook } from "@sallyport/rules-store";
import { runGuarded } from "@sallyport/shell-escalation";
import type {
  ExecAnswer,
  ExecForOpinion,
  ExecOpinion,
  ExecQuestion,
  ExecRule,
  GuardedRunOptions,
} from "@sallyport/shell-escalation";
import { isSallyportError } from "@sallyport/supervisor";
import type { RuleOptions } from "../session/thread-rules.ts";
import { BoundedOutput } from "./output-limits.ts";
import { OutputStream } from "./output-stream.ts";
import type { OutputDelta } from "./output-stream.ts";

/** What clients and the store get of a command's output. */
export const keptOutputBytes: number = 1024 * 1024;
const recordBatchMs = 20;
const onlyPatchedShell =
  "The kernel can't report programs here, so rules and hooks decide only about what the patched shell itself starts";

export interface ShellCommandOptions {
  argv: string[];
  cwd: string;
  env: Text[];
  home: string;
  /** Throws where nothing may run. */
  rules: () => RuleOptions;
  /** Null: every yes holds once. */
  approvals: { book: ApprovalBook; threadId: string } | null;
  sandbox: GuardedRunOptions["sandbox"];
  timeoutMs: number;
  signal: AbortSignal;
  onOutput(delta: OutputDelta): Promise<void>;
  /** Records in the order in which they came, each when it is decided and again when it has ended. */
  onRecords(records: ExecRecord[]): Promise<void>;
  /** At once, in the order in which they came. */
  onRecord(record: ExecRecord, rule: ExecRule | null): void;
  ask(question: ExecQuestion, signal: AbortSignal): Promise<ExecAnswer>;
  /** What the sandbox does not keep here, one sentence each; before anything runs. */
  onWeakness(sentence: string): void;
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
      onRecord: (record, rule) => {
        records.add(record);
        options.onRecord(record, rule);
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

/** More than a person and the hooks around the question may take: those have limits of their own. */
const decisionTimeoutMs = 1_200_000;

function guardedOptions(options: ShellCommandOptions): GuardedRunOptions {
  const { argv, cwd, env, home, sandbox, timeoutMs, signal } = options;
  return {
    argv,
    cwd,
    env,
    home,
    ...options.rules(),
    rulesFiles: [],
    sandbox,
    interceptor: "auto",
    isShellCommand: true,
    timeoutMs,
    signal,
    decisionTimeoutMs,
    ask: (question, withdrawn) => options.ask(question, withdrawn),
    onGaps: (gaps) => {
      for (const gap of gaps) options.onWeakness(`The sandbox is not whole here: ${gap}`);
    },
    onInterceptor: ({ kind }) => {
      if (kind === "bash") options.onWeakness(onlyPatchedShell);
    },
    ...(options.approvals === null ? {} : { approvals: options.approvals.book, threadId: options.approvals.threadId }),
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
