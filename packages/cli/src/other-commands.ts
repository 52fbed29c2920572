/** Everything but a plain `sallyport run`: help, version, doctor, demo, turns, hooks, rules, shell. */
import { Command, CommanderError, Option } from "commander";
import { ownFailureStatus } from "./failure.ts";
import { addHooksCommands } from "./hooks-command.ts";
import { complainAboutRules } from "./rules/rule-problems.ts";
import { addRulesCommand } from "./rules/rules-command.ts";
import { readVersion } from "./read-version.ts";
import type { ShellBuildWords } from "./shell-build.ts";
import { runOptionRows } from "./run-options.ts";
import type { OptionRow } from "./run-options.ts";
import { write } from "./terminal.ts";
import { addTurnCommands } from "./turns-command.ts";
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
Exit status: 0 if sallyport run works here, and with --prove every MCP server; 1 if not.

Examples:
  $ sallyport doctor
  $ sallyport doctor --prove
  $ sallyport doctor --json`;

const demoHelp = `
Needs bash, git, make and a C compiler. Everything happens in a new folder, which is deleted at the end.

Examples:
  $ sallyport demo
  $ sallyport demo --json`;

const shellHelp = `
Examples:
  $ sallyport shell build
  $ sallyport shell list
  $ sallyport run --interceptor bash -c 'make -j4'`;

const shellBuildHelp = `
Fetches the distribution's sources of Bash with apt-get, as the user you are and without changing the system, or takes
those of --source. Patches, configures, builds and tests them, and installs the shell in the home as shells/NAME.
Prints the shell's path. If the same shell is there already, nothing is done.

Examples:
  $ sallyport shell build
  $ sallyport shell build --source ~/src/bash
  $ sallyport shell build --source bash-5.3.tar.gz --name next --json`;

const shellListHelp = `
Examples:
  $ sallyport shell list
  $ sallyport shell list --json`;

const mainHelp = `
Examples:
  $ sallyport run --tree -- npm test     a command behind the guarded door
  $ sallyport doctor                     what this machine can do
  $ sallyport demo                       see it at work
  $ sallyport exec "fix the tests"       one turn of an agent
  $ sallyport hooks list                 programs that run at points of an agent's life
  $ sallyport rules explain -- git push  what would be decided, and why

Home: $SALLYPORT_HOME, default ~/.sallyport; rules are read from rules/*.rules in it.`;

/** Commands whose own help tells more than the main one. */
const groups = ["demo", "doctor", "exec", "hooks", "rules", "shell", "threads"] as const;

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
    if (words[0] === "rules" && complainAboutRules(error)) return ownFailureStatus;
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    // A group of commands was called without one of them: its help has been printed to stderr.
    if (error.code === "commander.help") return ownFailureStatus;
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
    .option("--prove", "start each MCP server of the configuration and ask it for its tools")
    .addHelpText("after", doctorHelp)
    .action(async (options: { json?: boolean; prove?: boolean }) => {
      const { runDoctor } = await import("./doctor.ts");
      finish(await runDoctor({ json: options.json === true, prove: options.prove === true }));
    });

  configure(program.command("demo"), version)
    .description("run an example: a build, a commit, and three things that are not allowed")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", demoHelp)
    .action(async (options: { json?: boolean }) => {
      const { runDemo } = await import("./demo/demo.ts");
      finish(await runDemo({ json: options.json === true }));
    });
  addTurnCommands(program, (command) => configure(command, version), finish, version);
  addHooksCommands(program, (command) => configure(command, version), finish);
  addShellCommands(program, version, finish);
  addRulesCommand(program.enablePositionalOptions(), (command) => configure(command, version), finish);
  return program;
}

function addShellCommands(program: Command, version: string, finish: (status: number) => void): void {
  const shell = configure(program.command("shell"), version)
    .description("build and list patched shells, for systems without the kernel interceptor")
    .helpCommand(false)
    .addHelpText("after", shellHelp);

  configure(shell.command("build"), version)
    .description("build the patched Bash and install it in the home")
    .option("--source <path>", "a folder or tarball with the sources of Bash 5.2 or 5.3, instead of the distribution's")
    .option("--name <name>", "name below the home's shells folder; default bash-VERSION")
    .option("--jobs <n>", "compilers at a time; default one a processor")
    .option("--rebuild", "build even if the same shell is there already")
    .option("--json", "print what was built as JSON")
    .addHelpText("after", shellBuildHelp)
    .action(async (words: ShellBuildWords) => {
      const { runShellBuild } = await import("./shell-build.ts");
      finish(await runShellBuild(words));
    });

  configure(shell.command("list"), version)
    .description("list the shells of the home")
    .option("--json", "print the list as JSON")
    .addHelpText("after", shellListHelp)
    .action(async (options: { json?: boolean }) => {
      const { runShellList } = await import("./shell-list.ts");
      finish(runShellList({ json: options.json === true }));
    });
}

function configure(command: Command, version: string): Command {
  return command
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .exitOverride()
    .configureOutput({ writeOut: (text) => write(text, 1), outputError: () => undefined })
    .configureHelp({ helpWidth: Math.min(process.stdout.columns || 100, 100) });
}

function optionOf({ name, value, choices, text }: OptionRow): Option {
  const shown = value === undefined ? "" : value.startsWith("[") ? value : ` <${value}>`;
  const option = new Option(name + shown, text);
  return choices === undefined ? option : option.choices([...choices]);
}

function asUsageError(error: CommanderError, word: string | undefined): Error {
  const text =
    error.code === "commander.help"
      ? "A command is missing"
      : error.message.replace(/^error: /, "").replaceAll("'", '"');
  const command = groups.find((name) => name === word) ?? null;
  return usageError(text.charAt(0).toUpperCase() + text.slice(1), command);
}
