/** A model that answers out of a file, so that the whole real system can be seen and tested without a provider. */
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { v7 as uuidv7 } from "uuid";
import { ModelFailure, brokenStream, failureOf } from "./model-failure.ts";
import type { ModelMessage, ModelPart } from "./model.ts";
import { readScript } from "./script-format.ts";
import type { ScriptedAnswer } from "./script-format.ts";

/** Answers the n-th request with the n-th answer of the file. Throws `SCRIPT_INVALID`. */
export function openScriptedModel(file: string, cwd: string): Pick<LanguageModelV4, "doStream"> {
  const path = resolve(cwd, file);
  const answers = readScript(path);
  let asked = 0;
  return {
    doStream: async ({ prompt, abortSignal }) => {
      const answer = answers[asked];
      asked += 1;
      if (answer === undefined) {
        const count = answers.length === 1 ? "1 answer" : `${answers.length} answers`;
        throw scriptFailure(`Script "${path}" has ${count}, and the model was asked once more; add an answer`);
      }
      const heard = lastText(prompt);
      if (answer.expect !== undefined && !heard.includes(answer.expect)) {
        const expected = JSON.stringify(answer.expect);
        throw scriptFailure(
          `Script "${path}", answer ${asked}: expected ${expected} in the last message, found ${heard}`,
        );
      }
      const signal = abortSignal ?? new AbortController().signal;
      await delay(answer.delay_ms, undefined, { signal });
      if (answer.error !== undefined && answer.error !== "stall" && answer.error.status !== undefined)
        throw httpError(answer.error.status, answer.error.message);
      return { stream: ReadableStream.from(play(answer, path, signal)) };
    },
  };
}

async function* play(answer: ScriptedAnswer, path: string, signal: AbortSignal): AsyncGenerator<ModelPart> {
  yield { type: "stream-start", warnings: [] };
  yield { type: "response-metadata" };
  if (answer.reasoning !== undefined) {
    yield* playText("reasoning", { ...answer, text: answer.reasoning }, signal);
  }
  if (answer.text !== undefined) yield* playText("text", { ...answer, text: answer.text }, signal);
  for (const call of answer.tool_calls) {
    const input = typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments);
    yield { type: "tool-call", toolCallId: call.id ?? `call_${uuidv7()}`, toolName: call.name, input };
  }
  if (answer.error === "stall") await delay(2 ** 31 - 1, undefined, { signal });
  else if (answer.error !== undefined) throw brokenStream(path, `broke off: ${answer.error.message}`);
  yield finishOf(answer);
}

async function* playText(
  kind: "text" | "reasoning",
  { text, chunk_size: size, chunk_delay_ms: pauseMs }: ScriptedAnswer & { text: string },
  signal: AbortSignal,
): AsyncGenerator<ModelPart> {
  const id = `${kind === "text" ? "msg" : "rs"}_${uuidv7()}`;
  yield { type: `${kind}-start`, id };
  const characters = [...text];
  const step = size ?? Math.max(1, characters.length);
  for (let at = 0; at < characters.length; at += step) {
    if (at > 0 && pauseMs > 0) await delay(pauseMs, undefined, { signal });
    yield { type: `${kind}-delta`, id, delta: characters.slice(at, at + step).join("") };
  }
  yield { type: `${kind}-end`, id };
}

function finishOf({ usage, tool_calls: calls }: ScriptedAnswer): ModelPart {
  const { input_tokens: input = 0, cached_input_tokens: cached = 0 } = usage ?? {};
  const { output_tokens: output = 0, reasoning_output_tokens: reasoning = 0 } = usage ?? {};
  const reason = calls.length > 0 ? "tool-calls" : "stop";
  return {
    type: "finish",
    finishReason: { unified: reason, raw: reason },
    usage: {
      inputTokens: { total: input, noCache: input - cached, cacheRead: cached, cacheWrite: 0 },
      outputTokens: { total: output, text: output - reasoning, reasoning },
    },
  };
}

/** The text of the last message, tool outputs included. */
function lastText(prompt: readonly ModelMessage[]): string {
  const content = prompt.at(-1)?.content ?? "";
  if (typeof content === "string") return content;
  const texts = content.map((part) => {
    if (part.type === "text") return part.text;
    return part.type === "tool-result" && (part.output.type === "text" || part.output.type === "error-text")
      ? part.output.value
      : "";
  });
  return texts.join("\n");
}

function scriptFailure(message: string): ModelFailure {
  return new ModelFailure({ message, codexErrorInfo: "other", additionalDetails: null }, { retry: null });
}

/** Shaped as the SDK's, so that it takes the way that a provider's answer takes. */
function httpError(statusCode: number, message: string): ModelFailure {
  const isRetryable = statusCode === 408 || statusCode === 409 || statusCode === 429 || statusCode >= 500;
  const error = Object.assign(new Error(message), { statusCode, isRetryable, responseBody: "" });
  error.name = "AI_APICallError";
  return failureOf(error, "scripted");
}
