/** Which model answers, and where: `model`, `model_provider` and `[model_providers.x]`, with the peers' key names. */
import { SallyportError } from "@sallyport/supervisor";
import { isTable, readChoice, readCount, readTable, readText, readTextTable } from "../config/config-table.ts";
import type { ConfigTable } from "../config/config-table.ts";
import type { RetrySettings } from "./model.ts";

const wireApis = ["responses", "chat", "anthropic"] as const;
type WireApi = (typeof wireApis)[number];

export interface ProviderSettings extends RetrySettings {
  id: string;
  baseUrl: string;
  wireApi: WireApi;
  /** Name of the variable that holds the key; null: none is sent. */
  envKey: string | null;
  headers: Record<string, string>;
  /** Header name to variable name. */
  envHeaders: Record<string, string>;
  queryParams: Record<string, string>;
}

export interface ModelSettings {
  model: string;
  provider: ProviderSettings;
  reasoningEffort: string | null;
  reasoningSummary: "auto" | "concise" | "detailed" | "none" | null;
  contextWindow: number | null;
}

/** `provider` of models that come out of a file. */
const scriptedProviderId = "scripted";
export const scriptedPrefix = "scripted:";

const known: Record<string, { baseUrl: string; wireApi: WireApi; envKey: string | null }> = {
  openai: { baseUrl: "https://api.openai.com/v1", wireApi: "responses", envKey: "OPENAI_API_KEY" },
  anthropic: { baseUrl: "https://api.anthropic.com/v1", wireApi: "anthropic", envKey: "ANTHROPIC_API_KEY" },
  ollama: { baseUrl: "http://localhost:11434/v1", wireApi: "chat", envKey: null },
  lmstudio: { baseUrl: "http://localhost:1234/v1", wireApi: "chat", envKey: null },
};
const defaultProvider = "openai";
const noRetries: RetrySettings = { requestMaxRetries: 0, streamMaxRetries: 0, streamIdleTimeoutMs: 300_000 };

/** Throws `CONFIG_INVALID`, `MODEL_NOT_CONFIGURED` or `PROVIDER_UNKNOWN`. `overrides` come with a thread or a turn. */
export function readModelSettings(
  config: ConfigTable,
  overrides: { model?: string | null; modelProvider?: string | null; effort?: string | null } = {},
): ModelSettings {
  const model = overrides.model ?? readText(config, "model", "");
  if (model === null) {
    throw new SallyportError(
      "MODEL_NOT_CONFIGURED",
      'No model is chosen, expected a name; write model = "NAME" into config.toml or give --model NAME',
    );
  }
  const summaries = ["auto", "concise", "detailed", "none"] as const;
  return {
    model,
    provider: model.startsWith(scriptedPrefix)
      ? scriptedProvider()
      : providerOf(config, overrides.modelProvider ?? null),
    reasoningEffort: overrides.effort ?? readText(config, "model_reasoning_effort", ""),
    reasoningSummary: readChoice(config, "model_reasoning_summary", summaries, ""),
    contextWindow: readCount(config, "model_context_window", ""),
  };
}

/** Every variable that a configured provider or MCP server takes a key from: commands must not get these. */
export function secretVariables(config: ConfigTable): string[] {
  const configured = Object.values(readTable(config, "model_providers", "") ?? {}).filter(isTable);
  const names = configured.flatMap((table) => [
    table["env_key"],
    ...Object.values(isTable(table["env_http_headers"]) ? table["env_http_headers"] : {}),
  ]);
  const servers = Object.values(readTable(config, "mcp_servers", "") ?? {}).filter(isTable);
  const tokens = servers.flatMap((table) => [
    table["bearer_token_env_var"],
    ...Object.values(isTable(table["env_http_headers"]) ? table["env_http_headers"] : {}),
  ]);
  const usual = [...Object.values(known).map(({ envKey }) => envKey), "CODEX_API_KEY"];
  return [...names, ...tokens, ...usual].filter((name) => typeof name === "string");
}

function scriptedProvider(): ProviderSettings {
  const place = { id: scriptedProviderId, baseUrl: "", wireApi: "responses" as const, envKey: null };
  return {
    ...noRetries,
    ...place,
    requestMaxRetries: 4,
    streamMaxRetries: 5,
    headers: {},
    envHeaders: {},
    queryParams: {},
  };
}

function providerOf(config: ConfigTable, override: string | null): ProviderSettings {
  const id = override ?? readText(config, "model_provider", "") ?? defaultProvider;
  const configured = readTable(config, "model_providers", "") ?? {};
  const table = Object.hasOwn(configured, id) ? readTable(configured, id, "model_providers.") : null;
  const preset = Object.hasOwn(known, id) ? known[id] : undefined;
  if (table === null && preset === undefined) throw unknownProvider(id, configured);
  const at = `model_providers.${id}.`;
  const own = table ?? {};
  const baseUrl = readText(own, "base_url", at) ?? preset?.baseUrl ?? null;
  if (baseUrl === null || !/^https?:\/\//.test(baseUrl)) {
    throw new SallyportError(
      "CONFIG_INVALID",
      `Config key "${at}base_url" is ${JSON.stringify(baseUrl)}, expected an http or https address; correct it`,
      { data: { key: `${at}base_url` } },
    );
  }
  return {
    id,
    baseUrl: baseUrl.replace(/\/+$/, ""),
    wireApi: readChoice(own, "wire_api", wireApis, at) ?? preset?.wireApi ?? "responses",
    envKey: readText(own, "env_key", at) ?? (table === null ? (preset?.envKey ?? null) : null),
    headers: readTextTable(own, "http_headers", at),
    envHeaders: readTextTable(own, "env_http_headers", at),
    queryParams: readTextTable(own, "query_params", at),
    requestMaxRetries: readCount(own, "request_max_retries", at) ?? 4,
    streamMaxRetries: readCount(own, "stream_max_retries", at) ?? 5,
    // A timer of more than this many milliseconds would be over at once.
    streamIdleTimeoutMs: Math.min(readCount(own, "stream_idle_timeout_ms", at) ?? 300_000, 2 ** 31 - 1),
  };
}

function unknownProvider(id: string, configured: ConfigTable): SallyportError {
  const names = [...new Set([...Object.keys(configured), ...Object.keys(known)])].toSorted().join(", ");
  return new SallyportError(
    "PROVIDER_UNKNOWN",
    `Model provider "${id}" is not configured, expected one of ${names}; add [model_providers.${id}] to config.toml`,
    { data: { provider: id } },
  );
}
