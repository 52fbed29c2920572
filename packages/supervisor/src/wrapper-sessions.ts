/** What wrappers ask and are answered, as far as the broker has to do with it: lengths, descriptors and processes. What the
 *  messages say is for whoever uses this. `native/wrapper-sessions.c` is the other side. */
import type { Text } from "@sallyport/protocol";
import { boundedLaunch } from "./bounded-launch.ts";
import { readExecFile } from "./exec-file.ts";
import { FrameWriter, frameKinds } from "./frames.ts";
import type { PayloadReader } from "./frames.ts";
import type { Bounds, BrokerHandlers, ExecFile } from "./types.ts";

/** What the broker does besides sending a message. `run`: the wrapper becomes the program, and its end is the end of the exec;
 *  `deny`: it says why not and ends; `grant`: its descriptors are awaited; `end`: it was told how its program ended. */
export type SendNext = "none" | "run" | "deny" | "grant" | "end" | "stopped";

const nextNumbers: Record<SendNext, number> = { none: 0, run: 1, deny: 2, grant: 3, end: 4, stopped: 5 };
const states = { started: 1, stopped: 2, failed: 3 } as const;
const noSuchProcess = 3;

/** `errno` is what an exec would fail with, or -1 where that can't be told. */
export type SessionFiles = { cwd: Text; chain: ExecFile[] } | { errno: number };

/** What is executed outside for a granted session. The paths are those of `Verdict`. */
export interface SessionProgram {
  chainIndex: number;
  argv: readonly Text[];
  env: readonly Text[];
  cwd: Text;
  denyRead: readonly string[];
  /** As in a verdict. */
  bounds?: Bounds;
  /** The numbers of the descriptors that came, in their order. */
  numbers: readonly number[];
  /** Signals that the program starts with blocked; bit n-1 for signal n. */
  blockedSignals: bigint;
  /** Of the signals that the wrapper ignores, those that the program ignores too. */
  keptIgnored: bigint;
}

interface Link {
  handlers: BrokerHandlers;
  send(frame: Buffer): void;
  onAsked(sessionId: number, previous: number): void;
  onDecided(sessionId: number, takesEffect: boolean): void;
}

export class WrapperSessions {
  readonly #link: Link;
  readonly #questions = new Map<number, (files: SessionFiles) => void>();
  #lastToken = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Opens the program and its interpreters as the wrapper's process would, starting at `workdir` ("": where it is), and tells
   *  `then`. The files stay open in the broker until the session is answered. */
  open(sessionId: number, workdir: Text, file: Text, then: (files: SessionFiles) => void): void {
    this.#ask(sessionId, { workdir, file, isProgram: true }, then);
  }

  /** The same for another file that the program would load. The files of the answer are closed (`fd` is -1). */
  resolve(sessionId: number, file: Text): Promise<{ chain: ExecFile[] } | { errno: number }> {
    const answer = Promise.withResolvers<{ chain: ExecFile[] } | { errno: number }>();
    this.#ask(sessionId, { workdir: "", file, isProgram: false }, (files) => {
      answer.resolve("errno" in files ? files : { chain: files.chain.map((one) => ({ ...one, fd: -1 })) });
    });
    return answer.promise;
  }

  #ask(
    sessionId: number,
    { workdir, file, isProgram }: { workdir: Text; file: Text; isProgram: boolean },
    then: (files: SessionFiles) => void,
  ): void {
    const token = ++this.#lastToken;
    this.#questions.set(token, then);
    const frame = new FrameWriter(frameKinds.sessionResolve).u64(sessionId).u64(token).u8(isProgram);
    this.#link.send(frame.text(workdir).text(file).finish());
  }

  /** Sends a message, with its length before it; none where it is empty. */
  send(sessionId: number, next: SendNext, message: Buffer): void {
    if (next === "run" || next === "deny" || next === "grant") this.#link.onDecided(sessionId, next === "run");
    this.#link.send(
      new FrameWriter(frameKinds.sessionSend).u64(sessionId).u8(nextNumbers[next]).bytes(message).finish(),
    );
  }

  start(sessionId: number, program: SessionProgram): void {
    const numbers = Buffer.alloc(4 * program.numbers.length);
    program.numbers.forEach((number, index) => numbers.writeUInt32LE(number, 4 * index));
    const frame = new FrameWriter(frameKinds.sessionStart)
      .u64(sessionId)
      .u32(program.chainIndex)
      .texts(program.argv)
      .texts(program.env)
      .text(program.cwd)
      .texts(program.denyRead)
      .bytes(numbers)
      .u64(program.blockedSignals)
      .u64(program.keptIgnored)
      .u8(program.bounds !== undefined);
    if (program.bounds !== undefined) {
      // Below it nothing asks: outside of the patched shell there is nobody who would.
      const launch = boundedLaunch({ ...program, bounds: program.bounds, intercept: false });
      frame.texts(program.bounds.outerArgv).bytes(launch);
    }
    this.#link.send(frame.finish());
  }

  /** A signal that the wrapper got, for its program. One that came from the terminal has reached it already. */
  signal(sessionId: number, number: number, fromTerminal: boolean): void {
    this.#link.send(new FrameWriter(frameKinds.sessionSignal).u64(sessionId).i32(number).u8(fromTerminal).finish());
  }

  /** True where the frame is one of these. */
  handle(kind: number, payload: PayloadReader): boolean {
    const { handlers } = this.#link;
    switch (kind) {
      case frameKinds.session: {
        const sessionId = payload.count();
        const previous = payload.count();
        const pid = payload.i32();
        const parents = payload.list(() => payload.i32());
        const parent = payload.count();
        if (previous !== 0) this.#link.onAsked(sessionId, previous);
        const parentRequestId = parent === 0 ? null : parent;
        const cwd = payload.text();
        handlers.onSession?.({ sessionId, pid, parents, parentRequestId, cwd, message: payload.bytes() });
        return true;
      }
      case frameKinds.sessionResolved:
        this.#answer(payload);
        return true;
      case frameKinds.sessionMessage: {
        const sessionId = payload.count();
        const descriptorCount = payload.u32();
        handlers.onSessionMessage?.({ sessionId, descriptorCount, message: payload.bytes() });
        return true;
      }
      case frameKinds.sessionState:
        this.#tellState(payload);
        return true;
      default:
        return false;
    }
  }

  /** The broker is gone. */
  close(): void {
    for (const answer of this.#questions.values()) answer({ errno: noSuchProcess });
    this.#questions.clear();
  }

  #answer(payload: PayloadReader): void {
    const token = payload.count();
    const errno = payload.i32();
    const cwd = payload.text();
    const chain = payload.list(() => readExecFile(payload));
    for (const file of chain) file.fd = payload.i32();
    const answer = this.#questions.get(token);
    this.#questions.delete(token);
    answer?.(errno === 0 ? { cwd, chain } : { errno });
  }

  #tellState(payload: PayloadReader): void {
    const sessionId = payload.count();
    const state = payload.u8();
    const value = payload.i32();
    const what = payload.bytes().toString("utf8");
    const { handlers } = this.#link;
    if (state === states.started) handlers.onSessionState?.({ sessionId, kind: "started" });
    else if (state === states.stopped) handlers.onSessionState?.({ sessionId, kind: "stopped", signal: value });
    else handlers.onSessionState?.({ sessionId, kind: "failed", errno: value, what });
  }
}
