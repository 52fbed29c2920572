/** Starts a broker and speaks frames with it. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { accessSync, constants as fsConstants } from "node:fs";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import type { Text } from "@sallyport/protocol";
import { boundedLaunch } from "./bounded-launch.ts";
import { SallyportError } from "./errors.ts";
import { readExecFile } from "./exec-file.ts";
import { FrameReader, FrameWriter, PayloadReader, frameHeaderBytes, frameKinds, frameVersion } from "./frames.ts";
import type { Frame } from "./frames.ts";
import { brokerDied, readEnd, readFailure, readWaitStatus } from "./endings.ts";
import { TreeHolds } from "./held-tree.ts";
import type { HoldAnswer } from "./held-tree.ts";
import { launchFrame } from "./launch-frame.ts";
import { openPipeEnds } from "./pipe-ends.ts";
import { brokerPath } from "./native-paths.ts";
import type { BrokerHandlers, ExecEvent, ExecFile, LaunchSpec, RunResult, Verdict } from "./types.ts";
import { WrapperSessions } from "./wrapper-sessions.ts";

type BrokerStdio = "inherit" | "pipe" | "ignore" | number;

export interface BrokerOptions {
  handlers: BrokerHandlers;
  /** What the command's descriptors 0, 1 and 2 are; default: this process's own. "pipe" makes sockets, which a program can't open as
   *  `/dev/stdin`; "pipes", for all three, makes pipes. */
  stdio?: [BrokerStdio, BrokerStdio, BrokerStdio] | "pipes";
}

export interface Broker {
  readonly pid: number;
  /** The kernel's Landlock ABI, 0 without Landlock. Rejects with `BROKER_DIED` when the broker ends before it told. */
  readonly landlockAbi: Promise<number>;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** Starts the command; resolves when it is about to run (its own exec is decided like any other). Rejects with a
   *  SallyportError: `WALL_FAILED` (bubblewrap's own words), `PROBE_FAILED` (`data.succeeded`: names), `LAUNCH_FAILED` (`data.stage`, `data.errno`), `BROKER_DIED`. */
  launch(spec: LaunchSpec): Promise<void>;
  verdict(requestId: number, verdict: Verdict): void;
  /** No verdict stands any more: every exec waits for its own. Those that were answered until the broker reads this are still told. */
  revoke(): void;
  /** Resolves `path` as the process of this waiting exec would, from its root and cwd; then the `#!` chain. The files of the
   *  answer are closed (`fd` is -1). */
  resolve(requestId: number, path: Text): Promise<{ chain: ExecFile[] } | { errno: number }>;
  /** What wrappers ask, where the launch has an `escalateSocket`. */
  readonly sessions: WrapperSessions;
  /** Sends a signal to the command's process group. */
  signal(number: number): void;
  /** TERM to the whole tree, KILL after `graceMs`; 0 kills at once. */
  terminate(graceMs: number): void;
  /** Types into the pty of a launch that has one. An empty chunk: the input has ended, and the key for that is typed. */
  input(chunk: Buffer): void;
  resize(rows: number, columns: number): void;
  /** The pty takes the size of the terminal among the broker's own descriptors 0 to 2. */
  followSize(): void;
  /** Brings the whole tree to a stand, to ask a person at the caller's terminal: a broker that has one in guarded mode. One at a
   *  time: until `letGo()` another one is refused. `screen`: the terminal understands control sequences. */
  hold(screen: "screen" | "lines"): Promise<HoldAnswer>;
  /** Resolves when the command and its whole tree have ended. Rejects as `launch` does, also when the program could not be
   *  executed (`LAUNCH_FAILED` with stage "exec"). */
  readonly finished: Promise<RunResult>;
}

const execEndings = ["ended", "vanished", "failed", "changed"] as const;

function readExecEvent(payload: PayloadReader): { event: ExecEvent; previous: number } {
  const requestId = payload.count();
  const previous = payload.count();
  const answeredAtMs = payload.count();
  const tid = payload.i32();
  const pid = payload.i32();
  const place = payload.u8();
  const parents = payload.list(() => payload.i32());
  const parentRequest = payload.count();
  const event: ExecEvent = {
    requestId,
    pid,
    tid,
    parents,
    parentRequestId: parentRequest === 0 ? null : parentRequest,
    answeredAtMs: answeredAtMs === 0 ? null : answeredAtMs,
    outside: place !== 0,
    ...(place === placeInBounds ? { inBounds: true } : {}),
    file: payload.text(),
    cwd: payload.text(),
    argv: payload.list(() => payload.text()),
    env: payload.bytes(),
    chain: payload.list(() => readExecFile(payload)),
  };
  for (const file of event.chain) file.fd = payload.i32();
  return { event, previous };
}

const placeInBounds = 2;
const verdictThatStands = 3;
const verdictInBounds = 4;
const verdictIfSame = 5;
/** Execs that were answered by the broker are acknowledged not fewer at a time; it stops answering at 64 that are not. */
const acknowledgedAtOnce = 16;

/** The usual answer, in one piece: every exec of every command waits for it. */
function runVerdictFrame(requestId: number, { stands, ifSame }: Verdict & { kind: "run" }): Buffer {
  const frame = Buffer.alloc(frameHeaderBytes + 9);
  frame.writeUInt32LE(9, 0);
  frame.writeUInt8(frameVersion, 4);
  frame.writeUInt8(frameKinds.verdict, 5);
  frame.writeUInt32LE(requestId % 2 ** 32, frameHeaderBytes);
  frame.writeUInt32LE(Math.floor(requestId / 2 ** 32), frameHeaderBytes + 4);
  frame.writeUInt8(stands === true ? verdictThatStands : ifSame === true ? verdictIfSame : 0, frameHeaderBytes + 8);
  return frame;
}

/** Environments of escalated programs as bytes, by the list that they were made of. */
const encodedTexts = new WeakMap<readonly Text[], Buffer>();

function encodeTexts(texts: readonly Text[]): Buffer {
  const known = encodedTexts.get(texts);
  if (known !== undefined) return known;
  const bytes = new FrameWriter(frameKinds.verdict).texts(texts).written();
  encodedTexts.set(texts, bytes);
  return bytes;
}

function verdictFrame(requestId: number, verdict: Verdict): Buffer {
  if (verdict.kind === "run") return runVerdictFrame(requestId, verdict);
  const frame = new FrameWriter(frameKinds.verdict).u64(requestId);
  if (verdict.kind === "deny") {
    // The stand-in prints one line of bounded length; a NUL cannot travel in it.
    return frame.u8(2).text(verdict.reason.replaceAll("\0", "").slice(0, 400)).finish();
  }
  if (verdict.bounds !== undefined) {
    const launch = boundedLaunch({ ...verdict, bounds: verdict.bounds, intercept: true });
    return frame.u8(verdictInBounds).u32(verdict.chainIndex).texts(verdict.bounds.outerArgv).bytes(launch).finish();
  }
  return frame
    .u8(1)
    .u32(verdict.chainIndex)
    .texts(verdict.argv)
    .raw(encodeTexts(verdict.env))
    .text(verdict.cwd)
    .texts(verdict.denyRead)
    .finish();
}

class BrokerConnection implements Broker {
  readonly pid: number;
  stdin: Writable | null;
  stdout: Readable | null;
  stderr: Readable | null;
  readonly landlockAbi: Promise<number>;
  readonly finished: Promise<RunResult>;
  readonly sessions: WrapperSessions;
  readonly #holds: TreeHolds;
  readonly #control: Socket;
  readonly #handlers: BrokerHandlers;
  readonly #reader = new FrameReader();
  readonly #greeted = Promise.withResolvers<number>();
  readonly #launched = Promise.withResolvers<void>();
  readonly #finished = Promise.withResolvers<RunResult>();
  /** Request of the previous exec of the same process, while the newer one waits for its verdict. */
  readonly #replaces = new Map<number, number>();
  /** Execs that run and whose end was not told yet. */
  readonly #running = new Set<number>();
  readonly #questions = new Map<number, (answer: { chain: ExecFile[] } | { errno: number }) => void>();
  /** The exec that was answered by the broker and is with the handler now. */
  #unconfirmed: number | null = null;
  #unacknowledged = 0;
  #lastToken = 0;
  /** Chunks of output that their taker is still busy with. */
  #outputsTaken = 0;
  #failure: SallyportError | null = null;
  #result: RunResult | null = null;

  constructor(child: ChildProcess, control: Socket, handlers: BrokerHandlers) {
    this.pid = child.pid ?? -1; // spawn has succeeded before this is made
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    this.landlockAbi = this.#greeted.promise;
    this.finished = this.#finished.promise;
    this.#control = control;
    this.#handlers = handlers;
    this.sessions = new WrapperSessions({
      handlers,
      send: (frame) => this.#send(frame),
      onAsked: (sessionId, previous) => this.#replaces.set(sessionId, previous),
      onDecided: (sessionId, takesEffect) => this.#decided(sessionId, takesEffect),
    });
    this.#holds = new TreeHolds((frame) => this.#send(frame));
    // Whoever only awaits one of the two must not bring the process down through the other.
    this.#greeted.promise.catch(() => {});
    this.#launched.promise.catch(() => {});
    this.#finished.promise.catch(() => {});
    control.on("data", (chunk: Buffer) => this.#receive(chunk));
    control.on("error", () => {}); // the broker died: `close` tells
    let exited: { code: number | null; signal: string | null } | null = null;
    let closed = false;
    const settle = (): void => {
      if (exited !== null && closed) this.#settle(exited.code, exited.signal);
    };
    child.on("exit", (code, signal) => {
      exited = { code, signal };
      settle();
    });
    control.on("close", () => {
      closed = true;
      settle();
    });
  }

  /** Resolves when the pipes are there; rejects as `finished` does. */
  async greeted(): Promise<void> {
    await this.landlockAbi.catch(() => this.finished);
  }

  launch(spec: LaunchSpec): Promise<void> {
    this.#send(launchFrame(spec));
    return this.#launched.promise;
  }

  verdict(requestId: number, verdict: Verdict): void {
    if (requestId === this.#unconfirmed) {
      if (verdict.kind === "run") this.#unconfirmed = null;
      return;
    }
    // Turning the caller into a stand-in may still fail, and then it goes on as it was.
    this.#decided(requestId, verdict.kind === "run");
    this.#send(verdictFrame(requestId, verdict));
  }

  revoke(): void {
    this.#send(new FrameWriter(frameKinds.revoke).finish());
  }

  /** It runs already. Fails closed: what the handler would not have let run ends the whole command. */
  #handleAnswered(event: ExecEvent): void {
    this.#unconfirmed = event.requestId;
    this.#handlers.onExec(event);
    this.#endReplaced(event.requestId);
    this.#running.add(event.requestId);
    if (this.#unconfirmed !== null) {
      this.#unconfirmed = null;
      this.revoke();
      this.terminate(0);
      return;
    }
    this.#unacknowledged += 1;
  }

  #acknowledge(): void {
    if (this.#unacknowledged < acknowledgedAtOnce) return;
    this.#send(new FrameWriter(frameKinds.acknowledge).u32(this.#unacknowledged).finish());
    this.#unacknowledged = 0;
  }

  #decided(requestId: number, takesEffect: boolean): void {
    if (takesEffect) this.#endReplaced(requestId);
    this.#running.add(requestId);
  }

  /** The exec that this one took the place of, in the same process, has ended. */
  #endReplaced(requestId: number): void {
    const previous = this.#replaces.get(requestId);
    if (previous === undefined) return;
    this.#replaces.delete(requestId);
    if (!this.#running.delete(previous)) return;
    const replaced = { how: "replaced", exitCode: null, signal: null, by: requestId, atMs: Date.now() } as const;
    this.#handlers.onExecEnd({ requestId: previous, ...replaced });
  }

  resolve(requestId: number, path: Text): Promise<{ chain: ExecFile[] } | { errno: number }> {
    const token = ++this.#lastToken;
    const answer = Promise.withResolvers<{ chain: ExecFile[] } | { errno: number }>();
    this.#questions.set(token, answer.resolve);
    this.#send(new FrameWriter(frameKinds.resolve).u64(requestId).u64(token).text(path).finish());
    return answer.promise;
  }

  signal(number: number): void {
    this.#send(new FrameWriter(frameKinds.signal).i32(number).finish());
  }

  terminate(graceMs: number): void {
    this.#send(new FrameWriter(frameKinds.terminate).u32(graceMs).finish());
  }

  input(chunk: Buffer): void {
    this.#send(new FrameWriter(frameKinds.input).bytes(chunk).finish());
  }

  resize(rows: number, columns: number): void {
    this.#send(new FrameWriter(frameKinds.resize).u32(rows).u32(columns).finish());
  }

  followSize(): void {
    this.resize(0, 0);
  }

  hold(screen: "screen" | "lines"): Promise<HoldAnswer> {
    return this.#holds.hold(screen);
  }

  #send(frame: Buffer): void {
    if (this.#control.writable) this.#control.write(frame);
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.read(chunk)) this.#handle(frame);
      // Behind what the handlers have put off until all is decided: they may still revoke.
      queueMicrotask(() => this.#acknowledge());
    } catch (cause) {
      // Fails closed: without a broker that can be understood every waiting exec ends with the tree.
      this.#failure =
        cause instanceof SallyportError
          ? cause
          : new SallyportError("BROKER_PROTOCOL", `Handling a broker's frame failed: ${String(cause)}`, { cause });
      this.#control.destroy();
    }
  }

  #handle({ kind, payload: bytes }: Frame): void {
    const payload = new PayloadReader(bytes);
    switch (kind) {
      case frameKinds.hello:
        this.#greet(payload);
        return;
      case frameKinds.started:
        this.#launched.resolve();
        return;
      case frameKinds.exec: {
        const { event, previous } = readExecEvent(payload);
        if (previous !== 0) this.#replaces.set(event.requestId, previous);
        if (event.answeredAtMs === null) this.#handlers.onExec(event);
        else this.#handleAnswered(event);
        return;
      }
      case frameKinds.execEnd:
        this.#handleExecEnd(payload);
        return;
      case frameKinds.resolved:
        this.#handleResolved(payload);
        return;
      case frameKinds.failed:
        this.#handleFailed(payload);
        return;
      case frameKinds.ended:
        this.#result = readEnd(payload);
        return;
      case frameKinds.lingering:
        this.#handlers.onLingering?.();
        return;
      case frameKinds.inputTaken:
        this.#handlers.onInputTaken?.();
        return;
      case frameKinds.output:
        this.#takeOutput(payload.bytes());
        return;
      default:
        if (this.sessions.handle(kind, payload) || this.#holds.handle(kind, payload)) return;
        throw new SallyportError("BROKER_PROTOCOL", `The broker sent a frame of unknown kind ${kind}`);
    }
  }

  #takeOutput(chunk: Buffer): void {
    const taken = this.#handlers.onOutput?.(chunk);
    if (!(taken instanceof Promise)) return;
    this.#outputsTaken += 1;
    this.#control.pause();
    const goOn = (): void => {
      this.#outputsTaken -= 1;
      if (this.#outputsTaken === 0) this.#control.resume();
    };
    taken.then(goOn, (cause: unknown) => {
      // What can't be kept must not go on: the tree ends with the control socket.
      this.#failure ??= new SallyportError("BROKER_PROTOCOL", `Taking a command's output failed: ${String(cause)}`, {
        cause,
      });
      this.#control.destroy();
    });
  }

  #handleExecEnd(payload: PayloadReader): void {
    const requestId = payload.count();
    const how = execEndings[payload.u8()] ?? "ended";
    const status = readWaitStatus(payload.u8() !== 0, payload.i32());
    if (how === "ended") this.#endReplaced(requestId);
    this.#replaces.delete(requestId);
    // An exec that vanished while it waited has no verdict yet; one that ended twice is told once.
    if (!this.#running.delete(requestId) && how !== "vanished") return;
    this.#handlers.onExecEnd({ requestId, how, ...status, by: null, atMs: payload.count() });
  }

  #handleResolved(payload: PayloadReader): void {
    const token = payload.count();
    const errno = payload.i32();
    const chain = payload.list(() => readExecFile(payload));
    const answer = this.#questions.get(token);
    this.#questions.delete(token);
    answer?.(errno === 0 ? { chain } : { errno });
  }

  #handleFailed(payload: PayloadReader): void {
    this.#failure = readFailure(payload);
    this.#launched.reject(this.#failure);
  }

  /** The broker holds both ends of each pipe until the launch. */
  #greet(payload: PayloadReader): void {
    const landlockAbi = payload.i32();
    if (payload.left > 0) {
      const ends = openPipeEnds(this.pid, [payload.i32(), payload.i32(), payload.i32()]);
      ({ stdin: this.stdin, stdout: this.stdout, stderr: this.stderr } = ends);
    }
    this.#greeted.resolve(landlockAbi);
  }

  #settle(code: number | null, signal: string | null): void {
    const died = brokerDied(code, signal);
    for (const answer of this.#questions.values()) answer({ errno: 3 }); // ESRCH: the caller is gone
    this.#questions.clear();
    this.sessions.close();
    this.#holds.close();
    this.#greeted.reject(died); // of no effect once it has told
    const failure = this.#failure ?? (this.#result === null ? died : null);
    if (failure !== null) {
      this.#launched.reject(failure);
      this.#finished.reject(failure);
    } else if (this.#result !== null) {
      this.#launched.resolve();
      this.#finished.resolve(this.#result);
    }
  }
}

/** Starts the broker's executable, in this process's session and process group; its control socket is descriptor 3. Throws
 *  `BROKER_MISSING` when it was not built. */
export async function spawnBroker(
  args: string[],
  stdio: [BrokerStdio, BrokerStdio, BrokerStdio],
): Promise<{ child: ChildProcess; control: Socket }> {
  try {
    accessSync(brokerPath, fsConstants.X_OK);
  } catch (cause) {
    throw new SallyportError("BROKER_MISSING", `Cannot run "${brokerPath}": build it with npm run build`, { cause });
  }
  const child = spawn(brokerPath, args, { stdio: [...stdio, "pipe"], env: {}, cwd: "/" });
  const spawned = Promise.withResolvers<void>();
  child.once("spawn", spawned.resolve);
  child.once("error", spawned.reject);
  try {
    await spawned.promise;
  } catch (cause) {
    throw new SallyportError("BROKER_MISSING", `Cannot start "${brokerPath}": ${String(cause)}`, { cause });
  }
  return { child, control: child.stdio[3] as Socket }; // "pipe" makes a socket on this platform
}

const noStreams: [BrokerStdio, BrokerStdio, BrokerStdio] = ["ignore", "ignore", "ignore"];

/** Starts a broker process. Throws as `spawnBroker()`. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { stdio = ["inherit", "inherit", "inherit"], handlers } = options;
  const ownPipes = stdio === "pipes";
  const { child, control } = await spawnBroker(ownPipes ? ["--pipes"] : [], ownPipes ? noStreams : stdio);
  const broker = new BrokerConnection(child, control, handlers);
  if (ownPipes) await broker.greeted();
  return broker;
}
