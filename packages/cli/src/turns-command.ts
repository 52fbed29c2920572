/** The commands that run turns and show them: app-server, exec, threads. Each loads its own file only when it runs. */
import type { Command } from "commander";
import { Option } from "commander";
import type { GenerateOptions } from "./turns/generate-protocol.ts";
import type { AppServerFlags } from "./turns/run-app-server.ts";
import type { ExecOptions } from "./turns/run-exec.ts";
import { usageError } from "./usage-error.ts";

const appServerHelp = `
Speaks the protocol of Codex's app-server: one JSON message a line on stdin and stdout, until stdin ends; or one a WebSocket text
frame, until SIGTERM. A unix socket is its owner's alone; over TCP clients need the token.

Examples:
  $ echo '{"id":0,"method":"initialize","params":{"clientInfo":{"name":"me","version":"1"}}}' | sallyport app-server
  $ sallyport app-server --listen unix:///run/user/1000/sallyport.sock
  $ sallyport app-server --listen ws://127.0.0.1:8790 --no-auth
  $ codex --remote ws://127.0.0.1:8790`;

const execHelp = `
PROMPT "-", or none: read from stdin. Progress goes to stderr, the agent's last message to stdout; with --json there is one event
a line on stdout, as codex exec --json has them. Nobody is asked: what would be asked is refused.
Exit status: 0 if the turn was completed, 1 if it failed or was refused, 143 after SIGTERM, 125 if Sallyport failed.

Examples:
  $ sallyport exec "run the tests and tell me what fails"
  $ git diff | sallyport exec --json --hooks "review this"
  $ sallyport exec --model scripted:answers.jsonl "play a script"
  $ sallyport exec resume last "and now fix it"`;

const threadsHelp = `
Examples:
  $ sallyport threads list
  $ sallyport threads show last
  $ sallyport threads show --json 01a20400-0000-7000-8000-000000000000 | jq '.turns[].hookRuns'`;

const defaultListLimit = 25;

interface ExecFlags {
  json?: boolean;
  experimentalJson?: boolean;
  hooks?: boolean;
  cd?: string;
  model?: string;
  sandbox?: string;
  addDir?: string[];
  image?: string[];
  config?: string[];
  outputSchema?: string;
  outputLastMessage?: string;
  ephemeral?: boolean;
  threadSource?: string;
  dangerouslyBypassHookTrust?: boolean;
  dangerouslyBypassApprovalsAndSandbox?: boolean;
}

const sandboxModes = ["read-only", "workspace-write", "danger-full-access"] as const;

export function addTurnCommands(
  program: Command,
  configure: (command: Command) => Command,
  finish: (status: number) => void,
  version: string,
): void {
  const appServer = configure(program.command("app-server"))
    .description("serve clients: threads, turns, hook runs, approvals")
    .option("--listen <url>", "stdio:// (default), unix://[PATH] or ws://ADDRESS:PORT (repeat)", collect)
    .addOption(new Option("--stdio", "listen on stdin and stdout").hideHelp())
    .option("--no-auth", "ws: no token; only on an address of this machine")
    .addOption(
      new Option("--ws-auth <how>", "ws: how clients prove themselves").choices([
        "capability-token",
        "signed-bearer-token",
      ]),
    )
    .option("--ws-token-file <file>", "ws: the token is in FILE, mode 0600 (default: one in the home, made if missing)")
    .option("--ws-token-sha256 <hex>", "ws: the token's SHA-256 instead")
    .option("--ws-shared-secret-file <file>", "ws: what signed tokens (JWT, HS256) are signed with")
    .option("--ws-issuer <name>", "ws: the issuer that signed tokens must name")
    .option("--ws-audience <name>", "ws: the audience that signed tokens must name")
    .option("--ws-max-clock-skew-seconds <n>", "ws: how far clocks may differ (default 30)", wholeNumber)
    .addHelpText("after", appServerHelp)
    .action(async (flags: AppServerFlags) => {
      const { runAppServer } = await import("./turns/run-app-server.ts");
      finish(await runAppServer(flags));
    });
  addGenerators(appServer, configure, finish);
  addExec(program, configure, finish, version);
  addThreads(program, configure, finish);
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function wholeNumber(value: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw usageError(`"${value}" is no number of seconds, expected a whole number`, "app-server");
}

const generateHelp = (name: string): string => `
Example:
  $ sallyport app-server ${name} --out protocol`;

function addGenerators(
  appServer: Command,
  configure: (command: Command) => Command,
  finish: (status: number) => void,
): void {
  const add = (name: string, description: string): Command =>
    configure(appServer.command(name))
      .description(description)
      .requiredOption("--out <folder>", "where to write; made if it is not there")
      .option("--json", "print the folder and the files as JSON")
      .addHelpText("after", generateHelp(name));
  add("generate-ts", "write the protocol as TypeScript types").action(async (options: GenerateOptions) => {
    const { generateTypes } = await import("./turns/generate-protocol.ts");
    finish(generateTypes(options));
  });
  add("generate-json-schema", "write the protocol as JSON Schemas").action(async (options: GenerateOptions) => {
    const { generateJsonSchemas } = await import("./turns/generate-protocol.ts");
    finish(generateJsonSchemas(options));
  });
}

function addExec(
  program: Command,
  configure: (command: Command) => Command,
  finish: (status: number) => void,
  version: string,
): void {
  configure(program.command("exec"))
    .description("run one turn of an agent")
    .usage('[options] "PROMPT"\n       sallyport exec [options] resume ID|last "PROMPT"')
    .argument("[words...]")
    .option("--json", "one event a line on stdout")
    .addOption(new Option("--experimental-json", "the same").hideHelp())
    .option("--hooks", "with --json: hook runs too")
    .option("-m, --model <name>", "the model; scripted:FILE plays a file of answers")
    .addOption(new Option("-s, --sandbox <mode>", "what commands may write").choices([...sandboxModes]))
    .option("-C, --cd <folder>", "the working folder")
    .option("--add-dir <folder>", "another writable folder (repeat)", collect)
    .option("-i, --image <file>", "an image for the prompt (repeat)", collect)
    .option("-c, --config <key=value>", "override the configuration (repeat)", collect)
    .option("--output-schema <file>", "JSON Schema that the last message has to meet")
    .option("-o, --output-last-message <file>", "write the last message to a file too")
    .option("--ephemeral", "store nothing")
    .option("--dangerously-bypass-hook-trust", "run hooks that nobody trusted")
    .option("--dangerously-bypass-approvals-and-sandbox", "no wall around commands")
    .addOption(new Option("--thread-source <name>", "what made the thread").hideHelp())
    .addOption(new Option("--skip-git-repo-check", "accepted; any folder will do").hideHelp())
    .addOption(new Option("--cyber-access-program <name>", "accepted, without effect").hideHelp())
    .addHelpText("after", execHelp)
    .action(async (words: string[], flags: ExecFlags) => {
      const { runExec } = await import("./turns/run-exec.ts");
      finish(await runExec({ ...execOptions(flags), ...execWords(words), version }));
    });
}

function execWords(words: readonly string[]): { prompt: string | null; resume: string | null } {
  const [first, second, third, ...more] = words;
  if (first !== "resume") {
    if (second !== undefined)
      throw usageError(`Unexpected argument "${second}", expected one prompt: quote it`, "exec");
    return { prompt: first ?? null, resume: null };
  }
  if (second === undefined) throw usageError('Missing the thread to resume, expected an id or "last"', "exec");
  if (more[0] !== undefined)
    throw usageError(`Unexpected argument "${more[0]}", expected one prompt: quote it`, "exec");
  return { prompt: third ?? null, resume: second };
}

function execOptions(flags: ExecFlags): Omit<ExecOptions, "prompt" | "resume" | "version"> {
  const mode = flags.dangerouslyBypassApprovalsAndSandbox === true ? "danger-full-access" : flags.sandbox;
  return {
    json: flags.json === true || flags.experimentalJson === true,
    hooks: flags.hooks === true,
    cd: flags.cd ?? null,
    model: flags.model ?? null,
    sandbox: sandboxModes.find((known) => known === mode) ?? null,
    addDir: flags.addDir ?? [],
    image: flags.image ?? [],
    config: flags.config ?? [],
    outputSchema: flags.outputSchema ?? null,
    outputLastMessage: flags.outputLastMessage ?? null,
    ephemeral: flags.ephemeral === true,
    threadSource: flags.threadSource ?? null,
    bypassHookTrust: flags.dangerouslyBypassHookTrust === true,
  };
}

function addThreads(
  program: Command,
  configure: (command: Command) => Command,
  finish: (status: number) => void,
): void {
  const threads = configure(program.command("threads"))
    .description("show stored threads with their hook runs and programs")
    .addHelpText("after", threadsHelp);
  configure(threads.command("list"))
    .description("the latest threads")
    .option("--json", "print them as JSON")
    .option("--limit <count>", "how many, at most 100", String(defaultListLimit))
    .addHelpText("after", "\nExample:\n  $ sallyport threads list --limit 5")
    .action(async ({ json, limit }: { json?: boolean; limit: string }) => {
      if (!/^[1-9][0-9]*$/.test(limit))
        throw usageError(`Invalid --limit "${limit}", expected a whole number from 1`, "threads");
      const { runThreadsList } = await import("./turns/run-threads.ts");
      finish(await runThreadsList({ json: json === true, limit: Number(limit) }));
    });
  configure(threads.command("show"))
    .description('one thread; ID may be "last"')
    .argument("<id>")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  $ sallyport threads show last")
    .action(async (id: string, { json }: { json?: boolean }) => {
      const { runThreadsShow } = await import("./turns/run-threads.ts");
      finish(await runThreadsShow({ id, json: json === true }));
    });
}
