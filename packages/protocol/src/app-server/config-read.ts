/** `config/read`, `configRequirements/read`: the configuration as it counts in a folder, and what nobody may change. */
import { z } from "zod";

export const ConfigReadParams = z.looseObject({ includeLayers: z.boolean().nullish(), cwd: z.string().nullish() });
export type ConfigReadParams = z.infer<typeof ConfigReadParams>;

/** Where values come from. `dotCodexFolder` is the peer's name for a project's folder of configuration. */
export const ConfigLayerSource = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("system"), file: z.string() }),
  z.strictObject({ type: z.literal("user"), file: z.string(), profile: z.null() }),
  z.strictObject({ type: z.literal("project"), dotCodexFolder: z.string() }),
  z.strictObject({ type: z.literal("sessionFlags") }),
  z.strictObject({ type: z.literal("legacyManagedConfigTomlFromFile"), file: z.string() }),
]);
export type ConfigLayerSource = z.infer<typeof ConfigLayerSource>;

/** `version`: `sha256:` and the hash of the layer's file. */
export const ConfigLayerMetadata = z.strictObject({ name: ConfigLayerSource, version: z.string() });
export type ConfigLayerMetadata = z.infer<typeof ConfigLayerMetadata>;

const ConfigValues = z.record(z.string(), z.json());

export const ConfigReadLayer = z.strictObject({
  ...ConfigLayerMetadata.shape,
  config: ConfigValues,
  disabledReason: z.string().nullable(),
});
export type ConfigReadLayer = z.infer<typeof ConfigReadLayer>;

/** `origins`: the layer that each value comes from, by dotted key. `layers`: the strongest first; null where nobody asked. */
export const ConfigReadResponse = z.strictObject({
  config: ConfigValues,
  origins: z.record(z.string(), ConfigLayerMetadata),
  layers: z.array(ConfigReadLayer).nullable(),
});
export type ConfigReadResponse = z.infer<typeof ConfigReadResponse>;

export const ConfigRequirementsReadParams = z.looseObject({});
export type ConfigRequirementsReadParams = z.infer<typeof ConfigRequirementsReadParams>;

/** `requirements`: null where the machine has none. */
export const ConfigRequirementsReadResponse = z.strictObject({
  supportsIndependentSpeedModes: z.boolean().nullable(),
  requirements: z
    .strictObject({
      allowManagedHooksOnly: z.boolean().nullable(),
      allowedApprovalPolicies: z.null(),
      allowedSandboxModes: z.null(),
    })
    .nullable(),
});
export type ConfigRequirementsReadResponse = z.infer<typeof ConfigRequirementsReadResponse>;
