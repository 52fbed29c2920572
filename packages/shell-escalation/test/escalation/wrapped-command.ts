/** Runs a script whose programs ask through a wrapper, as those of a patched shell do: `$W FILE ARGV0 ARG...` stands for one. */
import { execFileSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import type { ExecRecord, Text } from "@sallyport/protocol";
import { textFromBytes, textToDisplay } from "@sallyport/supervisor";
import type { ExecEvent, Verdict } from "@sallyport/supervisor";
import { runGuarded } from "../../src/run-guarded.ts";
import type { GuardedRunOptions, RunSummary } from "../../src/run-guarded.ts";
import type { Decision } from "../../src/decision/index.ts";

const supervisorFixtures = join(import.meta.dirname, "../../../supervisor/test/fixtures");
const ownFixtures = join(import.meta.dirname, "../fixtures");
export const isRoot: boolean = process.geteuid?.() === 0;

/** Not in `/tmp`, which is private inside: programs there could not be carried outside. Every user may enter it. */
export const workFolder: string = mkdtempSync(join(isRoot ? "/var/lib" : homedir(), "wrapped-test-"));
chmodSync(workFolder, 0o755);
process.on("exit", () => rmSync(workFolder, { recursive: true, force: true }));

export function compileFixture(name: string): string {
  const program = join(workFolder, name);
  const own = join(ownFixtures, `${name}.c`);
  const source = existsSync(own) ? own : join(supervisorFixtures, `${name}.c`);
  if (!existsSync(program)) execFileSync("cc", ["-O1", "-pthread", "-o", program, source]);
  return program;
}

export const askWrapper: string = compileFixture("ask-wrapper");

export interface Wrapped {
  summary: RunSummary;
  stdout: string;
  stderr: string;
  records: ExecRecord[];
}

export type Word = "run" | "deny" | "escalate";

export interface WrappedOptions extends Partial<GuardedRunOptions> {
  script: string;
  /** By the name of the file; what is not named runs. */
  verdicts?: Record<string, Word>;
  decide?: (event: ExecEvent) => Decision | Promise<Decision>;
}

let runs = 0;

export async function runWrapped(options: WrappedOptions): Promise<Wrapped> {
  const { script, verdicts = {}, decide, ...changes } = options;
  runs += 1;
  const base = join(workFolder, `run-${runs}`);
  mkdirSync(join(base, "project"), { recursive: true });
  const names = ["stdout", "stderr"].map((name) => join(base, name));
  const [out = 1, err = 2] = names.map((path) => openSync(path, "w"));
  const records = new Map<string, ExecRecord>();
  const summary = await runGuarded({
    argv: ["/bin/sh", "-c", script],
    cwd: join(base, "project"),
    env: ["PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", `W=${askWrapper}`],
    home: join(base, "home"),
    policy: { kind: "own", decider: { decide: decide ?? ((event) => decisionFor(event, wordFor(event, verdicts))) } },
    rulesFiles: [],
    sandbox: {
      mode: "danger-full-access",
      writable: [],
      network: false,
      denyRead: [],
      allowGitInit: false,
      sockets: [],
      wall: "auto",
    },
    interceptor: "bash",
    shell: askWrapper,
    stdio: ["ignore", out, err],
    passSignals: false,
    timeoutMs: 60_000,
    onRecord: (record) => void records.set(record.id, record),
    ...changes,
  });
  for (const descriptor of [out, err]) closeSync(descriptor);
  const [stdout = "", stderr = ""] = names.map((path) => readFileSync(path, "latin1"));
  return { summary, stdout, stderr, records: [...records.values()] };
}

function wordFor(event: ExecEvent, verdicts: Record<string, Word>): Word {
  return verdicts[basename(textToDisplay(event.file))] ?? "run";
}

export function decisionFor(event: ExecEvent, word: Word): Decision {
  return { verdict: verdictFor(event, word), reason: { kind: "default", text: "a test" }, file: event.file };
}

/** With escalate, exactly what was about to be executed. */
function verdictFor(event: ExecEvent, word: Word): Verdict {
  if (word === "run") return { kind: "run" };
  if (word === "deny") return { kind: "deny", reason: "told so" };
  const script = event.chain[0]?.interpreter;
  const argv =
    script === undefined
      ? event.argv
      : [script.file, ...(script.argument === undefined ? [] : [script.argument]), event.file, ...event.argv.slice(1)];
  const chainIndex = event.chain.length - 1;
  return { kind: "escalate", chainIndex, argv, env: entriesOf(event.env), cwd: event.cwd, denyRead: [] };
}

function entriesOf(block: Buffer): Text[] {
  const entries: Text[] = [];
  for (let at = 0; at < block.length;) {
    const end = block.indexOf(0, at);
    entries.push(textFromBytes(block.subarray(at, end)));
    at = end + 1;
  }
  return entries;
}

/** The records of the programs of this name, as [decision, exitCode, signal]. */
export function endsOf(records: readonly ExecRecord[], name: string): (string | number | null)[][] {
  return records
    .filter(({ calledAs }) => basename(textToDisplay(calledAs)) === name)
    .map(({ decision, exitCode, signal }) => [decision, exitCode, signal]);
}
