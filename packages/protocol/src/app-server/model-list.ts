/** `model/list`: the models to choose from; never empty, because the peer's TUI ends on an empty list. */
import { z } from "zod";
import { ReasoningEffort } from "./settings.ts";

export const ModelListParams = z.looseObject({
  cursor: z.string().nullish(),
  limit: z.int().nonnegative().nullish(),
  includeHidden: z.boolean().nullish(),
});
export type ModelListParams = z.infer<typeof ModelListParams>;

export const Model = z.strictObject({
  id: z.string(),
  model: z.string(),
  displayName: z.string(),
  description: z.string(),
  hidden: z.boolean(),
  isDefault: z.boolean(),
  supportedReasoningEfforts: z.array(z.strictObject({ reasoningEffort: ReasoningEffort, description: z.string() })),
  defaultReasoningEffort: ReasoningEffort,
  inputModalities: z.array(z.enum(["text", "image"])),
});
export type Model = z.infer<typeof Model>;

export const ModelListResponse = z.strictObject({ data: z.array(Model), nextCursor: z.string().nullable() });
export type ModelListResponse = z.infer<typeof ModelListResponse>;
