/** One script, from start to end, with what it printed. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunSummary } from "../run-guarded.ts";
import { EscalateServer } from "./escalate-server.ts";
import type { EscalateServerOptions, EscalationCommand } from "./escalate-server.ts";

export interface RunShellOptions
  extends EscalateServerOptions, Omit<EscalationCommand, "argv" | "stdio" | "onStreams"> {
  /** What `bash -c` gets. */
  script: string;
  /** Default false: `bash -c`, else `bash -l -c`. */
  login?: boolean;
  /** Given to the script's stdin; default: nothing, as from /dev/null. */
  input?: Buffer | string;
  /** Of stdout and of stderr; default 1048576. What comes after it is read and dropped. */
  maxOutputBytes?: number;
  /** Ends the whole tree when it is aborted. */
  signal?: AbortSignal;
}

export interface ShellResult extends RunSummary {
  stdout: Buffer;
  stderr: Buffer;
  outputTruncated: boolean;
}

const defaultMaxOutputBytes = 1_048_576;

/** Runs a script and collects its output. How it ended is in the result; rejects as `runGuarded()` does. */
export async function runShell(options: RunShellOptions): Promise<ShellResult> {
  const { script, login = false, input, maxOutputBytes = defaultMaxOutputBytes, signal, ...rest } = options;
  const stdin = input === undefined ? null : openInput(input);
  let collected = [collect(null, maxOutputBytes), collect(null, maxOutputBytes)] as const;
  const session = new EscalateServer(rest).start({
    ...rest,
    argv: ["bash", ...(login ? ["-l"] : []), "-c", script],
    stdio: [stdin ?? "ignore", "pipe", "pipe"],
    onStreams: ({ stdout, stderr }) => {
      collected = [collect(stdout, maxOutputBytes), collect(stderr, maxOutputBytes)];
    },
  });
  const end = (): void => session.terminate();
  if (signal?.aborted === true) end();
  signal?.addEventListener("abort", end, { once: true });
  try {
    const summary = await session.finished;
    const [stdout, stderr] = await Promise.all(collected);
    return {
      ...summary,
      stdout: stdout.bytes,
      stderr: stderr.bytes,
      outputTruncated: stdout.isTruncated || stderr.isTruncated,
    };
  } finally {
    signal?.removeEventListener("abort", end);
    if (stdin !== null) closeSync(stdin);
  }
}

/** A file that has no name any more. Not a pipe of Node's, which is a socket: Bash takes a socket on stdin for a remote login, and
 *  reads the user's startup files. */
function openInput(input: Buffer | string): number {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-input-"));
  try {
    const path = join(folder, "input");
    writeFileSync(path, input, { mode: 0o600 });
    return openSync(path, "r");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Output {
  bytes: Buffer;
  isTruncated: boolean;
}

async function collect(stream: NodeJS.ReadableStream | null, maxBytes: number): Promise<Output> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream ?? []) {
    const bytes = chunk as Buffer; // a stream without encoding
    if (length < maxBytes) chunks.push(bytes.subarray(0, maxBytes - length));
    length += bytes.length;
  }
  return { bytes: Buffer.concat(chunks), isTruncated: length > maxBytes };
}
