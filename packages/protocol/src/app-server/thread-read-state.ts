/** `thread/readState/update`: what of a thread was read. Kept for people with several clients; nothing else hangs on it. */
import { z } from "zod";

/** `threadStart`: somebody marked it unread. `turn`: the first turn that ended and that nobody has read. */
export const ThreadUnreadPosition = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("threadStart") }),
  z.strictObject({ type: z.literal("turn"), turnId: z.string() }),
]);
export type ThreadUnreadPosition = z.infer<typeof ThreadUnreadPosition>;

/** `firstUnread` null: all was read. `revision` is another one with every change, also with one that changes nothing else. */
export const ThreadReadState = z.strictObject({ firstUnread: ThreadUnreadPosition.nullable(), revision: z.string() });
export type ThreadReadState = z.infer<typeof ThreadReadState>;

export const ThreadReadStateOperation = z.looseObject({ type: z.enum(["read", "unread"]) });
export type ThreadReadStateOperation = z.infer<typeof ThreadReadStateOperation>;

/** Refused where `expectedRevision` is not the one that counts by now: the client has not seen what it says that it has read. */
export const ThreadReadStateUpdateParams = z.looseObject({
  threadId: z.string(),
  operation: ThreadReadStateOperation,
  expectedRevision: z.string(),
});
export type ThreadReadStateUpdateParams = z.infer<typeof ThreadReadStateUpdateParams>;

export const ThreadReadStateUpdateResponse = z.strictObject({ readState: ThreadReadState });
export type ThreadReadStateUpdateResponse = z.infer<typeof ThreadReadStateUpdateResponse>;

export const ThreadReadStateChangedNotification = z.strictObject({ threadId: z.uuid(), readState: ThreadReadState });
export type ThreadReadStateChangedNotification = z.infer<typeof ThreadReadStateChangedNotification>;
