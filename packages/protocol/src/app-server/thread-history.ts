/** Methods that change what a thread holds besides its turns' own work: fork, revert, compaction, items of a client, a user's command. */
import { z } from "zod";
import { threadOverrides, threadSession } from "./thread-start.ts";
import { Thread } from "./thread.ts";

const ofThread = { threadId: z.string() };
const Done = z.strictObject({});

/** `thread/fork`: a new thread with a copy of this one's history, whole or up to a turn. Only one of the two turns may be given. */
export const ThreadForkParams = z.looseObject({
  ...ofThread,
  ...threadOverrides,
  /** The last turn that is copied. It may not run. */
  lastTurnId: z.string().nullish(),
  /** The first turn that is not copied. */
  beforeTurnId: z.string().nullish(),
  ephemeral: z.boolean().nullish(),
  /** Leaves `thread.turns` empty: the client pages. */
  excludeTurns: z.boolean().nullish(),
  threadSource: z.string().nullish(),
});
export type ThreadForkParams = z.infer<typeof ThreadForkParams>;
export const ThreadForkResponse = z.strictObject(threadSession);
export type ThreadForkResponse = z.infer<typeof ThreadForkResponse>;

/** `thread/revert`: the turn and all later ones are removed. A running turn is interrupted first. */
export const ThreadRevertParams = z.looseObject({ ...ofThread, beforeTurnId: z.string() });
export type ThreadRevertParams = z.infer<typeof ThreadRevertParams>;
export const ThreadRevertResponse = z.strictObject({
  thread: Thread,
  turnsBackwardsCursor: z.string().nullable(),
  itemsBackwardsCursor: z.string().nullable(),
});
export type ThreadRevertResponse = z.infer<typeof ThreadRevertResponse>;

/** `thread/compact/start`: a turn that puts a summary in the place of the model's input. Turns and items stay. */
export const ThreadCompactStartParams = z.looseObject(ofThread);
export type ThreadCompactStartParams = z.infer<typeof ThreadCompactStartParams>;
export const ThreadCompactStartResponse = Done;
export type ThreadCompactStartResponse = z.infer<typeof ThreadCompactStartResponse>;

/** `thread/inject_items`: items of the Responses API that only the model gets, before the next prompt. */
export const ThreadInjectItemsParams = z.looseObject({ ...ofThread, items: z.array(z.json()) });
export type ThreadInjectItemsParams = z.infer<typeof ThreadInjectItemsParams>;
export const ThreadInjectItemsResponse = Done;
export type ThreadInjectItemsResponse = z.infer<typeof ThreadInjectItemsResponse>;

/** `thread/shellCommand`: the user's own command, in the thread's folder, without sandbox, rules or hooks. */
export const ThreadShellCommandParams = z.looseObject({
  ...ofThread,
  command: z.string(),
  /** Default one hour; 0 ends it at once. */
  timeoutMs: z.int().nonnegative().nullish(),
});
export type ThreadShellCommandParams = z.infer<typeof ThreadShellCommandParams>;
export const ThreadShellCommandResponse = Done;
export type ThreadShellCommandResponse = z.infer<typeof ThreadShellCommandResponse>;
