/** Makes the model that the settings name. The provider's code is loaded when the first request is made. */
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { SallyportError } from "@sallyport/supervisor";
import type { Model, ProviderOptions } from "./model.ts";
import { scriptedPrefix } from "./provider-config.ts";
import type { ModelSettings, ProviderSettings } from "./provider-config.ts";
import { openScriptedModel } from "./scripted-model.ts";

export interface CreateModelOptions {
  env: NodeJS.ProcessEnv;
  /** Relative script files start here. */
  cwd: string;
  /** Requests of one thread share the provider's cache under this key. */
  threadId: string;
}

/** Throws `MODEL_KEY_MISSING` where the variable of the key is not set, `CONFIG_INVALID` where it can't be sent, and `SCRIPT_INVALID`. */
export function createModel(settings: ModelSettings, options: CreateModelOptions): Model {
  const { provider, model: name, contextWindow } = settings;
  const common = { provider: provider.id, name, contextWindow, retries: provider };
  if (name.startsWith(scriptedPrefix)) {
    const script = openScriptedModel(name.slice(scriptedPrefix.length), options.cwd);
    return { ...common, providerOptions: {}, connect: () => Promise.resolve(script) };
  }
  const headers = headersOf(provider, options.env);
  const key = keyOf(provider, options.env);
  let connected: Promise<LanguageModelV4> | null = null;
  return {
    ...common,
    providerOptions: providerOptionsOf(settings, options.threadId),
    connect: () => (connected ??= connectTo(settings, { key, headers })),
  };
}

function headersOf(provider: ProviderSettings, env: NodeJS.ProcessEnv): Record<string, string> {
  const fromEnv = Object.entries(provider.envHeaders).flatMap(([header, variable]) => {
    const value = env[variable];
    return value === undefined || value === "" ? [] : [[header, sendable(value, variable)] as const];
  });
  return { ...provider.headers, ...Object.fromEntries(fromEnv) };
}

function keyOf({ id, envKey }: ProviderSettings, env: NodeJS.ProcessEnv): string | null {
  if (envKey === null) return null;
  const key = env[envKey];
  if (key !== undefined && key !== "") return sendable(key, envKey);
  throw new SallyportError(
    "MODEL_KEY_MISSING",
    `Variable "${envKey}" is not set, expected the key of model provider "${id}"; set it or choose another provider`,
    { data: { variable: envKey, provider: id } },
  );
}

/** Checked here, because the error of whoever sends it would quote the secret, and errors of turns are stored and shown to hooks. */
function sendable(secret: string, variable: string): string {
  const value = secret.trim();
  if (/^[\x20-\x7e]*$/.test(value)) return value;
  throw new SallyportError(
    "CONFIG_INVALID",
    `Variable "${variable}" holds characters that no header can have, expected a key in printable ASCII; set it again`,
    { data: { variable } },
  );
}

/** `store: false`: a resume depends on nothing at the provider, so its reasoning comes back encrypted and is sent again. */
function providerOptionsOf(settings: ModelSettings, threadId: string): ProviderOptions {
  const { provider, reasoningEffort: effort, reasoningSummary: summary } = settings;
  if (provider.wireApi === "anthropic") return effort === null ? {} : { anthropic: { effort } };
  if (provider.wireApi === "chat") return effort === null ? {} : { [provider.id]: { reasoningEffort: effort } };
  return {
    openai: {
      store: false,
      promptCacheKey: threadId,
      ...(effort === null ? {} : { reasoningEffort: effort, forceReasoning: true }),
      ...(summary === null || summary === "none" ? {} : { reasoningSummary: summary, forceReasoning: true }),
    },
  };
}

async function connectTo(
  { provider, model }: ModelSettings,
  { key, headers }: { key: string | null; headers: Record<string, string> },
): Promise<LanguageModelV4> {
  const { baseUrl: baseURL, queryParams } = provider;
  const fetch = requestFunction({ queryParams, hasKey: key !== null });
  // Always a key, even an empty one: else the SDK takes one of the environment's, and sends it to whatever address this is.
  const apiKey = key ?? "";
  if (provider.wireApi === "responses") {
    const { createOpenAI } = await import("@ai-sdk/openai");
    return createOpenAI({ baseURL, apiKey, headers, fetch }).responses(model);
  }
  if (provider.wireApi === "anthropic") {
    const { createAnthropic } = await import("@ai-sdk/anthropic");
    return createAnthropic({ baseURL, apiKey, headers, fetch }).languageModel(model);
  }
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  return createOpenAICompatible({ name: provider.id, baseURL, apiKey, headers, fetch, includeUsage: true })(model);
}

function requestFunction(options: { queryParams: Record<string, string>; hasKey: boolean }): typeof fetch {
  return (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    for (const [name, value] of Object.entries(options.queryParams)) url.searchParams.set(name, value);
    const headers = new Headers(init?.headers);
    if (!options.hasKey && /^Bearer\s*$/.test(headers.get("authorization") ?? "")) headers.delete("authorization");
    if (!options.hasKey && headers.get("x-api-key") === "") headers.delete("x-api-key");
    // The attack: a provider, or whoever answers in its place, sends us elsewhere, and our headers with the keys go along.
    return fetch(url, { ...init, headers, redirect: "manual" });
  };
}
