/** `initialize`, the first request of a connection. */
import { z } from "zod";

/** `requiredHumanApproval`: the client shows questions of the kind `humanCommand` to a person. `extensions.sallyport` asks for what is ours alone: notifications about programs, and `Turn.execRuns`. */
export const InitializeParams = z.looseObject({
  clientInfo: z.looseObject({ name: z.string(), version: z.string(), title: z.string().nullish() }),
  capabilities: z
    .looseObject({
      experimentalApi: z.boolean().optional(),
      requiredHumanApproval: z.boolean().optional(),
      optOutNotificationMethods: z.array(z.string()).nullish(),
      extensions: z.looseObject({ sallyport: z.looseObject({ execRuns: z.boolean().optional() }).nullish() }).nullish(),
    })
    .nullish(),
});
export type InitializeParams = z.infer<typeof InitializeParams>;

/** `codexHome` is Sallyport's home; the name is the peer's. */
export const InitializeResponse = z.strictObject({
  userAgent: z.string(),
  codexHome: z.string(),
  platformFamily: z.enum(["unix", "windows"]),
  platformOs: z.string(),
});
export type InitializeResponse = z.infer<typeof InitializeResponse>;
