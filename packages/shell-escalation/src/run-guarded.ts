/** Runs one command behind the guarded door: builds the wall, starts the broker, decides on every exec, keeps the journal, and
 *  ends the whole tree.
 *
 *      runGuarded          broker (C)              sandboxed command
 *          | launch ---------> | starts, then blocks --> |
 *          | <------- onExec   | <------- execve blocked |
 *          | decide, record    |                         |
 *          | verdict --------> | run, stand-in or deny -> |
 *          | <---- onExecEnd   | <------------ exit      |
 *          | <----- finished   | whole tree is gone
 */
import { fileURLToPath } from "node:url";
import { dirname } from "node:path";
import type { ExecRecord, Text } from "@sallyport/protocol";
import type { RuleSet } from "@sallyport/rules-store";
import { planWall } from "@sallyport/sandbox";
import type { SandboxPolicy, WallPlan } from "@sallyport/sandbox";
import {
  SallyportError,
  isSallyportError,
  signalName,
  signalNumber,
  startBroker,
  textToDisplay,
} from "@sallyport/supervisor";
import type { Broker, BrokerHandlers, BrokerOptions, ExecEvent, LaunchSpec, RunResult } from "@sallyport/supervisor";
import { createDecider } from "./decision/index.ts";
import type { Decider, Decision } from "./decision/index.ts";
import { decideOrDeny, denyBecause } from "./decide-or-deny.ts";
import { ExecLedger } from "./exec-ledger.ts";
import type { ExecCounts } from "./exec-ledger.ts";
import { createHome } from "./home.ts";
import { Journal } from "./journal.ts";
import { passSignals } from "./pass-signals.ts";
import { findProgram } from "./program-search.ts";
import type { FoundProgram } from "./program-search.ts";
import { findVariable, namedVariables, replaceVariables } from "./session-bytes.ts";
import { makeTreeCgroups } from "./tree-cgroup.ts";
import type { TreeCgroups } from "./tree-cgroup.ts";

const defaultDecisionTimeoutMs = 300_000;
const graceMs = 2000;
const ownFailureStatus = 125;
const timeoutStatus = 124;
const signalStatusBase = 128;
/** Sallyport's own program: nothing inside may write it. */
const programFolders: string[] = [fileURLToPath(new URL("../..", import.meta.url)), dirname(process.execPath)];

/** Who decides: the rules, or a decider of one's own. */
export type ExecPolicy = { kind: "rules"; ruleSet: RuleSet } | { kind: "own"; decider: Decider };

export interface GuardedRunOptions {
  /** `argv[0]` names the program, searched on the PATH of `env` when it has no slash. */
  argv: Text[];
  cwd: string;
  /** NAME=value entries; the command's environment, and the one that escalated programs start from. */
  env: Text[];
  /** Sallyport's home, absolute; made when something has to be kept there. */
  home: string;
  policy: ExecPolicy;
  /** Files that the rules were read from: read-only inside. */
  rulesFiles: string[];
  sandbox: Pick<SandboxPolicy, "mode" | "writable" | "network" | "denyRead" | "allowGitInit" | "sockets" | "wall">;
  /** `none`: the wall alone; no exec is seen, decided or recorded. */
  interceptor: "kernel" | "none";
  /** Default 300000. Longer, and the exec is denied. */
  decisionTimeoutMs?: number;
  maxProcesses?: number | null;
  timeoutMs?: number | null;
  journal?: string | null;
  /** Default: this process's own descriptors 0, 1 and 2. */
  stdio?: BrokerOptions["stdio"];
  /** What this process changed about itself and the command shall have as it was before: see `LaunchSpec.caller`. */
  caller?: NonNullable<LaunchSpec["caller"]>;
  /** Pass this process's SIGINT, SIGTERM, SIGHUP and SIGQUIT on to the command. */
  passSignals: boolean;
  /** Each record when it is decided and again, complete, when it has ended. */
  onRecord?(record: ExecRecord): void;
  /** Before anything runs: what the wall leaves open, a plain sentence each. */
  onGaps?(gaps: string[]): void;
}

/** How a run ended. `exitStatus` is what `sallyport run` exits with: the command's own, 128+n for signal n, 124 after a timeout,
 *  125 where Sallyport failed; `failures` then says how. */
export interface RunSummary {
  exitStatus: number;
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  durationMs: number;
  interceptor: "kernel" | "none";
  /** `notes`: what may surprise although nothing is open, and what could not be cleaned up. */
  wall: { level: WallPlan["level"]; gaps: string[]; notes: string[] };
  execs: ExecCounts;
  cleanup: RunResult["cleanup"] | null;
  journal: string | null;
  failures: { code: string; message: string }[];
}

/** Resolves when the command and everything that it started have ended. Rejects with a SallyportError, and runs nothing, where
 *  it can't be done as asked: `PROGRAM_NOT_FOUND`, `PROGRAM_NOT_EXECUTABLE`, `JOURNAL_REFUSED`, `HOME_REFUSED`, `LIMIT_UNAVAILABLE`,
 *  `WALL_REFUSED`, and what `Broker.launch()` rejects with.
 *  @see docs/library.md */
export async function runGuarded(options: GuardedRunOptions): Promise<RunSummary> {
  const startedAtMs = Date.now();
  const program = findProgram(
    textToDisplay(options.argv[0] ?? ""),
    options.argv,
    findVariable(options.env, "PATH"),
    options.cwd,
  );
  // Every step of the way back is taken, in reverse order, even if one of them throws.
  using cleanup = new DisposableStack();
  const journal =
    options.journal == null ? null : cleanup.adopt(Journal.open(options.journal), (opened) => opened.close());
  const ledger = new ExecLedger();
  const door = createDoor(options, ledger, journal);
  const { broker, plan, cgroups } = await launchBehindWall(options, { program, door, cleanup });
  if (options.passSignals) cleanup.use(passSignals(broker));

  const { result, timedOut, failure } = await waitForEnd(broker, options.timeoutMs ?? null, cgroups);
  for (const record of ledger.close()) door.record(record);
  journal?.close(); // what the last write says about it belongs into the summary
  const replaced = plan
    .replacedSinceStart()
    .map((path) => `"${path}" was replaced from outside, and could be changed from inside since then`);
  const failures = [failure, door.failure(), journal?.failure ?? null].filter((error) => error !== null);
  return {
    exitStatus: exitStatusOf(result, timedOut, failures.length > 0),
    exitCode: result?.exitCode ?? null,
    signal: result?.signal == null ? null : signalName(result.signal),
    timedOut,
    durationMs: Date.now() - startedAtMs,
    interceptor: options.interceptor,
    wall: { level: plan.level, gaps: plan.gaps, notes: [...plan.notes, ...replaced, ...plan.close()] },
    execs: ledger.counts,
    cleanup: result?.cleanup ?? null,
    journal: journal?.path ?? null,
    failures: failures.map(({ code, message }) => ({ code, message })),
  };
}

interface Launching {
  program: FoundProgram;
  door: Door;
  cleanup: DisposableStack;
}

/** The wall is planned from what lies on the disk, and between the plan and the mounts a folder may vanish: another program's
 *  socket that was to be masked. Nothing has run then, so it is planned once more. */
async function launchBehindWall(
  options: GuardedRunOptions,
  { program, door, cleanup }: Launching,
): Promise<{ broker: Broker; plan: WallPlan; cgroups: TreeCgroups }> {
  const stdio = options.stdio === undefined ? {} : { stdio: options.stdio };
  for (let attempt = 1; ; attempt++) {
    const cgroups = cleanup.adopt(makeTreeCgroups(options.maxProcesses ?? null), (made) => made.remove());
    const broker = await startBroker({ handlers: door.handlers, ...stdio });
    // Of no effect once the broker has ended, which it has when nothing went wrong.
    cleanup.defer(() => broker.terminate(0));
    const plan = cleanup.adopt(planFor(options, program, await broker.landlockAbi), (made) => void made.close());
    if (attempt === 1) options.onGaps?.(plan.gaps);
    door.open(broker, deciderFor(options, plan, broker));
    try {
      await broker.launch(launchSpec(options, program, plan, cgroups));
      return { broker, plan, cgroups };
    } catch (error) {
      if (attempt === 2 || !isSallyportError(error) || error.code !== "WALL_FAILED") throw error;
      plan.close();
    }
  }
}

interface Door {
  handlers: BrokerHandlers;
  /** A program ran on a verdict that stood, and would not run now. */
  failure(): SallyportError | null;
  open(broker: Broker, decider: Decider): void;
  record(record: ExecRecord): void;
}

/** Decides, records and only then answers: an exec whose record is not in the journal does not happen. */
function createDoor(options: GuardedRunOptions, ledger: ExecLedger, journal: Journal | null): Door {
  const timeoutMs = options.decisionTimeoutMs ?? defaultDecisionTimeoutMs;
  const waiting = new Set<number>();
  let failure: SallyportError | null = null;
  let answering: { broker: Broker; decider: Decider } | null = null;

  // What nobody can record must not go on without being asked about.
  if (journal !== null) journal.onFailure = () => answering?.broker.revoke();
  const record = (entry: ExecRecord): void => {
    journal?.appendEnded(entry);
    options.onRecord?.(entry);
  };
  // It runs already, because an earlier verdict stands. The record says that, whatever the decision is now.
  const confirm = (event: ExecEvent, decision: Decision): void => {
    const changed = decision.verdict.kind === "run" ? null : changedVerdict(event, decision);
    const entry = ledger.decided(event, changed === null ? decision : changed.decision);
    journal?.appendRunning(entry);
    options.onRecord?.(entry);
    if (changed === null) answering?.broker.verdict(event.requestId, decision.verdict);
    else failure ??= changed.error; // and the broker, which gets no answer, ends the command
  };
  const answer = (event: ExecEvent, decision: Decision): void => {
    // Killed while it waited: there is nobody left to answer, and nothing that ran.
    if (!waiting.delete(event.requestId)) return;
    if (event.answeredAtMs !== null) {
      confirm(event, decision);
      return;
    }
    const { requestId } = event;
    let final = decision;
    let entry = ledger.decided(event, decision);
    if (journal !== null && !journal.append(entry)) {
      final = denyBecause(event, "the journal can't be written");
      entry = ledger.overrule(requestId, final) ?? entry;
    }
    options.onRecord?.(entry);
    answering?.broker.verdict(requestId, final.verdict);
  };
  return {
    handlers: {
      onExec: (event) => {
        waiting.add(event.requestId);
        if (answering === null) {
          answer(event, denyBecause(event, "nobody decides yet"));
          return;
        }
        const { broker, decider } = answering;
        const resolve: Broker["resolve"] = (requestId, path) => broker.resolve(requestId, path);
        decideOrDeny(event, { decider, resolve, timeoutMs }, (decision) => answer(event, decision));
      },
      onExecEnd: (event) => {
        waiting.delete(event.requestId);
        const ended = ledger.ended(event);
        if (ended !== null) record(ended);
      },
    },
    open: (broker, decider) => {
      answering = { broker, decider };
    },
    failure: () => failure,
    record,
  };
}

function changedVerdict(
  event: ExecEvent,
  { reason, file, verdict }: Decision,
): { decision: Decision; error: SallyportError } {
  const name = JSON.stringify(textToDisplay(file));
  const text = `${reason.text}; it had been started because an earlier verdict stood, so the command was ended`;
  const message = `${name} was started because an earlier verdict stood, and deciding again gave ${verdict.kind} (${reason.text}), expected run; the command was ended`;
  return {
    decision: { verdict: { kind: "run" }, reason: { kind: reason.kind, text }, file },
    error: new SallyportError("VERDICT_CHANGED", message, { data: { pid: event.pid, file, verdict: verdict.kind } }),
  };
}

function planFor(options: GuardedRunOptions, program: FoundProgram, landlockAbi: number): WallPlan {
  const path = findVariable(options.env, "PATH") ?? "";
  const isWalled = options.sandbox.mode !== "danger-full-access";
  // The wall notes there what it makes on the host, so that the next run can clean up after one that was killed. It has to exist
  // before the wall is planned, because only what exists can be hidden.
  if (isWalled) createHome(options.home);
  const policy: SandboxPolicy = {
    ...options.sandbox,
    cwd: options.cwd,
    home: options.home,
    programFolders,
    journal: options.journal ?? null,
    rulesFiles: options.rulesFiles,
    landlockAbi,
    readableExtra: [...path.split(":").filter((folder) => folder.startsWith("/")), program.file],
  };
  return planWall(policy, { env: namedVariables(options.env) });
}

function deciderFor(options: GuardedRunOptions, plan: WallPlan, broker: Broker): Decider {
  if (options.policy.kind === "own") return options.policy.decider;
  return createDecider({
    ruleSet: options.policy.ruleSet,
    session: { env: options.env, path: findVariable(options.env, "PATH") ?? "", cwd: options.cwd },
    wall: {
      walled: plan.level !== "none",
      writableRoots: plan.writableRoots,
      translate: (path) => plan.translate(path),
      denyRead: plan.denyRead,
    },
    brokerIsRoot: process.geteuid?.() === 0,
    brokerPid: broker.pid,
  });
}

function launchSpec(
  options: GuardedRunOptions,
  program: FoundProgram,
  plan: WallPlan,
  cgroups: TreeCgroups,
): LaunchSpec {
  return {
    mode: "guarded",
    intercept: options.interceptor === "kernel",
    outerArgv: plan.outerArgv,
    file: program.file,
    argv: program.argv,
    env: replaceVariables(options.env, plan.env),
    cwd: options.cwd,
    wall: plan.wall,
    pidNamespace: plan.pidNamespace,
    cgroup: cgroups.cgroup,
    pidsCgroup: cgroups.pidsCgroup,
    terminal: options.stdio === undefined,
    ...(options.caller === undefined ? {} : { caller: options.caller }),
    pty: null,
  };
}

interface End {
  result: RunResult | null;
  timedOut: boolean;
  failure: SallyportError | null;
}

async function waitForEnd(broker: Broker, timeoutMs: number | null, cgroups: TreeCgroups): Promise<End> {
  let timedOut = false;
  const onTimeout = (): void => {
    timedOut = true;
    broker.terminate(graceMs);
  };
  const timer = timeoutMs === null ? undefined : setTimeout(onTimeout, timeoutMs);
  try {
    return { result: await broker.finished, timedOut, failure: null };
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return { result: null, timedOut, failure: await endWithoutBroker(error, cgroups) };
  } finally {
    clearTimeout(timer);
  }
}

/** The broker is gone, so every waiting exec has already failed; what still runs is ended here as far as that is possible. */
async function endWithoutBroker(error: SallyportError, cgroups: TreeCgroups): Promise<SallyportError> {
  const killed = await cgroups.kill();
  const rest = killed
    ? "its command was killed"
    : "without a writable cgroup, programs that left the command's namespaces may still run; look for them with ps";
  return new SallyportError(error.code, `${error.message}; ${rest}`, { data: { ...error.data, killed }, cause: error });
}

function exitStatusOf(result: RunResult | null, timedOut: boolean, hasFailed: boolean): number {
  if (hasFailed || result === null) return ownFailureStatus;
  if (timedOut) return timeoutStatus;
  if (result.signal !== null) return signalStatusBase + result.signal;
  // Nobody could tell: the whole tree was killed at once.
  return result.exitCode ?? signalStatusBase + signalNumber("SIGKILL");
}
