/** `sallyport run`: one command behind the guarded door, then what is to be said about it. */
import { closeSync, constants, ftruncateSync, openSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { isUtf8 } from "node:buffer";
import { resolve } from "node:path";
import { isatty } from "node:tty";
import { openApprovals } from "@sallyport/rules-store";
import { checkHome, locateHome, readEnvironment, runGuarded } from "@sallyport/shell-escalation";
import type { GuardedRunOptions, RunSummary } from "@sallyport/shell-escalation";
import { SallyportError } from "@sallyport/supervisor";
import type { TerminalAsker } from "./ask-terminal.ts";
import { separateCaller } from "./caller-state.ts";
import { mayHaveExecHooks } from "./exec-hooks-wanted.ts";
import { ExecTree, formatDuration } from "./exec-tree.ts";
import { describeFailure } from "./failure.ts";
import { openSessionRules } from "./rules/session-rules.ts";
import type { RunHooks } from "./run-hooks.ts";
import type { RunArguments } from "./run-options.ts";
import type { TerminalRelay } from "./terminal-relay.ts";
import { complain, lookOf, write } from "./terminal.ts";

// O_NOFOLLOW keeps whoever can write the folder from choosing, by a planted link, which of the user's files is written over.
const summaryFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

const weakerInterception =
  "weaker interception: the kernel does not report programs here, so only those that the patched bash itself starts are decided on";

export async function runCommand(given: RunArguments): Promise<number> {
  const tell = openSummary(given.json);
  try {
    const tree = given.tree ? new ExecTree() : null;
    const home = locateHome(process.env["SALLYPORT_HOME"]);
    const summary = await runInside(given, { cwd: currentFolder(), home, tree });
    tellFailures(summary, given.timeoutMs);
    if (tree !== null) printTree(tree, summary, 2);
    tell(summary);
    if (summary.signal === "SIGINT") endByInterrupt();
    return summary.exitStatus;
  } catch (error) {
    const { code, message, exitStatus } = describeFailure(error);
    complain(message);
    tell({ exitStatus, failures: [{ code, message }] });
    return exitStatus;
  }
}

/** A shell whose loop or script is at work here ends it only when it sees that Ctrl-C has ended us, and not by a status of 130. */
function endByInterrupt(): void {
  if ([0, 1, 2].some(isatty)) process.kill(process.pid, "SIGINT");
}

interface Place {
  cwd: string;
  /** Sallyport's home. */
  home: string;
  tree: ExecTree | null;
}

/** What `run` and `demo` have in common. */
export async function runInside(given: RunArguments, place: Place): Promise<RunSummary> {
  const { cwd, home, tree } = place;
  const absolute = (path: string): string => resolve(cwd, path);
  checkHome(home);
  const rulesFiles = given.rules.map(absolute);
  using cleanup = new DisposableStack();
  const places = { home, files: rulesFiles, discover: given.useDiscoveredRules };
  const rules = await openSessionRules(places, { cwd, cleanup });
  if (given.interceptor === "none") complain("no interceptor: programs are not decided on and rules have no effect");
  const caller = separateCaller(readEnvironment());
  await using hooks = given.interceptor === "none" ? null : await openHooks(home, cwd);
  const relay = given.pty ? (await import("./terminal-relay.ts")).relayTerminal(cleanup) : null;
  return await runGuarded({
    argv: given.argv,
    cwd,
    env: caller.env,
    ...(caller.state === null ? {} : { caller: caller.state }),
    home,
    ...rules,
    rulesFiles,
    sandbox: {
      mode: given.sandbox,
      writable: given.writable.map(absolute),
      network: given.network,
      denyRead: given.denyRead.map(absolute),
      allowGitInit: given.allowGitInit,
      sockets: given.sockets.map(absolute),
      wall: given.wall,
    },
    interceptor: given.interceptor,
    ...(given.shell === null ? {} : { shell: absolute(given.shell) }),
    ...(given.execveWrapper === null ? {} : { execveWrapper: absolute(given.execveWrapper) }),
    onInterceptor: (interceptor) => {
      if (given.interceptor === "auto" && interceptor.kind === "bash") complain(weakerInterception);
    },
    maxProcesses: given.maxProcesses,
    ...relay?.options,
    ...askingFor(given, relay),
    ...(given.useDiscoveredRules ? { approvals: openApprovals({ home, onWarning: complain }) } : {}),
    timeoutMs: given.timeoutMs,
    journal: given.journal === null ? null : absolute(given.journal),
    passSignals: true,
    onGaps: (gaps) => {
      if (gaps.length > 0) complain(`weaker wall: ${gaps.join("; ")}`);
    },
    ...hooks?.options,
    ...(tree === null && hooks === null
      ? {}
      : {
          onRecord: (record, rule) => {
            tree?.add(record);
            hooks?.options.onRecord(record, rule);
          },
        }),
  });
}

/** Most commands have none, and should not wait for what reads them. */
async function openHooks(home: string, cwd: string): Promise<RunHooks | null> {
  return mayHaveExecHooks(home, cwd) ? (await import("./run-hooks.ts")).openRunHooks({ home, cwd }) : null;
}

/** Each question has a limit of its own, which begins when it is shown. */
const noDecisionLimitMs = 2 ** 31 - 1;

function askingFor(
  given: RunArguments,
  relay: TerminalRelay | null,
): Pick<GuardedRunOptions, "ask" | "decisionTimeoutMs"> {
  const asks = given.ask === "on-request" || (given.ask === null && [0, 1, 2].some(isatty));
  if (!asks || given.interceptor === "none") return {};
  // Most commands ask nothing.
  const load = async (): Promise<TerminalAsker> => {
    const { TerminalAsker: Asker } = await import("./ask-terminal.ts");
    return new Asker({
      screen: (process.env["TERM"] ?? "dumb") === "dumb" ? "lines" : "screen",
      keeps: given.useDiscoveredRules,
      ...(relay === null ? {} : { check: checkForeground, pauseInput: () => relay.pauseInput() }),
    });
  };
  let asker: Promise<TerminalAsker> | undefined;
  return {
    decisionTimeoutMs: noDecisionLimitMs,
    ask: async (question, withdrawn, hold) => {
      asker ??= load();
      return await (await asker).ask(question, withdrawn, hold);
    },
  };
}

/** With -t the broker is in another session, where nothing keeps it from reading what is typed to another job. */
function checkForeground(): string | null {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return group === foreground ? null : "Sallyport runs in the background of its terminal";
}

export function printTree(tree: ExecTree, summary: RunSummary, descriptor: 1 | 2): void {
  const look = lookOf(descriptor === 1 ? process.stdout : process.stderr, process.env);
  write(`${[...tree.format(look), summaryLine(summary)].join("\n")}\n`, descriptor);
}

function summaryLine(summary: RunSummary): string {
  const { run, escalate, deny } = summary.execs;
  const programs = run + escalate + deny;
  const parts = [
    `${programs} ${programs === 1 ? "program" : "programs"}: ${run} run, ${escalate} escalated, ${deny} denied`,
    `wall ${summary.wall.level}`,
    `exit ${summary.exitStatus}`,
    formatDuration(summary.durationMs),
  ];
  return parts.join(", ");
}

/** What went wrong on Sallyport's side, or was cut short, in lines on stderr. */
export function tellFailures(summary: RunSummary, timeoutMs: number | null): void {
  for (const { message } of summary.failures) complain(message);
  if (summary.timedOut) complain(`timed out after ${(timeoutMs ?? 0) / 1000} s; the whole tree was ended`);
  const { cleanup } = summary;
  if (cleanup !== null && !cleanup.sure && cleanup.killed > 0) {
    complain(
      `ended ${cleanup.killed} processes that were left; without pid namespace or cgroup it is not sure that these were all`,
    );
  }
}

/** The file is opened before anything runs, so that a path that can't be written is told at once. */
function openSummary(json: RunArguments["json"]): (summary: object) => void {
  if (json.kind === "none") return () => undefined;
  if (json.kind === "stderr") return (summary) => write(`${JSON.stringify(summary)}\n`, 2);
  let descriptor: number;
  try {
    descriptor = openSync(json.file, summaryFlags, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new SallyportError(
      "SUMMARY_REFUSED",
      `Summary file "${json.file}" can't be written (${code ?? "unknown error"}); choose another path`,
      {
        data: { path: json.file },
        cause: error,
      },
    );
  }
  return (summary) => {
    // The command may have written into it meanwhile, if it lies where it can.
    ftruncateSync(descriptor);
    writeSync(descriptor, `${JSON.stringify(summary)}\n`, 0);
    closeSync(descriptor);
  };
}

function currentFolder(): string {
  let bytes: Buffer;
  try {
    bytes = readlinkSync("/proc/self/cwd", { encoding: "buffer" });
  } catch {
    bytes = Buffer.from(process.cwd());
  }
  if (isUtf8(bytes)) return bytes.toString("utf8");
  throw new SallyportError(
    "CWD_REFUSED",
    "The current folder's name is not UTF-8, expected text; start from another folder",
  );
}
