/** What Sallyport itself says goes to stderr: stdout belongs to the command. */
import { writeSync } from "node:fs";
import type { WriteStream } from "node:tty";
import { displayText } from "./display-text.ts";

const defaultColumns = 80;
const maxColumns = 120;
const retryMs = 5;
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

/** Writes all of it before it returns. A reader that has gone away is no failure: the exit status must stay the command's. */
export function write(text: string, descriptor: 1 | 2): void {
  writeBytes(Buffer.from(text), descriptor);
}

/** The same; false where the reader has gone away. */
export function writeBytes(bytes: Uint8Array, descriptor: 1 | 2): boolean {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return false;
      // The command may have left the pipe in non-blocking mode, and the reader is slow.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs);
    }
  }
  return true;
}
