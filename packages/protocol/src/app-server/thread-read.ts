/** `thread/read`: one thread, without loading it. */
import { z } from "zod";
import { Thread } from "./thread.ts";

export const ThreadReadParams = z.looseObject({ threadId: z.string(), includeTurns: z.boolean().nullish() });
export type ThreadReadParams = z.infer<typeof ThreadReadParams>;

/** `readState` null: no marks of what was read are kept. */
export const ThreadReadResponse = z.strictObject({ thread: Thread, readState: z.null() });
export type ThreadReadResponse = z.infer<typeof ThreadReadResponse>;
