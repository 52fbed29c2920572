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
import type { ApprovalBook, RuleSet, RuleUses, RuleWatch } from "@sallyport/rules-store";
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
import { BoundedSandboxes } from "./bounded-sandboxes.ts";
import { createDecider } from "./decision/index.ts";
import type {
  Decider,
  Decision,
  ExecAnswer,
  ExecForOpinion,
  ExecOpinion,
  ExecQuestion,
  ExecRule,
} from "./decision/index.ts";
import { decideOrDeny, denyBecause } from "./decide-or-deny.ts";
import { WrapperDoor } from "./escalation/wrapper-door.ts";
import { isInterceptorMissing, planInterceptor, protocolVariables, withoutProtocol } from "./interceptor.ts";
import type { Interceptor, InterceptorChoice } from "./interceptor.ts";
import { policyDecider } from "./escalation/escalation-policy.ts";
import type { EscalationPolicy } from "./escalation/escalation-policy.ts";
import { ExecLedger } from "./exec-ledger.ts";
import type { ExecCounts } from "./exec-ledger.ts";
import { createHome } from "./home.ts";
import { Journal } from "./journal.ts";
import { OpenQuestions } from "./open-questions.ts";
import { passSignals } from "./pass-signals.ts";
import { findProgram } from "./program-search.ts";
import type { FoundProgram } from "./program-search.ts";
import { findVariable, namedVariables, replaceVariables } from "./session-bytes.ts";
import { TimeLimit } from "./time-limit.ts";
import { makeTreeCgroups } from "./tree-cgroup.ts";
import type { TreeCgroups } from "./tree-cgroup.ts";

const defaultDecisionTimeoutMs = 300_000;
const graceMs = 2000;
const ownFailureStatus = 125;
const timeoutStatus = 124;
const signalStatusBase = 128;
/** Sallyport's own program: nothing inside may write it. */
const programFolders: string[] = [fileURLToPath(new URL("../..", import.meta.url)), dirname(process.execPath)];

/** Who decides: the rules, a decider of one's own, or a policy of one method. */
export type ExecPolicy =
  /** With `watch` the rules follow their files while the command runs. `uses` hears of each rule that has decided. */
  | { kind: "rules"; ruleSet: RuleSet; watch?: RuleWatch; uses?: Pick<RuleUses, "count"> }
  | { kind: "own"; decider: Decider }
  | { kind: "policy"; policy: EscalationPolicy };

export interface GuardedRunOptions {
  /** `argv[0]` names the program, searched on the PATH of `env` when it has no slash. */
  argv: Text[];
  /** True: `argv` is some shell with a command line for it, and where a patched shell intercepts that one takes its place. Default:
   *  the patched shell stands for `bash` alone. */
  isShellCommand?: boolean;
  cwd: string;
  /** NAME=value entries; the command's environment, and the one that escalated programs start from. */
  env: Text[];
  /** Sallyport's home, absolute; made when something has to be kept there. */
  home: string;
  policy: ExecPolicy;
  /** Files that the rules were read from: read-only inside. */
  rulesFiles: string[];
  sandbox: Pick<SandboxPolicy, "mode" | "writable" | "network" | "denyRead" | "allowGitInit" | "sockets" | "wall">;
  /** `kernel`: every exec is seen. `bash`: those of a patched shell. `auto`: the kernel's, and where that can't be had, the patched
   *  shell's. `none`: the wall alone; no exec is seen, decided or recorded. */
  interceptor: InterceptorChoice;
  /** The patched shell, absolute; default: the newest below the home. It stands for the program `bash`. */
  shell?: string;
  /** Another codex-execve-wrapper, absolute. */
  execveWrapper?: string;
  /** Default 300000. Longer, and the exec is denied. */
  decisionTimeoutMs?: number;
  maxProcesses?: number | null;
  timeoutMs?: number | null;
  journal?: string | null;
  /** Default: this process's own descriptors 0, 1 and 2. */
  stdio?: BrokerOptions["stdio"];
  /** Run on a pty of its own; `stdio` is then only the broker's: the terminal among it is put into raw mode, and has the size. */
  pty?: PtyOptions | null;
  /** What this process changed about itself and the command shall have as it was before: see `LaunchSpec.caller`. */
  caller?: NonNullable<LaunchSpec["caller"]>;
  /** Takes what the command prints on stdout and stderr, mixed, every byte in order, before `runGuarded()` resolves; stdin is
   *  empty then. The command waits while a returned promise is pending. In place of `stdio`. */
  onOutput?(chunk: Buffer): void | Promise<void>;
  /** Aborting ends the whole tree: TERM, then KILL 2000 ms later. */
  signal?: AbortSignal;
  /** Asked where the rules want a person's word (policy "rules"); absent, that is denied. `signal` aborts when the answer is not
   *  needed any more: the program was killed, or 300 s have passed, which denies. While an answer is awaited `timeoutMs` does
   *  not run. `hold`, for who asks at the terminal that the command uses, brings the whole tree to a stand first. */
  ask?(question: ExecQuestion, signal: AbortSignal, hold: Broker["hold"]): Promise<ExecAnswer>;
  /** Kept approvals: where one matches, nobody is asked (policy "rules"). Absent: every yes holds once. */
  approvals?: ApprovalBook;
  /** What happens to programs that no rule is about (policy "rules"); default `run`. */
  defaultDecision?: "run" | "prompt" | "forbidden";
  /** The thread that is worked on, for the origin of approvals. */
  threadId?: string;
  /** A change of the rules that does not count, or a yes that could not be kept, and why (policy "rules"). */
  onPolicyWarning?(message: string): void;
  /** May tighten what the rules say about an exec (policy "rules"); counts into `decisionTimeoutMs`. */
  consult?(exec: ExecForOpinion): Promise<ExecOpinion | null>;
  /** Pass this process's SIGINT, SIGTERM, SIGHUP and SIGQUIT on to the command. */
  passSignals: boolean;
  /** Each record when it is decided and again, complete, when it has ended. `rule` is the one that matched, told with the decision;
   *  null where none did, and at the end. */
  onRecord?(record: ExecRecord, rule: ExecRule | null): void;
  /** Before anything runs: what the wall leaves open, a plain sentence each. */
  onGaps?(gaps: string[]): void;
  /** The command's ends of what `stdio` calls "pipe"; again for each attempt to start, of which only the last one runs. */
  onStreams?(streams: Pick<Broker, "stdin" | "stdout" | "stderr">): void;
  /** Which interceptor it is, when the command has started. */
  onInterceptor?(interceptor: Interceptor): void;
}

/** The other side of the command's pty. */
export interface PtyOptions {
  size: NonNullable<LaunchSpec["pty"]>;
  /** The command waits while a returned promise is pending. */
  onOutput(chunk: Buffer): void | Promise<void>;
  /** The command has started: from now on it can be typed to and resized. */
  onOpen(terminal: Pick<Broker, "input" | "resize" | "followSize" | "signal" | "terminate">): void;
  /** All input so far has been typed: time for more. */
  onInputTaken?(): void;
}

/** How a run ended. `exitStatus` is what `sallyport run` exits with: the command's own, 128+n for signal n, 124 after a timeout,
 *  125 where Sallyport failed; `failures` then says how. */
export interface RunSummary {
  exitStatus: number;
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  durationMs: number;
  interceptor: Interceptor["kind"];
  /** The patched shell, where that is the interceptor. */
  shell: string | null;
  /** `notes`: what may surprise although nothing is open, and what could not be cleaned up. */
  wall: { level: WallPlan["level"]; gaps: string[]; notes: string[] };
  execs: ExecCounts;
  cleanup: RunResult["cleanup"] | null;
  journal: string | null;
  failures: { code: string; message: string }[];
}

/** Resolves when the command and everything that it started have ended. Rejects with a SallyportError, and runs nothing, where
 *  it can't be done as asked: `PROGRAM_NOT_FOUND`, `PROGRAM_NOT_EXECUTABLE`, `INTERCEPTOR_UNAVAILABLE`, `JOURNAL_REFUSED`, `HOME_REFUSED`,
 *  `LIMIT_UNAVAILABLE`, `WALL_REFUSED`, and what `Broker.launch()` rejects with.
 *  @see docs/library.md */
export async function runGuarded(options: GuardedRunOptions): Promise<RunSummary> {
  const startedAtMs = Date.now();
  const interceptors = planInterceptor(options);
  // Every step of the way back is taken, in reverse order, even if one of them throws.
  using cleanup = new DisposableStack();
  const journal =
    options.journal == null ? null : cleanup.adopt(Journal.open(options.journal), (opened) => opened.close());
  const ledger = new ExecLedger();
  const timeLimit = new TimeLimit(options.timeoutMs ?? null);
  const questions = new OpenQuestions(timeLimit);
  cleanup.defer(() => questions.close());
  const door = createDoor(options, { ledger, journal, questions });
  const launching = { door, ledger, questions, cleanup };
  const { broker, plan, cgroups, interceptor } = await launchFirst(options, interceptors, launching);
  if (options.passSignals) cleanup.use(passSignals(broker));
  if (options.signal !== undefined) cleanup.use(endOnAbort(broker, options.signal));

  const { result, timedOut, failure } = await waitForEnd(broker, timeLimit, cgroups);
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
    interceptor: interceptor.kind,
    shell: interceptor.kind === "bash" ? interceptor.shell : null,
    wall: { level: plan.level, gaps: plan.gaps, notes: [...plan.notes, ...replaced, ...plan.close()] },
    execs: ledger.counts,
    cleanup: result?.cleanup ?? null,
    journal: journal?.path ?? null,
    failures: failures.map(({ code, message }) => ({ code, message })),
  };
}

interface Launching {
  door: Door;
  ledger: ExecLedger;
  questions: OpenQuestions;
  cleanup: DisposableStack;
}

interface Launched {
  broker: Broker;
  plan: WallPlan;
  cgroups: TreeCgroups;
  interceptor: Interceptor;
}

/** Takes the first interceptor that can be had. Whether it can is known only when it was tried; nothing has run then. */
async function launchFirst(
  options: GuardedRunOptions,
  interceptors: readonly Interceptor[],
  launching: Launching,
): Promise<Launched> {
  let missing: unknown;
  for (const [index, interceptor] of interceptors.entries()) {
    try {
      const launched = await launchBehindWall(options, interceptor, { ...launching, isFirst: index === 0 });
      options.onInterceptor?.(interceptor);
      return launched;
    } catch (error) {
      if (!isInterceptorMissing(error)) throw error;
      missing = error;
      if (options.interceptor !== "auto") throw error;
    }
  }
  throw new SallyportError(
    "INTERCEPTOR_UNAVAILABLE",
    `The kernel can't report programs here, and no patched shell is installed in "${options.home}/shells": run sallyport shell build; sallyport doctor says what the kernel lacks`,
    { cause: missing },
  );
}

/** The wall is planned from what lies on the disk, and between the plan and the mounts a folder may vanish: another program's
 *  socket that was to be masked. Nothing has run then, so it is planned once more. */
async function launchBehindWall(
  options: GuardedRunOptions,
  interceptor: Interceptor,
  { door, ledger, questions, cleanup, isFirst }: Launching & { isFirst: boolean },
): Promise<Launched> {
  // stderr is then the broker's alone, for the case that it dies.
  const ownOutput: BrokerOptions["stdio"] =
    options.onOutput === undefined ? options.stdio : ["ignore", "ignore", "inherit"];
  const stdio = ownOutput === undefined ? {} : { stdio: ownOutput };
  const program = findCommand(options, interceptor);
  for (let attempt = 1; ; attempt++) {
    const cgroups = cleanup.adopt(makeTreeCgroups(options.maxProcesses ?? null), (made) => made.remove());
    const handlers = door.handlersFor(interceptor);
    const { pty } = options;
    const broker = await startBroker({
      handlers:
        pty == null
          ? handlers
          : { ...handlers, onOutput: (chunk) => pty.onOutput(chunk), onInputTaken: () => pty.onInputTaken?.() },
      ...stdio,
    });
    options.onStreams?.(broker);
    // Of no effect once the broker has ended, which it has when nothing went wrong.
    cleanup.defer(() => broker.terminate(0));
    const policy = policyFor(options, program, await broker.landlockAbi);
    const plan = cleanup.adopt(planFor(options, policy), (made) => void made.close());
    const limits = { policy, wall: plan, env: options.env };
    const sandboxes = cleanup.adopt(new BoundedSandboxes(limits), (made) => void made.close());
    if (attempt === 1 && isFirst) options.onGaps?.(plan.gaps);
    const decider = deciderFor(options, { plan, broker, ledger, questions, sandboxes });
    cleanup.defer(() => decider.close?.());
    door.open(broker, decider, sandboxes);
    try {
      await broker.launch(launchSpec(options, { program, plan, cgroups, interceptor }));
      pty?.onOpen(broker);
      return { broker, plan, cgroups, interceptor };
    } catch (error) {
      plan.close();
      if (attempt === 2 || !isSallyportError(error) || error.code !== "WALL_FAILED") throw error;
    }
  }
}

/** Where a patched shell intercepts, it stands for `bash`, and the command itself is asked about through the wrapper. The mistake:
 *  a command line for /bin/bash or zsh is given to just that, and what it starts is decided by nobody. */
function findCommand(options: GuardedRunOptions, interceptor: Interceptor): FoundProgram & { visible: string[] } {
  const name = textToDisplay(options.argv[0] ?? "");
  const isReplaced = interceptor.kind === "bash" && (name === "bash" || options.isShellCommand === true);
  const found = findProgram(
    isReplaced ? interceptor.shell : name,
    isReplaced ? ["bash", ...options.argv.slice(1)] : options.argv,
    findVariable(options.env, "PATH"),
    options.cwd,
  );
  if (interceptor.kind !== "bash") return { ...found, visible: [found.file] };
  const { wrapper, shell } = interceptor;
  return { file: wrapper, argv: [wrapper, found.file, ...found.argv], visible: [found.file, wrapper, shell] };
}

interface Door {
  handlersFor(interceptor: Interceptor): BrokerHandlers;
  /** A program ran on a verdict that stood, and would not run now. */
  failure(): SallyportError | null;
  open(broker: Broker, decider: Decider, sandboxes: BoundedSandboxes): void;
  record(record: ExecRecord): void;
}

interface DoorParts {
  ledger: ExecLedger;
  journal: Journal | null;
  questions: OpenQuestions;
}

/** Decides, records and only then answers: an exec whose record is not in the journal does not happen. */
function createDoor(options: GuardedRunOptions, { ledger, journal, questions }: DoorParts): Door {
  const timeoutMs = options.decisionTimeoutMs ?? defaultDecisionTimeoutMs;
  const waiting = new Set<number>();
  let failure: SallyportError | null = null;
  let answering: { broker: Broker; answerer: Answerer; decider: Decider; sandboxes: BoundedSandboxes } | null = null;
  let wrappers: WrapperDoor | null = null;

  // What nobody can record must not go on without being asked about.
  if (journal !== null) journal.onFailure = () => answering?.broker.revoke();
  const record = (entry: ExecRecord): void => {
    journal?.appendEnded(entry);
    options.onRecord?.(entry, null);
  };
  // It runs already, because an earlier verdict stands. The record says that, whatever the decision is now.
  const confirm = (event: ExecEvent, decision: Decision): void => {
    const changed = decision.verdict.kind === "run" ? null : changedVerdict(event, decision);
    const entry = ledger.decided(event, changed === null ? decision : changed.decision);
    journal?.appendRunning(entry);
    options.onRecord?.(entry, decision.rule ?? null);
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
    questions.withdraw(requestId);
    let final = decision;
    let entry = ledger.decided(event, decision);
    if (journal !== null && !journal.append(entry)) {
      final = denyBecause(event, "the journal can't be written");
      entry = ledger.overrule(requestId, final) ?? entry;
    }
    options.onRecord?.(entry, final.rule ?? null);
    if (final.decidedBy !== undefined && options.policy.kind === "rules") options.policy.uses?.count(final.decidedBy);
    answering?.answerer.verdict(requestId, final.verdict);
  };
  const handlers: Pick<BrokerHandlers, "onExec" | "onExecEnd"> = {
    onExec: (event) => {
      waiting.add(event.requestId);
      if (answering === null) {
        answer(event, denyBecause(event, "nobody decides yet"));
        return;
      }
      const { answerer, decider } = answering;
      const resolve: Broker["resolve"] = (requestId, path) => answerer.resolve(requestId, path);
      decideOrDeny(event, { decider, resolve, timeoutMs }, (decision) => {
        answer(event, decision);
        decider.abandon?.(event.requestId);
      });
    },
    onExecEnd: (event) => {
      if (waiting.delete(event.requestId)) answering?.decider.abandon?.(event.requestId);
      questions.withdraw(event.requestId);
      answering?.sandboxes.ended(event.requestId);
      const ended = ledger.ended(event);
      if (ended !== null) record(ended);
    },
  };
  return {
    handlersFor: (interceptor) => {
      wrappers = interceptor.kind === "bash" ? new WrapperDoor(handlers, interceptor.shell) : null;
      const output = options.onOutput === undefined ? {} : { onOutput: options.onOutput.bind(options) };
      return { ...(wrappers?.handlers ?? handlers), ...output };
    },
    open: (broker, decider, sandboxes) => {
      wrappers?.open(broker);
      answering = { broker, answerer: wrappers ?? broker, decider, sandboxes };
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

/** The broker itself, or the door for wrappers in front of it. */
type Answerer = Pick<Broker, "verdict" | "resolve">;

function policyFor(options: GuardedRunOptions, program: { visible: string[] }, landlockAbi: number): SandboxPolicy {
  const path = findVariable(options.env, "PATH") ?? "";
  return {
    ...options.sandbox,
    cwd: options.cwd,
    home: options.home,
    programFolders,
    journal: options.journal ?? null,
    rulesFiles: options.rulesFiles,
    landlockAbi,
    readableExtra: [...path.split(":").filter((folder) => folder.startsWith("/")), ...program.visible],
  };
}

function planFor(options: GuardedRunOptions, policy: SandboxPolicy): WallPlan {
  // The wall notes there what it makes on the host, so that the next run can clean up after one that was killed. It has to exist
  // before the wall is planned, because only what exists can be hidden.
  if (policy.mode !== "danger-full-access") createHome(options.home);
  return planWall(policy, { env: namedVariables(options.env) });
}

interface DeciderParts {
  plan: WallPlan;
  broker: Broker;
  ledger: ExecLedger;
  questions: OpenQuestions;
  sandboxes: BoundedSandboxes;
}

function deciderFor(options: GuardedRunOptions, parts: DeciderParts): Decider {
  const { plan, broker, ledger, questions, sandboxes } = parts;
  const { policy } = options;
  if (policy.kind === "own") return policy.decider;
  if (policy.kind === "policy") return policyDecider(policy.policy, plan);
  const ask = askerFor(options, broker);
  const consult = options.consult?.bind(options);
  return createDecider({
    ...(ask === undefined ? {} : { ask: (question) => questions.put(question, ask) }),
    ...(consult === undefined ? {} : { consult }),
    parentsOf: (event) => ledger.parentsOf(event),
    sandboxFor: (wanted) => sandboxes.plan(wanted),
    ...(options.approvals === undefined ? {} : { approvals: options.approvals }),
    ...(options.defaultDecision === undefined ? {} : { defaultDecision: options.defaultDecision }),
    ...(options.threadId === undefined ? {} : { threadId: options.threadId }),
    ...(policy.watch === undefined ? {} : { watch: policy.watch, onRulesChanged: () => broker.revoke() }),
    ...(options.onPolicyWarning === undefined ? {} : { onPolicyWarning: options.onPolicyWarning.bind(options) }),
    ruleSet: policy.ruleSet,
    session: { env: withoutProtocol(options.env), path: findVariable(options.env, "PATH") ?? "", cwd: options.cwd },
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

function askerFor(
  options: GuardedRunOptions,
  broker: Broker,
): ((question: ExecQuestion, signal: AbortSignal) => Promise<ExecAnswer>) | undefined {
  const ask = options.ask?.bind(options);
  return ask === undefined ? undefined : (question, signal) => ask(question, signal, (screen) => broker.hold(screen));
}

interface Launch {
  program: FoundProgram;
  plan: WallPlan;
  cgroups: TreeCgroups;
  interceptor: Interceptor;
}

function launchSpec(options: GuardedRunOptions, { program, plan, cgroups, interceptor }: Launch): LaunchSpec {
  const socket = interceptor.kind === "bash" ? interceptor.socketNumber : null;
  return {
    mode: "guarded",
    intercept: interceptor.kind === "kernel",
    outerArgv: plan.outerArgv,
    file: program.file,
    argv: program.argv,
    env: replaceVariables(withoutProtocol(options.env), { ...plan.env, ...protocolVariables(interceptor) }),
    cwd: options.cwd,
    wall: plan.wall,
    pidNamespace: plan.pidNamespace,
    cgroup: cgroups.cgroup,
    pidsCgroup: cgroups.pidsCgroup,
    freezerCgroup: cgroups.freezerCgroup,
    terminal: options.stdio === undefined && options.onOutput === undefined,
    ...(options.onOutput === undefined ? {} : { mergedOutput: true }),
    ...(options.caller === undefined ? {} : { caller: options.caller }),
    escalateSocket: socket,
    pty: options.pty?.size ?? null,
  };
}

interface End {
  result: RunResult | null;
  timedOut: boolean;
  failure: SallyportError | null;
}

async function waitForEnd(broker: Broker, timeLimit: TimeLimit, cgroups: TreeCgroups): Promise<End> {
  let timedOut = false;
  timeLimit.start(() => {
    timedOut = true;
    broker.terminate(graceMs);
  });
  try {
    const result = await broker.finished;
    return { result, timedOut, failure: null };
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return { result: null, timedOut, failure: await endWithoutBroker(error, cgroups) };
  } finally {
    timeLimit.stop();
  }
}

function endOnAbort(broker: Pick<Broker, "terminate">, signal: AbortSignal): Disposable {
  const onAbort = (): void => broker.terminate(graceMs);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", onAbort) };
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
