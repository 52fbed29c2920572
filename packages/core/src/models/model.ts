/** What the loop needs of a model: one request, one streamed answer. The shapes are those of the AI SDK's provider layer, so that
 *  its providers are models as they are, and stored messages are what they send. */
import type {
  LanguageModelV4,
  LanguageModelV4FunctionTool,
  LanguageModelV4Message,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderOptions,
} from "@ai-sdk/provider";

export type ModelMessage = LanguageModelV4Message;
export type ModelPart = LanguageModelV4StreamPart;
export type ModelTool = LanguageModelV4FunctionTool;
export type ModelUsage = LanguageModelV4Usage;
export type ProviderOptions = SharedV4ProviderOptions;

/** How often and how long a request is tried. */
export interface RetrySettings {
  /** Requests that got no answer: refused, 429, 5xx. */
  requestMaxRetries: number;
  /** Answers that broke off. */
  streamMaxRetries: number;
  /** Silence after which an answer counts as broken off. */
  streamIdleTimeoutMs: number;
}

export interface Model {
  readonly provider: string;
  readonly name: string;
  readonly contextWindow: number | null;
  readonly retries: RetrySettings;
  /** Goes with every request. */
  readonly providerOptions: ProviderOptions;
  /** Loads the provider's code at the first call: that takes over 100 ms. */
  connect(): Promise<Pick<LanguageModelV4, "doStream">>;
}
