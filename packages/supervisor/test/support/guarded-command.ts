/** Runs a command below a real broker, answers its execs, and collects all that was said. */
import { execFileSync } from "node:child_process";
import { basename } from "node:path";
import type { Text } from "@sallyport/protocol";
import { startBroker, textFromBytes, textToBytes, textToDisplay } from "../../src/index.ts";
import type { Broker, ExecEndEvent, ExecEvent, LaunchSpec, RunResult, Verdict } from "../../src/index.ts";
import { makeMark } from "./running-processes.ts";
import { launchSpec } from "./raw-broker.ts";

export const isRoot: boolean = process.geteuid?.() === 0;

/** With SALLYPORT_MUST_RUN=1 nothing may be missing. */
function skipUnless(isThere: boolean, missing: string): string | false {
  if (isThere) return false;
  if (process.env["SALLYPORT_MUST_RUN"] === "1") throw new Error(`these tests must run: ${missing}`);
  return missing;
}

const namespaces = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-net", "--as-pid-1"];
const capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "KILL"];

/** The smallest bubblewrap that has a pid namespace of its own. */
const bubblewrap: string[] = [
  "/usr/bin/bwrap",
  ...namespaces,
  ...(isRoot
    ? ["--cap-drop", "ALL", ...capabilities.flatMap((name) => ["--cap-add", `CAP_${name}`])]
    : ["--unshare-user"]),
  "--bind",
  "/",
  "/",
  "--dev-bind",
  "/dev",
  "/dev",
  "--proc",
  "/proc",
  "--",
  "@init",
];

export type Around = "nothing" | "bubblewrap";

function works(argv: string[]): boolean {
  try {
    execFileSync(argv[0] ?? "", argv.slice(1), { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** What stands around the command: every guarded test runs with each that this machine can do. */
export const surroundings: { around: Around; skip: string | false }[] = [
  { around: "nothing", skip: false },
  {
    around: "bubblewrap",
    skip: skipUnless(
      works([...bubblewrap.filter((word) => word !== "--as-pid-1" && word !== "@init"), "/bin/true"]),
      "bubblewrap does not work here",
    ),
  },
];

export interface Guarded {
  broker: Broker;
  execs: ExecEvent[];
  ends: ExecEndEvent[];
  /** In its environment, and so in that of every descendant that was not given another one. */
  mark: string;
  launched: Promise<void>;
  finished: Promise<GuardedResult>;
}

export interface GuardedResult extends RunResult {
  stdout: string;
  stderr: string;
  execs: ExecEvent[];
  ends: ExecEndEvent[];
  brokerPid: number;
}

export interface GuardedOptions {
  argv: Text[];
  /** The program; default: the first of `argv`. */
  file?: string;
  env?: Text[];
  cwd?: string;
  around?: Around;
  /** Default: by word. */
  decide?: (event: ExecEvent) => Verdict | Promise<Verdict>;
  launch?: Partial<LaunchSpec>;
  timeoutMs?: number;
}

const outerArgvOf: Record<Around, string[]> = { nothing: [], bubblewrap };

/** The verdict that executes outside exactly what was about to be executed inside. */
export function escalateAsItIs(event: ExecEvent): Verdict {
  const script = event.chain[0]?.interpreter;
  const argv =
    script === undefined
      ? event.argv
      : [script.file, ...(script.argument === undefined ? [] : [script.argument]), event.file, ...event.argv.slice(1)];
  const env: Text[] = [];
  for (let at = 0; at < event.env.length;) {
    const end = event.env.indexOf(0, at);
    env.push(textFromBytes(event.env.subarray(at, end)));
    at = end + 1;
  }
  // "(deleted)" is no name; the broker keeps a deleted folder by its descriptor.
  return { kind: "escalate", chainIndex: event.chain.length - 1, argv, env, cwd: event.cwd, denyRead: [] };
}

/** Outside, in a sandbox of its own that hides nothing: what is looked at is how the program gets there and back. */
export function escalateInBounds(event: ExecEvent): Verdict {
  const wall = {
    landlock: null,
    seccomp: true,
    refuseUnixSockets: false,
    refuseInetSockets: false,
    keepCapabilities: [0n, 1n, 3n, 4n, 5n, 6n, 7n].reduce((mask, bit) => mask | (1n << bit), 0n),
    probe: null,
  };
  const verdict = escalateAsItIs(event);
  return verdict.kind === "escalate" ? { ...verdict, bounds: { outerArgv: bubblewrap, wall } } : verdict;
}

export function verdictOf(word: string, event: ExecEvent): Verdict | null {
  if (word === "run") return { kind: "run" };
  if (word === "deny") return { kind: "deny", reason: "told so" };
  if (word === "bounded") return escalateInBounds(event);
  return word === "escalate" ? escalateAsItIs(event) : null;
}

/** The last argument that is a verdict's name decides, or the file's name when it is one; everything else runs. */
function decideByWord(event: ExecEvent): Verdict {
  const words = [textToDisplay(event.argv.at(-1) ?? ""), basename(textToDisplay(event.file))];
  for (const word of words) {
    const verdict = verdictOf(word, event);
    if (verdict !== null) return verdict;
  }
  return { kind: "run" };
}

/** Decides by the name of the file. */
export function decideByName(
  verdicts: Record<string, "run" | "deny" | "escalate" | "bounded">,
): (event: ExecEvent) => Verdict {
  return (event) =>
    verdictOf(verdicts[basename(textToDisplay(event.file))] ?? "run", event) ?? {
      kind: "deny",
      reason: "no such word",
    };
}

async function collect(stream: NodeJS.ReadableStream | null): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream ?? []) chunks.push(chunk as Buffer); // a stream without encoding
  return Buffer.concat(chunks).toString("latin1");
}

export async function startGuarded(options: GuardedOptions): Promise<Guarded> {
  const execs: ExecEvent[] = [];
  const ends: ExecEndEvent[] = [];
  const mark = makeMark();
  const decide = options.decide ?? decideByWord;
  const broker = await startBroker({
    stdio: ["ignore", "pipe", "pipe"],
    handlers: {
      onExec(event): void {
        execs.push(event);
        const decided = decide(event);
        if (decided instanceof Promise) void decided.then((verdict) => broker.verdict(event.requestId, verdict));
        else broker.verdict(event.requestId, decided);
      },
      onExecEnd: (event): unknown => ends.push(event),
    },
  });
  const stdout = collect(broker.stdout);
  const stderr = collect(broker.stderr);
  const env = [...(options.env ?? ["PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"]), mark];
  const around = options.around ?? "nothing";
  const outer = { outerArgv: outerArgvOf[around], pidNamespace: around === "bubblewrap" };
  const file = options.file ?? textToDisplay(options.argv[0] ?? "");
  const timer = setTimeout(() => broker.terminate(0), options.timeoutMs ?? 60_000);
  const launched = broker.launch(
    launchSpec({ ...outer, file, argv: options.argv, env, cwd: options.cwd ?? "/tmp", ...options.launch }),
  );
  launched.catch(() => {}); // `finished` tells the same
  const finished = broker.finished
    .then(async (result) => {
      const texts = { stdout: await stdout, stderr: await stderr };
      return { ...result, ...texts, execs, ends, brokerPid: broker.pid };
    })
    .finally(() => clearTimeout(timer));
  finished.catch(() => {}); // whoever awaits it sees it
  return { broker, execs, ends, mark, launched, finished };
}

export async function runGuarded(options: GuardedOptions): Promise<GuardedResult> {
  return (await startGuarded(options)).finished;
}

/** Every exec that was asked about was told to have ended, once. */
export function endsByRequest(result: { execs: ExecEvent[]; ends: ExecEndEvent[] }): {
  missing: number[];
  twice: number[];
} {
  const told = result.ends.map((end) => end.requestId);
  return {
    missing: result.execs.map((exec) => exec.requestId).filter((id) => !told.includes(id)),
    twice: told.filter((id, at) => told.indexOf(id) !== at),
  };
}

export function bytesOf(text: Text): string {
  return textToBytes(text).toString("latin1");
}
