/** The answer to `hooks/list`: what is configured, and why what does not run does not. */
import type { HookHandlerType, HookMetadata, HooksListEntry } from "@sallyport/protocol";
import { hookEventWireName } from "../engine/run-record.ts";
import type { ConfiguredHandler } from "../types.ts";
import { formatConfigWarning } from "./config-warning.ts";
import type { DiscoveredHooks } from "./discover-hooks.ts";

export function listHooks(found: DiscoveredHooks, cwd: string): HooksListEntry {
  return {
    cwd,
    hooks: found.handlers.map(toHookMetadata),
    warnings: found.warnings.map(formatConfigWarning),
    errors: found.errors,
  };
}

export function toHookMetadata(handler: ConfiguredHandler): HookMetadata {
  const { event, action } = handler;
  const skipped = handler.recheck === undefined ? handler.skipped : handler.recheck();
  return {
    key: handler.key,
    eventName: hookEventWireName(event),
    handlerType: action.type satisfies HookHandlerType,
    ...actionFields(handler),
    matcher: handler.matcherText,
    timeoutSec: Math.ceil(handler.timeoutMs / 1000),
    statusMessage: handler.statusMessage,
    additionalContextLimit: handler.additionalContextLimit,
    sourcePath: handler.sourcePath,
    source: handler.source,
    pluginId: handler.pluginId,
    environmentId: null,
    displayOrder: handler.displayOrder,
    enabled: handler.enabled,
    isManaged: handler.isManaged,
    currentHash: handler.currentHash,
    trustStatus: handler.trustStatus,
    skipped,
  };
}

function actionFields({
  action,
}: ConfiguredHandler): Pick<HookMetadata, "command" | "async" | "server" | "tool" | "url"> {
  switch (action.type) {
    case "command": {
      // Whoever reviews the hook must see all that it runs.
      const command = action.args === null ? action.command : [action.command, ...action.args].map(quoteWord).join(" ");
      return { command, async: action.async };
    }
    case "http":
      return { url: action.url, async: action.async };
    case "module":
      return { async: action.async };
    case "mcpTool":
      return { server: action.server, tool: action.tool };
    case "prompt":
    case "agent":
    default:
      return {};
  }
}

function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** In a few words: what the handler does, for people. */
export function describeAction(handler: ConfiguredHandler): string {
  const { action } = handler;
  switch (action.type) {
    case "command":
      return actionFields(handler).command ?? "";
    case "http":
      return `POST ${action.url}`;
    case "module":
      return `module ${action.name}`;
    case "mcpTool":
      return `tool ${action.tool} of ${action.server}`;
    case "prompt":
    case "agent":
    default:
      return action.type;
  }
}
