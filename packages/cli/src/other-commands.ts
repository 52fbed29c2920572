/** Everything but a plain `sallyport run`: help, version, doctor, demo. */
import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import { ownFailureStatus } from "./failure.ts";
import { runOptionRows } from "./run-options.ts";
import type { OptionRow } from "./run-options.ts";
import { write } from "./terminal.ts";
import { usageError } from "./usage-error.ts";

const runHelp = `
stdin, stdout and stderr are the command's own; what Sallyport says goes to stderr.
Exit status: the command's (128+n for signal n), 124 after a timeout, 125 if Sallyport failed,
126 and 127 if PROGRAM can't be executed or is not there.

Examples:
  $ sallyport run -- npm test
  $ sallyport run --tree -c 'make -j4 && ./hello'
  $ sallyport run --rules ~/agent.rules --journal ~/execs.jsonl --timeout 600 -- make check
  $ sallyport run --sandbox read-only --json=/tmp/summary.json -- git log`;

const doctorHelp = `
Exit status: 0 if sallyport run works here, 1 if not.

Examples:
  $ sallyport doctor
  $ sallyport doctor --json`;

const demoHelp = `
Needs bash, git, make and a C compiler. Everything happens in a new folder, which is deleted at the end.

Examples:
  $ sallyport demo
  $ sallyport demo --json`;

const mainHelp = `
Examples:
  $ sallyport run --tree -- npm test     a command behind the guarded door
  $ sallyport doctor                     what this machine can do
  $ sallyport demo                       see it at work

Home: $SALLYPORT_HOME, default ~/.sallyport; rules are read from rules/*.rules in it.`;

export async function runOtherCommand(words: string[]): Promise<number> {
  let status = 0;
  const program = buildProgram((result) => {
    status = result;
  });
  if (words.length === 0) {
    write(`${program.helpInformation()}${mainHelp}\n`, 2);
    return ownFailureStatus;
  }
  try {
    await program.parseAsync(words, { from: "user" });
    return status;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    throw asUsageError(error, words[0]);
  }
}

function buildProgram(finish: (status: number) => void): Command {
  const version = readVersion();
  const program = configure(new Command("sallyport"), version)
    .description("Runs commands in a sandbox and decides on every program that they start.")
    .helpCommand(false)
    .addHelpText("after", mainHelp);

  const run = configure(program.command("run"), version)
    .description("run a command behind the guarded door")
    .usage("[options] -- PROGRAM [ARG...]\n       sallyport run [options] -c SCRIPT")
    .addHelpText("after", runHelp);
  for (const row of runOptionRows.filter(({ name }) => name !== "--help" && name !== "--version")) {
    run.addOption(optionOf(row));
  }
  // The options were parsed before; commander sees `run` only to print its help or the version.
  run.argument("[words...]").allowUnknownOption();

  configure(program.command("doctor"), version)
    .description("try out what this machine can do, and say what to do about what it can't")
    .option("--json", "print the report as JSON")
    .addHelpText("after", doctorHelp)
    .action(async (options: { json?: boolean }) => {
      const { runDoctor } = await import("./doctor.ts");
      finish(await runDoctor({ json: options.json === true }));
    });

  configure(program.command("demo"), version)
    .description("run an example: a build, a commit, and three things that are not allowed")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", demoHelp)
    .action(async (options: { json?: boolean }) => {
      const { runDemo } = await import("./demo/demo.ts");
      finish(await runDemo({ json: options.json === true }));
    });
  return program;
}

function configure(command: Command, version: string): Command {
  return command
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ helpWidth: Math.min(process.stdout.columns || 100, 100) });
}

function optionOf({ name, value, choices, text }: OptionRow): Option {
  const shown = value === undefined ? "" : value.startsWith("[") ? value : ` <${value}>`;
  const option = new Option(name + shown, text);
  return choices === undefined ? option : option.choices([...choices]);
}

function asUsageError(error: CommanderError, word: string | undefined): Error {
  const text = error.message.replace(/^error: /, "").replaceAll("'", '"');
  const command = word === "doctor" || word === "demo" ? word : null;
  return usageError(text.charAt(0).toUpperCase() + text.slice(1), command);
}

function readVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
