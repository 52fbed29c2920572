/** `turn/execRuns/list`: the programs of one turn, in the order of their decisions. Ours. */
import { z } from "zod";
import { pageCursors, pageParams } from "./paging.ts";
import { ExecRun } from "./turn.ts";

export const ExecRunsListParams = z.looseObject({ threadId: z.string(), turnId: z.string(), ...pageParams });
export type ExecRunsListParams = z.infer<typeof ExecRunsListParams>;

export const ExecRunsListResponse = z.strictObject({ data: z.array(ExecRun), ...pageCursors });
export type ExecRunsListResponse = z.infer<typeof ExecRunsListResponse>;
