/** `thread/turns/list`: a thread's turns, newest first unless asked otherwise. */
import { z } from "zod";
import { pageCursors, pageParams } from "./paging.ts";
import { Turn, TurnItemsView } from "./turn.ts";

export const TurnsListParams = z.looseObject({
  threadId: z.string(),
  ...pageParams,
  /** Default `summary`. */
  itemsView: TurnItemsView.nullish(),
});
export type TurnsListParams = z.infer<typeof TurnsListParams>;

export const TurnsListResponse = z.strictObject({ data: z.array(Turn), ...pageCursors });
export type TurnsListResponse = z.infer<typeof TurnsListResponse>;
