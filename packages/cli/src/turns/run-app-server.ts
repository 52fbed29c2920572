/** `sallyport app-server`: serves clients on stdin and stdout, unix sockets and WebSocket. Loads as little as `initialize` needs to be
 *  answered. */
import { homedir } from "node:os";
import { join } from "node:path";
import { AppServer, isLoopback, parseListenAddress, serve, serveStdio } from "@sallyport/app-server";
import type { ListenAddress } from "@sallyport/app-server";
import { readVersion } from "../read-version.ts";
import { complain, noteOutputFailure, statusAfterOutput } from "../terminal.ts";
import type { AuthFlags } from "./app-server-auth.ts";

export interface AppServerFlags extends AuthFlags {
  /** Default: stdin and stdout alone. */
  listen?: string[];
}

/** 0 when the client of stdin closed its end, or after SIGTERM. */
export async function runAppServer(flags: AppServerFlags): Promise<number> {
  // Handlers first: a signal that comes while modules load must end the server in order too.
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => stop.abort());
  const configured = process.env["SALLYPORT_HOME"];
  // The same folder as `locateHome()`, which refuses one that is relative: loading it takes longer than answering `initialize`.
  const home = configured === undefined || configured === "" ? join(homedir(), ".sallyport") : configured;
  const addresses = (flags.listen ?? ["stdio://"]).map((text) => parseListenAddress(text, home));
  const server = new AppServer({
    home,
    checkHome: () => checkTheHome(configured),
    cwd: process.cwd(),
    env: process.env,
    version: readVersion(),
    log: complain,
  });
  // A client that is gone ends the server as usual; anything else lost what clients were to be told.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") noteOutputFailure(error);
  });
  const streams = { input: process.stdin, output: process.stdout, log: complain, signal: stop.signal };
  if (addresses.every(({ kind }) => kind === "stdio")) await serveStdio(server, streams);
  else await serveSockets(server, { addresses, flags, home, configured, streams });
  // What still waits for a client that is gone must not keep the process.
  process.stdin.destroy();
  return statusAfterOutput(0);
}

async function serveSockets(
  server: AppServer,
  {
    addresses,
    flags,
    home,
    configured,
    streams,
  }: {
    addresses: readonly ListenAddress[];
    flags: AuthFlags;
    home: string;
    configured: string | undefined;
    streams: Pick<Parameters<typeof serve>[1], "input" | "output" | "log" | "signal">;
  },
): Promise<void> {
  // Whoever can write the home could put a token of their own there.
  await checkTheHome(configured);
  const { chooseAuth } = await import("./app-server-auth.ts");
  const tcp = addresses.filter((address) => address.kind === "ws");
  const isOpenTo = tcp.every(({ host }) => isLoopback(host)) ? "this machine" : "the network";
  const { auth, tokenFile } =
    tcp.length === 0 ? { auth: null, tokenFile: null } : chooseAuth(flags, { home, isOpenTo });
  await serve(server, {
    ...streams,
    addresses,
    auth,
    onListening(address) {
      complain(`listening on ${address}`);
      if (tokenFile !== null && address.startsWith("ws:")) complain(`clients need the token in ${tokenFile}`);
    },
  });
}

async function checkTheHome(configured: string | undefined): Promise<void> {
  // This part alone: the whole package takes longer to load than everything else until `initialize` is answered.
  const { checkHome, locateHome } = await import("@sallyport/shell-escalation/home");
  checkHome(locateHome(configured));
}
