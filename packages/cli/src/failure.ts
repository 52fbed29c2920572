/** What a failure of Sallyport's own says and exits with. */
import { isSallyportError } from "@sallyport/supervisor/errors";
import { complain } from "./terminal.ts";

export const ownFailureStatus = 125;
const statusOfCode: Partial<Record<string, number>> = { PROGRAM_NOT_FOUND: 127, PROGRAM_NOT_EXECUTABLE: 126 };

export interface Failure {
  code: string;
  message: string;
  exitStatus: number;
}

export function describeFailure(thrown: unknown): Failure {
  // When a step of cleaning up failed too, the first failure is the one that tells the story.
  let error = thrown;
  while (error instanceof SuppressedError) error = error.suppressed as unknown;
  const message = error instanceof Error ? error.message : String(error);
  if (!isSallyportError(error))
    return { code: "UNEXPECTED", message: `unexpected failure: ${message}`, exitStatus: ownFailureStatus };
  return { code: error.code, message, exitStatus: statusOfCode[error.code] ?? ownFailureStatus };
}

/** One clear line on stderr; returns the exit status that goes with it. */
export function reportFailure(thrown: unknown): number {
  const { message, exitStatus } = describeFailure(thrown);
  complain(message);
  return exitStatus;
}
