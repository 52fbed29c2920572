/** What a person says about hooks after looking at them; kept in the user's config.toml under `[hooks.state."<key>"]`. */
import type { ConfiguredHandler } from "../types.ts";
import { isTable, userLayerOf } from "./config-layers.ts";
import type { ConfigLayers } from "./config-layers.ts";
import { pinPlaceOf } from "./discover-hooks.ts";
import { editConfig } from "./edit-config.ts";
import type { ConfigEdit, TomlData } from "./edit-config.ts";
import { readHookStates } from "./hook-states.ts";
import { pinFiles } from "./pinned-files.ts";
import type { PinnedFiles } from "./pinned-files.ts";

export type TrustChange = "trust" | "untrust" | "enable" | "disable";

export interface TrustChanged {
  key: string;
  /** What is pinned for it now. */
  pinnedFiles: PinnedFiles;
}

export interface TrustOptions {
  /** With `trust`: also pin the files that the command names. Files that are pinned already are pinned anew without it. */
  pinFiles: boolean;
}

/** Changes all of them or none. Managed hooks must not be among them: they are not the user's to judge. Throws what `editConfig()`
 *  throws. */
export async function changeTrust(
  config: ConfigLayers,
  change: TrustChange,
  handlers: readonly ConfiguredHandler[],
  options: TrustOptions,
): Promise<TrustChanged[]> {
  const { configPath, values } = userLayerOf(config);
  const { stateOf } = readHookStates(config);
  const edits: ConfigEdit[] = [];
  const changed = handlers.map((handler): TrustChanged => {
    const oldPins = stateOf(handler.key, "sallyport").pinnedFiles;
    const isPinning = change === "trust" && (options.pinFiles || oldPins !== null);
    const pins = isPinning ? pinFiles(handler.action, pinPlaceOf(config)) : null;
    edits.push(...editsFor(handler.key, entryOf(values, handler.key), fieldsAfter(change, handler, pins)));
    return { key: handler.key, pinnedFiles: pins ?? (change === "untrust" ? {} : (oldPins ?? {})) };
  });
  await editConfig(configPath, edits);
  return changed;
}

/** Undefined: the field goes. Fields that are not named stay. */
type Fields = Record<string, TomlData | undefined>;

function fieldsAfter(change: TrustChange, handler: ConfiguredHandler, pins: PinnedFiles | null): Fields {
  switch (change) {
    case "trust":
      return { trusted_hash: handler.currentHash, ...(pins === null ? {} : { pinned_files: pins }) };
    case "untrust":
      return { trusted_hash: undefined, pinned_files: undefined };
    case "enable":
      return { enabled: true };
    case "disable":
    default:
      return { enabled: false };
  }
}

/** Field by field, so that what another process noted about the same hook meanwhile stays. */
function editsFor(key: string, old: Record<string, unknown>, fields: Fields): ConfigEdit[] {
  const isEmptied = Object.values(fields).every((value) => value === undefined);
  if (isEmptied && Object.keys(old).every((name) => name in fields)) {
    return [{ path: ["hooks", "state", key], value: undefined }];
  }
  return Object.entries(fields).map(([name, value]) => ({ path: ["hooks", "state", key, name], value }));
}

function entryOf(values: Record<string, unknown>, key: string): Record<string, unknown> {
  const hooks = values["hooks"];
  const states = isTable(hooks) ? hooks["state"] : undefined;
  const entry = isTable(states) ? states[key] : undefined;
  return isTable(entry) ? entry : {};
}
