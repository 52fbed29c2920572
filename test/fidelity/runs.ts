/** Runs one row of the matrix: plain, inside, and outside, each in a fresh folder of the same name. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { after } from "node:test";
import type { Case, Outcome } from "./cases.ts";
import { noPatchedBash, patchedBash } from "../../packages/shell-escalation/test/patched-bash.ts";
import { executable, visibleParent } from "./place.ts";

const sources = fileURLToPath(new URL("programs", import.meta.url));
const compiler = "gcc";
const deadlineMs = 60_000;
/** Whoever runs the tests may have left descriptors open, and those are a row of their own. */
const closeRest = 'for fd in /proc/$$/fd/*; do fd=${fd##*/}; [ $fd -le 2 ] || eval "exec $fd>&-"; done';
/** In the shell's message about a killed child; its width depends on the number. */
const processId = /^(bash: line \d+: ) *\d+ ([A-Z])/gm;
const searchPath = "/usr/local/bin:/usr/bin:/bin";

/** With `bash-`, a patched Bash is the interceptor, else the kernel. */
export type Mode = "plain" | "run" | "escalated" | "bash-run" | "bash-escalated";

interface JournalLine {
  file: unknown;
  argv: unknown[];
  decision: string;
  reason: { text: string };
}

export interface Ended {
  outcome: Outcome;
  /** Empty for the plain run. */
  journal: JournalLine[];
}

/** The programs of the rows, compiled once, statically so that they are static programs at the same time. */
export class Matrix {
  readonly #base: string = mkdtempSync(join(visibleParent, "sallyport-fidelity-"));
  readonly #tools: string = join(this.#base, "tools");
  readonly #folders = new Map<Case, string>();
  #runs = 0;

  constructor() {
    after(() => rmSync(this.#base, { recursive: true, force: true }));
    mkdirSync(this.#tools);
    mkdirSync(join(this.#base, "user"));
    mkdirSync(join(this.#base, "home"), { mode: 0o700 });
    for (const name of readdirSync(sources)) this.#build(name);
  }

  /** Null where no patched Bash was built. */
  readonly patchedBash: string | null = this.#copyPatchedBash();

  async run(row: Case, mode: Mode): Promise<Ended> {
    this.#runs += 1;
    const folder = this.#folderOf(row);
    clear(folder);
    mkdirSync(folder);
    if (row.prepare !== undefined) this.#prepare(row.prepare, folder);
    const journal = join(this.#base, `journal-${this.#runs}`);
    const shell = ["bash", "-c", row.script];
    const words = mode === "plain" ? shell : [executable, "run", ...this.#options(row, mode, journal), "--", ...shell];
    const caller = ["bash", "-c", `${closeRest}; ${row.before ?? ":"}; exec "$@"`, "caller"];
    const outcome = await runToEnd([...caller, ...words], { cwd: folder, env: this.#env, stdin: row.stdin });
    return { outcome, journal: existsSync(journal) ? readJournal(journal) : [] };
  }

  /** The tool's path, or the word itself. */
  expand(word: string): string {
    return word.replace("$T", this.#tools).replace("$PYTHON", this.#env["PYTHON"] ?? "");
  }

  /** Into a folder from which programs can be carried outside; the checkout may lie in `/tmp`. */
  #copyPatchedBash(): string | null {
    if (noPatchedBash !== false) return null;
    const copy = join(this.#base, "shell", "bash");
    mkdirSync(join(this.#base, "shell"));
    copyFileSync(patchedBash, copy);
    return copy;
  }

  /** Rows may run at the same time, but each in a folder of its own. */
  #folderOf(row: Case): string {
    const known = this.#folders.get(row) ?? join(this.#base, `project-${this.#folders.size + 1}`);
    this.#folders.set(row, known);
    return known;
  }

  get #env(): Record<string, string> {
    return {
      PATH: searchPath,
      HOME: join(this.#base, "user"),
      SALLYPORT_HOME: join(this.#base, "home"),
      LANG: "C.UTF-8",
      T: this.#tools,
      PYTHON: "/usr/bin/python3",
      GIT_AUTHOR_DATE: "2001-01-01T00:00:00Z",
      GIT_COMMITTER_DATE: "2001-01-01T00:00:00Z",
      GIT_AUTHOR_NAME: "Test",
      GIT_AUTHOR_EMAIL: "test@example.com",
      GIT_COMMITTER_NAME: "Test",
      GIT_COMMITTER_EMAIL: "test@example.com",
      GIT_CONFIG_NOSYSTEM: "1",
    };
  }

  #options(row: Case, mode: Mode, journal: string): string[] {
    const rules = `${journal}.rules`;
    const isRun = mode === "run" || mode === "bash-run";
    const bash = mode === "bash-escalated" ? (this.patchedBash ?? "") : "bash";
    writeFileSync(
      rules,
      isRun ? 'prefix_rule(["nothing-in-these-rows"], "forbidden")\n' : this.#allowRules(row, bash),
      { mode: 0o600 },
    );
    const interceptor = mode.startsWith("bash-") ? ["--interceptor", "bash", "--shell", this.patchedBash ?? ""] : [];
    return [...interceptor, "--rules", rules, "--journal", journal];
  }

  /** A rule means a file, and the patched Bash is another one than the PATH's. */
  #allowRules(row: Case, bash: string): string {
    const env = row.passEnv === undefined ? "" : `, env = ${JSON.stringify(row.passEnv)}`;
    const words = (row.escalated ?? ["bash"]).map((word) => (word === "bash" ? bash : this.expand(word)));
    const programs = words.map((word) => JSON.stringify(word));
    return programs.map((program) => `prefix_rule([${program}], escalate = True${env})\n`).join("");
  }

  #prepare(script: string, folder: string): void {
    const { status, stderr } = spawnSync("bash", ["-ec", script], { cwd: folder, env: this.#env, encoding: "utf8" });
    if (status !== 0) throw new Error(`preparing the folder failed: ${stderr}`);
  }

  #build(name: string): void {
    const source = join(sources, name);
    const target = join(this.#tools, name.replace(/\.c$/, ""));
    if (!name.endsWith(".c")) {
      copyFileSync(source, target);
      if (name === "script") chmodSync(target, 0o755);
      return;
    }
    const { status, stderr } = spawnSync(compiler, ["-O1", "-static", "-pthread", "-o", target, source], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`compiling ${name} failed: ${stderr}`);
    if (name !== "exit-with.c") return;
    const linked = ["-O1", "-Wl,--dynamic-linker=/no/such/loader", "-o", join(this.#tools, "no-loader"), source];
    if (spawnSync(compiler, linked).status !== 0) throw new Error("compiling a program without loader failed");
  }
}

/** Names of the programs that a row says it escalates and that have no record of that. */
export function notEscalated(row: Case, journal: readonly JournalLine[], matrix: Matrix): string[] {
  const outside = journal
    .filter(({ decision }) => decision === "escalate")
    .map(({ argv }) => basename(String(argv[0])));
  const wanted = (row.escalated ?? ["bash"]).map((word) => basename(matrix.expand(word)));
  return wanted.filter((name) => !outside.includes(name) && !outside.some((other) => name.endsWith(other)));
}

/** What is missing on this machine for the row, or null. */
export function missingFor(row: Case): string | null {
  for (const name of row.needs ?? []) {
    if (name === "core-files") {
      if (readFileSync("/proc/sys/kernel/core_pattern", "utf8").trim() !== "core")
        return "core dumps are not written to the working folder";
    } else if (!searchPath.split(":").some((place) => existsSync(join(place, name))))
      return `"${name}" is not installed`;
  }
  return null;
}

async function runToEnd(
  words: string[],
  options: { cwd: string; env: Record<string, string>; stdin: string | undefined },
): Promise<Outcome> {
  const [program = "", ...args] = words;
  const { cwd, env, stdin } = options;
  const child = spawn(program, args, {
    cwd,
    env,
    stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    timeout: deadlineMs,
    killSignal: "SIGKILL",
  });
  const said = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("latin1").on("data", (text: string) => (said.stdout += text));
  child.stderr?.setEncoding("latin1").on("data", (text: string) => (said.stderr += text));
  // A program that does not read its input closes it before all is written.
  child.stdin?.on("error", () => undefined).end(stdin);
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) =>
      resolve({ status, signal, stdout: said.stdout, stderr: said.stderr.replace(processId, "$1PID $2") }),
    );
  });
}

function readJournal(path: string): JournalLine[] {
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as JournalLine); // written by the program under test; its schema has its own test
}

/** Folders deeper than any path may be long, names that are not text: rm knows how. */
function clear(folder: string): void {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return;
  const { status, stderr } = spawnSync("rm", ["-rf", folder], { encoding: "utf8" });
  if (status !== 0) throw new Error(`clearing "${folder}" failed: ${stderr}`);
}
