/** `thread/items/list`: a thread's items, oldest first unless asked otherwise. */
import { z } from "zod";
import { pageCursors, pageParams } from "./paging.ts";
import { ThreadItem } from "./thread-item.ts";

export const ItemsListParams = z.looseObject({ threadId: z.string(), turnId: z.string().nullish(), ...pageParams });
export type ItemsListParams = z.infer<typeof ItemsListParams>;

export const ItemsListEntry = z.strictObject({
  turnId: z.string(),
  item: ThreadItem,
  startedAtMs: z.int().nullable(),
  completedAtMs: z.int().nullable(),
});
export type ItemsListEntry = z.infer<typeof ItemsListEntry>;

export const ItemsListResponse = z.strictObject({ data: z.array(ItemsListEntry), ...pageCursors });
export type ItemsListResponse = z.infer<typeof ItemsListResponse>;
