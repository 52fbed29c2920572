/** npm run bench [-- --json] [-- --rounds=N]: what Sallyport costs, in paired runs beside plain bash. Figures go to stdout,
 *  progress to stderr. With SALLYPORT_BENCH_PEER=FOLDER, where the peer's package is installed, the peer stands beside it. */
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { findInstalledShell } from "@sallyport/shell-escalation";
import { measureHooks } from "./hooks.ts";
import type { HookFigures } from "./hooks.ts";
import { compare, measurePairs } from "./pairs.ts";
import type { Comparison, Sample, Spread } from "./pairs.ts";
import { Peer } from "./peer.ts";
import { compareStore } from "./store.ts";
import { measureTurns } from "./turns.ts";
import type { TurnFigures } from "./turns.ts";

const executable = join(dirname(import.meta.dirname), "bin", "sallyport");
/** Where node scripts/ensure-bash.mjs builds the patched Bash. */
const patchedBashHome = join(dirname(import.meta.dirname), "node_modules", ".cache", "sallyport-bash");
const longLoop = 1000;
const shortLoop = 200;
const sourceFiles = 12;

const { values } = parseArgs({ options: { json: { type: "boolean" }, rounds: { type: "string", default: "7" } } });
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  throw new Error(`--rounds is "${values.rounds}", expected a whole number above 0`);

interface Row {
  name: string;
  whole: Comparison;
  /** Of one program, as the loop measured it itself: the start of Sallyport is not in it. */
  each: Comparison | null;
}

class Bench {
  readonly base: string = mkdtempSync(join(homedir(), "sallyport-bench-"));
  readonly project: string = this.#folder("project");
  readonly #env: NodeJS.ProcessEnv = {
    PATH: `/usr/local/bin:/usr/bin:/bin`,
    HOME: this.#folder("user"),
    SALLYPORT_HOME: this.#folder("home"),
    LANG: "C.UTF-8",
  };
  readonly rows: Row[] = [];

  #folder(name: string): string {
    mkdirSync(join(this.base, name), { mode: 0o700 });
    return join(this.base, name);
  }

  /** The words for one run, with a rule loaded and the journal on. */
  guarded(rule: string, more: string[] = []): string[] {
    const rules = join(this.base, "rules");
    writeFileSync(rules, `${rule}\n`, { mode: 0o600 });
    return [executable, "run", "--rules", rules, "--journal", join(this.base, "journal"), ...more, "--"];
  }

  async sample(words: readonly string[]): Promise<Sample> {
    const startedAtMs = performance.now();
    const stdout = await this.#finish(words);
    const wholeMs = performance.now() - startedAtMs;
    return stdout === "" ? { wholeMs } : { wholeMs, insideMs: Number(stdout) / 1000 };
  }

  async #finish(words: readonly string[]): Promise<string> {
    const [file = "", ...args] = words;
    const child = spawn(file, args, { cwd: this.project, env: this.#env, stdio: ["ignore", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
    const status = await new Promise((resolve) => child.once("close", resolve));
    if (status !== 0) throw new Error(`${words.join(" ")} ended with ${String(status)}: ${said.stderr}`);
    return said.stdout;
  }

  /** `count`: how many programs the script starts in the time that it prints. */
  async compare(
    name: string,
    count: number | null,
    plain: () => Promise<Sample>,
    other: () => Promise<Sample>,
  ): Promise<void> {
    console.error(`${name} ...`);
    const pairs = await measurePairs(rounds, plain, other);
    const whole = compare(pairs.map(([left, right]) => [left.wholeMs, right.wholeMs] as const));
    const part = (sample: Sample): number => (sample.insideMs ?? Number.NaN) / (count ?? 1);
    const each = count === null ? null : compare(pairs.map(([left, right]) => [part(left), part(right)] as const));
    this.rows.push({ name, whole, each });
  }

  /** Peak memory of the broker, in kB, when the loop has run and everything still stands. */
  async brokerPeak(): Promise<number> {
    const [file, ...args] = [...this.guarded(noMatch), "bash", "-c", `${loopOf(longLoop, "/bin/true")}; read x`];
    const child = spawn(file, args, { cwd: this.project, env: this.#env, stdio: ["pipe", "pipe", "inherit"] });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const brokers = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${brokers}/status`, "utf8"))?.[1];
    child.stdin.end("\n");
    await new Promise((resolve) => child.once("close", resolve));
    return Number(peak);
  }

  remove(): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}

const noMatch = 'prefix_rule(["nothing-in-this-bench"], "forbidden")';

/** Prints the microseconds that `count` programs took. */
function loopOf(count: number, program: string): string {
  return `s=$EPOCHREALTIME; for ((i = 0; i < ${count}; i++)); do ${program}; done; e=$EPOCHREALTIME; echo $((\${e/./} - \${s/./}))`;
}

async function runBench(bench: Bench): Promise<number> {
  const plainBash =
    (script: string): (() => Promise<Sample>) =>
    () =>
      bench.sample(["bash", "-c", script]);
  const guardedBash =
    (script: string, rule: string, more: string[] = []) =>
    (): Promise<Sample> =>
      bench.sample([...bench.guarded(rule, more), "bash", "-c", script]);
  const long = loopOf(longLoop, "/bin/true");
  const short = loopOf(shortLoop, "/bin/true");
  const shortQuiet = loopOf(shortLoop, "/bin/true 2>/dev/null");

  await bench.compare(
    "start",
    null,
    () => bench.sample(["/bin/true"]),
    () => bench.sample([...bench.guarded(noMatch), "/bin/true"]),
  );
  await bench.compare(`${longLoop} programs, run`, longLoop, plainBash(long), guardedBash(long, noMatch));
  const alone = [executable, "run", "--interceptor", "none", "--", "bash", "-c", long];
  await bench.compare(`${longLoop} programs, wall alone`, longLoop, plainBash(long), () => bench.sample(alone));
  await bench.compare(
    `${shortLoop} programs, denied`,
    shortLoop,
    plainBash(shortQuiet),
    guardedBash(shortQuiet, 'prefix_rule(["true"], "forbidden")'),
  );
  await bench.compare(
    `${shortLoop} programs, escalated`,
    shortLoop,
    plainBash(short),
    guardedBash(short, 'prefix_rule(["true"])'),
  );
  await compareWrappers(bench, { long, short, shortQuiet }, guardedBash);
  writeProgram(bench.project);
  const make = "make -s -j2 -B";
  await bench.compare("make -j2 of a small C program", null, plainBash(make), guardedBash(make, noMatch));
  await comparePeer(bench, long, plainBash(long));
  await compareStore(bench.compare.bind(bench));
  return await bench.brokerPeak();
}

interface Loops {
  long: string;
  short: string;
  shortQuiet: string;
}

/** The patched Bash as interceptor, beside the same Bash alone. */
async function compareWrappers(
  bench: Bench,
  { long, short, shortQuiet }: Loops,
  guarded: (script: string, rule: string, more: string[]) => () => Promise<Sample>,
): Promise<void> {
  const built = findInstalledShell(patchedBashHome);
  if (built === null) {
    console.error("no patched Bash, so no rows of it: node scripts/ensure-bash.mjs builds one");
    return;
  }
  const shell = join(bench.base, "bash");
  copyFileSync(built.path, shell);
  const plain =
    (script: string): (() => Promise<Sample>) =>
    () =>
      bench.sample([shell, "-c", script]);
  const more = ["--interceptor", "bash", "--shell", shell];
  await bench.compare(`${longLoop} programs, run, patched Bash`, longLoop, plain(long), guarded(long, noMatch, more));
  const forbidden = 'prefix_rule(["true"], "forbidden")';
  await bench.compare(
    `${shortLoop} programs, denied, patched Bash`,
    shortLoop,
    plain(shortQuiet),
    guarded(shortQuiet, forbidden, more),
  );
  const allowed = 'prefix_rule(["true"])';
  await bench.compare(
    `${shortLoop} programs, escalated, patched Bash`,
    shortLoop,
    plain(short),
    guarded(short, allowed, more),
  );
}

async function comparePeer(bench: Bench, script: string, plain: () => Promise<Sample>): Promise<void> {
  const folder = process.env["SALLYPORT_BENCH_PEER"];
  if (folder === undefined) return;
  const peer = await Peer.start(folder, bench.project);
  if (peer === null)
    throw new Error(
      `SALLYPORT_BENCH_PEER is "${folder}", expected a folder where npm has installed @openai/codex-shell-tool-mcp`,
    );
  try {
    await bench.compare(`${longLoop} programs, the peer, without its sandbox`, longLoop, plain, async () => {
      const startedAtMs = performance.now();
      const output = await peer.run(script, bench.project);
      return { wholeMs: performance.now() - startedAtMs, insideMs: Number(output) / 1000 };
    });
  } finally {
    peer.stop();
  }
}

function writeProgram(folder: string): void {
  const numbers = Array.from({ length: sourceFiles }, (_, at) => at);
  for (const number of numbers)
    writeFileSync(join(folder, `f${number}.c`), `int f${number}(int x) { return x * ${number}; }\n`);
  const calls = numbers.map((number) => `f${number}(1)`).join(" + ");
  const declarations = numbers.map((number) => `int f${number}(int);`).join(" ");
  writeFileSync(join(folder, "main.c"), `${declarations} int main(void) { return ${calls} == 0; }\n`);
  const objects = ["main.o", ...numbers.map((number) => `f${number}.o`)].join(" ");
  writeFileSync(join(folder, "Makefile"), `main: ${objects}\n\tcc -o $@ $^\n%.o: %.c\n\tcc -c -o $@ $<\n`);
}

function tableOf(rows: readonly Row[], peakKb: number, hooks: HookFigures): string {
  const lines = rows.flatMap(({ name, whole, each }) => [
    lineOf(name, whole, 0),
    ...(each === null ? [] : [lineOf("    each of them", each, 3)]),
  ]);
  const head = `${"".padEnd(44)}${"plain ms".padStart(10)}${"ours ms".padStart(10)}${"ratio".padStart(8)} ${"(min-max)".padEnd(14)}difference ms (min-max)`;
  return [
    head,
    ...lines,
    lineOf('one hook "true", beside sh -c true', hooks.one, 1),
    lineOf("100 hooks of 500 ms at once, beside one", hooks.parallel, 0),
    `an event that none of 500 hooks is for: ${hooks.noMatchUs.toFixed(1)} µs`,
    `peak memory of the broker: ${peakKb} kB`,
    `${rounds} pairs each; medians, with the smallest and the largest`,
  ].join("\n");
}

function turnTable({ rows, memory, longThread }: TurnFigures): string {
  const { turns, resumeMs, pageMs } = longThread;
  return [
    "Turns: the peer (ours once more where it is not installed) in the column of the plain ones",
    ...rows.map(({ name, comparison }) => lineOf(name, comparison, 0)),
    ...memory.map(
      ({ name, ours, peer }) =>
        `memory ${name}: ${ours.toFixed(0)} MB, the peer ${peer?.toFixed(0) ?? "not installed"}`,
    ),
    `a thread of ${turns} turns: resumed in ${resumeMs.toFixed(0)} ms with the loading of all that it needs, a page in ${pageMs.toFixed(0)} ms`,
  ].join("\n");
}

function lineOf(name: string, { plainMs, otherMs, ratio, differenceMs }: Comparison, digits: number): string {
  const range = ({ min, max }: Spread, places: number): string => `(${min.toFixed(places)}-${max.toFixed(places)})`;
  const numbers = [plainMs, otherMs].map(({ median }) => median.toFixed(digits).padStart(10)).join("");
  const difference = `${differenceMs.median.toFixed(digits)} ${range(differenceMs, digits)}`;
  return `${name.padEnd(44)}${numbers}${ratio.median.toFixed(2).padStart(8)} ${range(ratio, 2).padEnd(14)}${difference}`;
}

const bench = new Bench();
try {
  const brokerPeakKb = await runBench(bench);
  const hooks = await measureHooks(rounds);
  const turns = await measureTurns(rounds, process.env["SALLYPORT_BENCH_PEER_CODEX"] ?? null);
  console.log(
    values.json === true
      ? JSON.stringify({ rounds, rows: bench.rows, brokerPeakKb, hooks, turns })
      : `${tableOf(bench.rows, brokerPeakKb, hooks)}\n\n${turnTable(turns)}`,
  );
} finally {
  bench.remove();
}
