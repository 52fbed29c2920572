/** The three ways to a server. */
import { resolve } from "node:path";
import { AppServerClient } from "./app-server-client.ts";
import type { ClientOptions } from "./app-server-client.ts";
import { spawnTransport } from "./stdio-transport.ts";
import type { SpawnOptions } from "./stdio-transport.ts";

/** Starts a server for this client alone. Any program that speaks the protocol on stdin and stdout will do. */
export async function spawnAppServer(options: ClientOptions & { spawn?: SpawnOptions }): Promise<AppServerClient> {
  return await AppServerClient.open(spawnTransport(options.spawn ?? {}), options);
}

/** Connects to a server that listens: `ws://HOST:PORT` with the token of its token file, or `unix://PATH`. */
export async function connectAppServer(
  address: string,
  options: ClientOptions & { token?: string },
): Promise<AppServerClient> {
  const { openSocket } = await import("./socket-transport.ts");
  const { token } = options;
  const transport = await openSocket({ url: toUrl(address), ...(token === undefined ? {} : { token }) });
  return await AppServerClient.open(transport, options);
}

function toUrl(address: string): string {
  if (/^wss?:\/\//.test(address)) return address;
  const path = /^unix:\/\/(?<path>.+)$/.exec(address)?.groups?.["path"];
  if (path !== undefined) return `ws+unix:${resolve(path)}:/rpc`;
  throw new TypeError(
    `the address ${JSON.stringify(address)} is not understood, expected ws://HOST:PORT, wss://HOST:PORT or unix://PATH`,
  );
}
