/** `thread/resume`: loads a stored thread, or joins a loaded one, and subscribes the connection to it. */
import { z } from "zod";
import { pageCursors } from "./paging.ts";
import { SortDirection } from "./settings.ts";
import { threadOverrides, threadSession } from "./thread-start.ts";
import { Turn, TurnItemsView } from "./turn.ts";

export const ThreadResumeParams = z.looseObject({
  threadId: z.string(),
  ...threadOverrides,
  /** Leaves `thread.turns` empty: the client pages. */
  excludeTurns: z.boolean().nullish(),
  initialTurnsPage: z
    .looseObject({
      limit: z.int().nonnegative().nullish(),
      sortDirection: SortDirection.nullish(),
      itemsView: TurnItemsView.nullish(),
    })
    .nullish(),
});
export type ThreadResumeParams = z.infer<typeof ThreadResumeParams>;

/** The two cursors are where paging backwards begins, with `sortDirection: "desc"`. */
export const ThreadResumeResponse = z.strictObject({
  ...threadSession,
  collaborationMode: z.null(),
  initialTurnsPage: z.strictObject({ data: z.array(Turn), ...pageCursors }).nullable(),
  turnsBackwardsCursor: z.string().nullable(),
  itemsBackwardsCursor: z.string().nullable(),
});
export type ThreadResumeResponse = z.infer<typeof ThreadResumeResponse>;
