/** `sallyport exec`: one turn without a server, through the same core. */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { openEphemeralThreadStore, openThreads, openThreadStore } from "@sallyport/core";
import type { OpenThreadOptions, StartTurnOptions, ThreadSession, Threads, ThreadStore } from "@sallyport/core";
import { parseOverride } from "@sallyport/hooks";
import type { SandboxMode, ServerNotification, Turn } from "@sallyport/protocol";
import { checkHome, locateHome } from "@sallyport/shell-escalation";
import { SallyportError, isSallyportError } from "@sallyport/supervisor";
import { describeFailure } from "../failure.ts";
import { complain, lookOf, write } from "../terminal.ts";
import { ExecEventWriter } from "./exec-events.ts";
import { displayLines, linesOf } from "./exec-lines.ts";
import { readPrompt } from "./prompt.ts";
import { findThread } from "./find-thread.ts";

export interface ExecOptions {
  prompt: string | null;
  /** Id of a thread, or "last"; null: a new one. */
  resume: string | null;
  json: boolean;
  hooks: boolean;
  cd: string | null;
  model: string | null;
  sandbox: SandboxMode | null;
  addDir: string[];
  image: string[];
  config: string[];
  outputSchema: string | null;
  outputLastMessage: string | null;
  ephemeral: boolean;
  threadSource: string | null;
  bypassHookTrust: boolean;
  version: string;
}

const turnFailedStatus = 1;
const signalStatusBase = 128;
const terminateSignal = 15;

/** 0: the turn was completed. 1: it failed, was blocked or interrupted. 143 after SIGTERM. */
export async function runExec(options: ExecOptions): Promise<number> {
  // Whatever can be wrong with the input is found before a thread is stored.
  const input = turnInput(options, await readPrompt(options.prompt, process.stdin));
  const home = locateHome(process.env["SALLYPORT_HOME"]);
  checkHome(home);
  const store = openThreadStore(home);
  const threads = openThreads({
    home,
    store,
    openEphemeralStore: openEphemeralThreadStore,
    env: process.env,
    cliVersion: options.version,
    canAsk: false,
  });
  try {
    return await runTurn(options, input, { threads, store });
  } catch (error) {
    // Whoever reads events shall find the reason among them too.
    if (options.json && isSallyportError(error)) writeFailureEvent(describeFailure(error).message);
    throw error;
  } finally {
    await threads.closeAll();
    await store.close();
  }
}

async function runTurn(
  options: ExecOptions,
  input: StartTurnOptions,
  { threads, store }: { threads: Threads; store: ThreadStore },
): Promise<number> {
  const session = await openSession(options, { threads, store });
  const watch = watchSession(session, options);
  using signals = interruptOnSignals(session);
  const { id } = await session.startTurn(input);
  // The signal came before there was a turn to interrupt.
  if (signals.received !== null && session.activeTurnId === id) session.interrupt(id);
  const turn = await watch.turnCompleted;
  const failure = failureOf(turn);
  const isTerminated = signals.received === "SIGTERM";
  // Who ends an exec with SIGTERM knows why the events stop: the peer's SDK takes turn.failed for a failure of the model.
  if (!isTerminated || !options.json) watch.end(failure, turn);
  if (options.outputLastMessage !== null) writeFileSync(options.outputLastMessage, watch.lastMessage());
  if (isTerminated) return signalStatusBase + terminateSignal;
  return failure === null ? 0 : turnFailedStatus;
}

async function openSession(
  options: ExecOptions,
  { threads, store }: { threads: Threads; store: ThreadStore },
): Promise<ThreadSession> {
  const cwd = options.cd === null ? null : resolve(options.cd);
  const open: OpenThreadOptions = {
    model: options.model,
    cwd,
    sandbox: options.sandbox,
    config: configOf(options),
    bypassHookTrust: options.bypassHookTrust,
  };
  if (options.resume !== null) return await threads.resume(await findThread(store, options.resume), open);
  return await threads.start({
    ...open,
    cwd: cwd ?? process.cwd(),
    source: "exec",
    needsModel: true,
    ephemeral: options.ephemeral,
    threadSource: options.threadSource,
    originator: process.env["CODEX_INTERNAL_ORIGINATOR_OVERRIDE"] ?? "sallyport_exec",
  });
}

/** Dotted keys, the later one wins; nobody is there to ask, so that is said too. */
function configOf({ config, addDir }: ExecOptions): Record<string, unknown> {
  const overrides: Record<string, unknown> = {};
  for (const text of config) {
    const { path, value } = parseOverride(text);
    overrides[path.map(quoteKey).join(".")] = value;
  }
  if (addDir.length > 0) overrides["sandbox_workspace_write.writable_roots"] = addDir.map((folder) => resolve(folder));
  return overrides;
}

function turnInput(options: ExecOptions, prompt: string): StartTurnOptions {
  const images = options.image.map((path) => ({ type: "localImage" as const, path: resolve(path) }));
  const outputSchema = options.outputSchema === null ? null : readSchema(options.outputSchema);
  return { input: [{ type: "text", text: prompt, text_elements: [] }, ...images], outputSchema };
}

function readSchema(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new SallyportError("OUTPUT_SCHEMA_INVALID", `Cannot read the output schema "${path}": expected a JSON file`, {
      cause,
    });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new SallyportError("OUTPUT_SCHEMA_INVALID", `The output schema "${path}" is not JSON: ${String(cause)}`, {
      cause,
    });
  }
}

interface Watch {
  turnCompleted: Promise<Turn>;
  lastMessage(): string;
  end(failure: string | null, turn: Turn): void;
}

function watchSession(session: ThreadSession, options: ExecOptions): Watch {
  const { promise: turnCompleted, resolve: complete, reject } = Promise.withResolvers<Turn>();
  const look = lookOf(process.stderr, process.env);
  const usage = session.thread.tokenUsage?.total ?? null;
  const events = new ExecEventWriter((event) => write(`${JSON.stringify(event)}\n`, 1), {
    withHooks: options.hooks,
    usage,
  });
  let lastMessage = "";
  let unshown = ""; // the latest message, until something comes behind it
  if (options.json) events.begin(session.id);
  else write(`thread ${session.id}\n`, 2);
  const show = (notification: ServerNotification): void => {
    if (options.json) {
      events.write(notification);
      return;
    }
    if (notification.method === "item/started" && unshown !== "") {
      // What the agent says on the way is progress; only its last message is the answer.
      write(`${displayLines(unshown)}\n`, 2);
      unshown = "";
    }
    for (const line of linesOf(notification, look)) write(`${line}\n`, 2);
  };
  session.subscribe({
    event: ({ notification }) => {
      show(notification);
      if (notification.method === "item/completed" && notification.params.item.type === "agentMessage")
        lastMessage = unshown = notification.params.item.text;
      if (notification.method === "turn/completed") complete(notification.params.turn);
    },
    failed: (error) => reject(error instanceof Error ? error : new Error(String(error))),
  });
  return {
    turnCompleted,
    lastMessage: () => lastMessage,
    end: (failure, turn) => {
      if (options.json) events.end(failure, turn);
      else if (failure !== null) complain(failure);
      else if (lastMessage !== "") write(`${process.stdout.isTTY ? displayLines(lastMessage) : lastMessage}\n`, 1);
    },
  };
}

/** Why the turn did not do what was asked; null: it did. */
function failureOf(turn: Turn): string | null {
  if (turn.blockedInput !== undefined)
    return `The prompt was refused by a hook: ${reasonOf(turn, turn.blockedInput.hookRunId)}`;
  if (turn.status === "failed") return turn.error?.message ?? "The turn failed";
  return turn.status === "interrupted" ? "The turn was interrupted" : null;
}

function reasonOf(turn: Turn, hookRunId: string): string {
  const run = turn.hookRuns.find(({ id }) => id === hookRunId);
  const entry = run?.entries.find(({ kind }) => kind === "feedback" || kind === "stop");
  return entry?.text ?? "no reason was given";
}

/** The first signal ends the turn in order, its command's tree included. */
function interruptOnSignals(session: ThreadSession): Disposable & { readonly received: NodeJS.Signals | null } {
  let received: NodeJS.Signals | null = null;
  const interrupt = (signal: NodeJS.Signals): void => {
    received = signal;
    const { activeTurnId } = session;
    if (activeTurnId !== null) session.interrupt(activeTurnId);
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, interrupt);
  return {
    get received() {
      return received;
    },
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, interrupt);
    },
  };
}

function writeFailureEvent(message: string): void {
  write(`${JSON.stringify({ type: "error", message })}\n`, 1);
}

function quoteKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
}
