/** A server on one or more transports, until it is told to end: new clients are turned away, what was asked is answered, turns are
 *  interrupted and their threads closed while clients may still read, then the connections end. */
import type { Readable, Writable } from "node:stream";
import type { AppServer } from "../app-server.ts";
import { serveStdio } from "../stdio.ts";
import type { BearerAuth } from "./bearer-auth.ts";
import type { ListenAddress } from "./listen-address.ts";
import type { SocketServer } from "./socket-server.ts";

export interface ServeOptions {
  addresses: readonly ListenAddress[];
  /** Of TCP; null: everybody who reaches the port may come in. A unix socket is its owner's alone. */
  auth: BearerAuth | null;
  input: Readable;
  output: Writable;
  log: (line: string) => void;
  /** Told once a socket is listened on, with its address as clients name it. */
  onListening(address: string): void;
  signal: AbortSignal;
}

/** Resolves when `signal` aborts, or stdin ends where that is one of the addresses, and all is closed. Throws `LISTEN_REFUSED`; then
 *  nothing is served. */
export async function serve(server: AppServer, options: ServeOptions): Promise<void> {
  const { addresses, input, output, log, signal } = options;
  const sockets: SocketServer[] = [];
  try {
    await listenOnAll(server, options, sockets);
    if (addresses.some(({ kind }) => kind === "stdio")) await serveStdio(server, { input, output, log, signal });
    else await aborted(signal);
    await Promise.all(sockets.map((socket) => socket.stopAccepting()));
    await server.close();
  } finally {
    await Promise.all(sockets.map((socket) => socket.close()));
  }
}

async function listenOnAll(server: AppServer, options: ServeOptions, sockets: SocketServer[]): Promise<void> {
  const { addresses, auth, log } = options;
  for (const address of addresses) {
    if (address.kind === "stdio") continue;
    // Loaded only here: stdio alone answers `initialize` before this would be read.
    const { listenForClients } = await import("./socket-server.ts");
    const socket = await listenForClients(server, { address, auth: address.kind === "ws" ? auth : null, log });
    sockets.push(socket);
    options.onListening(socket.address);
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
