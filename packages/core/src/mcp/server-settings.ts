/** `[mcp_servers.NAME]` of the configuration, with the peer's key names. A project's own files have no say in them: each names a
 *  program to start outside of the sandbox, or a place to send words and keys to. */
import { SallyportError } from "@sallyport/supervisor";
import {
  isTable,
  readChoice,
  readFlag,
  readTable,
  readText,
  readTextTable,
  readTexts,
} from "../config/config-table.ts";
import type { ConfigTable } from "../config/config-table.ts";

const approvalModes = ["auto", "prompt", "approve"] as const;

/** Whether a call is asked about. `auto`: as far as the tool does not say that it only reads; `approve`: never. */
export type McpApprovalMode = (typeof approvalModes)[number];

type McpServerPlace =
  | {
      kind: "stdio";
      command: string;
      args: string[];
      env: Record<string, string>;
      envVars: string[];
      cwd: string | null;
    }
  | {
      kind: "http";
      url: string;
      headers: Record<string, string>;
      envHeaders: Record<string, string>;
      tokenVar: string | null;
    };

export interface McpServerSettings {
  name: string;
  place: McpServerPlace;
  startupTimeoutMs: number;
  toolTimeoutMs: number;
  /** Turns fail while it is not there. */
  required: boolean;
  /** Null: all. */
  enabledTools: string[] | null;
  disabledTools: string[];
  approvalMode: McpApprovalMode;
  toolApprovalModes: Record<string, McpApprovalMode>;
}

const defaultStartupSeconds = 10;
const defaultToolSeconds = 60;
const longestSeconds = 86_400;

/** Those that are enabled, sorted by name. Throws `CONFIG_INVALID`. */
export function readMcpServers(config: ConfigTable): McpServerSettings[] {
  return mcpServerTables(config)
    .filter(({ table, at }) => readFlag(table, "enabled", at) !== false)
    .map(({ name, table, at }) => readServer(name, table, at));
}

/** Names of servers that are configured and switched off. */
export function disabledMcpServers(config: ConfigTable): string[] {
  const tables = mcpServerTables(config);
  return tables.filter(({ table, at }) => readFlag(table, "enabled", at) === false).map(({ name }) => name);
}

function mcpServerTables(config: ConfigTable): { name: string; table: ConfigTable; at: string }[] {
  const servers = readTable(config, "mcp_servers", "") ?? {};
  return Object.keys(servers)
    .toSorted()
    .map((name) => {
      // The name becomes part of tool names, which hooks are matched by.
      if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
        throw invalid(`mcp_servers.${name}`, name, "a name of letters, digits, _ and -, at most 64");
      }
      return { name, table: readTable(servers, name, "mcp_servers.") ?? {}, at: `mcp_servers.${name}.` };
    });
}

function readServer(name: string, table: ConfigTable, at: string): McpServerSettings {
  return {
    name,
    place: readPlace(table, at),
    startupTimeoutMs: readStartupTimeout(table, at),
    toolTimeoutMs: (readSeconds(table, "tool_timeout_sec", at) ?? defaultToolSeconds) * 1000,
    required: readFlag(table, "required", at) ?? false,
    enabledTools: table["enabled_tools"] === undefined ? null : readTexts(table, "enabled_tools", at),
    disabledTools: readTexts(table, "disabled_tools", at),
    approvalMode: readChoice(table, "default_tools_approval_mode", approvalModes, at) ?? "auto",
    toolApprovalModes: readToolModes(table, at),
  };
}

function readPlace(table: ConfigTable, at: string): McpServerPlace {
  const command = readText(table, "command", at);
  const url = readText(table, "url", at);
  if ((command === null) === (url === null)) {
    throw invalid(at.slice(0, -1), table, 'either "command" or "url"');
  }
  if (command !== null) {
    return {
      kind: "stdio",
      command,
      args: readTexts(table, "args", at),
      env: readTextTable(table, "env", at),
      envVars: readTexts(table, "env_vars", at),
      cwd: readText(table, "cwd", at),
    };
  }
  if (url === null || !/^https?:$/.test(protocolOf(url))) throw invalid(`${at}url`, url, "an http or https address");
  return {
    kind: "http",
    url,
    headers: readTextTable(table, "http_headers", at),
    envHeaders: readTextTable(table, "env_http_headers", at),
    tokenVar: readText(table, "bearer_token_env_var", at),
  };
}

function protocolOf(url: string): string {
  return URL.canParse(url) ? new URL(url).protocol : "";
}

function readStartupTimeout(table: ConfigTable, at: string): number {
  const seconds = readSeconds(table, "startup_timeout_sec", at);
  if (seconds !== null) return seconds * 1000;
  const milliseconds = table["startup_timeout_ms"];
  if (milliseconds === undefined) return defaultStartupSeconds * 1000;
  return (readSeconds({ startup_timeout_ms: Number(milliseconds) / 1000 }, "startup_timeout_ms", at) ?? 0) * 1000;
}

/** A fraction is fine. */
function readSeconds(table: ConfigTable, key: string, at: string): number | null {
  const value = table[key];
  if (value === undefined || value === null) return null;
  const seconds = typeof value === "bigint" ? Number(value) : value;
  if (typeof seconds === "number" && seconds > 0 && seconds <= longestSeconds) return seconds;
  throw invalid(`${at}${key}`, value, `a number of seconds above 0, at most ${longestSeconds}`);
}

function readToolModes(table: ConfigTable, at: string): Record<string, McpApprovalMode> {
  const tools = readTable(table, "tools", at) ?? {};
  return Object.fromEntries(
    Object.entries(tools).flatMap(([tool, own]) => {
      const place = `${at}tools.${tool}.`;
      if (!isTable(own)) throw invalid(place.slice(0, -1), own, "a table");
      const mode = readChoice(own, "approval_mode", approvalModes, place);
      return mode === null ? [] : [[tool, mode] as const];
    }),
  );
}

function invalid(key: string, value: unknown, expected: string): SallyportError {
  const shown = JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner));
  return new SallyportError("CONFIG_INVALID", `Config key "${key}" is ${shown}, expected ${expected}; correct it`, {
    data: { key },
  });
}
