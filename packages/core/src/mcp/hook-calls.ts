/** How hooks of the type mcp_tool call: any tool of a server of the configuration, unasked, because the hook itself is trusted. No hooks
 *  run around it, so that a hook can't set itself off. */
import type { McpToolCaller } from "@sallyport/hooks";
import type { ThreadServers } from "./thread-servers.ts";

export function callForHook(servers: ThreadServers): McpToolCaller {
  return async ({ server, tool, arguments: args, signal }) => {
    const { content = [], isError } = await servers.call(server, tool, args, signal);
    const parts = content.map(({ type, text }) => ({
      type: String(type),
      ...(typeof text === "string" ? { text } : {}),
    }));
    return { content: parts, isError: isError === true };
  };
}
