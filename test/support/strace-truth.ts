/** What the kernel executed, as strace saw it: the truth that the journal is compared with. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** One execve that succeeded: what was passed to it. */
export interface Start {
  calledAs: string;
  argv: string[];
}

/** Words to put in front of a command. A file a process, so that no line is cut in two by another process; every string in hexadecimal,
 *  and whole, so that no argument can look like something else. */
export function straceWords(folder: string): string[] {
  const options = ["-ff", "--seccomp-bpf", "-qq", "-v", "-xx", "-s", "1048576", "--signal=none"];
  return ["strace", ...options, "-e", "trace=execve,execveat", "-o", join(folder, "trace"), "--"];
}

export function readTruth(folder: string): Start[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith("trace."))
    .flatMap((name) => readFileSync(join(folder, name), "latin1").split("\n"))
    .filter((line) => line.endsWith(" = 0"))
    .map(parseLine);
}

/** `execve("\x2f\x62", ["\x61", "\x62"], [...]) = 0`; execveat has a descriptor in front, and only absolute paths are understood. */
function parseLine(line: string): Start {
  const found = /^execve(?:at)?\((?:AT_FDCWD, |\d+, )?"((?:\\x..)*)", \[((?:"(?:\\x..)*"(?:, )?)*)\], /.exec(line);
  if (found === null) throw new Error(`strace printed ${JSON.stringify(line.slice(0, 200))}, expected an execve`);
  const [, file = "", words = ""] = found;
  const argv = [...words.matchAll(/"((?:\\x..)*)"/g)].map(([, word = ""]) => decode(word));
  return { calledAs: decode(file), argv };
}

function decode(text: string): string {
  return Buffer.from(text.replaceAll("\\x", ""), "hex").toString("utf8");
}
