/** One intercepted exec: what was asked, what was decided, and the record that is kept of it. */
import { z } from "zod";
import { Text } from "./text.ts";

/** Where an answer came from. `launcher` and `identity` say why an allowed program was not carried outside. */
export const ReasonKind = z.enum(["rule", "hook", "approval", "default", "launcher", "identity"]);
export type ReasonKind = z.infer<typeof ReasonKind>;

export const Reason = z.strictObject({ kind: ReasonKind, text: z.string() });
export type Reason = z.infer<typeof Reason>;

export const DecisionKind = z.enum(["run", "escalate", "deny"]);
export type DecisionKind = z.infer<typeof DecisionKind>;

/** The record of one exec, one JSON object a line in the journal. A record is appended when the exec is decided, and
 *  appended again, complete, when the program ends: the last line of an `id` is the one that counts.
 *
 *  - `id` is a UUIDv7; `parentId` is the record of the nearest ancestor process that has one, else null.
 *  - `atMs` and `durationMs` are integer milliseconds; `durationMs` is null while the program runs.
 *  - `pid` and `ppid` are process ids as seen outside the sandbox.
 *  - `file` is the program after resolving; `calledAs` is what the caller passed to execve.
 *  - `exitCode` and `signal` are null while the program runs and where the kernel does not tell.
 *  - `replacedBy` is the record of the next exec of the same process, which ended this one.
 *  - `outside` is true for an exec below an escalated program.
 *  - `droppedEnv` names the variables that an escalated program did not get, or got with the session's value. */
export const ExecRecord = z.strictObject({
  id: z.uuid(),
  atMs: z.int(),
  pid: z.int(),
  ppid: z.int(),
  parentId: z.uuid().nullable(),
  file: Text,
  calledAs: Text,
  argv: z.array(Text),
  cwd: Text,
  decision: DecisionKind,
  reason: Reason,
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  durationMs: z.int().nullable(),
  replacedBy: z.uuid().nullable(),
  outside: z.boolean(),
  droppedEnv: z.array(Text).optional(),
});
export type ExecRecord = z.infer<typeof ExecRecord>;
