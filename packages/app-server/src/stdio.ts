/** The App Server on stdin and stdout: one message a line. stdout carries nothing else; what people should know goes to stderr. */
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { AppServer } from "./app-server.ts";
import { LineReader } from "./line-reader.ts";
import { readMessage } from "./message.ts";

/** A line longer than this is dropped: nothing that a client has to say is as long. */
const maxLineBytes = 16_777_216;

/** The attack: a client starts turns and never reads. What waits for it past the first bound stops its requests from being read;
 *  past the second, turns that run already go on filling the memory, so the client is given up. Everything that it was to be told
 *  is stored: it may come back and read. */
const pauseBytes = 16_777_216;
const giveUpBytes = 67_108_864;
/** What prints without an end waits as long as this much is unread. */
const roomBytes = 1_048_576;

export interface StdioOptions {
  input: Readable;
  output: Writable;
  log: (line: string) => void;
  /** Aborts where the process is told to end. */
  signal?: AbortSignal;
}

/** Serves one client until its input ends or `signal` aborts; resolves when every thread is closed and all is written. */
export async function serveStdio(server: AppServer, { input, output, log, signal }: StdioOptions): Promise<void> {
  const lines = new LineReader(maxLineBytes);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let givenUp = false;
  const hasRoom = async (): Promise<void> => {
    if (output.writableLength > roomBytes) await Promise.race([once(output, "drain"), ended]);
  };
  const connection = server.connect((text) => {
    if (givenUp) return;
    output.write(`${text}\n`);
    if (output.writableLength > pauseBytes) input.pause();
    if (output.writableLength <= giveUpBytes) return;
    givenUp = true;
    log(`the client left more than ${giveUpBytes} bytes unread; its connection is closed`);
    end();
  }, hasRoom);
  output.on("drain", () => input.resume());
  input.on("data", (chunk: Buffer) => {
    for (const line of lines.read(chunk)) {
      if (line === null) log(`a message longer than ${maxLineBytes} bytes was dropped`);
      const message = line === null ? null : readMessage(line);
      if (message !== null) connection.receive(message);
    }
  });
  for (const event of ["end", "close", "error"]) input.on(event, () => end());
  // The client is gone: there is nobody to write to, and that is no failure.
  output.on("error", () => {
    givenUp = true;
    end();
  });
  signal?.addEventListener("abort", () => end());
  if (signal?.aborted === true) end();
  await ended;
  input.pause();
  connection.end();
  // What was asked before the input ended gets its answer, so that a client may write everything and close.
  await connection.answered();
  // SessionEnd hooks run while the client may still read.
  await server.close();
  connection.close();
  if (givenUp) output.destroy();
  else await flushed(output);
}

function flushed(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    output.write("", () => resolve());
  });
}
