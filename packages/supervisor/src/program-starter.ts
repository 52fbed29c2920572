/** The starter, on Node's side: one process that starts many plain programs, each below a broker of its own (its keeper), so that
 *  a program costs this process a frame and not a spawn. `native/starter.c` has the drawing. */
import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { spawnBroker } from "./broker.ts";
import { brokerDied, launchFailed } from "./endings.ts";
import { SallyportError } from "./errors.ts";
import { FrameReader, FrameWriter, frameKinds } from "./frames.ts";
import type { Frame } from "./frames.ts";
import { programFrame } from "./launch-frame.ts";
import { openPipeEnds } from "./pipe-ends.ts";
import type { PlainProgram, PlainProgramOptions } from "./plain-program.ts";
import { readProgramFrame } from "./program-frames.ts";
import { signalName } from "./signals.ts";
import type { LaunchSpec, RunResult } from "./types.ts";

/** A starter that nobody needs ends after this time, and with this process in any case. */
const idleMs = 5000;
/** While a start or an end is awaited, the starter is woken this often. */
const wakeMs = 250;
/** The end of a tree takes 5 s at most. What is not told this long after the grace will not be told. */
const latestEndMs = 10_000;

interface RunningProgram {
  onLingering(): void;
  streams: PromiseWithResolvers<Pick<PlainProgram, "stdin" | "stdout" | "stderr">>;
  finished: PromiseWithResolvers<RunResult>;
  failure: SallyportError | null;
}

function launchSpecOf(options: PlainProgramOptions): LaunchSpec {
  return {
    mode: "plain",
    intercept: false,
    outerArgv: [],
    file: options.file,
    argv: options.argv,
    env: options.env,
    cwd: options.cwd,
    wall: null,
    pidNamespace: false,
    cgroup: null,
    pidsCgroup: null,
    terminal: false,
    pty: null,
    ownSession: true,
    lingerMs: options.lingerMs,
  };
}

class ProgramStarter {
  /** Who this process was when it started it: programs run with those rights. */
  readonly identity: string;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  readonly #reader = new FrameReader();
  readonly #programs = new Map<number, RunningProgram>();
  /** Programs whose start or end is awaited, and when that has to be there. */
  readonly #awaited = new Map<number, number>();
  #waking: NodeJS.Timeout | undefined;
  #lastId = 0;
  #retired = false;
  #idle: NodeJS.Timeout | undefined;
  #failure: SallyportError | null = null;

  constructor(child: ChildProcess, control: Socket, identity: string) {
    this.identity = identity;
    this.#child = child;
    this.#control = control;
    control.on("data", (chunk: Buffer) => this.#receive(chunk));
    control.on("error", () => {}); // it died: `close` tells
    control.on("close", () => {
      // What ended it counts, and that comes separately. Without a program nobody has to wait for it.
      if (child.exitCode !== null || child.signalCode !== null) this.#failAll();
      else child.once("exit", () => this.#failAll());
      if (this.#programs.size > 0) child.ref();
    });
    child.unref();
    this.#restWhenIdle();
  }

  get isUsable(): boolean {
    return !this.#retired && this.#control.writable;
  }

  async start(options: PlainProgramOptions): Promise<PlainProgram> {
    const id = this.#nextId();
    const frame = programFrame(id, launchSpecOf(options));
    const program: RunningProgram = {
      onLingering: () => options.onLingering(),
      streams: Promise.withResolvers(),
      finished: Promise.withResolvers(),
      failure: null,
    };
    program.finished.promise.catch(() => {}); // whoever awaits it sees it
    this.#programs.set(id, program);
    clearTimeout(this.#idle);
    this.#control.ref();
    this.#await(id, Number.POSITIVE_INFINITY);
    this.#control.write(frame);
    const streams = await program.streams.promise;
    return { ...streams, terminate: (graceMs) => this.#terminate(id, graceMs), finished: program.finished.promise };
  }

  /** It ends when its programs have; the next program is another starter's. */
  retire(): void {
    this.#retired = true;
    if (this.#programs.size === 0) this.#control.end();
  }

  /** The attack: a hook stops the starter, once or over and over, and with it the end of its own time and the start of the next
   *  hook. So it is woken, and killed where that does not help: its keepers end their trees then. */
  #await(id: number, untilMs: number): void {
    this.#awaited.set(id, untilMs);
    this.#child.kill("SIGCONT");
    this.#waking ??= setInterval(() => {
      const isLate = [...this.#awaited.values()].some((latestMs) => Date.now() > latestMs);
      this.#child.kill(isLate ? "SIGKILL" : "SIGCONT");
    }, wakeMs);
  }

  #awaitNoMore(id: number): void {
    this.#awaited.delete(id);
    if (this.#awaited.size > 0) return;
    clearInterval(this.#waking);
    this.#waking = undefined;
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) % 2 ** 32;
    while (this.#programs.has(this.#lastId));
    return this.#lastId;
  }

  #terminate(id: number, graceMs: number): void {
    if (!this.#programs.has(id)) return;
    this.#await(id, Math.min(this.#awaited.get(id) ?? Number.POSITIVE_INFINITY, Date.now() + graceMs + latestEndMs));
    this.#send(new FrameWriter(frameKinds.programTerminate).u32(id).u32(graceMs).finish());
  }

  #send(frame: Buffer): void {
    if (this.#control.writable) this.#control.write(frame);
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.read(chunk)) this.#handle(frame);
    } catch (cause) {
      // Fails closed: every program ends with the socket.
      this.#failure =
        cause instanceof SallyportError
          ? cause
          : new SallyportError("BROKER_PROTOCOL", `Handling a starter's frame failed: ${String(cause)}`, { cause });
      this.#control.destroy();
    }
  }

  #handle(frame: Frame): void {
    const told = readProgramFrame(frame);
    if (told === null) return;
    const { id, event } = told;
    const program = this.#programs.get(id);
    if (event.kind === "pipes") {
      this.#awaitNoMore(id);
      this.#openPipes(id, program, event.ends);
      return;
    }
    if (program === undefined) return; // it has failed on our side already
    switch (event.kind) {
      case "started":
        return;
      case "lingering":
        program.onLingering();
        return;
      case "failed":
        program.failure = event.failure;
        return;
      case "ended":
        if (program.failure === null) program.finished.resolve(event.result);
        else program.finished.reject(program.failure);
        this.#forget(id);
        return;
      case "gone": {
        // Without an end before it: its keeper died, or there never was one.
        const { failure, exitCode, signal } = event;
        this.#fail(id, program, failure ?? brokerDied(exitCode, signal === null ? null : signalName(signal)));
        return;
      }
    }
  }

  #openPipes(id: number, program: RunningProgram | undefined, ends: readonly [number, number, number]): void {
    try {
      const opened = openPipeEnds(this.#child.pid, ends);
      if (program === undefined) for (const end of Object.values(opened)) end.destroy();
      else program.streams.resolve(opened);
    } catch (error) {
      if (program === undefined) throw error;
      const errno = -((error as NodeJS.ErrnoException).errno ?? 0); // openSync throws nothing else
      this.#terminate(id, 0);
      this.#fail(id, program, launchFailed("opening the program's pipes", errno));
    } finally {
      this.#send(new FrameWriter(frameKinds.programOpened).u32(id).finish());
    }
  }

  #fail(id: number, program: RunningProgram, failure: SallyportError): void {
    program.streams.reject(failure); // of no effect once they are there
    program.finished.reject(failure);
    this.#forget(id);
  }

  #failAll(): void {
    const failure = this.#failure ?? brokerDied(this.#child.exitCode, this.#child.signalCode);
    for (const [id, program] of this.#programs) this.#fail(id, program, failure);
  }

  #forget(id: number): void {
    this.#programs.delete(id);
    this.#awaitNoMore(id);
    if (this.#programs.size === 0) this.#restWhenIdle();
  }

  #restWhenIdle(): void {
    clearTimeout(this.#idle);
    this.#control.unref();
    if (this.#retired) this.#control.end();
    else this.#idle = setTimeout(() => this.retire(), idleMs).unref();
  }
}

let current: Promise<ProgramStarter> | null = null;

/** The attack: a process that starts a program as root and then gives its rights up still has a starter that has them. */
function ownIdentity(): string {
  const { getuid, geteuid, getgid, getegid, getgroups } = process;
  return [getuid?.(), geteuid?.(), getgid?.(), getegid?.(), getgroups?.()].join(" ");
}

async function makeStarter(identity: string): Promise<ProgramStarter> {
  const { child, control } = await spawnBroker(["--starter"], ["ignore", "ignore", "ignore"]);
  return new ProgramStarter(child, control, identity);
}

/** The one that runs, or a new one. Rejects with `BROKER_MISSING`. */
async function usableStarter(): Promise<ProgramStarter> {
  for (;;) {
    const asked = current;
    const identity = ownIdentity();
    const starter = await asked?.catch(() => null);
    if (starter?.isUsable === true && starter.identity === identity) return starter;
    if (current !== asked) continue; // another caller has replaced it meanwhile
    starter?.retire();
    current = makeStarter(identity);
    return current;
  }
}

export async function startBelowStarter(options: PlainProgramOptions): Promise<PlainProgram> {
  const starter = await usableStarter();
  return starter.start(options);
}
