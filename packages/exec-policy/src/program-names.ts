/** Programs that are given as paths, and the names that rules have for them. */
import { canonicalText } from "./canonical.ts";

/** Absolute, normalised paths by name. A later entry of a name replaces an earlier one. */
export type HostExecutables = ReadonlyMap<string, readonly string[]>;

/** Without ".", "..", double and trailing slashes; links are not looked at. */
export function normalPath(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}

/** Whether an entry of `host_executable` is right and its paths are normal as they are written. False says nothing. */
export function isUsualHost(name: string, paths: readonly string[]): boolean {
  if (name === "" || name.includes("/") || name.startsWith(".")) return false;
  for (const path of paths) {
    if (!path.startsWith("/") || path.includes("//") || path.includes("/.") || !path.endsWith(`/${name}`)) return false;
  }
  return true;
}

/** The name that rules on names are tried with, for a program that is given as a path; null where there is none, or where the
 *  table says that the name lies elsewhere. */
export function resolveByName(
  program: string,
  hosts: HostExecutables,
  from: { folder: string; home: string | null; canonical: boolean },
): { name: string; path: string } | null {
  if (!program.includes("/")) return null;
  const path = normalPath(
    program.startsWith("~/") && from.home !== null
      ? `${from.home}/${program.slice(2)}`
      : program.startsWith("/")
        ? program
        : `${from.folder}/${program}`,
  );
  const name = path.split("/").at(-1) ?? "";
  // "/", "." and "x/.." lead to folders, not to programs.
  const written = program.split("/").at(-1);
  if (name === "" || written === "." || written === "..") return null;
  const listed = pathsFor(name, hosts, from.canonical);
  return listed === null || listed.includes(path) ? { name, path } : null;
}

function pathsFor(name: string, hosts: HostExecutables, canonical: boolean): readonly string[] | null {
  const exact = hosts.get(name);
  if (exact !== undefined || !canonical) return exact ?? null;
  const wanted = canonicalText(name);
  for (const [other, paths] of hosts) if (canonicalText(other) === wanted) return paths;
  return null;
}
