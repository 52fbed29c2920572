/** Where a server listens, as `--listen` says it. */
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { SallyportError } from "@sallyport/supervisor";

export type ListenAddress =
  | { kind: "stdio" }
  | { kind: "unix"; path: string }
  /** Port 0: one that is free. */
  | { kind: "ws"; host: string; port: number };

/** The longest path that a socket's address holds, in bytes. */
const longestSocketPath = 107;
const expected = "expected stdio://, unix://, unix://PATH or ws://ADDRESS:PORT";

/** `unix://` alone is `app-server-control/app-server-control.sock` in the home, as the peer has it. Throws `LISTEN_REFUSED`. */
export function parseListenAddress(text: string, home: string): ListenAddress {
  if (text === "stdio://") return { kind: "stdio" };
  if (text.startsWith("unix://")) return parsePath(text, home);
  const groups = /^ws:\/\/(?<host>\[[^\]]*\]|[^:/]*):(?<port>\d{1,5})\/?$/.exec(text)?.groups;
  if (groups === undefined) throw refused(text, expected);
  const host = (groups["host"] ?? "").replaceAll(/[[\]]/g, "");
  const port = Number(groups["port"]);
  // No other names: what a name leads to is decided elsewhere, and may change.
  if (host !== "localhost" && isIP(host) === 0)
    throw refused(text, "expected an IP address or localhost before the port");
  if (port > 65_535) throw refused(text, "expected a port up to 65535");
  return { kind: "ws", host: host === "localhost" ? "127.0.0.1" : host, port };
}

export function isLoopback(host: string): boolean {
  return host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host) || /^::ffff:127\.\d+\.\d+\.\d+$/i.test(host);
}

/** As a client names it. */
export function formatAddress(host: string, port: number): string {
  return `ws://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

function parsePath(text: string, home: string): ListenAddress {
  const given = text.slice("unix://".length);
  const path = given === "" ? join(home, "app-server-control", "app-server-control.sock") : resolve(given);
  if (Buffer.byteLength(path) > longestSocketPath) {
    throw refused(text, `its path has ${Buffer.byteLength(path)} bytes, expected at most ${longestSocketPath}`);
  }
  return { kind: "unix", path };
}

export function refused(listen: string, why: string, cause?: unknown): SallyportError {
  return new SallyportError("LISTEN_REFUSED", `The server can't listen on ${JSON.stringify(listen)}: ${why}`, {
    data: { listen },
    ...(cause === undefined ? {} : { cause }),
  });
}
