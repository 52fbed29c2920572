/** Pages: `nextCursor` goes on, `backwardsCursor` with the other direction gives the page's first entry again. */
import { z } from "zod";
import { SortDirection } from "./settings.ts";

export const pageParams = {
  cursor: z.string().nullish(),
  /** Default 25, at most 100; 0 counts as 1. */
  limit: z.int().nonnegative().nullish(),
  sortDirection: SortDirection.nullish(),
};

export const pageCursors = { nextCursor: z.string().nullable(), backwardsCursor: z.string().nullable() };
