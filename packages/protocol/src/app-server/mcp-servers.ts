/** MCP servers of the configuration: how their start goes, what they offer, and the question whether one of their tools may run. */
import { z } from "zod";

/** Params of `mcpServer/startupStatus/updated`. */
export const McpServerStatusUpdatedNotification = z.strictObject({
  threadId: z.uuid().nullable(),
  name: z.string(),
  status: z.enum(["starting", "ready", "failed", "cancelled"]),
  error: z.string().nullable(),
  failureReason: z.literal("reauthenticationRequired").nullable(),
});
export type McpServerStatusUpdatedNotification = z.infer<typeof McpServerStatusUpdatedNotification>;

/** Params of `mcpServer/elicitation/request`, as far as it is the question whether a tool may run. An `accept` whose `_meta` has
 *  `persist` counts for the session. */
export const McpServerElicitationParams = z.strictObject({
  threadId: z.uuid(),
  turnId: z.string().nullable(),
  serverName: z.string(),
  mode: z.literal("form"),
  _meta: z.strictObject({
    codex_approval_kind: z.literal("mcp_tool_call"),
    persist: z.array(z.enum(["session", "always"])),
    tool_name: z.string(),
    tool_description: z.string().optional(),
    tool_params: z.unknown(),
    tool_params_display: z.array(z.unknown()),
  }),
  message: z.string(),
  requestedSchema: z.strictObject({ type: z.literal("object"), properties: z.strictObject({}) }),
});
export type McpServerElicitationParams = z.infer<typeof McpServerElicitationParams>;

/** Loose: it comes from a client. */
export const McpServerElicitationResponse = z.looseObject({
  action: z.enum(["accept", "decline", "cancel"]),
  content: z.unknown().optional(),
  _meta: z.unknown().optional(),
});
export type McpServerElicitationResponse = z.infer<typeof McpServerElicitationResponse>;

export const McpServerStatusListParams = z.looseObject({
  cursor: z.string().nullish(),
  limit: z.int().nonnegative().nullish(),
  detail: z.enum(["full", "toolsAndAuthOnly"]).nullish(),
  /** Null: the servers of the user's configuration, as they are known to the threads that are loaded. */
  threadId: z.uuid().nullish(),
  serverName: z.string().nullish(),
});
export type McpServerStatusListParams = z.infer<typeof McpServerStatusListParams>;

/** As the server described it; only `name` and `inputSchema` are sure. */
export const McpTool = z.looseObject({ name: z.string(), inputSchema: z.unknown() });
export type McpTool = z.infer<typeof McpTool>;

export const McpServerStatus = z.strictObject({
  name: z.string(),
  /** Null: no loaded thread uses it, so nothing is known. */
  runtimeStatus: z
    .enum(["notStarted", "starting", "connected", "authenticationRequired", "failed", "cancelled", "disabled"])
    .nullable(),
  pluginId: z.null(),
  /** Without path and credentials; null for a server on stdio. */
  httpOrigin: z.string().nullable(),
  serverInfo: z
    .strictObject({
      name: z.string(),
      title: z.string().nullable(),
      version: z.string(),
      description: z.null(),
      icons: z.null(),
      websiteUrl: z.null(),
    })
    .nullable(),
  serverCapabilities: z.unknown(),
  toolListMeta: z.null(),
  tools: z.record(z.string(), McpTool),
  toolsError: z.string().nullable(),
  resources: z.array(z.never()),
  resourceTemplates: z.array(z.never()),
  authStatus: z.enum(["unknown", "unsupported", "notLoggedIn", "bearerToken", "oAuth"]),
});
export type McpServerStatus = z.infer<typeof McpServerStatus>;

export const McpServerStatusListResponse = z.strictObject({
  data: z.array(McpServerStatus),
  nextCursor: z.string().nullable(),
});
export type McpServerStatusListResponse = z.infer<typeof McpServerStatusListResponse>;
