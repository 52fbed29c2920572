/** A server that others may use too: WebSocket, one message a text frame, over TCP or a unix socket. */
import { WebSocket } from "ws";
import { ConnectionClosed } from "./errors.ts";
import type { MessageTransport, TransportHandlers } from "./message-transport.ts";

export interface SocketOptions {
  /** `ws://HOST:PORT`, or `ws+unix:` with the path of a socket. */
  url: string;
  /** Sent as bearer token. */
  token?: string;
}

/** As much as the server takes: with more, one of the two is broken. */
const maxMessageBytes = 64 * 1024 * 1024;
const graceMs = 5000;

/** Resolves when the connection is open. Throws `ConnectionClosed` where it cannot be opened, with the server's reason. */
export async function openSocket({ url, token }: SocketOptions): Promise<MessageTransport> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(url, { headers, maxPayload: maxMessageBytes, perMessageDeflate: false });
  // Listens from the first moment: a message may come in the same piece as the handshake.
  const transport = new SocketTransport(socket, url);
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string): void => reject(new ConnectionClosed(`${url} cannot be reached: ${why}`));
    socket.once("open", resolve);
    socket.once("error", (error: Error) => fail(error.message));
    socket.once("unexpected-response", (_request, response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("end", () =>
        fail(`the server answered ${response.statusCode} ${Buffer.concat(pieces).toString()}`.trim()),
      );
      response.on("error", (error: Error) => fail(error.message));
    });
  });
  return transport;
}

class SocketTransport implements MessageTransport {
  readonly #socket: WebSocket;
  readonly #early: string[] = [];
  readonly #ended = Promise.withResolvers<string>();
  #message: (text: string) => void;

  constructor(socket: WebSocket, url: string) {
    this.#socket = socket;
    this.#message = (text) => this.#early.push(text);
    let failure = "";
    socket.on("error", (error: Error) => (failure = `: ${error.message}`));
    // A server of this protocol sends no binary frames.
    socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) this.#message(data.toString());
    });
    socket.on("close", (code, reason) => {
      const why = reason.length === 0 ? failure : `: ${reason.toString()}`;
      this.#ended.resolve(`the connection to ${url} was closed (${code})${why}`);
    });
  }

  start(handlers: TransportHandlers): void {
    this.#message = (text) => handlers.message(text);
    for (const text of this.#early.splice(0)) handlers.message(text);
    void this.#ended.promise.then((reason) => handlers.closed(reason));
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  async close(): Promise<void> {
    this.#socket.close(1000);
    const timer = setTimeout(() => this.#socket.terminate(), graceMs);
    await this.#ended.promise;
    clearTimeout(timer);
  }
}
