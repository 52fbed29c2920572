/** `sallyport app-server`: serves one client on stdin and stdout. Loads as little as `initialize` needs to be answered. */
import { homedir } from "node:os";
import { join } from "node:path";
import { AppServer, serveStdio } from "@sallyport/app-server";
import { readVersion } from "../read-version.ts";
import { complain } from "../terminal.ts";

/** 0 when the client closed its end, or after SIGTERM. */
export async function runAppServer(): Promise<number> {
  // Handlers first: a signal that comes while modules load must end the server in order too.
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => stop.abort());
  const configured = process.env["SALLYPORT_HOME"];
  // The same folder as `locateHome()`, which refuses one that is relative: loading it takes longer than answering `initialize`.
  const home = configured === undefined || configured === "" ? join(homedir(), ".sallyport") : configured;
  const server = new AppServer({
    home,
    checkHome: () => checkTheHome(configured),
    cwd: process.cwd(),
    env: process.env,
    version: readVersion(),
    log: complain,
  });
  await serveStdio(server, { input: process.stdin, output: process.stdout, log: complain, signal: stop.signal });
  // What still waits for a client that is gone must not keep the process.
  process.stdin.destroy();
  return 0;
}

async function checkTheHome(configured: string | undefined): Promise<void> {
  const { checkHome, locateHome } = await import("@sallyport/shell-escalation");
  checkHome(locateHome(configured));
}
