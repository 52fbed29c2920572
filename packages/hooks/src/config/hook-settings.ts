/** Settings about hooks that are no hooks: who may turn them off, and how far they may go. */
import { wholeFile } from "./config-warning.ts";
import type { ConfigWarning } from "./config-warning.ts";
import { isTable, requirementsOf } from "./config-layers.ts";
import type { ConfigLayer, ConfigLayers } from "./config-layers.ts";

export interface HookSettings {
  /** `[features] hooks`: false turns all hooks off. */
  enabled: boolean;
  /** `allow_managed_hooks_only` of requirements.toml. */
  managedOnly: boolean;
  /** `hooks_may_escalate`: PreExec hooks may answer `escalate`. */
  mayEscalate: boolean;
  /** `[hooks] max_stop_blocks`: how often in a row Stop hooks may keep a turn going. */
  maxStopBlocks: number;
  /** `[hooks] http_private_addresses`: http handlers may call addresses of this machine and of private networks. */
  httpPrivateAddresses: boolean;
}

const defaultStopBlocks = 8;

/** Requirements beat everything; a project has no say. Values of a wrong type are as good as absent and give a warning. */
export function readHookSettings(config: Pick<ConfigLayers, "layers">): {
  settings: HookSettings;
  warnings: ConfigWarning[];
} {
  const warnings: ConfigWarning[] = [];
  const checked = (path: string, fits: (value: unknown) => boolean, expected: string): unknown => {
    let found: unknown;
    // Later layers win; requirements stand first in the list and win nevertheless.
    for (const layer of [...config.layers.filter(({ kind }) => kind !== "project"), ...requirementLayers(config)]) {
      const value = valueAt(layer.values, path);
      if (value === undefined) continue;
      if (fits(value)) found = value;
      else warnings.push(wrongType(layer, path, expected));
    }
    return found;
  };
  const flag = (path: string): boolean | undefined =>
    checked(path, (value) => typeof value === "boolean", "true or false") as boolean | undefined; // as checked
  const blocks = checked("hooks.max_stop_blocks", isCount, "a whole number from 1 on");
  const settings: HookSettings = {
    enabled: flag("features.hooks") ?? flag("features.codex_hooks") ?? true,
    // Anything but a clear no: a policy with a typo in its value must not turn into none.
    managedOnly: ![undefined, false].includes(
      requirementsOf(config)["allow_managed_hooks_only"] as boolean | undefined,
    ),
    mayEscalate: flag("hooks_may_escalate") ?? false,
    maxStopBlocks: typeof blocks === "number" ? blocks : defaultStopBlocks,
    httpPrivateAddresses: flag("hooks.http_private_addresses") ?? false,
  };
  return { settings, warnings: uniqueWarnings(warnings) };
}

function requirementLayers({ layers }: Pick<ConfigLayers, "layers">): ConfigLayer[] {
  return layers.filter(({ kind }) => kind === "requirements");
}

function valueAt(values: Record<string, unknown>, path: string): unknown {
  let value: unknown = values;
  for (const key of path.split(".")) value = isTable(value) ? value[key] : undefined;
  return value;
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}

function wrongType(layer: ConfigLayer, path: string, expected: string): ConfigWarning {
  return { file: layer.configPath, place: { ...wholeFile, path }, message: `it is ignored, expected ${expected}` };
}

function uniqueWarnings(warnings: readonly ConfigWarning[]): ConfigWarning[] {
  return [...new Map(warnings.map((warning) => [`${warning.file}\0${warning.place.path}`, warning])).values()];
}
