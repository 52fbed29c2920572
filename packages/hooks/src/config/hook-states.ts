/** What the user said about single hooks: `[hooks.state."<key>"]` of the user's config.toml. No other layer can say it: a project,
 *  or a request, that could would trust itself. */
import { isTable, userLayerOf } from "./config-layers.ts";
import type { ConfigLayers, FileOrigin } from "./config-layers.ts";
import { wholeFile } from "./config-warning.ts";
import type { ConfigWarning } from "./config-warning.ts";
import type { PinnedFiles } from "./pinned-files.ts";

export interface HookState {
  enabled: boolean;
  trustedHash: string | null;
  /** Ours; null: nothing is pinned. */
  pinnedFiles: PinnedFiles | null;
}

export type StateOf = (key: string, origin: FileOrigin) => HookState;

const nothing: HookState = { enabled: true, trustedHash: null, pinnedFiles: null };

/** Codex's own files: what the user told Codex holds for the same hooks here, unless Sallyport was told otherwise. */
export function readHookStates(config: ConfigLayers): { stateOf: StateOf; warnings: ConfigWarning[] } {
  const user = userLayerOf(config);
  const warnings: ConfigWarning[] = [];
  const own = readStates(user.values, (path, message) =>
    warnings.push({ file: user.configPath, place: { ...wholeFile, path }, message }),
  );
  const codex = config.codexValues === null ? null : readStates(config.codexValues, () => undefined);
  return {
    warnings,
    stateOf: (key, origin) => own.get(key) ?? (origin === "codex" ? codex?.get(key) : undefined) ?? nothing,
  };
}

function readStates(
  values: Record<string, unknown>,
  warn: (path: string, message: string) => void,
): Map<string, HookState> {
  const hooks = values["hooks"];
  const table = isTable(hooks) ? hooks["state"] : undefined;
  const states = new Map<string, HookState>();
  if (table === undefined) return states;
  if (!isTable(table)) warn("hooks.state", "it is ignored, expected a table");
  for (const [key, entry] of Object.entries(isTable(table) ? table : {})) {
    const state = isTable(entry) ? readState(entry) : null;
    if (state === null) {
      // Not trusted, and off: whatever was meant, nothing runs because of it.
      states.set(key, { ...nothing, enabled: false });
      warn(`hooks.state.${JSON.stringify(key)}`, "it can't be understood, so the hook is off");
    } else states.set(key, state);
  }
  return states;
}

function readState(entry: Record<string, unknown>): HookState | null {
  const { enabled = true, trusted_hash: trustedHash = null, pinned_files: pins = null } = entry;
  if (typeof enabled !== "boolean") return null;
  if (trustedHash !== null && typeof trustedHash !== "string") return null;
  if (pins !== null && !isPins(pins)) return null;
  return { enabled, trustedHash, pinnedFiles: pins };
}

function isPins(value: unknown): value is PinnedFiles {
  return isTable(value) && Object.values(value).every((hash) => typeof hash === "string");
}
