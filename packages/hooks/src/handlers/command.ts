/** Runs a command once, in a session of its own, with the input on stdin.
 *
 *      Node                         broker                        program
 *        | -- start, stdin: input ----> | ----------------------------> |
 *        |                              | <--------------------- ends   |
 *        | <------------- lingering --- |   others of its tree: 250 ms, then ended
 *        | <-------------- finished --- |
 *
 *  At the end of its time, and when it is cancelled: TERM to the whole tree, KILL after 2 s. */
import { getSystemErrorMap } from "node:util";
import { isSallyportError, signalName, startPlainProgram } from "@sallyport/supervisor";
import type { PlainProgram, RunResult } from "@sallyport/supervisor";
import type { HandlerAction, HandlerResult } from "../types.ts";
import { Capture } from "./capture.ts";
import { handlerEnvironment } from "./environment.ts";
import { messageOf, notStarted, resultOf, unended } from "./handler-context.ts";
import type { HandlerContext } from "./handler-context.ts";
import { programToStart } from "./shell.ts";

const killGraceMs = 2000;
const lingerMs = 250;
const defaultPath = "/usr/local/bin:/usr/bin:/bin";

type CommandAction = Extract<HandlerAction, { type: "command" }>;

export async function runCommand(action: CommandAction, context: HandlerContext): Promise<HandlerResult> {
  const { cwd, event, limit, session } = context;
  const path = session.env["PATH"] ?? defaultPath;
  const found = programToStart(action.command, action.args, path, cwd);
  if ("failure" in found) return notStarted(found.failure, found.problem);
  const env = handlerEnvironment({ ...session, passEnv: action.passEnv, event });
  if ([found.file, ...found.argv, ...env, cwd].some((text) => text.includes("\0"))) {
    // Which one is not shown: it may be a secret of the environment.
    return notStarted(
      "other",
      "its command, environment or folder holds a NUL character, which no program can be given",
    );
  }
  const starting = startPlainProgram({ ...found, env, cwd, lingerMs, onLingering: () => limit.stopClock() });
  let program: PlainProgram | null;
  try {
    program = await Promise.race([starting, aborted(limit.signal)]);
  } catch (error) {
    return startProblem(error, found.file, cwd);
  }
  if (program === null) {
    await endedOrLate(starting.then(discard));
    return resultOf({ outcome: limit.reached ?? "cancelled" });
  }
  const stop = (): void => program.terminate(killGraceMs);
  if (limit.signal.aborted) stop();
  else limit.signal.addEventListener("abort", stop, { once: true });
  feed(program, context.inputText);
  return collect(program, context, found.file);
}

/** Null when the run's time is up: the attack is a hook that stops the process which starts the next one. */
async function aborted(signal: AbortSignal): Promise<null> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return null;
}

/** It came although nobody asks any more. Resolves when it has ended. */
async function discard(program: PlainProgram): Promise<void> {
  program.terminate(0);
  program.stdin.on("error", () => {}).destroy();
  program.stdout.destroy();
  program.stderr.destroy();
  await program.finished;
}

/** Whoever ends a run may count on its program being gone, but not wait for a start that never comes. */
async function endedOrLate(ended: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, killGraceMs);
  await Promise.race([ended.catch(() => {}), late.promise]);
  clearTimeout(timer);
}

/** A program that does not read, or ends before it has read everything, is no failure. */
function feed(program: PlainProgram, text: string): void {
  program.stdin.on("error", () => {}); // EPIPE
  program.stdin.end(text);
}

async function collect(program: PlainProgram, context: HandlerContext, file: string): Promise<HandlerResult> {
  const stdout = new Capture(program.stdout, context.session.folder);
  const stderr = new Capture(program.stderr, context.session.folder);
  let end: RunResult | null = null;
  let failure: unknown;
  try {
    end = await program.finished;
  } catch (error) {
    failure = error;
  }
  context.limit.stopClock();
  program.stdin.destroy();
  // The tree is gone, so both streams end. A descriptor that went to a process outside the tree must not hold the turn.
  const late = setTimeout(() => {
    stdout.stop();
    stderr.stop();
  }, lingerMs);
  const output = { stdout: await stdout.done, stderr: await stderr.done };
  clearTimeout(late);
  if (end !== null) return { ...endOf(end, context), ...output };
  return wasTakenAlong(failure) ? { ...takenAlong(context), ...output } : startProblem(failure, file, context.cwd);
}

/** The attack: a hook kills the process of ours that watches over it. The kernel takes the hook along. */
function wasTakenAlong(failure: unknown): boolean {
  return isSallyportError(failure) && failure.code === "BROKER_DIED" && failure.data["signal"] !== null;
}

function takenAlong({ limit }: HandlerContext): HandlerResult {
  if (limit.reached !== null) return resultOf({ outcome: limit.reached });
  const problem = "the process of Sallyport's that watches over it was killed, and the hook with it";
  return resultOf({ outcome: "signaled", signal: "SIGKILL", problem });
}

function endOf(end: RunResult, { limit }: HandlerContext): HandlerResult {
  const signal = end.signal === null ? null : signalName(end.signal);
  const status = { exitCode: end.exitCode, signal };
  if (limit.reached !== null) return resultOf({ outcome: limit.reached, ...status });
  const leftBehind = (end.leftBehind ?? []).map((name) => name.replaceAll(/\p{Cc}/gu, "?"));
  // A program of another user, such as one behind sudo, can't be ended by us.
  if (end.cleanup.how === "process-walk" && !end.cleanup.sure) leftBehind.push(unended);
  return resultOf({ outcome: signal === null ? "exited" : "signaled", ...status, leftBehind });
}

function startProblem(failure: unknown, file: string, cwd: string): HandlerResult {
  if (!isSallyportError(failure) || failure.code !== "LAUNCH_FAILED") return notStarted("other", messageOf(failure));
  const errno = Number(failure.data["errno"]);
  const [code = "", text = `errno ${errno}`] = getSystemErrorMap().get(-errno) ?? [];
  const stage = String(failure.data["stage"]);
  if (stage === "entering the working directory") return notStarted("other", `working directory "${cwd}": ${text}`);
  if (stage !== "exec") return notStarted("other", `${stage}: ${text}`);
  // ENOENT of a file that is there: its interpreter, of the #! line, is not.
  if (code === "ENOENT") return notStarted("notFound", `"${file}" or its interpreter: ${text}`);
  if (code === "EACCES" || code === "ENOEXEC") return notStarted("notExecutable", `"${file}": ${text}`);
  return notStarted("other", `"${file}": ${text}`);
}
