/** `turn/steer`: more input for the turn that runs. */
import { z } from "zod";
import { UserInput } from "./user-input.ts";

export const TurnSteerParams = z.looseObject({
  threadId: z.string(),
  input: z.array(UserInput),
  /** Has to be the running turn. */
  expectedTurnId: z.string(),
  clientUserMessageId: z.string().nullish(),
});
export type TurnSteerParams = z.infer<typeof TurnSteerParams>;

export const TurnSteerResponse = z.strictObject({ turnId: z.string() });
export type TurnSteerResponse = z.infer<typeof TurnSteerResponse>;
