/** `host_executable`: where a program of some name has to lie for rules on its name to mean it. */
import type { Placed, Report } from "./call-arguments.ts";
import { elementsOfList, parameterTable, readArguments, shortRepr } from "./call-arguments.ts";
import { normalPath } from "./program-names.ts";
import { quoted } from "./rules-error.ts";
import type { Call } from "./syntax.ts";
import { typeName } from "./values.ts";
import type { Given } from "./values.ts";

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
