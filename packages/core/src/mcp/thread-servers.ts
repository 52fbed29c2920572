/** The MCP servers of one thread: which it uses, what clients are told of their start, which tools the model gets. */
import type { McpServerStatus, ServerNotification } from "@sallyport/protocol";
import { SallyportError } from "@sallyport/supervisor";
import type { ConfigTable } from "../config/config-table.ts";
import type { ModelTool } from "../models/model.ts";
import { disabledMcpServers, readMcpServers } from "./server-settings.ts";
import type { McpApprovalMode, McpServerSettings } from "./server-settings.ts";
import type { McpServer, McpServerState, McpToolInfo } from "./server-connection.ts";
import type { McpLease, McpPool } from "./server-pool.ts";
import { hookToolName, modelToolNames } from "./tool-names.ts";
import type { RawToolResult } from "./tool-result.ts";

/** A tool that the model was offered. */
export interface McpTool {
  server: string;
  tool: string;
  hookName: string;
  info: McpToolInfo;
  approvalMode: McpApprovalMode;
  call(args: Record<string, unknown>, signal: AbortSignal): Promise<RawToolResult>;
}

export interface ThreadServersOptions {
  pool: McpPool;
  threadId: string;
  cwd: string;
  tell(notifications: ServerNotification[]): Promise<void>;
}

export class ThreadServers {
  readonly #options: ThreadServersOptions;
  #leases = new Map<string, { key: string; lease: McpLease }>();
  #disabled: string[] = [];
  #tools = new Map<string, McpTool>();
  #closed = false;

  constructor(options: ThreadServersOptions) {
    this.#options = options;
  }

  /** Starts what is new and lets go of what is gone. Throws `CONFIG_INVALID`, and changes nothing then. */
  configure(config: ConfigTable): void {
    if (this.#closed) return;
    const wanted = readMcpServers(config);
    this.#disabled = disabledMcpServers(config);
    const before = this.#leases;
    this.#leases = new Map();
    for (const settings of wanted) {
      const key = JSON.stringify(settings);
      const known = before.get(settings.name);
      if (known?.key === key) {
        before.delete(settings.name);
        this.#leases.set(settings.name, known);
      } else {
        this.#leases.set(settings.name, { key, lease: this.#begin(settings) });
      }
    }
    for (const { lease } of before.values()) void lease.release();
  }

  #begin(settings: McpServerSettings): McpLease {
    const lease = this.#options.pool.acquire(settings, this.#options.cwd);
    this.#follow(lease.server).catch(() => {}); // the thread hears of what can't be stored with whatever is stored next
    return lease;
  }

  async #follow(server: McpServer): Promise<void> {
    const { name } = server.settings;
    await this.#tell(name, { kind: "starting" });
    await server.started();
    const { state } = server;
    await this.#tell(name, state);
    if (state.kind === "failed") await this.#warn(`MCP server "${name}" did not start: ${state.error}`);
    for (const warning of server.warnings) await this.#warn(`MCP server "${name}": ${warning}`);
  }

  async #tell(name: string, state: McpServerState): Promise<void> {
    if (this.#closed) return;
    const failed = state.kind === "failed" ? state : null;
    const params = {
      threadId: this.#options.threadId,
      name,
      status: state.kind,
      error: failed?.error ?? null,
      failureReason: failed?.needsLogin === true ? ("reauthenticationRequired" as const) : null,
    };
    await this.#options.tell([{ method: "mcpServer/startupStatus/updated", params }]);
  }

  async #warn(message: string): Promise<void> {
    if (this.#closed) return;
    await this.#options.tell([{ method: "warning", params: { threadId: this.#options.threadId, message } }]);
  }

  #revive(): void {
    for (const { lease } of this.#leases.values()) {
      if (lease.server.revive()) this.#follow(lease.server).catch(() => {}); // as above
    }
  }

  /** What the model is offered in its next request. Waits for servers that still start; one that has died
   *  is started again. Throws `MCP_SERVER_UNAVAILABLE` where one is
   *  missing that is required. */
  async offer(signal: AbortSignal): Promise<ModelTool[]> {
    this.#revive();
    const servers = [...this.#leases.values()].map(({ lease }) => lease.server);
    const lists = await Promise.all(
      servers.map(async (server) => ({ server, tools: await server.currentTools(signal) })),
    );
    const missing = servers.find(({ settings, state }) => settings.required && state.kind !== "ready");
    if (missing !== undefined) throw missing.unavailable();
    const tools = lists.flatMap(({ server, tools: infos }) => infos.map((info) => this.#toolOf(server, info)));
    this.#tools = modelToolNames(tools);
    return [...this.#tools].map(([name, { info }]) => ({
      type: "function",
      name,
      description: info.description,
      inputSchema: info.inputSchema,
    }));
  }

  /** A tool by the name under which it was offered. */
  find(name: string): McpTool | null {
    return this.#tools.get(name) ?? null;
  }

  /** Calls any tool of a server, as a hook does. Rejects where there is no such server. */
  async call(server: string, tool: string, args: Record<string, unknown>, signal: AbortSignal): Promise<RawToolResult> {
    const found = this.#leases.get(server);
    if (found === undefined) {
      const names = [...this.#leases.keys()].join(", ") || "none";
      throw new SallyportError(
        "MCP_SERVER_UNAVAILABLE",
        `MCP server "${server}" is not configured, expected one of: ${names}; add [mcp_servers.${server}] to config.toml`,
        { data: { server } },
      );
    }
    return await found.lease.server.call(tool, args, { threadId: this.#options.threadId, signal });
  }

  /** What `mcpServerStatus/list` shows. */
  statuses(): McpServerStatus[] {
    const shown = [...this.#leases.values()].map(({ lease }) => statusOf(lease.server));
    return [...shown, ...this.#disabled.map(disabledStatus)].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Resolves when servers that nobody else uses have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    const leases = [...this.#leases.values()];
    this.#leases.clear();
    await Promise.allSettled(leases.map(({ lease }) => lease.release()));
  }

  #toolOf(server: McpServer, info: McpToolInfo): McpTool {
    const { settings } = server;
    const { threadId } = this.#options;
    const ownMode = Object.hasOwn(settings.toolApprovalModes, info.name)
      ? settings.toolApprovalModes[info.name]
      : undefined;
    return {
      server: settings.name,
      tool: info.name,
      hookName: hookToolName(settings.name, info.name),
      info,
      approvalMode: ownMode ?? settings.approvalMode,
      call: (args, signal) => server.call(info.name, args, { threadId, signal }),
    };
  }
}

function statusOf(server: McpServer): McpServerStatus {
  const { settings, state, tools, serverInfo, capabilities } = server;
  const isHttp = settings.place.kind === "http";
  const runtime = { starting: "starting", ready: "connected", failed: "failed" } as const;
  return {
    ...disabledStatus(settings.name),
    runtimeStatus: state.kind === "failed" && state.needsLogin ? "authenticationRequired" : runtime[state.kind],
    httpOrigin: settings.place.kind === "http" ? new URL(settings.place.url).origin : null,
    serverInfo:
      serverInfo === null
        ? null
        : {
            name: serverInfo.name,
            title: serverInfo.title ?? null,
            version: serverInfo.version,
            description: null,
            icons: null,
            websiteUrl: null,
          },
    serverCapabilities: capabilities,
    tools: Object.fromEntries(
      tools.map(({ name, description, inputSchema, annotations }) => [
        name,
        { name, description, inputSchema, ...(annotations === null ? {} : { annotations }) },
      ]),
    ),
    toolsError: state.kind === "failed" ? state.error : null,
    authStatus:
      isHttp && settings.place.kind === "http" && settings.place.tokenVar !== null ? "bearerToken" : "unsupported",
  };
}

function disabledStatus(name: string): McpServerStatus {
  return {
    name,
    runtimeStatus: "disabled",
    pluginId: null,
    httpOrigin: null,
    serverInfo: null,
    serverCapabilities: null,
    toolListMeta: null,
    tools: {},
    toolsError: null,
    resources: [],
    resourceTemplates: [],
    authStatus: "unsupported",
  };
}
