/** LD_PRELOAD and its like: they put code into any program, so a program is only what its file says while they name nothing
 *  that can be written from inside. */
import { dirname, resolve } from "node:path";
import { textToDisplay } from "@sallyport/supervisor";
import type { Text } from "@sallyport/protocol";
import type { LoaderSetting } from "./dynamic-loader.ts";
import { displayPath } from "./text-path.ts";
import { followWay } from "./way.ts";
import type { Places } from "./way.ts";

const variables: Record<string, LoaderSetting["holds"]> = {
  LD_PRELOAD: "files",
  LD_AUDIT: "files",
  LD_LIBRARY_PATH: "folders",
};
const marker = Buffer.from("LD_");

/** The loader variables of an environment block, every occurrence of each. */
export function loaderSettings(env: Buffer): LoaderSetting[] {
  const found: LoaderSetting[] = [];
  for (let at = env.indexOf(marker); at !== -1; at = env.indexOf(marker, at + 1)) {
    if (at > 0 && env[at - 1] !== 0) continue;
    const end = env.indexOf(0, at);
    const entry = env.toString("utf8", at, end === -1 ? env.length : end);
    const equals = entry.indexOf("=");
    const name = entry.slice(0, equals);
    const holds = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (equals !== -1 && holds !== undefined) found.push({ name, value: entry.slice(equals + 1), holds });
  }
  return found;
}

/** The first setting that names something writable from inside, as a text for people; null where all are harmless. */
export function writableSetting(
  settings: readonly LoaderSetting[],
  context: { cwd: Text; program: Text; places: Places },
): string | null {
  const cwd = textToDisplay(context.cwd);
  for (const { name, value, holds } of settings) {
    for (const entry of entriesOf(textToDisplay(value), holds)) {
      const path = resolve(cwd, expand(entry, context.program));
      const way = followWay(path, context.places);
      if (way.writable !== null || way.private)
        return `${name} names ${displayPath(entry === "" ? "." : entry)}, which can be written from inside`;
    }
  }
  return null;
}

function entriesOf(value: string, holds: LoaderSetting["holds"]): string[] {
  if (value === "") return [];
  // An empty folder is the current one. A file without a slash is looked for in the folders, not in the current one.
  return holds === "folders" ? value.split(/[:;]/) : value.split(/[:\s]/).filter((entry) => entry.includes("/"));
}

/** `$ORIGIN` is the program's folder; behind any other name only the part before it is known. */
function expand(entry: string, program: Text): string {
  const own = entry.replace(/\$(?:ORIGIN\b|\{ORIGIN\})/g, () => dirname(textToDisplay(program)));
  const unknown = own.indexOf("$");
  return unknown === -1 ? own : own.slice(0, unknown);
}
