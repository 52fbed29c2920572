/** `config/value/write`, `config/batchWrite`: change the user's configuration. Which keys may be written is the server's to say. */
import { z } from "zod";
import { ConfigLayerMetadata } from "./config-read.ts";

/** `keyPath`: dotted, with quotes around a key that has dots. `value` null: the key is removed. `upsert` keeps what stands beside the
 *  value in its table, `replace` does not. */
export const ConfigEdit = z.looseObject({
  keyPath: z.string(),
  value: z.json(),
  mergeStrategy: z.enum(["replace", "upsert"]),
});
export type ConfigEdit = z.infer<typeof ConfigEdit>;

export const ConfigValueWriteParams = z.looseObject({
  ...ConfigEdit.shape,
  filePath: z.string().nullish(),
  expectedVersion: z.string().nullish(),
});
export type ConfigValueWriteParams = z.infer<typeof ConfigValueWriteParams>;

export const ConfigBatchWriteParams = z.looseObject({
  edits: z.array(ConfigEdit),
  filePath: z.string().nullish(),
  expectedVersion: z.string().nullish(),
  reloadUserConfig: z.boolean().nullish(),
});
export type ConfigBatchWriteParams = z.infer<typeof ConfigBatchWriteParams>;

/** `okOverridden`: written, and of no effect, because a stronger layer says otherwise. */
export const ConfigWriteResponse = z.strictObject({
  status: z.enum(["ok", "okOverridden"]),
  /** `sha256:` and the hash of the file as it is now. */
  version: z.string(),
  filePath: z.string(),
  overriddenMetadata: z
    .strictObject({ message: z.string(), overridingLayer: ConfigLayerMetadata, effectiveValue: z.json() })
    .nullable(),
});
export type ConfigWriteResponse = z.infer<typeof ConfigWriteResponse>;
