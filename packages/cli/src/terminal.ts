/** What Sallyport itself says goes to stderr: stdout belongs to the command. */
import { writeSync } from "node:fs";
import type { WriteStream } from "node:tty";
import { SallyportError } from "@sallyport/supervisor";
import { wasClosed } from "./caller-state.ts";
import { displayText } from "./display-text.ts";

const defaultColumns = 80;
const maxColumns = 120;
const retryMs = 5;
/** 128 and SIGPIPE's number. */
const brokenPipeStatus = 141;
const styles = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33", cyan: "36" } as const;
export type Style = keyof typeof styles;

/** How a stream can be written to. */
export interface Look {
  columns: number;
  colors: boolean;
  /** Whether lines and dots beyond ASCII come out right. */
  unicode: boolean;
}

/** Colours only on a terminal that has them, and never with NO_COLOR. */
export function lookOf(stream: Partial<Pick<WriteStream, "isTTY" | "columns">>, env: NodeJS.ProcessEnv): Look {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  return {
    columns: stream.isTTY === true ? Math.min(stream.columns || defaultColumns, maxColumns) : defaultColumns,
    colors: stream.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb",
    unicode: /utf-?8/i.test(locale),
  };
}

export function paint(text: string, style: Style, look: Look): string {
  return look.colors ? `\u001b[${styles[style]}m${text}\u001b[0m` : text;
}

/** One line on stderr, whatever the message holds. */
export function complain(message: string): void {
  write(`sallyport: ${displayText(message)}\n`, 2);
}

/** Writes all of it before it returns. What fails on stdout counts when the command is done (`statusAfterOutput()`): a turn or a
 *  run of hooks is not broken off by it. stderr has nobody to be told. */
export function write(text: string, descriptor: 1 | 2): void {
  if (descriptor === 1 && wasClosed(1)) return noteOutputFailure(closedOutput);
  const failure = tryWrite(Buffer.from(text), descriptor);
  if (failure !== null && descriptor === 1) noteOutputFailure(failure);
}

/** The same for the command's own output; false where the reader has gone away. */
export function writeBytes(bytes: Uint8Array, descriptor: 1 | 2): boolean {
  return tryWrite(bytes, descriptor) === null;
}

function tryWrite(bytes: Uint8Array, descriptor: 1 | 2): NodeJS.ErrnoException | null {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      const failure = error as NodeJS.ErrnoException;
      if (failure.code !== "EAGAIN") return failure;
      // The command may have left the pipe in non-blocking mode, and the reader is slow.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs);
    }
  }
  return null;
}

/** Node has opened /dev/null in its place, where everything could be written. */
const closedOutput = { code: "EBADF", message: "EBADF: it is closed" };

let outputFailure: Pick<NodeJS.ErrnoException, "code" | "message"> | null = null;

/** The first one counts: what follows it only repeats it. */
export function noteOutputFailure(failure: Pick<NodeJS.ErrnoException, "code" | "message">): void {
  outputFailure ??= failure;
}

/** What to exit with when a command is done that would exit with `status`. Throws `OUTPUT_UNWRITABLE` where what it printed is not all
 *  there: whoever reads an empty list and a status of 0 takes it for the truth. */
export function statusAfterOutput(status: number): number {
  if (outputFailure === null) return status;
  const { code, message } = outputFailure;
  // As of any other program: the reader had enough, which is nothing to talk about.
  if (code === "EPIPE") return brokenPipeStatus;
  throw new SallyportError(
    "OUTPUT_UNWRITABLE",
    `What was to be printed can't be written to stdout: ${message}; the command itself has done its work`,
    { data: { errno: code ?? null, status } },
  );
}
