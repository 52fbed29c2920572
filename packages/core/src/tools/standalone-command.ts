/** One command behind the guarded door without a thread: rules, wall and PreExec hooks as for a command of the model. Nobody can be
 *  asked about it, so what a rule would ask about is refused; nothing of it is stored. */
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { createHookSession, defaultDecisionOf } from "@sallyport/hooks";
import type { SandboxPolicy, Text } from "@sallyport/protocol";
import { loadRules, openApprovals, openRuleUses } from "@sallyport/rules-store";
import { checkHome, runGuarded } from "@sallyport/shell-escalation";
import type { GuardedRunOptions, PtyOptions } from "@sallyport/shell-escalation";
import { v7 as uuidv7 } from "uuid";
import { commandEnvironment } from "../config/command-env.ts";
import { ruleSources } from "../config/require-rules.ts";
import { hookOutputFolder, loadSessionConfig } from "../session/session-hooks.ts";
import type { SessionConfig } from "../session/session-hooks.ts";
import { configuredSandbox, guardedSandbox } from "../session/session-settings.ts";
import { ExecHooks } from "../turns/exec-hooks.ts";
import { TurnHooks } from "../turns/turn-hooks.ts";

export interface StandaloneCommandOptions {
  /** Sallyport's home, absolute. */
  home: string;
  /** Of this process; the command inherits it without the keys of models. */
  env: NodeJS.ProcessEnv;
  argv: string[];
  cwd: string;
  /** Null takes a variable away. */
  envChanges: Readonly<Record<string, string | null>>;
  /** Null: as the configuration of the folder says. */
  sandboxPolicy: SandboxPolicy | null;
  /** Null: no limit. */
  timeoutMs: number | null;
  /** Run on a pty of this size; stdin is then open and all output is stdout. */
  pty: CommandSize | null;
  /** Keep stdin open for `CommandControl.write()`; else it is empty. */
  openStdin: boolean;
  /** Aborting ends the whole tree. */
  signal: AbortSignal;
  /** The command waits while the promise is pending. */
  onOutput(stream: "stdout" | "stderr", chunk: Buffer): Promise<void>;
  /** It can be written to from now on, and resized where it has a pty; again where it had to be started anew, before it ran. */
  onControl(control: CommandControl): void;
}

export interface CommandSize {
  rows: number;
  columns: number;
}

/** The attack: a client types without an end to a command that does not read. */
const mostUnreadInput = 16 * 1024 * 1024;
/** What goes to a pty in one frame. */
const largestInput = 64 * 1024;

export interface CommandControl {
  /** False: too much waits to be read, so it was not taken. */
  write(chunk: Buffer): boolean;
  closeStdin(): void;
  /** Of a command with a pty. */
  resize(size: CommandSize): void;
}

export interface StandaloneCommandResult {
  /** The command's own, 128+n for signal n, 124 after a timeout. */
  exitStatus: number;
  /** What went wrong with Sallyport while it ran; then the status says nothing. */
  failure: { code: string; message: string } | null;
}

/** Resolves when all output was taken. Rejects with what `runGuarded()` rejects with, and `RULES_INVALID`. */
export async function runStandaloneCommand(options: StandaloneCommandOptions): Promise<StandaloneCommandResult> {
  const { home, env, argv, signal, timeoutMs } = options;
  const cwd = resolve(options.cwd);
  const setup = { home, env, modules: [], systemFolder: null };
  const config = loadSessionConfig(setup, { cwd, overrides: {}, bypassHookTrust: false });
  const ruleSet = loadRules({ home, files: [], discover: checkHome(home), ...ruleSources(config.layers) });
  const uses = openRuleUses(home);
  const hooks = new CommandHooks(config, options, cwd);
  const streams = new CommandStreams(options);
  try {
    const { consult } = hooks.programs;
    const summary = await runGuarded({
      argv,
      cwd,
      env: changed(commandEnvironment(config.config, env), options.envChanges),
      home,
      policy: { kind: "rules", ruleSet, uses },
      // A file of approvals that can't be used answers nothing, and what it would have answered is refused.
      approvals: openApprovals({ home, onWarning: () => {} }),
      defaultDecision: defaultDecisionOf(config.layers),
      rulesFiles: [],
      sandbox: guardedSandbox(options.sandboxPolicy ?? configuredSandbox(config.config)),
      interceptor: "auto",
      timeoutMs,
      signal,
      ...streams.runOptions(),
      ...(consult === null ? {} : { consult }),
      onRecord: (record, rule) => hooks.programs.see(record, rule),
      passSignals: false,
    });
    await streams.taken();
    await hooks.programs.settled();
    return { exitStatus: summary.exitStatus, failure: summary.failures[0] ?? null };
  } finally {
    streams.destroy();
    uses.flush();
    await hooks.close();
  }
}

function changed(env: readonly Text[], changes: Readonly<Record<string, string | null>>): Text[] {
  const kept = env.filter((entry) => {
    const equals = typeof entry === "string" ? entry.indexOf("=") : -1;
    return typeof entry !== "string" || equals < 0 || !Object.hasOwn(changes, entry.slice(0, equals));
  });
  const added = Object.entries(changes).flatMap(([name, value]) => (value === null ? [] : [`${name}=${value}`]));
  return [...kept, ...added];
}

/** PreExec and PostExec hooks of the folder. Their runs belong to no thread, so nobody is told of them. */
class CommandHooks {
  readonly programs: ExecHooks;
  readonly #session: ReturnType<typeof createHookSession>;
  readonly #folder: string;

  constructor({ hooks, layers, config }: SessionConfig, options: StandaloneCommandOptions, cwd: string) {
    const id = uuidv7();
    const observer = { started: () => Promise.resolve(), completed: () => Promise.resolve() };
    this.#folder = hookOutputFolder(options.env, id);
    this.#session = createHookSession({
      handlers: hooks.handlers,
      folder: this.#folder,
      projectDir: layers.project.root,
      sessionId: id,
      env: options.env,
      observer,
    });
    const model = config["model"];
    const around = {
      threadId: id,
      transcriptPath: null,
      cwd,
      model: typeof model === "string" ? model : "",
      approvalPolicy: "on-request" as const,
    };
    const turnHooks = new TurnHooks({
      session: this.#session,
      around: () => around,
      turnId: id,
      observer,
      has: (event) => hooks.handlers.some((hook) => hook.event === event && hook.skipped === null),
      mayEscalate: hooks.settings.mayEscalate,
    });
    this.programs = new ExecHooks({ hooks: turnHooks, signal: options.signal }, id);
  }

  async close(): Promise<void> {
    await this.#session.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** What goes in and out of the command. */
class CommandStreams {
  readonly #options: StandaloneCommandOptions;
  #open: { readable: Readable[]; stdin: Writable | null; taking: Promise<unknown> } | null = null;

  constructor(options: StandaloneCommandOptions) {
    this.#options = options;
  }

  runOptions(): Pick<GuardedRunOptions, "stdio" | "pty" | "onStreams"> {
    const { pty, openStdin } = this.#options;
    const onControl = (control: CommandControl): void => this.#options.onControl(control);
    const onOutput: StandaloneCommandOptions["onOutput"] = (stream, chunk) => this.#options.onOutput(stream, chunk);
    if (pty !== null) {
      let unread = 0;
      const onOpen = (terminal: Parameters<PtyOptions["onOpen"]>[0]): void =>
        onControl({
          write: (chunk) => {
            if (unread > mostUnreadInput) return false;
            unread += chunk.length;
            // Never an empty one, which would be the end.
            for (let at = 0; at < chunk.length; at += largestInput)
              terminal.input(chunk.subarray(at, at + largestInput));
            return true;
          },
          closeStdin: () => terminal.input(Buffer.alloc(0)),
          resize: ({ rows, columns }) => terminal.resize(rows, columns),
        });
      return {
        stdio: ["ignore", "ignore", "ignore"],
        pty: {
          size: pty,
          onOpen,
          onOutput: (chunk) => onOutput("stdout", Buffer.from(chunk)),
          onInputTaken: () => {
            unread = 0;
          },
        },
      };
    }
    return {
      stdio: "pipes",
      onStreams: ({ stdin, stdout, stderr }) => {
        this.destroy(); // of an attempt that did not come to run anything
        if (stdin === null || stdout === null || stderr === null) throw new TypeError("A broker with pipes has none");
        // A command that does not read, or has ended, is no failure of ours.
        stdin.on("error", () => {});
        const taking = Promise.all([take(stdout, "stdout", onOutput), take(stderr, "stderr", onOutput)]);
        taking.catch(() => {}); // taken() tells
        this.#open = { readable: [stdout, stderr], stdin, taking };
        if (!openStdin) stdin.end();
        onControl({
          write: (chunk) => {
            if (stdin.writableLength > mostUnreadInput) return false;
            if (!stdin.writableEnded) stdin.write(chunk);
            return true;
          },
          closeStdin: () => void stdin.end(),
          resize: () => {},
        });
      },
    };
  }

  /** Resolves when all that was printed has been taken. */
  async taken(): Promise<void> {
    await this.#open?.taking;
  }

  destroy(): void {
    for (const stream of this.#open?.readable ?? []) stream.destroy();
    this.#open?.stdin?.destroy();
    this.#open = null;
  }
}

async function take(
  stream: Readable,
  name: "stdout" | "stderr",
  onOutput: StandaloneCommandOptions["onOutput"],
): Promise<void> {
  try {
    for await (const chunk of stream) await onOutput(name, chunk as Buffer); // no encoding is set
  } catch (error) {
    // Destroyed: of an attempt that ran nothing, or of a command that can't be started.
    if (!stream.destroyed) throw error;
  }
}
