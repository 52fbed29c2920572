/** Every program that one exec starts: the file itself, the interpreters of its `#!` chain, and the applet of a multi-call
 *  file. Each with the arguments that it gets, as the kernel builds them. */
import type { Text } from "@sallyport/protocol";
import type { ExecFile } from "@sallyport/supervisor";
import { appletOf, isBoxName, isNamedOnly } from "./multi-call.ts";
import { baseName } from "./text-path.ts";

export interface Program {
  file: ExecFile;
  /** The path by which it was reached, as written. */
  calledAs: Text;
  /** What it may be called in a rule, besides being the rule's very file. */
  names: readonly Text[];
  /** As the program gets it. */
  argv: readonly Text[];
  /** What a rule's tokens behind the program are compared with. */
  args: readonly Text[];
  /** `file`: what was asked for; `interpreter`: what a `#!` line names; `applet`: one of several programs in `file`. */
  part: "file" | "interpreter" | "applet";
  /** What kind of multi-call file this is; null for an ordinary one. */
  multiCall: "box" | "named" | null;
}

export interface Start {
  chain: readonly ExecFile[];
  calledAs: Text;
  argv: readonly Text[];
}

/** `isBox` recognises a box by what it is, where its name does not tell. */
export function programsOf(start: Start, isBox: (file: ExecFile) => boolean): Program[] {
  const programs: Program[] = [];
  let { calledAs } = start;
  let argv = start.argv;
  for (const [index, file] of start.chain.entries()) {
    const names = [baseName(calledAs), plainName(file)];
    const multiCall = multiCallOf(file, [...names, baseName(argv[0] ?? "")], isBox);
    const part = index === 0 ? "file" : "interpreter";
    programs.push({ file, calledAs, names, argv, args: argv.slice(1), part, multiCall });
    const applet = multiCall === null ? null : appletOf(argv);
    if (applet !== null) programs.push({ file, calledAs, argv, ...applet, part: "applet", multiCall });
    if (file.interpreter === undefined) break;
    argv = interpreterArgv(file.interpreter, calledAs, argv);
    calledAs = file.interpreter.file;
  }
  return programs;
}

/** The argument vector that the kernel gives to the interpreter of a script. */
export function interpreterArgv(
  line: { file: Text; argument?: Text },
  script: Text,
  argv: readonly Text[],
): readonly Text[] {
  return [line.file, ...(line.argument === undefined ? [] : [line.argument]), script, ...argv.slice(1)];
}

function multiCallOf(file: ExecFile, names: readonly Text[], isBox: (file: ExecFile) => boolean): Program["multiCall"] {
  if (file.kind === "script") return null;
  if (names.some(isBoxName) || isBox(file)) return "box";
  return isNamedOnly(plainName(file)) ? "named" : null;
}

/** No name leads to it any more, or none ever did. */
export function isAnonymous(file: ExecFile): boolean {
  return file.nlink === 0;
}

function plainName(file: ExecFile): Text {
  const name = baseName(file.path);
  return isAnonymous(file) && typeof name === "string" ? name.replace(/ \(deleted\)$/, "") : name;
}
