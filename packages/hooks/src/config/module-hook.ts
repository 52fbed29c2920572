/** Hooks in process: functions that the embedding program registers. They are its own code, so they are listed as managed and need no
 *  trust; nobody but the program can turn them off. */
import { createHash } from "node:crypto";
import type { HookEventName } from "@sallyport/protocol";
import { SallyportError } from "@sallyport/supervisor";
import { eventDefinitions } from "../events/index.ts";
import type { ConfiguredHandler, ModuleHandler, OnError } from "../types.ts";
import { compileMatcher } from "./matcher.ts";
import { hookKey } from "./parse-hooks.ts";

export interface ModuleHook {
  event: HookEventName;
  /** What listings and messages call it. */
  name: string;
  run: ModuleHandler;
  /** As in files; default: everything. */
  matcher?: string;
  /** Default: the event's. */
  timeoutMs?: number;
  async?: boolean;
  statusMessage?: string;
  additionalContextLimit?: number;
  /** Default `allow`. */
  onError?: OnError;
}

/** Throws `HOOK_INVALID` for an event, matcher, timeout or limit that can't be meant: these come from a program, which can be corrected. */
export function moduleHandlers(modules: readonly ModuleHook[], firstDisplayOrder: number): ConfiguredHandler[] {
  const names = new Set<string>();
  return modules.map((module, index) => {
    const path = `module:${module.name}`;
    const key = hookKey(path, module.event, 0, 0);
    if (names.has(key)) throw invalid(module, "it is registered twice for this event, expected another name");
    names.add(key);
    return configureModule(module, { path, key, displayOrder: firstDisplayOrder + index });
  });
}

function configureModule(
  module: ModuleHook,
  { path, key, displayOrder }: { path: string; key: string; displayOrder: number },
): ConfiguredHandler {
  const rules = (eventDefinitions as Partial<typeof eventDefinitions>)[module.event];
  if (rules === undefined) throw invalid(module, `there is no event "${module.event}"`);
  const matcherText = rules.takesMatcher ? (module.matcher ?? null) : null;
  const compiled = compileMatcher(matcherText);
  if ("problem" in compiled) throw invalid(module, `the matcher "${matcherText}" is not valid: ${compiled.problem}`);
  const { timeoutMs = rules.defaultTimeoutMs, additionalContextLimit = null } = module;
  if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1) {
    throw invalid(module, `timeoutMs is ${timeoutMs}, expected a whole number from 1 on`);
  }
  if (
    additionalContextLimit !== null &&
    (!Number.isSafeInteger(additionalContextLimit) || additionalContextLimit < 0)
  ) {
    throw invalid(module, `additionalContextLimit is ${additionalContextLimit}, expected a whole number from 0 on`);
  }
  return {
    key,
    event: module.event,
    matcherText,
    matches: compiled.matches,
    action: { type: "module", name: module.name, run: module.run, async: module.async === true && rules.canRunAsync },
    timeoutMs: Math.min(timeoutMs, rules.maxTimeoutMs ?? timeoutMs),
    statusMessage: module.statusMessage ?? null,
    additionalContextLimit: rules.takesContext ? additionalContextLimit : null,
    onError: module.onError ?? "allow",
    sourcePath: path,
    source: "unknown",
    isManaged: true,
    pluginId: null,
    displayOrder,
    enabled: true,
    currentHash: `sha256:${createHash("sha256").update(key).digest("hex")}`,
    trustStatus: "managed",
    skipped: null,
  };
}

function invalid({ name, event }: ModuleHook, why: string): SallyportError {
  return new SallyportError("HOOK_INVALID", `Module hook "${name}" of ${event} can't be used: ${why}`, {
    data: { name, event },
  });
}
