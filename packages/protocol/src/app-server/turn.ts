/** A turn: one input of the user and all that followed from it. */
import { z } from "zod";
import { DecisionKind, Reason } from "../exec.ts";
import { HookRunSummary } from "../hooks.ts";
import { Text } from "../text.ts";
import { ThreadItem } from "./thread-item.ts";
import { UserInput } from "./user-input.ts";

export const TurnStatus = z.enum(["inProgress", "completed", "interrupted", "failed"]);
export type TurnStatus = z.infer<typeof TurnStatus>;

const HttpStatus = z.strictObject({ httpStatusCode: z.int().nullable() });

/** Why a turn failed, in a form that clients act on. */
export const CodexErrorInfo = z.union([
  z.enum([
    "contextWindowExceeded",
    "usageLimitExceeded",
    "rateLimitExceeded",
    "serverOverloaded",
    "modelNotFound",
    "unauthorized",
    "badRequest",
    "internalServerError",
    "sandboxError",
    "cyberPolicy",
    "tooManyDenials",
    "other",
  ]),
  z.strictObject({ httpConnectionFailed: HttpStatus }),
  z.strictObject({ responseStreamConnectionFailed: HttpStatus }),
  z.strictObject({ responseStreamDisconnected: HttpStatus }),
  z.strictObject({ responseTooManyFailedAttempts: HttpStatus }),
]);
export type CodexErrorInfo = z.infer<typeof CodexErrorInfo>;

export const TurnError = z.strictObject({
  message: z.string(),
  codexErrorInfo: CodexErrorInfo.nullable(),
  additionalDetails: z.string().nullable(),
});
export type TurnError = z.infer<typeof TurnError>;

/** A prompt that a hook blocked or stopped: the model never got it, and no item shows it. `hookRunId` is in `hookRuns`. Ours. */
export const BlockedInput = z.strictObject({ content: z.array(UserInput), hookRunId: z.uuid() });
export type BlockedInput = z.infer<typeof BlockedInput>;

/** Words that were steered into a turn, and that it did not take up before it was interrupted: no item has them, and the model never
 *  got them. Who sent them sends them again, or does not. Ours. */
export const UntakenInput = z.strictObject({ content: z.array(UserInput), clientId: z.string().nullable() });
export type UntakenInput = z.infer<typeof UntakenInput>;

/** One program that a command started, and what was decided. The same facts as the journal's record, in this protocol's words:
 *  `startedAtMs` is when it was decided. `completedAtMs`, `exitCode` and `signal` are null while it runs and where its end was
 *  not seen. Ours, and only for clients that asked. */
export const ExecRun = z.strictObject({
  id: z.uuid(),
  itemId: z.string(),
  parentId: z.uuid().nullable(),
  file: Text,
  argv: z.array(Text),
  cwd: Text,
  decision: DecisionKind,
  reason: Reason,
  startedAtMs: z.int(),
  completedAtMs: z.int().nullable(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
});
export type ExecRun = z.infer<typeof ExecRun>;

/** `summary` is the user's messages and the last message of the agent. */
export const TurnItemsView = z.enum(["notLoaded", "summary", "full"]);
export type TurnItemsView = z.infer<typeof TurnItemsView>;

/** `startedAt` and `completedAt` are Unix seconds. `hookRuns` is always there and complete, in the order of their start;
 *  `execRuns` only for clients that asked, at most 200, the rest through `turn/execRuns/list`. */
export const Turn = z.strictObject({
  id: z.string(),
  rootTurnId: z.string().nullable(),
  items: z.array(ThreadItem),
  itemsView: TurnItemsView,
  status: TurnStatus,
  error: TurnError.nullable(),
  startedAt: z.int().nullable(),
  completedAt: z.int().nullable(),
  durationMs: z.int().nullable(),
  hookRuns: z.array(HookRunSummary),
  blockedInput: BlockedInput.optional(),
  untakenInput: z.array(UntakenInput).optional(),
  execRuns: z.array(ExecRun).optional(),
});
export type Turn = z.infer<typeof Turn>;
