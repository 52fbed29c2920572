/** What a starter says, as values. */
import { launchFailed, readEnd, readFailure, readWaitStatus } from "./endings.ts";
import { SallyportError } from "./errors.ts";
import { PayloadReader, frameKinds } from "./frames.ts";
import type { Frame } from "./frames.ts";
import type { RunResult } from "./types.ts";

export type ProgramEvent =
  /** The starter's descriptors of our ends of the program's pipes. */
  | { kind: "pipes"; ends: readonly [number, number, number] }
  | { kind: "started" }
  /** The program itself has ended and others of its tree have not. */
  | { kind: "lingering" }
  | { kind: "failed"; failure: SallyportError }
  | { kind: "ended"; result: RunResult }
  /** Its keeper has ended; `failure` where there never was one. */
  | { kind: "gone"; failure: SallyportError | null; exitCode: number | null; signal: number | null };

/** Null for what is the starter's own beginning and end. Throws `BROKER_PROTOCOL`. */
export function readProgramFrame({ kind, payload: bytes }: Frame): { id: number; event: ProgramEvent } | null {
  if (kind === frameKinds.hello || kind === frameKinds.ended) return null;
  const payload = new PayloadReader(bytes);
  const id = payload.u32();
  switch (kind) {
    case frameKinds.programPipes:
      return { id, event: { kind: "pipes", ends: [payload.i32(), payload.i32(), payload.i32()] } };
    case frameKinds.programEvent:
      return { id, event: readKeeperFrame(payload) };
    case frameKinds.programGone: {
      const status = payload.i32();
      const errno = payload.i32();
      const failure = errno === 0 ? null : launchFailed("starting a process with pipes", errno);
      return { id, event: { kind: "gone", failure, ...readWaitStatus(errno === 0, status) } };
    }
    default:
      throw unknownKind("starter", kind);
  }
}

function readKeeperFrame(payload: PayloadReader): ProgramEvent {
  const kind = payload.u8();
  switch (kind) {
    case frameKinds.started:
      return { kind: "started" };
    case frameKinds.lingering:
      return { kind: "lingering" };
    case frameKinds.failed:
      return { kind: "failed", failure: readFailure(payload) };
    case frameKinds.ended:
      return { kind: "ended", result: readEnd(payload) };
    default:
      throw unknownKind("keeper of a program", kind);
  }
}

function unknownKind(who: string, kind: number): SallyportError {
  return new SallyportError(
    "BROKER_PROTOCOL",
    `The ${who} sent a frame of unknown kind ${kind}; rebuild with npm run build`,
  );
}
