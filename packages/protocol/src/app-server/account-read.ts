/** `account/read`: there are no accounts here; keys are named in the configuration of a provider. */
import { z } from "zod";

export const AccountReadParams = z.looseObject({ refreshToken: z.boolean().nullish() });
export type AccountReadParams = z.infer<typeof AccountReadParams>;

export const AccountReadResponse = z.strictObject({ account: z.null(), requiresOpenaiAuth: z.literal(false) });
export type AccountReadResponse = z.infer<typeof AccountReadResponse>;
