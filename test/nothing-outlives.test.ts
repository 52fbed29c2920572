/** Nothing outlives the command, however it ends: by itself, by a timeout, by a signal, or because Node or the broker is
 *  killed. Every process of a run has a marker in its environment, so each one is found, whatever it did to get away. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { surveyCgroups } from "@sallyport/shell-escalation";
import { Place, callers } from "./fidelity/place.ts";
import type { Caller } from "./fidelity/place.ts";
import { missingTools } from "./support/needed-tools.ts";

const deadlineMs = 60_000;
const pollMs = 10;
const skip = missingTools(["bwrap", "setpriv", "setsid", "perl"]);
const { pids } = surveyCgroups();
const noLimit =
  "missing" in pids && (process.env["SALLYPORT_MUST_RUN"] === "1" ? assert.fail(pids.missing) : pids.missing);
const nodeKilled = "kill -9 of Node";
const brokerKilled = "kill -9 of the broker";
const markerName = "SALLYPORT_TEST_MARKER";

type Wall = "bubblewrap" | "landlock";

interface Mode {
  caller: Caller;
  wall: Wall;
}

const modes: Mode[] = callers.flatMap((caller) =>
  (["bubblewrap", "landlock"] as const).map((wall) => ({ caller, wall })),
);

/** Ways to get away from whoever cleans up. `linger` is carried outside, and so is the daemon that `setsid` makes of it. */
const escapes = [
  "setsid -f sleep 1000",
  "(setsid bash -c 'trap \"\" TERM HUP INT QUIT; while :; do sleep 1000; done' & )",
  "( (sleep 1000 & ) & )",
  `perl -e 'fork and exit; setpgrp; fork and exit; $0 = "hidden"; close STDIN; sleep 1000'`,
  "linger 1000 &",
  "(trap '' TERM HUP INT; exec linger 1000) &",
  "setsid -f linger 1000",
];
const rules = 'prefix_rule(["linger"])\nprefix_rule(["setsid", "-f", "linger"], escalate = True)\n';
/** All seven are running, each with its own program: only then is the end worth looking at. */
const expectedProcesses = escapes.length;

class Escape {
  readonly place: Place;
  readonly marker: string;
  readonly #mode: Mode;
  readonly #summary: string;
  readonly #temporary: string;

  constructor(mode: Mode) {
    this.place = new Place(mode.caller);
    this.place.copy("/bin/sleep", "bin/linger");
    this.#mode = mode;
    this.#temporary = this.place.folder("temporary");
    this.#summary = join(this.place.folder("reports"), "summary");
    this.marker = `${process.pid}-${Math.random().toString(36).slice(2)}`;
  }

  /** What a failing test found must not stay behind. */
  remove(): void {
    killAll(this.marker);
    this.place.remove();
  }

  get #options(): { env: NodeJS.ProcessEnv } {
    return { env: { [markerName]: this.marker, TMPDIR: this.#temporary } };
  }

  #words(more: string[], script: string): string[] {
    return [
      "--wall",
      this.#mode.wall,
      "--rules",
      this.place.rules(rules),
      `--json=${this.#summary}`,
      ...more,
      "-c",
      script,
    ];
  }

  start(more: string[], script: string): Running {
    return new Running(this.place.start(this.#words(more, script), this.#options));
  }

  /** A second run, as it cleans up after a dead one. */
  runAgain(): number | null {
    return this.place.run(["--wall", this.#mode.wall, "--", "true"], { env: { TMPDIR: this.#temporary } }).status;
  }

  get cleanup(): { how: string; sure: boolean } {
    const { cleanup } = JSON.parse(readFileSync(this.#summary, "utf8"));
    return { how: cleanup.how, sure: cleanup.sure };
  }

  /** What is left on the host: scratch folders, placeholders and their records, control groups. */
  tracesOf(pid: number): string[] {
    const folders = [this.#temporary, this.place.project, join(this.place.home, "placeholders")];
    return [...folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name))), ...cgroupsOf(pid)];
  }
}

class Running {
  readonly child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #stdout = "";
  stderr = "";

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on("data", (chunk: Buffer) => (this.#stdout += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    // "exit" and not "close": what outlived the run would hold the pipes, and that must be a finding and not a hang.
    this.#ended = new Promise((resolve) => child.once("exit", resolve));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async untilSaid(text: string): Promise<void> {
    assert.ok(
      await eventually(() => this.#stdout.includes(text)),
      `"${text}" was not said: ${this.#stdout}${this.stderr}`,
    );
  }

  async end(): Promise<number | null> {
    const late = new Promise<never>((_, reject) =>
      setTimeout(() => reject(new Error(`did not end: ${this.stderr}`)), deadlineMs).unref(),
    );
    const status = await Promise.race([this.#ended, late]);
    // What outlived the run holds the other ends.
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
    return status;
  }

  broker(): number {
    const [pid] = readQuietly(`/proc/${this.pid}/task/${this.pid}/children`).split(" ").map(Number);
    assert.ok(pid !== undefined && readQuietly(`/proc/${pid}/cmdline`).includes("sallyport-broker"));
    return pid;
  }
}

async function eventually(holds: () => boolean): Promise<boolean> {
  const endMs = Date.now() + deadlineMs;
  while (!holds()) {
    if (Date.now() > endMs) return false;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return true;
}

/** Processes with the marker in their environment, zombies left out: these are only waiting to be counted. */
function processesOf(marker: string): { pid: number; command: string }[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name) || !readQuietly(`/proc/${name}/environ`).includes(`${markerName}=${marker}`)) return [];
    const command = readQuietly(`/proc/${name}/cmdline`).replaceAll("\0", " ");
    return command === "" ? [] : [{ pid: Number(name), command }];
  });
}

function killAll(marker: string): void {
  for (const { pid } of processesOf(marker)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone meanwhile.
    }
  }
}

function cgroupsOf(pid: number): string[] {
  const { kill, pids } = surveyCgroups();
  const folders = [kill, pids].flatMap((found) => ("folder" in found ? [found.folder] : []));
  return folders.flatMap((folder) =>
    readdirSync(folder).filter((name) => new RegExp(`^sallyport-\\d+-${pid}-`).test(name)),
  );
}

function readQuietly(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

const lingering = /^(sleep|linger) 1000|^hidden/;

async function escaped(run: Escape, running: Running): Promise<void> {
  await running.untilSaid("ready");
  const count = (): number => processesOf(run.marker).filter(({ command }) => lingering.test(command)).length;
  assert.ok(await eventually(() => count() >= expectedProcesses), JSON.stringify(processesOf(run.marker)));
}

interface End {
  name: string;
  options?: string[];
  /** What the command does after it has started everything. */
  last: string;
  act?(running: Running): void;
  status: number | null;
  summary: boolean;
}

const ends: End[] = [
  {
    name: "the command's own end",
    last: "until [ -e go ]; do read -t 0.02 <> <(:); done; rm go; exit 5",
    status: 5,
    summary: true,
  },
  { name: "a timeout", options: ["--timeout", "2"], last: "wait; sleep 1000", status: 124, summary: true },
  { name: "SIGINT", last: "sleep 1000", act: ({ child }) => void child.kill("SIGINT"), status: 130, summary: true },
  { name: "SIGTERM", last: "sleep 1000", act: ({ child }) => void child.kill("SIGTERM"), status: 143, summary: true },
  {
    name: nodeKilled,
    last: "sleep 1000",
    act: ({ child }) => void child.kill("SIGKILL"),
    status: null,
    summary: false,
  },
  {
    name: brokerKilled,
    last: "sleep 1000",
    act: (running) => void process.kill(running.broker(), "SIGKILL"),
    status: 125,
    summary: false,
  },
];

for (const mode of modes) {
  describe(`as ${mode.caller.name}, ${mode.wall}`, { skip }, () => {
    for (const end of ends) test(`nothing is left after ${end.name}`, async () => await checkEnd(mode, end));
  });
}

async function checkEnd(mode: Mode, end: End): Promise<void> {
  const run = new Escape(mode);
  try {
    const running = run.start(end.options ?? [], `${escapes.join("\n")}\necho ready\n${end.last}`);
    await escaped(run, running);
    end.act?.(running);
    if (end.status === 5) run.place.file("project/go", "");
    assert.equal(await running.end(), end.status, running.stderr);
    if (end.name === brokerKilled && !hasCgroup(mode)) await checkUnpromised(run, mode, running);
    else
      assert.ok(await eventually(() => processesOf(run.marker).length === 0), JSON.stringify(processesOf(run.marker)));
    if (end.summary) assert.deepEqual(run.cleanup, { how: hasCgroup(mode) ? "cgroup" : "process-walk", sure: true });
    if (end.name === nodeKilled) {
      assert.notDeepEqual(run.tracesOf(running.pid), [], "there is something for the next start to remove");
      assert.equal(run.runAgain(), 0);
    }
    assert.deepEqual(run.tracesOf(running.pid), []);
  } finally {
    run.remove();
  }
}

/** Without a cgroup nobody is left who could find what is outside of the namespace, or everything where there is none. That
 *  must be said. */
async function checkUnpromised(run: Escape, mode: Mode, running: Running): Promise<void> {
  assert.match(
    running.stderr,
    /without a writable cgroup, programs that left the command's namespaces may still run; look for them with ps\n/,
  );
  if (mode.wall === "landlock") return;
  const isOutside = ({ command }: { command: string }): boolean => command.startsWith("linger 1000");
  assert.ok(await eventually(() => processesOf(run.marker).every(isOutside)), JSON.stringify(processesOf(run.marker)));
}

function hasCgroup({ caller }: Mode): boolean {
  return caller.name === "root" && "folder" in surveyCgroups().kill;
}

describe("a fork bomb", { skip: skip || noLimit }, () => {
  for (const wall of ["bubblewrap", "landlock"] as const) {
    test(`is held at --max-procs and ended with the command, ${wall}`, async () => {
      const limit = 40;
      const run = new Escape({ caller: callers[0] ?? assert.fail(), wall });
      // Each process makes as many as it can, and none of them stops at TERM.
      const bomb = `perl -e '$SIG{TERM} = "IGNORE"; $| = 1; print "ready\\n"; for (;;) { defined fork or select undef, undef, undef, 0.02 }'`;
      try {
        const running = run.start(["--max-procs", String(limit), "--timeout", "1.5"], bomb);
        await running.untilSaid("ready");
        let most = 0;
        const seen = (): number => (most = Math.max(most, processesOf(run.marker).length));
        assert.ok(await eventually(() => seen() >= limit), `${most} processes, expected ${limit}`);
        assert.equal(await running.end(), 124, running.stderr);
        // The front, Node and the namespace builders have the marker too.
        assert.ok(most <= limit + 6, `${most} processes, expected ${limit}`);
        assert.ok(
          await eventually(() => processesOf(run.marker).length === 0),
          JSON.stringify(processesOf(run.marker)),
        );
        assert.deepEqual([run.cleanup, run.tracesOf(running.pid)], [{ how: "cgroup", sure: true }, []]);
      } finally {
        run.remove();
      }
    });
  }
});

describe("a program that waits for its decision", { skip }, () => {
  for (const wall of ["bubblewrap", "landlock"] as const) {
    test(`does not hang when Node and then the broker are gone, ${wall}`, async () => {
      const run = new Escape({ caller: callers.at(-1) ?? assert.fail(), wall });
      try {
        const running = run.start(
          [],
          "echo ready; until [ -e go ]; do :; done; /bin/true; echo $? >result; sleep 1000",
        );
        await running.untilSaid("ready");
        const broker = running.broker();
        // Stopped, Node answers nothing: the exec waits.
        running.child.kill("SIGSTOP");
        run.place.file("project/go", "");
        const isWaiting = (): boolean =>
          processesOf(run.marker).some(({ pid }) => readQuietly(`/proc/${pid}/syscall`).startsWith("59 "));
        assert.ok(await eventually(isWaiting), "no exec waits");
        process.kill(broker, "SIGKILL");
        assert.ok(await eventually(() => !isWaiting()), "the exec still waits");
        running.child.kill("SIGCONT");
        assert.equal(await running.end(), 125);
      } finally {
        run.remove();
      }
    });
  }
});

test("the search for processes finds one that got away", async () => {
  const run = new Escape({ caller: callers[0] ?? assert.fail(), wall: "bubblewrap" });
  try {
    spawnSync("/usr/bin/setsid", ["-f", "sleep", "1000"], {
      env: { ...process.env, [markerName]: run.marker },
      stdio: "ignore",
    });
    assert.ok(await eventually(() => processesOf(run.marker).some(({ command }) => command === "sleep 1000 ")));
  } finally {
    run.remove();
  }
});
