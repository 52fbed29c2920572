/** `turn/interrupt`: ends the running turn and the whole process tree of its command. */
import { z } from "zod";

export const TurnInterruptParams = z.looseObject({ threadId: z.string(), turnId: z.string() });
export type TurnInterruptParams = z.infer<typeof TurnInterruptParams>;

export const TurnInterruptResponse = z.strictObject({});
export type TurnInterruptResponse = z.infer<typeof TurnInterruptResponse>;
