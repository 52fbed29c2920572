/** Finds the unix sockets that a command could connect to by path. A read-only mount does not stop connect(2), so each has to be hidden. */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { lookAt, realPath, unique } from "./paths.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Resolved paths of existing sockets: those of this network namespace, those that the environment names, and those that are
 *  mounted one by one (as containers get docker.sock from another network namespace).
 *  A path that is not UTF-8 can't be named in an argument vector and is left out. */
export function listSockets(env: Environment): string[] {
  const candidates = unique([...boundSockets(readText("/proc/net/unix")), ...namedSockets(env), ...mountedFiles()]);
  return unique(
    candidates.filter((path) => path.startsWith("/")).map((path) => join(realPath(dirname(path)), basename(path))),
  ).filter((path) => lookAt(path)?.isSocket() === true);
}

/** Paths in the text of /proc/net/unix. The kernel writes a newline in a path as it is: a line that does not start an entry goes on with the last path. */
export function boundSockets(table: string): string[] {
  const paths: string[] = [];
  for (const line of table.split("\n").slice(1)) {
    const entry = /^[0-9a-f]{8,}: [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{4} [0-9A-F]{2} +\d+(?: (.*))?$/.exec(
      line,
    );
    if (entry !== null) paths.push(entry[1] ?? "");
    else if (paths.length > 0) paths.push(`${paths.pop()}\n${line}`);
  }
  return paths.map((path) => path.replace(/\n$/, "")).filter((path) => path.startsWith("/"));
}

/** Sockets by the variables that clients look at. */
export function namedSockets(env: Environment): string[] {
  const paths = [env["SSH_AUTH_SOCK"], env["TMUX"]?.split(",")[0]];
  for (const name of ["DOCKER_HOST", "CONTAINER_HOST"]) paths.push(/^unix:\/\/(\/.*)$/.exec(env[name] ?? "")?.[1]);
  for (const name of ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"]) {
    for (const address of (env[name] ?? "").split(";")) paths.push(/^unix:(?:.*,)?path=([^,]*)/.exec(address)?.[1]);
  }
  return paths.flatMap((path) => (path === undefined || path === "" ? [] : [path]));
}

function mountedFiles(): string[] {
  const points = readText("/proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .map((field) =>
      field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    );
  return points.filter((path) => path !== "");
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // No table (another /proc, an old kernel): what the environment and the mounts name is still found.
    return "";
  }
}
