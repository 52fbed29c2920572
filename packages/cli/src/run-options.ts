/** The options of `sallyport run`, in one table: it parses the command line and it writes the help. Parsed by hand because a
 *  general parser takes longer to load than the whole of Node needs to start. */
import type { Text } from "@sallyport/protocol";
import { usageError } from "./usage-error.ts";

const maxTimeoutSeconds = 2_000_000;
const maxProcessLimit = 4_194_304;

export interface RunArguments {
  /** What is run: the program and its arguments, or the shell and its script. */
  argv: Text[];
  interceptor: "auto" | "kernel" | "bash" | "none";
  /** As written; null: the default. */
  shell: string | null;
  execveWrapper: string | null;
  rules: string[];
  useDiscoveredRules: boolean;
  sandbox: "read-only" | "workspace-write" | "danger-full-access";
  writable: string[];
  network: boolean;
  denyRead: string[];
  allowGitInit: boolean;
  sockets: string[];
  wall: "auto" | "bubblewrap" | "landlock";
  /** Who answers a rule's "prompt": the person at the terminal, or nobody. Null: the person, where there is a terminal. */
  ask: "on-request" | "never" | null;
  /** A terminal of its own. */
  pty: boolean;
  maxProcesses: number | null;
  timeoutMs: number | null;
  journal: string | null;
  tree: boolean;
  /** Where the summary goes. */
  json: { kind: "none" } | { kind: "stderr" } | { kind: "file"; file: string };
}

export interface OptionRow {
  name: string;
  /** Name of the value; a flag has none. `[=FILE]`: it may have one, in the same word. */
  value?: string;
  choices?: readonly string[];
  text: string;
}

const table = [
  { name: "-c", value: "SCRIPT", text: "run SCRIPT with the shell instead of a program" },
  {
    name: "--shell",
    value: "PATH",
    text: "the shell for -c (default: bash); with --interceptor bash, the patched one",
  },
  { name: "--login", text: "make it a login shell" },
  {
    name: "--execve-wrapper",
    value: "PATH",
    text: "what the patched bash executes in place of programs (default: Sallyport's own)",
  },
  {
    name: "--interceptor",
    value: "KIND",
    choices: ["auto", "kernel", "bash", "none"],
    text: "who sees the programs that start: the kernel, a patched bash, or nobody; auto: the first of them that works",
  },
  { name: "--rules", value: "FILE", text: "rules besides those in Sallyport's home; repeat for more" },
  { name: "--no-rules", text: "leave out the rules in Sallyport's home" },
  {
    name: "--sandbox",
    value: "MODE",
    choices: ["workspace-write", "read-only", "danger-full-access"],
    text: "what the command may change (default: workspace-write, this folder and a private /tmp)",
  },
  { name: "--writable", value: "DIR", text: "one more folder that it may change; repeat for more" },
  { name: "--network", text: "leave the network open" },
  { name: "--deny-read", value: "PATH", text: "one more path that it may not read; repeat for more" },
  { name: "--allow-git-init", text: "let it make a .git folder here" },
  { name: "--socket", value: "PATH", text: "a unix socket that it may connect to; repeat for more" },
  {
    name: "--wall",
    value: "KIND",
    choices: ["auto", "bubblewrap", "landlock"],
    text: "what the sandbox is made of; auto takes bubblewrap, or says that it can't",
  },
  {
    name: "--ask",
    value: "WHEN",
    choices: ["on-request", "never"],
    text: 'what a rule with "prompt" does: ask at the terminal (default where there is one), or never, and deny',
  },
  { name: "-t", text: "give it a terminal of its own, also where there is none" },
  { name: "--max-procs", value: "N", text: "at most N processes and threads at a time" },
  { name: "--timeout", value: "SECONDS", text: "then end the whole tree, and exit with 124" },
  { name: "--journal", value: "FILE", text: "append one JSON record a program to FILE" },
  { name: "--tree", text: "afterwards, print the tree of programs to stderr" },
  {
    name: "--json",
    value: "[=FILE]",
    text: "afterwards, print a JSON summary to stderr, as its last line, or to FILE",
  },
  { name: "--help", text: "show this help" },
  { name: "--version", text: "print the version" },
] as const satisfies readonly OptionRow[];

export const runOptionRows: readonly OptionRow[] = table;

type OptionName = (typeof table)[number]["name"];
type Values = Map<OptionName, Text[]>;

/** Returns null where help or the version is asked for. Throws `USAGE`. Paths are left as they were written. */
export function parseRunArguments(words: readonly Text[]): RunArguments | null {
  const { values, operands } = splitWords(words);
  if (values.has("--help") || values.has("--version")) return null;
  refuseWhatIsNotThere(values);
  const one = (name: OptionName): string | null => lastText(values, name);
  const all = (name: OptionName): string[] => (values.get(name) ?? []).map((value) => requireText(value, name));
  return {
    argv: commandOf(values, operands),
    interceptor: (one("--interceptor") as RunArguments["interceptor"] | null) ?? "auto",
    shell: one("--shell"),
    execveWrapper: one("--execve-wrapper"),
    rules: all("--rules"),
    useDiscoveredRules: !values.has("--no-rules"),
    // The choices in the table have been checked, so these are what their types say.
    sandbox: (one("--sandbox") as RunArguments["sandbox"] | null) ?? "workspace-write",
    writable: all("--writable"),
    network: values.has("--network"),
    denyRead: all("--deny-read"),
    allowGitInit: values.has("--allow-git-init"),
    sockets: all("--socket"),
    wall: (one("--wall") as RunArguments["wall"] | null) ?? "auto",
    ask: one("--ask") as RunArguments["ask"],
    pty: values.has("-t"),
    maxProcesses: parseLimit(one("--max-procs")),
    timeoutMs: parseSeconds(one("--timeout")),
    journal: one("--journal"),
    tree: values.has("--tree"),
    json: jsonOf(values),
  };
}

/** Options end at the first word that is none, or after "--": what follows belongs to the program, dashes and all. */
function splitWords(words: readonly Text[]): { values: Values; operands: readonly Text[] } {
  const values: Values = new Map();
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (word === "--") return { values, operands: words.slice(at + 1) };
    if (typeof word !== "string" || !word.startsWith("-") || word === "-") return { values, operands: words.slice(at) };
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    const name = word === "-h" ? "--help" : equals === -1 ? word : word.slice(0, equals);
    const row = runOptionRows.find((candidate) => candidate.name === name);
    if (row === undefined) throw usageError(`Unknown option "${name}"`, "run");
    let value: Text = equals === -1 ? "" : word.slice(equals + 1);
    if (row.value === undefined && equals !== -1)
      throw usageError(`Option ${name} takes no value, found "${value}"`, "run");
    if (row.value !== undefined && !row.value.startsWith("[") && equals === -1) {
      at += 1;
      const next = words[at];
      if (next === undefined) throw usageError(`Option ${name} has no value, expected ${row.value}`, "run");
      value = next;
    }
    if (row.choices !== undefined && !row.choices.some((choice) => choice === value)) {
      throw usageError(
        `Option ${name} has the value "${requireText(value, name)}", expected ${row.choices.join(", ")}`,
        "run",
      );
    }
    const key = row.name as OptionName; // every row comes from the table
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  return { values, operands: [] };
}

function refuseWhatIsNotThere(values: Values): void {
  const interceptor = lastText(values, "--interceptor") ?? "auto";
  if (values.has("--execve-wrapper") && interceptor !== "bash" && interceptor !== "auto") {
    throw usageError(`Option --execve-wrapper needs --interceptor bash, found --interceptor ${interceptor}`, "run");
  }
  // Without interception these would stay empty or without effect, and that must not look like "nothing happened".
  if (interceptor !== "none") return;
  for (const name of ["--rules", "--ask", "--journal", "--tree"] as const) {
    if (values.has(name)) throw usageError(`Option ${name} needs an interceptor, found --interceptor none`, "run");
  }
}

function commandOf(values: Values, operands: readonly Text[]): Text[] {
  const script = values.get("-c")?.at(-1);
  const isPatchedShell = lastText(values, "--interceptor") === "bash";
  if (script === undefined) {
    for (const name of isPatchedShell ? (["--login"] as const) : (["--shell", "--login"] as const)) {
      if (values.has(name)) throw usageError(`Option ${name} needs a script, expected -c SCRIPT`, "run");
    }
    const [program] = operands;
    if (program === undefined) throw usageError("Nothing to run, expected PROGRAM or -c SCRIPT", "run");
    if (program === "") throw usageError("The program's name is empty, expected PROGRAM", "run");
    requireText(program, "PROGRAM");
    return [...operands];
  }
  if (operands.length > 0) {
    throw usageError(
      `Both -c and the program "${requireText(operands[0] ?? "", "PROGRAM")}" are given, expected one of them`,
      "run",
    );
  }
  // With the patched shell as interceptor, that one is what "bash" stands for.
  const shell = isPatchedShell ? "bash" : (lastText(values, "--shell") ?? "bash");
  return [shell, ...(values.has("--login") ? ["-l"] : []), "-c", script];
}

function jsonOf(values: Values): RunArguments["json"] {
  const file = lastText(values, "--json");
  if (file === null) return { kind: "none" };
  return file === "" ? { kind: "stderr" } : { kind: "file", file };
}

function parseLimit(text: string | null): number | null {
  if (text === null) return null;
  const limit = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= maxProcessLimit) return limit;
  throw usageError(
    `Option --max-procs has the value "${text}", expected a whole number from 1 to ${maxProcessLimit}`,
    "run",
  );
}

function parseSeconds(text: string | null): number | null {
  if (text === null) return null;
  const seconds = /^\d{1,7}(\.\d{1,6})?$/.test(text) ? Number(text) : 0;
  if (seconds >= 0.001 && seconds <= maxTimeoutSeconds) return Math.round(seconds * 1000);
  throw usageError(
    `Option --timeout has the value "${text}", expected seconds from 0.001 to ${maxTimeoutSeconds}`,
    "run",
  );
}

function lastText(values: Values, name: OptionName): string | null {
  const value = values.get(name)?.at(-1);
  return value === undefined ? null : requireText(value, name);
}

/** Only the command's own arguments may be any bytes: a path or name that Sallyport acts on itself has to be text. */
function requireText(value: Text, name: string): string {
  if (typeof value === "string") return value;
  throw usageError(`The value of ${name} is not UTF-8, expected text`, "run");
}
