/** config/read, configRequirements/read, config/value/write, config/batchWrite: the configuration as it counts, and the part of the
 *  user's own that clients may change. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { editConfig, loadConfigLayers, requirementsOf } from "@sallyport/hooks";
import type { ConfigEdit, ConfigLayer, ConfigLayers } from "@sallyport/hooks";
import type {
  ConfigLayerMetadata,
  ConfigLayerSource,
  ConfigReadResponse,
  ConfigWriteResponse,
} from "@sallyport/protocol";
import { RpcError, rpcCodes } from "../rpc-error.ts";
import { readEdit, readEdits } from "./config-keys.ts";
import { isTable, mergedValues, originsOf, toJson, valueAt } from "./config-values.ts";
import type { MethodContext, MethodTable } from "./method-context.ts";

type Mine = Pick<MethodTable, "config/read" | "configRequirements/read" | "config/value/write" | "config/batchWrite">;

export const configMethods: Mine = {
  "config/read": (params, context) => {
    const layers = shownLayers(loadLayers(params.cwd ?? context.cwd, context));
    const result: ConfigReadResponse = {
      config: mergedValues(layers.map(({ values }) => values)),
      origins: originsOf(layers),
      layers:
        params.includeLayers === true
          ? layers.toReversed().map(({ source, values }) => ({ ...source, config: values, disabledReason: null }))
          : null,
    };
    return Promise.resolve({ result });
  },

  "configRequirements/read": (_params, context) => {
    const requirements = requirementsOf(loadLayers(context.cwd, context));
    const managedOnly = requirements["allow_managed_hooks_only"];
    const shown = {
      allowManagedHooksOnly: typeof managedOnly === "boolean" ? managedOnly : null,
      allowedApprovalPolicies: null,
      allowedSandboxModes: null,
    };
    const isEmpty = Object.keys(requirements).length === 0;
    return Promise.resolve({
      result: { supportsIndependentSpeedModes: null, requirements: isEmpty ? null : shown },
    });
  },

  "config/value/write": async (params, context) => ({
    result: await write(readEdit(params, ""), params, context),
  }),

  "config/batchWrite": async (params, context) => {
    const result = await write(readEdits(params.edits), params, context);
    if (params.reloadUserConfig === true) (await context.core()).threads.reloadConfig();
    return { result };
  },
};

async function write(
  edits: readonly ConfigEdit[],
  params: { filePath?: string | null | undefined; expectedVersion?: string | null | undefined },
  context: MethodContext,
): Promise<ConfigWriteResponse> {
  const filePath = join(context.home, "config.toml");
  if (params.filePath != null && params.filePath !== filePath) {
    const message = `Cannot write filePath ${JSON.stringify(params.filePath)}: expected "${filePath}", or none`;
    const data = { path: "filePath", config_write_error_code: "configLayerReadonly" };
    throw new RpcError(rpcCodes.invalidParams, message, data);
  }
  const text = await editConfig(filePath, edits, {
    // Under the lock: between a check before it and the write another client could write.
    check: (before) => requireVersion(params.expectedVersion ?? null, versionOf(before)),
  });
  const overridden = overriddenBy(edits, loadLayers(context.cwd, context));
  return {
    status: overridden === null ? "ok" : "okOverridden",
    version: versionOf(text),
    filePath,
    overriddenMetadata: overridden,
  };
}

function requireVersion(expected: string | null, actual: string): void {
  if (expected === null || expected === actual) return;
  const message = `The configuration has changed: expectedVersion is "${expected}", its version "${actual}"; read it again`;
  const data = { path: "expectedVersion", config_write_error_code: "configVersionConflict" };
  throw new RpcError(rpcCodes.invalidRequest, message, data);
}

/** The first of the keys whose new value does not count here, because a stronger layer says otherwise. */
function overriddenBy(edits: readonly ConfigEdit[], config: ConfigLayers): ConfigWriteResponse["overriddenMetadata"] {
  const layers = shownLayers(config);
  const user = layers.findIndex(({ source }) => source.name.type === "user");
  for (const { path, value } of edits) {
    for (const { source, values } of layers.slice(user + 1).toReversed()) {
      const effectiveValue = valueAt(values, path);
      if (effectiveValue === undefined || effectiveValue === value) continue;
      const place = placeOf(source.name);
      const message = `${path.join(".")} is set in ${place}, which counts more`;
      return { message, overridingLayer: source, effectiveValue };
    }
  }
  return null;
}

function placeOf(name: ConfigLayerSource): string {
  return name.type === "project" ? name.dotCodexFolder : "file" in name ? name.file : "the flags of this session";
}

interface ShownLayer {
  source: ConfigLayerMetadata;
  values: ReturnType<typeof mergedValues>;
}

/** Weakest first. What nobody may change is no layer of values. */
function shownLayers({ layers }: ConfigLayers): ShownLayer[] {
  return layers.flatMap((layer) => {
    const name = sourceOf(layer);
    if (name === null) return [];
    const values = toJson(layer.values);
    return [{ source: { name, version: fileVersion(layer.configPath) }, values: isTable(values) ? values : {} }];
  });
}

function sourceOf({ kind, configPath: file }: ConfigLayer): ConfigLayerSource | null {
  if (kind === "system") return { type: "system", file };
  if (kind === "user") return { type: "user", file, profile: null };
  if (kind === "project") return { type: "project", dotCodexFolder: dirname(file) };
  if (kind === "managed") return { type: "legacyManagedConfigTomlFromFile", file };
  return null;
}

function loadLayers(cwd: string, { home, env }: MethodContext): ConfigLayers {
  return loadConfigLayers({ home, cwd, env });
}

function fileVersion(path: string): string {
  try {
    return versionOf(readFileSync(path, "utf8"));
  } catch {
    return versionOf(""); // a file that is not there, or can't be read, says nothing
  }
}

function versionOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
