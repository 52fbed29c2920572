/** Collects the parts of one answer into the message that the history keeps, byte for byte as the provider wants it back. */
import type { TokenUsageBreakdown } from "@sallyport/protocol";
import { v7 as uuidv7 } from "uuid";
import { brokenStream, incomplete } from "./model-failure.ts";
import type { ModelMessage, ModelPart, ModelUsage, ProviderOptions } from "./model.ts";

/** Far more than any model gives in one answer. The attack: an answer without an end fills memory and disk. */
const longestAnswer = 16 * 1024 * 1024;
const mostToolCalls = 1000;

export interface StepToolCall {
  /** The model's own id of the call where that is unique in its answer; its output is sent back under it. */
  callId: string;
  name: string;
  /** As the model wrote it, which need not be JSON. */
  input: string;
}

export interface ModelStep {
  message: ModelMessage & { role: "assistant" };
  toolCalls: StepToolCall[];
  usage: TokenUsageBreakdown;
}

type AssistantPart = (ModelMessage & { role: "assistant" })["content"][number];
type TextLike = { type: "text" | "reasoning"; text: string; providerOptions?: ProviderOptions };

export class StepAnswer {
  readonly #model: string;
  readonly #content: AssistantPart[] = [];
  readonly #open = new Map<string, TextLike>();
  readonly #toolCalls: StepToolCall[] = [];
  #finish: Extract<ModelPart, { type: "finish" }> | null = null;
  #length = 0;
  /** Something of it was shown. */
  hasBegun = false;
  /** The server has said something, even if only that it is about to answer. */
  hasResponded = false;

  constructor(model: string) {
    this.#model = model;
  }

  /** Throws a ModelFailure for more than any answer has. */
  add(part: ModelPart): void {
    this.#limit(part);
    if (part.type !== "stream-start") this.hasResponded = true;
    // Sources, raw chunks and the like are nothing that is sent back.
    if (part.type === "text-start") this.#start("text", part.id, part.providerMetadata);
    if (part.type === "reasoning-start") this.#start("reasoning", part.id, part.providerMetadata);
    if (part.type === "text-delta" || part.type === "reasoning-delta")
      this.#append(part.id, part.delta, part.providerMetadata);
    if (part.type === "text-end" || part.type === "reasoning-end") this.#append(part.id, "", part.providerMetadata);
    if (part.type === "tool-call" && part.providerExecuted !== true) this.#addToolCall(part);
    if (part.type === "finish") this.#finish = part;
  }

  #limit(part: ModelPart): void {
    if ("delta" in part && typeof part.delta === "string") this.#length += part.delta.length;
    else if (part.type === "tool-call") this.#length += part.input.length;
    if (this.#length > longestAnswer) throw incomplete(this.#model, `it has more than ${longestAnswer} characters`);
    if (this.#toolCalls.length > mostToolCalls)
      throw incomplete(this.#model, `it calls tools more than ${mostToolCalls} times`);
  }

  #start(type: "text" | "reasoning", id: string, metadata: ProviderOptions | undefined): void {
    this.hasBegun = true;
    const part: TextLike = { type, text: "", ...(metadata === undefined ? {} : { providerOptions: metadata }) };
    this.#content.push(part);
    this.#open.set(id, part);
  }

  /** What a provider says about a part later replaces what it said before: encrypted reasoning comes at the end. */
  #append(id: string, text: string, metadata: ProviderOptions | undefined): void {
    const part = this.#open.get(id);
    if (part === undefined) return;
    part.text += text;
    if (metadata !== undefined) part.providerOptions = { ...part.providerOptions, ...metadata };
  }

  #addToolCall(part: Extract<ModelPart, { type: "tool-call" }>): void {
    // The attack: two calls of one answer with the same id. Which output belongs to which could not be told, and a provider that
    // refuses such a history would refuse it for ever.
    const isUsable = part.toolCallId !== "" && this.#toolCalls.every(({ callId }) => callId !== part.toolCallId);
    const callId = isUsable ? part.toolCallId : `call_${uuidv7()}`;
    this.#toolCalls.push({ callId, name: part.toolName, input: part.input });
    this.#content.push({
      type: "tool-call",
      toolCallId: callId,
      toolName: part.toolName,
      input: sentBack(part.input),
      ...(part.providerMetadata === undefined ? {} : { providerOptions: part.providerMetadata }),
    });
  }

  finish(): ModelStep {
    const finish = this.#finish;
    if (finish === null) throw brokenStream(this.#model, "broke off");
    const { unified, raw } = finish.finishReason;
    // The provider's last event never came, so it gave no reason of its own.
    if (unified === "interrupted" || (unified === "other" && raw === undefined))
      throw brokenStream(this.#model, "broke off");
    if (unified === "length") throw incomplete(this.#model, "it reached the limit of its length");
    if (unified === "content-filter") throw incomplete(this.#model, "the provider filtered it");
    if (unified === "error") throw incomplete(this.#model, `it ended with ${JSON.stringify(raw ?? "error")}`);
    return {
      // Providers refuse a text that is empty when it is sent back.
      message: { role: "assistant", content: this.#content.filter((part) => part.type !== "text" || part.text !== "") },
      toolCalls: this.#toolCalls,
      usage: breakdownOf(finish.usage),
    };
  }
}

/** Providers want an object back. Arguments that are none are kept under a name that tells the model what it sent. */
function sentBack(input: string): unknown {
  if (input.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(input);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : { notAnObject: value };
  } catch {
    return { notJson: input };
  }
}

function breakdownOf({ inputTokens, outputTokens }: ModelUsage): TokenUsageBreakdown {
  const input = inputTokens.total ?? 0;
  const output = outputTokens.total ?? 0;
  return {
    totalTokens: input + output,
    inputTokens: input,
    cachedInputTokens: inputTokens.cacheRead ?? 0,
    cacheWriteInputTokens: inputTokens.cacheWrite ?? 0,
    outputTokens: output,
    reasoningOutputTokens: outputTokens.reasoning ?? 0,
  };
}
