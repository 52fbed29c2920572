/** From layers of configuration to the list of handlers: in the order in which results are combined, each with whether it runs, and if not
 *  why. */
import type { ConfiguredHandler } from "../types.ts";
import type { ConfigError, ConfigLayer, ConfigLayers, HookFile } from "./config-layers.ts";
import { wholeFile } from "./config-warning.ts";
import type { ConfigWarning } from "./config-warning.ts";
import { readHookSettings } from "./hook-settings.ts";
import type { HookSettings } from "./hook-settings.ts";
import { readHookStates } from "./hook-states.ts";
import type { HookState, StateOf } from "./hook-states.ts";
import type { ModuleHook } from "./module-hook.ts";
import { moduleHandlers } from "./module-hook.ts";
import { hookKey, parseHooks } from "./parse-hooks.ts";
import type { FileHook } from "./parse-hooks.ts";
import { checkPins } from "./pinned-files.ts";
import type { PinPlace } from "./pinned-files.ts";

export interface DiscoverOptions {
  /** Registered by the embedding program; they stand behind the others and need no trust. */
  modules?: readonly ModuleHook[];
  /** Run enabled hooks although nobody trusted them. */
  bypassTrust?: boolean;
}

export interface DiscoveredHooks {
  handlers: ConfiguredHandler[];
  settings: HookSettings;
  warnings: ConfigWarning[];
  errors: ConfigError[];
}

/** Never throws for what a file holds. */
export function discoverHooks(config: ConfigLayers, options: DiscoverOptions = {}): DiscoveredHooks {
  const { settings, warnings: settingWarnings } = readHookSettings(config);
  const { stateOf, warnings: stateWarnings } = readHookStates(config);
  const found: Found = { handlers: [], warnings: [...config.warnings, ...settingWarnings, ...stateWarnings] };
  const reader = { stateOf, bypassTrust: options.bypassTrust === true, place: pinPlaceOf(config) };
  if (settings.enabled) {
    for (const layer of config.layers) {
      if (layer.isManaged || !settings.managedOnly) addLayer(layer, reader, found);
    }
    found.handlers.push(...moduleHandlers(options.modules ?? [], found.handlers.length));
  }
  return { handlers: found.handlers, settings, warnings: found.warnings, errors: config.errors };
}

export function pinPlaceOf({ cwd, project }: ConfigLayers): PinPlace {
  return { cwd, projectDir: project.root };
}

interface Found {
  handlers: ConfiguredHandler[];
  warnings: ConfigWarning[];
}

interface Reader {
  stateOf: StateOf;
  bypassTrust: boolean;
  place: PinPlace;
}

function addLayer(layer: ConfigLayer, reader: Reader, found: Found): void {
  const withHooks: HookFile[] = [];
  for (const file of layer.hookFiles) {
    const { hooks, warnings } = parseHooks(file);
    found.warnings.push(...warnings);
    if (hooks.length > 0) withHooks.push(file);
    for (const hook of hooks) found.handlers.push(configure(hook, { layer, file, reader }, found.handlers.length));
  }
  const [first, second] = withHooks.filter(({ origin }) => origin === "sallyport");
  if (first === undefined || second === undefined) return;
  const message = `hooks are also in ${first.path}; both are used, one file is easier to follow`;
  found.warnings.push({ file: second.path, place: { ...wholeFile, path: "hooks" }, message });
}

interface Origin {
  layer: ConfigLayer;
  file: HookFile;
  reader: Reader;
}

function configure(hook: FileHook, { layer, file, reader }: Origin, displayOrder: number): ConfiguredHandler {
  const key = hookKey(file.path, hook.event, hook.groupIndex, hook.handlerIndex);
  const state = layer.isManaged ? managedState : reader.stateOf(key, file.origin);
  const judge = (): Standing => standingOf(hook, { state, isManaged: layer.isManaged, reader });
  const { trustStatus, skipped } = judge();
  return {
    key,
    event: hook.event,
    matcherText: hook.matcherText,
    matches: hook.matches,
    action: hook.action,
    timeoutMs: hook.timeoutMs,
    statusMessage: hook.statusMessage,
    additionalContextLimit: hook.additionalContextLimit,
    onError: hook.onError,
    sourcePath: file.path,
    source: layer.source,
    isManaged: layer.isManaged,
    pluginId: null,
    displayOrder,
    enabled: state.enabled,
    currentHash: hook.hash,
    trustStatus,
    skipped,
    // Files can change while a session runs, so they are looked at again before each run.
    ...(state.pinnedFiles === null ? {} : { recheck: () => judge().skipped }),
  };
}

/** What a manager of the machine installed is neither reviewed nor turned off by its user. */
const managedState: HookState = { enabled: true, trustedHash: null, pinnedFiles: null };

interface Standing {
  trustStatus: ConfiguredHandler["trustStatus"];
  skipped: string | null;
}

function standingOf(
  hook: FileHook,
  { state, isManaged, reader }: { state: HookState; isManaged: boolean; reader: Reader },
): Standing {
  const cannot = unavailable(hook);
  if (isManaged) return { trustStatus: "managed", skipped: cannot };
  const { trustStatus, problem } = trustOf(hook, state, reader.place);
  if (cannot !== null) return { trustStatus, skipped: cannot };
  if (!state.enabled) return { trustStatus, skipped: "it is disabled" };
  return { trustStatus, skipped: reader.bypassTrust ? null : problem };
}

function trustOf(
  hook: FileHook,
  { trustedHash, pinnedFiles }: HookState,
  place: PinPlace,
): { trustStatus: ConfiguredHandler["trustStatus"]; problem: string | null } {
  if (trustedHash === null) return { trustStatus: "untrusted", problem: "it is not trusted yet" };
  if (trustedHash !== hook.hash) return { trustStatus: "modified", problem: "it has changed since it was trusted" };
  const problem = pinnedFiles === null ? null : checkPins(pinnedFiles, place);
  return { trustStatus: problem === null ? "trusted" : "modified", problem };
}

/** Prompts and agents can't be run. A guard of that kind stays active all the same: it fails, and `onError` says what follows. */
function unavailable(hook: FileHook): string | null {
  const { type } = hook.action;
  if ((type !== "prompt" && type !== "agent") || hook.onError !== "allow") return null;
  return `handlers of type "${type}" are not available`;
}
