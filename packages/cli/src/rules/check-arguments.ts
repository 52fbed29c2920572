/** The arguments of `sallyport rules check`, read as Codex reads those of `execpolicy check`: the first word that is no known option
 *  starts the command, one `--` before it is dropped, and everything after belongs to the command. */
import type { Text } from "@sallyport/protocol";

export interface CheckArguments {
  /** Empty: the discovered rules. */
  rules: string[];
  pretty: boolean;
  resolveHostExecutables: boolean;
  asExec: boolean;
  strictCodex: boolean;
  tokens: string[];
}

export type CheckCall = { kind: "check"; given: CheckArguments } | { kind: "help" } | { kind: "wrong"; text: string };

type Flag = "pretty" | "resolveHostExecutables" | "asExec" | "strictCodex";

const flags: Readonly<Record<string, Flag>> = {
  "--pretty": "pretty",
  "--resolve-host-executables": "resolveHostExecutables",
  "--as-exec": "asExec",
  "--strict-codex": "strictCodex",
};

export function parseCheckArguments(words: readonly Text[]): CheckCall {
  const given: CheckArguments = {
    rules: [],
    pretty: false,
    resolveHostExecutables: false,
    asExec: false,
    strictCodex: false,
    tokens: [],
  };
  const wrong = (text: string): CheckCall => ({ kind: "wrong", text });
  if (words.some((word) => typeof word !== "string")) return wrong("An argument is not UTF-8");
  const texts = words.map(String);
  let at = 0;
  for (; at < texts.length; at += 1) {
    const word = texts[at] ?? "";
    const flag = Object.hasOwn(flags, word) ? flags[word] : undefined;
    if (word === "--help" || word === "-h") return { kind: "help" };
    if (flag !== undefined) {
      if (given[flag]) return wrong(`"${word}" is given twice`);
      given[flag] = true;
    } else if (word === "--rules" || word === "-r") {
      at += 1;
      const file = texts[at];
      if (file === undefined) return wrong(`"${word}" needs a file`);
      given.rules.push(file);
    } else if (word.startsWith("--rules=")) given.rules.push(word.slice("--rules=".length));
    else break;
  }
  if (texts[at] === "--") at += 1;
  given.tokens = texts.slice(at);
  return given.tokens.length === 0 ? wrong("The command to check is missing") : { kind: "check", given };
}
