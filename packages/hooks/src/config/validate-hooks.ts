/** Checks one file as discovery would read it, whether it is in its place already or not. */
import { basename, dirname, extname, resolve } from "node:path";
import { readConfigFile } from "./read-config-file.ts";
import { parseJsonNode, parseTomlFile } from "./config-node.ts";
import type { FileOrigin } from "./config-layers.ts";
import { wholeFile } from "./config-warning.ts";
import type { ConfigWarning } from "./config-warning.ts";
import { parseHooks } from "./parse-hooks.ts";
import type { FileHook } from "./parse-hooks.ts";

export interface ValidatedFile {
  file: string;
  /** Whose rules it was read by, from the folder that it is in. */
  origin: FileOrigin;
  hooks: FileHook[];
  warnings: ConfigWarning[];
}

/** Never throws: a file that can't be read is a warning as well. */
export function validateHooksFile(path: string): ValidatedFile {
  const file = resolve(path);
  const origin = originOf(file);
  const read = readConfigFile(file, "anyOwner");
  const failed = (warning: Omit<ConfigWarning, "file">): ValidatedFile => ({
    file,
    origin,
    hooks: [],
    warnings: [{ file, ...warning }],
  });
  if (read.kind === "missing") return failed({ place: wholeFile, message: "there is no such file" });
  if (read.kind === "broken") return failed({ place: wholeFile, message: read.message });
  if (extname(file) !== ".toml") {
    const parsed = parseJsonNode(read.text);
    if ("problem" in parsed) return failed(parsed.problem);
    return { file, origin, ...parseHooks({ path: file, origin, shape: "document", node: parsed.node }) };
  }
  const parsed = parseTomlFile(read.text);
  if ("problem" in parsed) return failed(parsed.problem);
  const { node } = parsed;
  const events = node.kind === "object" ? node.entries.find(({ key }) => key === "hooks") : undefined;
  if (events === undefined) return failed({ place: wholeFile, message: "there is no [hooks] table" });
  return { file, origin, ...parseHooks({ path: file, origin, shape: "events", node: events.value }) };
}

function originOf(file: string): FileOrigin {
  const folder = basename(dirname(file));
  if (folder === ".codex") return "codex";
  return folder === ".claude" ? "claude" : "sallyport";
}
