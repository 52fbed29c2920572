/** The public surface of @sallyport/hooks. */
export { changeTrust } from "./config/change-trust.ts";
export type { TrustChange, TrustChanged, TrustOptions } from "./config/change-trust.ts";
export { defaultDecisionOf } from "./config/policy-default.ts";
export type { DefaultDecision } from "./config/policy-default.ts";
export { isTable, loadConfigLayers, mergedConfig, requirementsOf, sessionFlagsPath } from "./config/config-layers.ts";
export type { ConfigError, ConfigLayer, ConfigLayers, FileOrigin, LoadConfigOptions } from "./config/config-layers.ts";
export { formatConfigWarning, nearestName } from "./config/config-warning.ts";
export type { ConfigWarning, Place } from "./config/config-warning.ts";
export { discoverHooks } from "./config/discover-hooks.ts";
export type { DiscoverOptions, DiscoveredHooks } from "./config/discover-hooks.ts";
export { editConfig } from "./config/edit-config.ts";
export type { ConfigEdit, EditConfigOptions, TomlData } from "./config/edit-config.ts";
export { explainEvent } from "./config/explain-event.ts";
export type { ExplainedEvent, ExplainedHook } from "./config/explain-event.ts";
export type { HookSettings } from "./config/hook-settings.ts";
export { describeAction, listHooks, toHookMetadata } from "./config/list-hooks.ts";
export type { ModuleHook } from "./config/module-hook.ts";
export { overridesFromObject, parseOverride } from "./config/overrides.ts";
export type { ConfigOverride } from "./config/overrides.ts";
export { createHookSession } from "./engine/hook-session.ts";
export { hookEventWireName, toHookRunSummary } from "./engine/run-record.ts";
export { validateHooksFile } from "./config/validate-hooks.ts";
export type { ValidatedFile } from "./config/validate-hooks.ts";
export type {
  CapturedStream,
  CommonOutcome,
  ConfiguredHandler,
  FireOptions,
  HandlerAction,
  HandlerResult,
  HookContext,
  HookObserver,
  HookOutcomes,
  HookRefusal,
  HookRun,
  HookSession,
  HookSessionOptions,
  HookStop,
  McpToolAnswer,
  McpToolCall,
  McpToolCaller,
  ModuleHandler,
} from "./types.ts";
