/** One WebSocket client: messages in, one a text frame; messages out, as much as the client reads.
 *
 *      unread bytes   0 ........ room ........ pause ........ give up
 *                     all is well | output waits | requests wait | closed: everything it was to be told is stored */
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { AppServer } from "../app-server.ts";
import { readMessage } from "../message.ts";

/** Nothing that a client has to say is longer. */
export const maxMessageBytes = 16_777_216;

const roomBytes = 1_048_576;
const pauseBytes = 16_777_216;
/** The attack: a client starts turns and never reads, so that what waits for it fills the memory. */
const giveUpBytes = 67_108_864;

const goingAway = 1001;
const tooSlow = 1008;

export interface SocketClient {
  /** Ends what runs only for this client. Resolves when what was asked is answered. */
  answered(): Promise<void>;
  /** Says goodbye; the rest is up to the client, for a moment. */
  close(): void;
  terminate(): void;
}

export function serveSocketClient(
  server: AppServer,
  { socket, stream, log, onEnd }: { socket: WebSocket; stream: Duplex; log: (line: string) => void; onEnd: () => void },
): SocketClient {
  const ended = Promise.withResolvers<void>();
  const wakes = new Set<() => void>();
  let isOver = false;
  const wake = (): void => {
    for (const resolve of wakes) resolve();
    wakes.clear();
  };
  const room = (): Promise<void> => {
    if (isOver || socket.bufferedAmount <= roomBytes) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    wakes.add(resolve);
    return promise;
  };
  const connection = server.connect((text) => {
    if (isOver) return;
    socket.send(text);
    if (socket.bufferedAmount > pauseBytes) socket.pause();
    if (socket.bufferedAmount <= giveUpBytes) return;
    log(`a client left more than ${giveUpBytes} bytes unread; its connection is closed`);
    isOver = true;
    socket.close(tooSlow, "too slow");
    socket.terminate();
  }, room);
  stream.on("drain", () => {
    socket.resume();
    wake();
  });
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    // A binary frame is ignored, as the peer does.
    const message = isBinary ? null : readMessage(data.toString());
    if (message !== null) connection.receive(message);
  });
  // Told by "close" too: a frame that is malformed or too long, text that is not UTF-8, a connection that was cut.
  socket.on("error", (error: Error) => log(`a client's connection is closed: ${error.message}`));
  socket.on("close", () => {
    isOver = true;
    wake();
    connection.close();
    ended.resolve();
    onEnd();
  });
  return {
    answered: () => {
      connection.end();
      return connection.answered();
    },
    close: () => socket.close(goingAway, "the server ends"),
    terminate: () => socket.terminate(),
  };
}
