/** `host_executable`: where a program of some name has to lie for rules on its name to mean it. */
import type { Placed, Report } from "./call-arguments.ts";
import { elementsOfList, parameterTable, readArguments, shortRepr } from "./call-arguments.ts";
import { stringsOf } from "./examples.ts";
import { isUsualHost, normalPath } from "./program-names.ts";
import { quoted } from "./rules-error.ts";
import type { Call } from "./syntax.ts";
import { List, typeName } from "./values.ts";
import type { Given } from "./values.ts";

const table = parameterTable("host_executable", { name: "string", paths: "list" }, { required: ["name", "paths"] });

interface Entry {
  name: string;
  paths: readonly string[];
}

export function readHostExecutable(call: Call, given: Given, report: Report): Entry | null {
  return readUsual(given) ?? readAny(call, given, report);
}

/** Nearly every call: right, and its paths are normal as they are written. Null for any other. */
function readUsual({ positional, named }: Given): Entry | null {
  const name = positional[0] ?? named.get("name");
  const list = positional[1] ?? named.get("paths");
  if (positional.length + named.size !== 2 || typeof name !== "string" || !(list instanceof List)) return null;
  const paths = stringsOf(list);
  return paths !== null && isUsualHost(name, paths) ? { name, paths: [...new Set(paths)] } : null;
}

function readAny(call: Call, given: Given, report: Report): Entry | null {
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
