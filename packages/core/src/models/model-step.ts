/** One step of the model: a request, its answer as it comes, and tries again where that can help.
 *
 *      prompt -> request --(refused, 5xx)--> wait, again         at most requestMaxRetries
 *                   |
 *                   v
 *                answer --(broke off, silent)--> wait, again     at most streamMaxRetries
 *                   |
 *                   v
 *                message for the history, tool calls, usage  */
import { setTimeout as delay } from "node:timers/promises";
import type { LanguageModelV4CallOptions } from "@ai-sdk/provider";
import type { TurnError } from "@sallyport/protocol";
import { StepAnswer } from "./step-answer.ts";
import type { ModelStep } from "./step-answer.ts";
import { ModelFailure, brokenStream, failureOf, reportedFailure } from "./model-failure.ts";
import type { Model, ModelMessage, ModelPart, ModelTool } from "./model.ts";
import { abortable } from "../abortable.ts";

const firstDelayMs = 200;
const longestDelayMs = 30_000;

export interface StepOptions {
  prompt: ModelMessage[];
  tools: ModelTool[];
  /** JSON Schema that the answer has to meet; null: none. */
  outputSchema: unknown;
  /** Aborting rejects with the signal's reason. */
  signal: AbortSignal;
  /** Each part of the answer, in order; awaited, so that what is slow to keep slows the reading down. */
  onPart(part: ModelPart): Promise<void>;
  /** The answer broke off after some parts: they count for nothing, and it begins anew. */
  onRestart(): Promise<void>;
  /** Before each new try. */
  onRetry(error: TurnError): Promise<void>;
}

/** Rejects with a ModelFailure when no try gave an answer. */
export async function runModelStep(model: Model, options: StepOptions): Promise<ModelStep> {
  const tries = { request: 0, stream: 0 };
  const limits = { request: model.retries.requestMaxRetries, stream: model.retries.streamMaxRetries };
  for (;;) {
    const answer = new StepAnswer(model.name);
    try {
      return await tryOnce(model, options, answer);
    } catch (error) {
      options.signal.throwIfAborted();
      const failure = failureOf(error, model.name);
      if (answer.hasBegun) await options.onRestart();
      const { retry } = failure;
      if (retry === null || tries[retry] >= limits[retry]) throw failure;
      tries[retry] += 1;
      await options.onRetry({
        message: `Reconnecting... ${tries[retry]}/${limits[retry]}`,
        codexErrorInfo: { responseStreamDisconnected: { httpStatusCode: failure.httpStatusCode } },
        additionalDetails: failure.turnError.message,
      });
      await delay(failure.retryAfterMs ?? backOff(tries[retry]), undefined, { signal: options.signal });
    }
  }
}

/** Doubles, with a little chance in it, so that many clients of an overloaded server do not come back together. */
function backOff(attempt: number): number {
  return Math.min(firstDelayMs * 2 ** (attempt - 1), longestDelayMs) * (0.9 + Math.random() * 0.2);
}

async function tryOnce(model: Model, options: StepOptions, answer: StepAnswer): Promise<ModelStep> {
  const silence = new SilenceLimit(model.retries.streamIdleTimeoutMs);
  const signal = AbortSignal.any([options.signal, silence.signal]);
  let reader: ReadableStreamDefaultReader<ModelPart> | undefined;
  try {
    const provider = await model.connect();
    silence.reset();
    const { stream } = await provider.doStream({
      prompt: options.prompt,
      ...(options.tools.length === 0 ? {} : { tools: options.tools, toolChoice: { type: "auto" as const } }),
      ...responseFormat(options.outputSchema),
      providerOptions: model.providerOptions,
      abortSignal: signal,
    });
    reader = stream.getReader();
    for (;;) {
      // A provider that does not heed the signal must not keep the turn.
      const { done, value } = await abortable(reader.read(), signal);
      if (done) break;
      silence.stop(); // the time that we need does not count
      if (value.type === "error") throw reportedFailure(value.error, model.name);
      answer.add(value);
      await options.onPart(value);
      silence.reset();
    }
    return answer.finish();
  } catch (error) {
    options.signal.throwIfAborted();
    if (silence.signal.aborted)
      throw brokenStream(model.name, `stalled: nothing came for ${model.retries.streamIdleTimeoutMs / 1000} s`);
    if (answer.hasResponded && !(error instanceof ModelFailure)) throw reportedFailure(error, model.name);
    throw error;
  } finally {
    silence.stop();
    // The connection ends with it; how that goes is of no interest any more.
    reader?.cancel().catch(() => {});
  }
}

function responseFormat(schema: unknown): { responseFormat?: LanguageModelV4CallOptions["responseFormat"] & {} } {
  if (schema === null || schema === undefined) return {};
  // The peer's name, so that caches and logs at the provider look alike. A wrong schema is the provider's to refuse.
  return { responseFormat: { type: "json", name: "codex_output_schema", schema } };
}

class SilenceLimit {
  readonly #abort = new AbortController();
  readonly #limitMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  reset(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#abort.abort(), this.#limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
