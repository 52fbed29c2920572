/** `host_executable`: where a program of some name has to lie for rules on its name to mean it. */
import { canonicalText } from "./canonical.ts";
import type { Placed, Report } from "./call-arguments.ts";
import { elementsOfList, parameterTable, readArguments, shortRepr } from "./call-arguments.ts";
import { quoted } from "./rules-error.ts";
import type { Call } from "./syntax.ts";
import { typeName } from "./values.ts";
import type { Given } from "./values.ts";

/** Absolute, normalised paths by name. A later entry of a name replaces an earlier one. */
export type HostExecutables = ReadonlyMap<string, readonly string[]>;

const table = parameterTable("host_executable", { name: "string", paths: "list" }, { required: ["name", "paths"] });

export function readHostExecutable(call: Call, given: Given, report: Report): { name: string; paths: string[] } | null {
  let broken = false;
  const note: Report = (where, text, expected) => {
    broken = true;
    report(where, text, expected);
  };
  const found = readArguments(table, call, given, note);
  const name = nameOf(found.get("name"), note);
  const paths = pathsOf(found.get("paths"), name, note);
  return broken || name === null ? null : { name, paths };
}

function nameOf(place: Placed | undefined, report: Report): string | null {
  if (typeof place?.value !== "string") return null;
  const name = place.value;
  if (name === "") report(place, "invalid rule: host_executable name cannot be empty", "a name such as git");
  else if (name.includes("/") || name === "." || name === "..")
    report(
      place,
      `invalid rule: host_executable name must be a bare executable name (got ${name})`,
      "a name without slashes",
    );
  return name;
}

function pathsOf(place: Placed | undefined, name: string | null, report: Report): string[] {
  if (place === undefined) return [];
  const paths = elementsOfList(place).flatMap((part) => {
    const path = part.value;
    if (typeof path !== "string") {
      report(part, `invalid rule: host_executable paths must be strings (got ${typeName(path)})`, "absolute paths");
      return [];
    }
    const normal = normalPath(path);
    if (!path.startsWith("/"))
      report(part, `invalid rule: host_executable paths must be absolute (got ${path})`, "a path that starts with /");
    else if (name !== null && normal.split("/").at(-1) !== name)
      report(
        part,
        `invalid rule: host_executable path ${shortRepr(path)} must have basename ${quoted(name)}`,
        "the same name",
      );
    return [normal];
  });
  return [...new Set(paths)];
}

/** Without ".", "..", double and trailing slashes; links are not looked at. */
export function normalPath(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
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
