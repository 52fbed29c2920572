/** What every kind of handler gets to run once. */
import type { HookEventName } from "@sallyport/protocol";
import type { HandlerResult, HookSessionOptions } from "../types.ts";
import { nothingCaptured } from "./capture.ts";
import type { RunLimit } from "./run-limit.ts";

export interface HandlerContext {
  event: HookEventName;
  input: Readonly<Record<string, unknown>>;
  /** The input as one JSON document. */
  inputText: string;
  cwd: string;
  session: Omit<HookSessionOptions, "handlers" | "observer">;
  limit: RunLimit;
}

/** Stands in `leftBehind` for programs that live on, whose names are not known. */
export const unended = "programs that could not be ended";

/** A result in which nothing was printed, with `fields` in it. */
export function resultOf(fields: Partial<HandlerResult> & Pick<HandlerResult, "outcome">): HandlerResult {
  return {
    exitCode: null,
    signal: null,
    problem: null,
    startFailure: null,
    stdout: nothingCaptured(),
    stderr: nothingCaptured(),
    durationMs: 0,
    leftBehind: [],
    ...fields,
  };
}

export function notStarted(startFailure: "notFound" | "notExecutable" | "other", problem: string): HandlerResult {
  return resultOf({ outcome: "notStarted", startFailure, problem });
}

/** Text that answers like a command's stdout. */
export function answer(text: string): HandlerResult {
  const bytes = Buffer.from(text, "utf8");
  return resultOf({ outcome: "answered", stdout: { bytes, totalBytes: bytes.length, spillFile: null } });
}

export function answerProblem(problem: string): HandlerResult {
  return resultOf({ outcome: "answered", problem });
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
