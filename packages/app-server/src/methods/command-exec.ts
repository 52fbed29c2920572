/** command/exec, and what is done to a command while it runs. A command belongs to the connection that started it: only that one hears
 *  of it, may write to it or end it, and it ends with the connection. */
import { runStandaloneCommand } from "@sallyport/core";
import type { CommandControl } from "@sallyport/core";
import type { ClientRequestParams, CommandExecResponse } from "@sallyport/protocol";
import type { Connection } from "../connection.ts";
import { RpcError, rpcCodes } from "../rpc-error.ts";
import { CommandOutput } from "./command-output.ts";
import type { MethodContext, MethodTable } from "./method-context.ts";

type Mine = Pick<MethodTable, "command/exec" | "command/exec/write" | "command/exec/resize" | "command/exec/terminate">;
type Params = ClientRequestParams<"command/exec">;

const defaultTimeoutMs = 10_000;
const longestTimeoutMs = 2_147_483_647;
const defaultSize = { rows: 24, columns: 80 };
const largestSize = 65_535;

interface RunningCommand {
  /** Resolves when it has started; null: it has ended without. What a client sends right behind its command waits for that. */
  started: PromiseWithResolvers<CommandControl | null>;
  /** The newest: a command that had to be started anew has another. */
  control: CommandControl | null;
  hasPty: boolean;
  takesInput: boolean;
  abort: AbortController;
}

const commandsOf = new WeakMap<Connection, Map<string, RunningCommand>>();

export const commandExecMethods: Mine = {
  "command/exec": async (params, context) => {
    check(params);
    const running: RunningCommand = {
      started: Promise.withResolvers<CommandControl | null>(),
      control: null,
      hasPty: params.tty === true,
      takesInput: params.tty === true || params.streamStdin === true,
      abort: new AbortController(),
    };
    const forget = register(params.processId ?? null, running, context.connection);
    const stopListening = context.connection.onEnd(() => running.abort.abort());
    try {
      return { result: await execute(params, running, context) };
    } finally {
      stopListening();
      forget();
      running.started.resolve(null);
    }
  },

  "command/exec/write": async (params, { connection }) => {
    const { processId, deltaBase64, closeStdin } = params;
    if (deltaBase64 == null && closeStdin !== true)
      throw wrong("command/exec/write requires deltaBase64 or closeStdin", "deltaBase64");
    const bytes = readBase64(deltaBase64 ?? "");
    const running = requireCommand(processId, connection);
    if (!running.takesInput) throw misuse("stdin streaming is not enabled for this command/exec");
    const control = await requireStarted(running, processId);
    if (!control.write(bytes)) {
      const name = JSON.stringify(processId);
      throw new RpcError(
        rpcCodes.overloaded,
        `The command of process id ${name} does not read its input; retry later, or end it`,
      );
    }
    if (closeStdin === true) control.closeStdin();
    return { result: {} };
  },

  "command/exec/resize": async (params, { connection }) => {
    const running = requireCommand(params.processId, connection);
    const size = readSize(params.size);
    if (!running.hasPty) throw misuse("failed to resize PTY: process is not attached to a PTY");
    const control = await requireStarted(running, params.processId);
    control.resize(size);
    return { result: {} };
  },

  "command/exec/terminate": ({ processId }, { connection }) => {
    requireCommand(processId, connection).abort.abort();
    return Promise.resolve({ result: {} });
  },
};

async function execute(
  params: Params,
  running: RunningCommand,
  { connection, home, env, cwd }: MethodContext,
): Promise<CommandExecResponse> {
  const isStreamed = params.tty === true || params.streamStdoutStderr === true;
  const output = new CommandOutput({
    cap: params.disableOutputCap === true ? null : (params.outputBytesCap ?? undefined),
    stream: isStreamed ? { processId: params.processId ?? "", connection } : null,
  });
  const { exitStatus: exitCode, failure } = await runStandaloneCommand({
    home,
    env,
    argv: params.command,
    cwd: params.cwd ?? cwd,
    envChanges: params.env ?? {},
    sandboxPolicy: params.sandboxPolicy ?? null,
    timeoutMs: params.disableTimeout === true ? null : Math.min(params.timeoutMs ?? defaultTimeoutMs, longestTimeoutMs),
    pty: params.tty === true ? (params.size == null ? defaultSize : readSize(params.size)) : null,
    openStdin: running.takesInput,
    signal: running.abort.signal,
    onOutput: (stream, chunk) => output.add(stream, chunk),
    onControl: (control) => {
      running.control = control;
      running.started.resolve(control);
    },
  });
  if (failure !== null) throw new RpcError(rpcCodes.internalError, failure.message, { code: failure.code });
  return { exitCode, stdout: output.text("stdout"), stderr: output.text("stderr") };
}

function check(params: Params): void {
  const { command, tty, streamStdin, streamStdoutStderr } = params;
  if (command.length === 0 || command[0] === "") throw misuse("command must not be empty", "command");
  const hasNul = command.some((word) => word.includes("\0"));
  if (hasNul) throw wrong("command/exec command must not hold NUL", "command");
  for (const [name, value] of Object.entries(params.env ?? {})) {
    if (name === "" || /[=\0]/.test(name) || value?.includes("\0") === true)
      throw wrong(`command/exec env has ${JSON.stringify(name)}, expected a name without = and no NUL`, "env");
  }
  const needsId = tty === true || streamStdin === true || streamStdoutStderr === true;
  if (needsId && params.processId == null)
    throw misuse("command/exec tty or streaming requires a client-supplied processId", "processId");
  if (params.size != null && tty !== true) throw wrong("command/exec size requires tty: true", "size");
  if (params.size != null) readSize(params.size);
  if (params.outputBytesCap != null && params.disableOutputCap === true)
    throw wrong("command/exec cannot set both outputBytesCap and disableOutputCap", "disableOutputCap");
  if (params.timeoutMs != null && params.disableTimeout === true)
    throw wrong("command/exec cannot set both timeoutMs and disableTimeout", "disableTimeout");
  if (params.permissionProfile != null)
    throw wrong(
      params.sandboxPolicy == null
        ? `There is no permissionProfile ${JSON.stringify(params.permissionProfile)}: expected none, or a sandboxPolicy`
        : "`permissionProfile` cannot be combined with `sandboxPolicy`",
      "permissionProfile",
    );
}

function readSize({ rows, cols }: { rows: number; cols: number }): { rows: number; columns: number } {
  if (rows <= 0 || cols <= 0) throw wrong("command/exec size rows and cols must be greater than 0", "size");
  if (rows > largestSize || cols > largestSize)
    throw wrong(`command/exec size rows and cols must be at most ${largestSize}`, "size");
  return { rows, columns: cols };
}

/** Strict, because what Node can't read it leaves out, and then something else is typed than was meant. */
function readBase64(text: string): Buffer {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text))
    throw wrong(`invalid deltaBase64: ${JSON.stringify(text.slice(0, 60))} is no base64`, "deltaBase64");
  return Buffer.from(text, "base64");
}

/** Returns what forgets it. */
function register(processId: string | null, running: RunningCommand, connection: Connection): () => void {
  if (processId === null) return () => {};
  const commands = commandsOf.get(connection) ?? new Map<string, RunningCommand>();
  commandsOf.set(connection, commands);
  if (commands.has(processId))
    throw misuse(`duplicate active command/exec process id: ${JSON.stringify(processId)}`, "processId");
  commands.set(processId, running);
  return () => commands.delete(processId);
}

function requireCommand(processId: string, connection: Connection): RunningCommand {
  const running = commandsOf.get(connection)?.get(processId);
  if (running !== undefined) return running;
  throw notRunning(processId);
}

function notRunning(processId: string): RpcError {
  return misuse(`no active command/exec for process id ${JSON.stringify(processId)}`, "processId");
}

async function requireStarted(running: RunningCommand, processId: string): Promise<CommandControl> {
  const first = await running.started.promise;
  if (first === null) throw notRunning(processId);
  return running.control ?? first;
}

function misuse(message: string, path?: string): RpcError {
  return new RpcError(rpcCodes.invalidRequest, message, path === undefined ? undefined : { path });
}

function wrong(message: string, path: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, message, { path });
}
