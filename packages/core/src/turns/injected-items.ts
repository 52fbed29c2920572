/** Items of the Responses API that a client gives, as messages for any provider. */
import { SallyportError } from "@sallyport/supervisor";
import { z } from "zod";
import type { ModelMessage } from "../models/model.ts";
import { userParts } from "./prompt.ts";

const Content = z.union([
  z.string(),
  z.array(
    z.discriminatedUnion("type", [
      z.looseObject({ type: z.enum(["input_text", "output_text"]), text: z.string() }),
      z.looseObject({ type: z.literal("input_image"), image_url: z.string() }),
    ]),
  ),
]);
const Item = z.discriminatedUnion("type", [
  z.looseObject({
    type: z.literal("message"),
    role: z.enum(["user", "assistant", "developer", "system"]),
    content: Content,
  }),
  z.looseObject({
    type: z.literal("function_call"),
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
  z.looseObject({ type: z.literal("function_call_output"), call_id: z.string(), output: Content }),
]);
type Item = z.infer<typeof Item>;

/** Throws `INPUT_REFUSED` for an item that is none of message, function_call and function_call_output, and for a call without its
 *  output or the other way round: no provider takes a history with such, so the thread could not be used any more. */
export function injectedMessages(items: readonly unknown[]): ModelMessage[] {
  const read = items.map((item, index) => readItem(item, index));
  const names = new Map<string, string>();
  const messages = read.map((item, index) => {
    if (item.type === "function_call") {
      names.set(item.call_id, item.name);
      if (!followedByOutput(read, index)) throw refused(index, "a function_call whose output is the next item");
    }
    const name = item.type === "function_call_output" ? names.get(item.call_id) : "";
    if (name === undefined) throw refused(index, "the output of a function_call among the items before");
    return messageOf(item, name, index);
  });
  return messages;
}

function followedByOutput(items: readonly Item[], index: number): boolean {
  const [call, next] = items.slice(index, index + 2);
  return call?.type === "function_call" && next?.type === "function_call_output" && next.call_id === call.call_id;
}

function readItem(item: unknown, index: number): Item {
  // The peer's own items may leave the type of a message out.
  const typed = typeof item === "object" && item !== null && !("type" in item) ? { type: "message", ...item } : item;
  const parsed = Item.safeParse(typed);
  if (parsed.success) return parsed.data;
  throw refused(index, "a message, function_call or function_call_output of the Responses API");
}

function messageOf(item: Item, toolName: string, index: number): ModelMessage {
  if (item.type === "function_call") {
    const part = { type: "tool-call", toolCallId: item.call_id, toolName: item.name, input: argumentsOf(item, index) };
    return { role: "assistant", content: [part as Extract<ModelMessage, { role: "assistant" }>["content"][number]] };
  }
  if (item.type === "function_call_output") {
    const output = { type: "text", value: textOf(item.output) } as const;
    return { role: "tool", content: [{ type: "tool-result", toolCallId: item.call_id, toolName, output }] };
  }
  if (item.role === "assistant") return { role: "assistant", content: [{ type: "text", text: textOf(item.content) }] };
  // Instructions stand before a conversation, and providers take no others within it: what comes later is told as the user's.
  const parts = typeof item.content === "string" ? [{ type: "input_text" as const, text: item.content }] : item.content;
  const input = parts.map((part) =>
    part.type === "input_image"
      ? { type: "image" as const, url: part.image_url }
      : { type: "text" as const, text: part.text, text_elements: [] },
  );
  return { role: "user", content: userParts(input, "/") };
}

function argumentsOf(item: Extract<Item, { type: "function_call" }>, index: number): unknown {
  try {
    return JSON.parse(item.arguments) as unknown;
  } catch {
    throw refused(index, "a function_call with JSON as its arguments");
  }
}

function textOf(content: unknown): string {
  const parsed = Content.parse(content);
  if (typeof parsed === "string") return parsed;
  return parsed.map((part) => (part.type === "input_image" ? "[image]" : part.text)).join("");
}

function refused(index: number, expected: string): SallyportError {
  return new SallyportError("INPUT_REFUSED", `Item ${index} can't be given to a model, expected ${expected}`, {
    data: { path: `items.${index}` },
  });
}
