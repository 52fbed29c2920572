/** The tree of the command, standing still, and the terminal that a person is asked at. */
import { FrameWriter, frameKinds } from "./frames.ts";
import type { PayloadReader } from "./frames.ts";

/** From `Broker.hold()` on, until `letGo()`. Verdicts and signals that are given meanwhile take effect only then. */
export interface HeldTree {
  /** `cgroup`: frozen at once. `stop`: each process was stopped by a signal. */
  how: "cgroup" | "stop";
  /** The terminal's size, 0 where it has none. */
  rows: number;
  columns: number;
  /** The broker has ended without putting the terminal back, as after a `kill -9`. */
  isLost(): boolean;
  /** Prints; with `screen` on a screen of its own. */
  show(text: string): void;
  /** Throws away what was typed so far, prints, and waits for one line. It ends with the key that ended it: Enter, Ctrl-C or
   *  Ctrl-\; empty: Ctrl-D, or the terminal is gone, or the command is being ended. Ask one at a time. */
  readLine(prompt: string): Promise<Buffer>;
  /** Puts the terminal back and lets everything go on. `interrupt`: the job in the foreground gets a SIGINT. */
  letGo(then?: "interrupt"): void;
}

/** `refused`: why nobody can be asked, in a few words; everything goes on then. */
export type HoldAnswer = { kind: "held"; tree: HeldTree } | { kind: "refused"; why: string };

/** The holds of one broker, one at a time. */
export class TreeHolds {
  readonly #send: (frame: Buffer) => void;
  #asked: ((answer: HoldAnswer) => void) | null = null;
  #reading: ((line: Buffer) => void) | null = null;
  /** Of the last prompt: a line that was typed for an earlier one, and taken back meanwhile, answers nothing. */
  #lastToken = 0;
  #isHeld = false;
  #isClosed = false;

  constructor(send: (frame: Buffer) => void) {
    this.#send = send;
  }

  hold(screen: "screen" | "lines"): Promise<HoldAnswer> {
    if (this.#isClosed) return Promise.resolve({ kind: "refused", why: "the command has ended" });
    if (this.#isHeld || this.#asked !== null)
      return Promise.resolve({ kind: "refused", why: "another question is open" });
    const { promise, resolve } = Promise.withResolvers<HoldAnswer>();
    this.#asked = resolve;
    this.#send(new FrameWriter(frameKinds.hold).u8(screen === "screen").finish());
    return promise;
  }

  /** False: a frame of another kind. */
  handle(kind: number, payload: PayloadReader): boolean {
    if (kind === frameKinds.held) {
      this.#answer(payload);
    } else if (kind === frameKinds.typed) {
      if (payload.u32() === this.#lastToken) this.#typed(payload.bytes());
    } else {
      return false;
    }
    return true;
  }

  /** The broker is gone. */
  close(): void {
    this.#isClosed = true;
    this.#settle({ kind: "refused", why: "the command has ended" });
    this.#typed(Buffer.alloc(0));
  }

  #answer(payload: PayloadReader): void {
    const why = payload.bytes().toString("utf8");
    const how = payload.u8() === 1 ? "cgroup" : "stop";
    this.#isHeld = why === "";
    const size = { rows: payload.u32(), columns: payload.u32() };
    this.#settle(why === "" ? { kind: "held", tree: { how, ...size, ...this.#actions() } } : { kind: "refused", why });
  }

  #actions(): Pick<HeldTree, "isLost" | "show" | "readLine" | "letGo"> {
    const show = (text: string, listens: boolean): void =>
      this.#send(new FrameWriter(frameKinds.show).u8(listens).u32(this.#lastToken).text(text).finish());
    return {
      isLost: () => this.#isClosed && this.#isHeld,
      show: (text) => show(text, false),
      readLine: (prompt) => {
        if (this.#isClosed) return Promise.resolve(Buffer.alloc(0));
        const { promise, resolve } = Promise.withResolvers<Buffer>();
        this.#reading = resolve;
        this.#lastToken += 1;
        show(prompt, true);
        return promise;
      },
      letGo: (then) => {
        this.#isHeld = false;
        this.#send(new FrameWriter(frameKinds.letGo).u8(then === "interrupt").finish());
      },
    };
  }

  #settle(answer: HoldAnswer): void {
    const asked = this.#asked;
    this.#asked = null;
    asked?.(answer);
  }

  #typed(line: Buffer): void {
    const reading = this.#reading;
    this.#reading = null;
    reading?.(Buffer.from(line)); // the frame's memory is the socket's
  }
}
