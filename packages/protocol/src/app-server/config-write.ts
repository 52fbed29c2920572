/** `config/batchWrite`: changes the user's configuration. Sallyport takes `hooks.state`, which is how hooks are trusted, enabled and
 *  disabled. */
import { z } from "zod";

export const ConfigEdit = z.looseObject({
  keyPath: z.string(),
  value: z.json(),
  mergeStrategy: z.enum(["replace", "upsert"]),
});
export type ConfigEdit = z.infer<typeof ConfigEdit>;

export const ConfigBatchWriteParams = z.looseObject({
  edits: z.array(ConfigEdit),
  filePath: z.string().nullish(),
  expectedVersion: z.string().nullish(),
  reloadUserConfig: z.boolean().nullish(),
});
export type ConfigBatchWriteParams = z.infer<typeof ConfigBatchWriteParams>;

export const ConfigBatchWriteResponse = z.strictObject({
  status: z.literal("ok"),
  /** `sha256:` and the hash of the file as it is now. */
  version: z.string(),
  filePath: z.string(),
  overriddenMetadata: z.null(),
});
export type ConfigBatchWriteResponse = z.infer<typeof ConfigBatchWriteResponse>;
