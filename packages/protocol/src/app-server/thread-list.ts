/** `thread/list`: stored threads that have a turn. */
import { z } from "zod";
import { pageCursors, pageParams } from "./paging.ts";
import { ThreadReadState } from "./thread-read-state.ts";
import { Thread } from "./thread.ts";

export const ThreadSortKey = z.enum(["created_at", "updated_at", "recency_at", "section_position"]);
export type ThreadSortKey = z.infer<typeof ThreadSortKey>;

/** `sourceKinds` absent or empty: interactive ones only, so threads of `sallyport exec` need `["exec"]`. `cwd` matches exactly. */
export const ThreadListParams = z.looseObject({
  ...pageParams,
  sortKey: ThreadSortKey.nullish(),
  modelProviders: z.array(z.string()).nullish(),
  sourceKinds: z.array(z.string()).nullish(),
  archived: z.boolean().nullish(),
  cwd: z.union([z.string(), z.array(z.string())]).nullish(),
  searchTerm: z.string().nullish(),
  /** No thread has a parent here, so with one nothing is found. */
  parentThreadId: z.string().nullish(),
});
export type ThreadListParams = z.infer<typeof ThreadListParams>;

/** `readStates` by thread id, of those on the page that have one. */
export const ThreadListResponse = z.strictObject({
  data: z.array(Thread),
  ...pageCursors,
  readStates: z.record(z.string(), ThreadReadState),
});
export type ThreadListResponse = z.infer<typeof ThreadListResponse>;
