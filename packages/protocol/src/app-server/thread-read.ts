/** `thread/read`: one thread, without loading it. */
import { z } from "zod";
import { ThreadReadState } from "./thread-read-state.ts";
import { Thread } from "./thread.ts";

export const ThreadReadParams = z.looseObject({ threadId: z.string(), includeTurns: z.boolean().nullish() });
export type ThreadReadParams = z.infer<typeof ThreadReadParams>;

/** `readState` null: no turn has left a mark yet, or the thread is ephemeral. */
export const ThreadReadResponse = z.strictObject({ thread: Thread, readState: ThreadReadState.nullable() });
export type ThreadReadResponse = z.infer<typeof ThreadReadResponse>;
