/** mcpServerStatus/list: the MCP servers of a thread, or of every loaded one. */
import type { McpServerStatus } from "@sallyport/protocol";
import type { MethodTable } from "./method-context.ts";
import { requireSession } from "./thread-id.ts";

const defaultLimit = 100;

export const mcpMethods: Pick<MethodTable, "mcpServerStatus/list"> = {
  "mcpServerStatus/list": async ({ threadId, serverName, cursor, limit }, context) => {
    const { threads } = await context.core();
    const sessions = threadId == null ? threads.loaded : [await requireSession(threadId, context)];
    // Threads of the same configuration share their servers, so that the first of a name tells it for all.
    const byName = new Map<string, McpServerStatus>();
    for (const status of sessions.flatMap(({ mcpServers }) => mcpServers)) {
      if (!byName.has(status.name) && (serverName ?? status.name) === status.name) byName.set(status.name, status);
    }
    const names = [...byName.keys()].toSorted().filter((name) => cursor == null || name > cursor);
    const page = names.slice(0, Math.max(1, limit ?? defaultLimit));
    const data = page.flatMap((name) => byName.get(name) ?? []);
    return { result: { data, nextCursor: page.length < names.length ? (page.at(-1) ?? null) : null } };
  },
};
