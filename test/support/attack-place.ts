/** A throw-away place to attack from, and the built `sallyport` run in it, as root or as an ordinary user.
 *
 *      base/home      Sallyport's home
 *      base/user      HOME
 *      base/bin       first on the PATH, not writable from inside
 *      base/project   the working folder                            */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";

export const root: string = dirname(dirname(import.meta.dirname));
export const executable: string = join(root, "bin", "sallyport");
const deadlineMs = 60_000;
const ordinaryId = 1000;
const ownFailure = 125;

/** Who runs Sallyport. Only root can test both. */
export interface Caller {
  name: "root" | "ordinary user";
  /** Words in front of the command that make it this user's. */
  prefix: string[];
  uid: number;
}

const own: Caller = {
  name: process.geteuid?.() === 0 ? "root" : "ordinary user",
  prefix: [],
  uid: process.geteuid?.() ?? 0,
};
const ordinary: Caller = {
  name: "ordinary user",
  prefix: ["setpriv", `--reuid=${ordinaryId}`, `--regid=${ordinaryId}`, "--clear-groups"],
  uid: ordinaryId,
};
export const callers: Caller[] = own.uid === 0 ? [own, ordinary] : [own];

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** One record of the journal, as far as tests look at it. Values that are not UTF-8 are `{base64}`. */
export interface JournalRecord {
  id: string;
  file: unknown;
  calledAs: unknown;
  argv: unknown[];
  cwd: unknown;
  decision: "run" | "escalate" | "deny";
  reason: { kind: string; text: string };
  exitCode: number | null;
  outside: boolean;
  droppedEnv?: unknown[];
}

const made: string[] = [];
process.once("exit", () => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

export class AttackPlace {
  readonly caller: Caller;
  readonly base: string;
  readonly home: string;
  readonly user: string;
  readonly bin: string;
  readonly project: string;
  #journals = 0;

  /** Below `/tmp`, which is private inside, or with `visible` where its folders keep their names and contents inside. */
  constructor(caller: Caller = own, options: { visible?: boolean } = {}) {
    this.caller = caller;
    this.base = realpathSync(
      mkdtempSync(join(options.visible === true ? visibleParent() : tmpdir(), "sallyport-attack-")),
    );
    made.push(this.base);
    this.own(this.base, 0o755);
    this.home = this.folder("home", 0o700);
    this.user = this.folder("user");
    this.bin = this.folder("bin");
    this.project = this.folder("project");
  }

  /** Gives a path to the caller. */
  own(path: string, mode: number): string {
    chmodSync(path, mode);
    if (this.caller.uid !== own.uid) chownSync(path, this.caller.uid, this.caller.uid);
    return path;
  }

  folder(name: string, mode = 0o755): string {
    mkdirSync(join(this.base, name), { recursive: true });
    return this.own(join(this.base, name), mode);
  }

  file(name: string, text: string, mode = 0o644): string {
    const path = join(this.base, name);
    writeFileSync(path, text);
    return this.own(path, mode);
  }

  /** A program's copy under another place's name. */
  copy(program: string, name: string): string {
    const path = join(this.base, name);
    copyFileSync(program, path);
    return this.own(path, 0o755);
  }

  /** A folder of its own inside the project's, so that each try starts with an empty one. */
  fresh(name: string): string {
    return this.folder(join("project", name));
  }

  get path(): string {
    // Node last: its folder may hold other programs than the system's.
    return [this.bin, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", dirname(process.execPath)].join(":");
  }

  get env(): NodeJS.ProcessEnv {
    return {
      PATH: this.path,
      HOME: this.user,
      SALLYPORT_HOME: this.home,
      LANG: "C.UTF-8",
      TERM: "dumb",
      USER: "tester",
    };
  }

  rules(text: string): string {
    return this.file("test.rules", text, 0o600);
  }

  /** The negative control: the same words without Sallyport. */
  plain(words: string[], options: RunOptions = {}): Ended {
    return this.#end([...this.caller.prefix, ...words], options);
  }

  /** Sallyport itself has to succeed: where nothing ran, no attack failed. */
  run(words: string[], options: RunOptions = {}): Ended {
    const ended = this.#end([...this.caller.prefix, executable, "run", ...words], options);
    assert.notEqual(ended.status, ownFailure, ended.stderr);
    return ended;
  }

  /** As `run()`, with the journal's records, the last one of each id. */
  recorded(words: string[], options: RunOptions = {}): Ended & { records: JournalRecord[] } {
    this.#journals += 1;
    const journal = join(this.base, `journal-${this.#journals}.jsonl`);
    const ended = this.run(["--journal", journal, ...words], options);
    return { ...ended, records: existsSync(journal) ? readJournal(journal) : [] };
  }

  #end(words: string[], options: RunOptions): Ended {
    const [file = "", ...args] = words;
    const { status, signal, stdout, stderr, error } = spawnSync(file, args, {
      ...this.#options(options),
      encoding: "utf8",
      timeout: deadlineMs,
      killSignal: "SIGKILL",
      stdio: ["ignore", "pipe", "pipe"],
    });
    assert.equal(error, undefined);
    return { status, signal, stdout, stderr };
  }

  #options({ cwd, env }: RunOptions): { cwd: string; env: NodeJS.ProcessEnv } {
    return { cwd: cwd ?? this.project, env: { ...this.env, ...env } };
  }
}

export interface RunOptions {
  cwd?: string;
  /** Added to the place's own. */
  env?: NodeJS.ProcessEnv;
}

/** Not in a private folder, not in a home, and every user can get there. */
function visibleParent(): string {
  return own.uid === 0 ? "/var/lib" : homedir();
}

export function readJournal(path: string): JournalRecord[] {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n").filter(Boolean);
  // The records' shape is the protocol's own test's affair.
  return [
    ...new Map(lines.map((line) => JSON.parse(line) as JournalRecord).map((record) => [record.id, record])).values(),
  ];
}

/** Every path below the folder, with what a file holds: two equal listings mean that nothing was left. */
export function listing(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return entry.isFile() ? `${path} ${readFileSync(path).toString("latin1")}` : path;
    })
    .sort();
}
