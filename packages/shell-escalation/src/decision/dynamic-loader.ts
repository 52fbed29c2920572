/** The dynamic loader as a launcher: `ld.so [options] PROGRAM [ARG...]` runs PROGRAM without an exec of its own. */
import type { Text } from "@sallyport/protocol";
import { elfInterpreter, fileAt } from "./known-file.ts";
import type { KnownFile } from "./known-file.ts";
import { hasSlash, startsWith } from "./text-path.ts";

const loaderName = /^ld-(?:linux|musl)|^ld(?:32|64)?(?:[-.].*)?\.so(?:\.\d+)*$/;

export function isLoaderName(name: Text): boolean {
  return typeof name === "string" && loaderName.test(name);
}

/** The loaders of this machine: what well-known programs name, and the usual places. */
export function findLoaders(): KnownFile[] {
  const named = ["/bin/sh", process.execPath, "/usr/bin/env"].map(elfInterpreter).filter((path) => path !== null);
  const usual = ["x86_64", "aarch64"].flatMap((machine) => [
    `/lib/ld-musl-${machine}.so.1`,
    `/lib/ld-linux-${machine}.so.1`,
    `/lib64/ld-linux-${machine.replace("_", "-")}.so.2`,
  ]);
  const found = new Map<string, KnownFile>();
  for (const path of [...named, ...usual]) {
    const file = fileAt(path);
    if (file !== null) found.set(file.key, file);
  }
  return [...found.values()];
}

export type LoaderCall =
  /** It prints something about itself and ends. */
  | { kind: "nothing" }
  | { kind: "program"; file: Text; argv: Text[]; libraries: LoaderSetting[] }
  | { kind: "unclear"; text: string };

/** `list` holds files to load, `folders` folders to search. */
export interface LoaderSetting {
  name: string;
  value: Text;
  holds: "files" | "folders";
}

const flags = new Set(["--list", "--verify", "--inhibit-cache"]);
const informing = new Set(["--help", "--version", "--list-tunables", "--list-diagnostics"]);
const valued: Record<string, LoaderSetting["holds"] | "argv0" | "ignored"> = {
  "--library-path": "folders",
  "--preload": "files",
  "--audit": "files",
  "--argv0": "argv0",
  "--inhibit-rpath": "ignored",
  "--glibc-hwcaps-prepend": "ignored",
  "--glibc-hwcaps-mask": "ignored",
};

/** Reads the loader's own command line. Fails closed because an option that is not known here may change what runs. */
export function readLoaderCall(argv: readonly Text[]): LoaderCall {
  const libraries: LoaderSetting[] = [];
  let argv0: Text | undefined;
  let at = 1;
  for (; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    if (!startsWith(word, "--")) break;
    if (typeof word !== "string") return { kind: "unclear", text: "an option that is not text" };
    if (word === "--") {
      at += 1;
      break;
    }
    if (informing.has(word)) return { kind: "nothing" };
    if (flags.has(word)) continue;
    const equals = word.indexOf("=");
    const name = equals === -1 ? word : word.slice(0, equals);
    const holds = Object.hasOwn(valued, name) ? valued[name] : undefined;
    if (holds === undefined) return { kind: "unclear", text: `the option ${JSON.stringify(name)}` };
    if (equals === -1) at += 1;
    const value = equals === -1 ? argv[at] : word.slice(equals + 1);
    if (value === undefined) return { kind: "unclear", text: `no value for ${name}` };
    if (holds === "argv0") argv0 = value;
    else if (holds !== "ignored") libraries.push({ name, value, holds });
  }
  const file = argv[at];
  if (file === undefined) return { kind: "nothing" };
  // Without a slash the loader looks for it among libraries: which file that is cannot be told from here.
  if (!hasSlash(file)) return { kind: "unclear", text: "a program without a folder" };
  return { kind: "program", file, argv: [argv0 ?? file, ...argv.slice(at + 1)], libraries };
}
