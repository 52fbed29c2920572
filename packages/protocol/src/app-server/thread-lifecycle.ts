/** Methods about a thread as such: which are loaded, its name, its place in the list, its end; and what all clients are told of that. */
import { z } from "zod";
import { Thread } from "./thread.ts";

const ofThread = { threadId: z.string() };
const Done = z.strictObject({});

/** `thread/loaded/list`: ids, in order. Without `limit` all of them. */
export const ThreadLoadedListParams = z.looseObject({
  cursor: z.string().nullish(),
  /** 0 counts as 1. */
  limit: z.int().nonnegative().nullish(),
});
export type ThreadLoadedListParams = z.infer<typeof ThreadLoadedListParams>;
export const ThreadLoadedListResponse = z.strictObject({ data: z.array(z.uuid()), nextCursor: z.string().nullable() });
export type ThreadLoadedListResponse = z.infer<typeof ThreadLoadedListResponse>;

/** `thread/name/set`: the name is trimmed, and may not be empty then. */
export const ThreadNameSetParams = z.looseObject({ ...ofThread, name: z.string() });
export type ThreadNameSetParams = z.infer<typeof ThreadNameSetParams>;
export const ThreadNameSetResponse = Done;
export type ThreadNameSetResponse = z.infer<typeof ThreadNameSetResponse>;

/** `thread/archive`: ends the thread's session and takes it out of the list. */
export const ThreadArchiveParams = z.looseObject(ofThread);
export type ThreadArchiveParams = z.infer<typeof ThreadArchiveParams>;
export const ThreadArchiveResponse = Done;
export type ThreadArchiveResponse = z.infer<typeof ThreadArchiveResponse>;

/** `thread/unarchive` */
export const ThreadUnarchiveParams = z.looseObject(ofThread);
export type ThreadUnarchiveParams = z.infer<typeof ThreadUnarchiveParams>;
export const ThreadUnarchiveResponse = z.strictObject({ thread: Thread });
export type ThreadUnarchiveResponse = z.infer<typeof ThreadUnarchiveResponse>;

/** `thread/delete`: removes it with all that is kept of it. */
export const ThreadDeleteParams = z.looseObject(ofThread);
export type ThreadDeleteParams = z.infer<typeof ThreadDeleteParams>;
export const ThreadDeleteResponse = Done;
export type ThreadDeleteResponse = z.infer<typeof ThreadDeleteResponse>;

/** `thread/unsubscribe`: the connection hears no more of the thread. */
export const ThreadUnsubscribeParams = z.looseObject(ofThread);
export type ThreadUnsubscribeParams = z.infer<typeof ThreadUnsubscribeParams>;
export const ThreadUnsubscribeResponse = z.strictObject({
  status: z.enum(["unsubscribed", "notSubscribed", "notLoaded"]),
});
export type ThreadUnsubscribeResponse = z.infer<typeof ThreadUnsubscribeResponse>;

export const ThreadNameUpdatedNotification = z.strictObject({ threadId: z.uuid(), threadName: z.string().nullable() });
export type ThreadNameUpdatedNotification = z.infer<typeof ThreadNameUpdatedNotification>;

/** Params of thread/archived, thread/unarchived, thread/deleted, thread/closed and thread/reverted. */
export const ThreadIdNotification = z.strictObject({ threadId: z.uuid() });
export type ThreadIdNotification = z.infer<typeof ThreadIdNotification>;
