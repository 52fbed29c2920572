/** `command/exec`: one command in the sandbox, without a thread. What it prints while it runs, and its end, go only to the connection
 *  that asked.
 *
 *     client  command/exec {processId} ->
 *             <- command/exec/outputDelta ...                 with streamStdoutStderr or tty
 *             command/exec/write, resize, terminate ->        by processId, of this connection
 *             <- {exitCode, stdout, stderr}                   after all its deltas */
import { z } from "zod";
import { SandboxPolicy } from "./settings.ts";

/** In characters. */
export const CommandExecTerminalSize = z.looseObject({ rows: z.int(), cols: z.int() });
export type CommandExecTerminalSize = z.infer<typeof CommandExecTerminalSize>;

/** Required: `command`. `env`: null takes a variable away. */
export const CommandExecParams = z.looseObject({
  command: z.array(z.string()),
  processId: z.string().nullish(),
  tty: z.boolean().nullish(),
  streamStdin: z.boolean().nullish(),
  streamStdoutStderr: z.boolean().nullish(),
  outputBytesCap: z.int().nonnegative().nullish(),
  disableOutputCap: z.boolean().nullish(),
  timeoutMs: z.int().nonnegative().nullish(),
  disableTimeout: z.boolean().nullish(),
  cwd: z.string().nullish(),
  env: z.record(z.string(), z.string().nullable()).nullish(),
  size: CommandExecTerminalSize.nullish(),
  sandboxPolicy: SandboxPolicy.nullish(),
  permissionProfile: z.string().nullish(),
});
export type CommandExecParams = z.infer<typeof CommandExecParams>;

/** `stdout` and `stderr` are empty where they were streamed. */
export const CommandExecResponse = z.strictObject({ exitCode: z.int(), stdout: z.string(), stderr: z.string() });
export type CommandExecResponse = z.infer<typeof CommandExecResponse>;

export const CommandExecWriteParams = z.looseObject({
  processId: z.string(),
  deltaBase64: z.string().nullish(),
  closeStdin: z.boolean().nullish(),
});
export type CommandExecWriteParams = z.infer<typeof CommandExecWriteParams>;

export const CommandExecResizeParams = z.looseObject({ processId: z.string(), size: CommandExecTerminalSize });
export type CommandExecResizeParams = z.infer<typeof CommandExecResizeParams>;

export const CommandExecTerminateParams = z.looseObject({ processId: z.string() });
export type CommandExecTerminateParams = z.infer<typeof CommandExecTerminateParams>;

/** Of write, resize and terminate. */
export const CommandExecDoneResponse = z.strictObject({});
export type CommandExecDoneResponse = z.infer<typeof CommandExecDoneResponse>;

/** `command/exec/outputDelta`. With `capReached` it is the stream's last, and more was printed. */
export const CommandExecOutputDeltaNotification = z.strictObject({
  processId: z.string(),
  stream: z.enum(["stdout", "stderr"]),
  deltaBase64: z.string(),
  capReached: z.boolean(),
});
export type CommandExecOutputDeltaNotification = z.infer<typeof CommandExecOutputDeltaNotification>;
