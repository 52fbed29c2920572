/** How a launch ended, as the broker tells it. */
import { SallyportError } from "./errors.ts";
import type { PayloadReader } from "./frames.ts";
import type { RunResult } from "./types.ts";

const cleanupWays = ["pid-namespace", "cgroup", "process-walk"] as const;

/** A WAIT status as waitpid(2) gives it. */
export function readWaitStatus(known: boolean, status: number): { exitCode: number | null; signal: number | null } {
  if (!known) return { exitCode: null, signal: null };
  const signal = status & 0x7f;
  return signal === 0 ? { exitCode: (status >> 8) & 0xff, signal: null } : { exitCode: null, signal };
}

/** Of an ENDED frame. */
export function readEnd(payload: PayloadReader): RunResult {
  const result: RunResult = {
    ...readWaitStatus(payload.u8() !== 0, payload.i32()),
    cleanup: {
      how: cleanupWays[payload.u8()] ?? "process-walk",
      sure: payload.u8() !== 0,
      killed: payload.count(),
    },
  };
  const names = payload.list(() => payload.bytes().toString("utf8"));
  if (names.length > 0) result.leftBehind = names;
  return result;
}

/** Of a FAILED frame. */
export function readFailure(payload: PayloadReader): SallyportError {
  const stage = payload.bytes().toString("utf8");
  const errno = payload.i32();
  const succeeded = payload
    .bytes()
    .toString("utf8")
    .split(" ")
    .filter((name) => name !== "");
  if (stage.startsWith("wall: ")) {
    const message = stage.slice("wall: ".length) || "bubblewrap ended early";
    return new SallyportError("WALL_FAILED", `The wall could not be built: ${message}`);
  }
  if (stage === "probe") {
    return new SallyportError(
      "PROBE_FAILED",
      `The wall does not hold: ${succeeded.join(", ")} succeeded from inside, expected all to fail`,
      { data: { succeeded } },
    );
  }
  return launchFailed(stage, errno);
}

export function launchFailed(stage: string, errno: number): SallyportError {
  return new SallyportError("LAUNCH_FAILED", `Starting the command failed at: ${stage} (errno ${errno})`, {
    data: { stage, errno },
  });
}

export function brokerDied(code: number | null, signal: string | null): SallyportError {
  return new SallyportError(
    "BROKER_DIED",
    `The broker ended with ${signal ?? `exit code ${code}`} before the command was over`,
    { data: { code, signal } },
  );
}
