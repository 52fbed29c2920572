/** `skills/list`, `collaborationMode/list`: clients ask for them at start. Sallyport has no skills, and one way of working. */
import { z } from "zod";
import { ReasoningEffort } from "./settings.ts";

export const SkillsListParams = z.looseObject({
  cwds: z.array(z.string()).nullish(),
  forceReload: z.boolean().nullish(),
});
export type SkillsListParams = z.infer<typeof SkillsListParams>;

export const SkillsListResponse = z.strictObject({
  data: z.array(z.strictObject({ cwd: z.string(), skills: z.tuple([]), errors: z.tuple([]) })),
});
export type SkillsListResponse = z.infer<typeof SkillsListResponse>;

export const CollaborationModeListParams = z.looseObject({});
export type CollaborationModeListParams = z.infer<typeof CollaborationModeListParams>;

export const CollaborationModeListResponse = z.strictObject({
  data: z.array(
    z.strictObject({
      name: z.string(),
      mode: z.literal("default"),
      model: z.string().nullable(),
      reasoning_effort: ReasoningEffort.nullable(),
    }),
  ),
});
export type CollaborationModeListResponse = z.infer<typeof CollaborationModeListResponse>;
