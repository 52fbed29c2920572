/** The tree of `sallyport hooks` commands. Each loads its own file only when it runs. */
import type { Command } from "commander";
import type { HooksDoctorOptions } from "./hooks-doctor.ts";
import type { HooksExplainOptions } from "./hooks-explain.ts";
import type { HooksListOptions } from "./hooks-list.ts";
import type { HooksRunOptions } from "./hooks-run.ts";
import type { HooksSchemaOptions } from "./hooks-schema.ts";
import type { HooksTrustOptions } from "./hooks-trust.ts";

const mainHelp = `
Examples:
  $ sallyport hooks validate ~/.sallyport/hooks.json   check a file
  $ sallyport hooks list                               what is configured, and what is active
  $ sallyport hooks trust stop:0:0                     after having read it
  $ sallyport hooks explain PreToolUse --tool Bash     which would run, and why the others not`;

const listHelp = `
Exit status: 0; 125 if Sallyport failed.

Examples:
  $ sallyport hooks list
  $ sallyport hooks list --json | jq '.data[].hooks[] | select(.skipped != null)'`;

const explainHelp = `
Nothing is run. Exit status: 0; 125 if Sallyport failed or there is no such event.

Examples:
  $ sallyport hooks explain Stop
  $ sallyport hooks explain PreToolUse --tool Bash
  $ echo '{"source": "resume"}' | sallyport hooks explain SessionStart --input -`;

const validateHelp = `
A file in a folder .codex or .claude is read by the rules of that agent.
Exit status: 0 if there is nothing to complain about, 1 if there is, 125 if Sallyport failed.

Examples:
  $ sallyport hooks validate ~/.sallyport/hooks.json
  $ sallyport hooks validate --json .sallyport/config.toml`;

const trustHelp = `
KEY is a hook's key as sallyport hooks list shows it, or the end of it. A hook that changes later has to be trusted again.
Exit status: 0; 125 if Sallyport failed or there is no such hook.

Examples:
  $ sallyport hooks trust stop:0:0
  $ sallyport hooks trust --pin-files --all`;

const runHelp = `
The input is a harmless one of Sallyport's own; fields of FILE take the place of its fields.
Exit status: 0 if no hook objected, 1 if a run failed, 2 if a hook blocked or stopped, 125 if Sallyport failed,
128+n if signal n ended it.

Examples:
  $ sallyport hooks run Stop
  $ echo '{"tool_input": {"command": "rm -rf /"}}' | sallyport hooks run PreToolUse --input -
  $ sallyport hooks run SessionStart --json | jq '.runs[].summary.status'`;

const doctorHelp = `
With --prove every active hook really runs once, with a harmless input whose session_id starts with sallyport-try-.
Exit status: 0 if all that ran worked, 1 if not or if a file can't be used, 125 if Sallyport failed, 128+n if signal n ended it.

Examples:
  $ sallyport hooks doctor
  $ sallyport hooks doctor --prove`;

const schemaHelp = `
One file an event and direction: stop.input.json is what a Stop hook reads, stop.output.json what it may print. Files of these
names are replaced.
Exit status: 0; 125 if Sallyport failed or the folder can't be written.

Examples:
  $ sallyport hooks schema --out schemas
  $ sallyport hooks schema --out schemas --json | jq -r '.files[]'`;

const changeHelp = (change: string): string => `
Exit status: 0; 125 if Sallyport failed or there is no such hook.

Examples:
  $ sallyport hooks ${change} stop:0:0
  $ sallyport hooks ${change} --all`;

/** `configure` gives a command its version, help and error handling; `finish` gets the exit status. */
export function addHooksCommands(
  program: Command,
  configure: (command: Command) => Command,
  finish: (status: number) => void,
): void {
  const hooks = configure(program.command("hooks"))
    .description("list, check, trust and try the hooks of a folder")
    .helpCommand(false)
    .addHelpText("after", mainHelp);
  const add = (name: string, description: string, help: string): Command =>
    configure(hooks.command(name)).description(description).addHelpText("after", help);

  withBypass(withPlace(add("list", "what is configured, what is active, and why the rest is not", listHelp)))
    .option("--json", "print what hooks/list of the App Server answers")
    .action(async (options: HooksListOptions) => {
      const { runHooksList } = await import("./hooks-list.ts");
      finish(runHooksList(options));
    });

  withBypass(withPlace(add("explain", "which hooks would run for this event and why, and which not", explainHelp)))
    .argument("<event>", "such as PreToolUse")
    .option("--input <file>", 'the event\'s input as JSON, or as much of it as matchers look at; "-" for stdin')
    .option("--tool <name...>", "names of a tool")
    .option("--json", "print it as JSON")
    .action(async (event: string, options: HooksExplainOptions) => {
      const { runHooksExplain } = await import("./hooks-explain.ts");
      finish(runHooksExplain(event, options));
    });

  add("validate", "what is wrong with a file of hooks", validateHelp)
    .argument("<file>", "hooks.json, or a TOML file with a [hooks] table")
    .option("--json", "print it as JSON")
    .action(async (file: string, options: { json?: boolean }) => {
      const { runHooksValidate } = await import("./hooks-validate.ts");
      finish(runHooksValidate(file, options));
    });

  withBypass(withPlace(add("run", "run the hooks of an event, and show what comes of it", runHelp)))
    .argument("<event>", "such as Stop")
    .option("--input <file>", 'fields of the event\'s input as JSON; "-" for stdin')
    .option("--json", "print it as JSON")
    .action(async (event: string, options: HooksRunOptions) => {
      const { runHooksRun } = await import("./hooks-run.ts");
      finish(await runHooksRun(event, options));
    });

  withBypass(withPlace(add("doctor", "which hooks would run, and with --prove which do", doctorHelp)))
    .option("--prove", "really run each active hook once")
    .option("--json", "print it as JSON")
    .action(async (options: HooksDoctorOptions) => {
      const { runHooksDoctor } = await import("./hooks-doctor.ts");
      finish(await runHooksDoctor(options));
    });

  add("schema", "write JSON Schemas of what hooks read and print", schemaHelp)
    .requiredOption("--out <dir>", "the folder; made if it is not there")
    .option("--json", "print what was written as JSON")
    .action(async (options: HooksSchemaOptions) => {
      const { runHooksSchema } = await import("./hooks-schema.ts");
      finish(runHooksSchema(options));
    });

  const changes = [
    ["trust", "let hooks run from now on, as they are now", trustHelp],
    ["untrust", "take trust back", changeHelp("untrust")],
    ["enable", "switch hooks on again", changeHelp("enable")],
    ["disable", "switch hooks off, trusted or not", changeHelp("disable")],
  ] as const;
  for (const [change, description, help] of changes) {
    const command = withPlace(add(change, description, help))
      .argument("[key...]", "which hooks")
      .option("--all", "all hooks of this folder that are not managed")
      .option("--json", "print it as JSON")
      .action(async (keys: string[], options: HooksTrustOptions) => {
        const { runHooksTrust } = await import("./hooks-trust.ts");
        finish(await runHooksTrust(change, keys, options));
      });
    if (change === "trust") command.option("--pin-files", "a change of the files that their commands name counts, too");
  }
}

function withPlace(command: Command): Command {
  return command
    .option("-C, --cd <dir>", "the session's folder (default: this one)")
    .option("-c, --config <key=value>", "a value of the configuration; repeat for more", collect);
}

function withBypass(command: Command): Command {
  return command.option("--dangerously-bypass-hook-trust", "count hooks as active although nobody trusted them");
}

function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
