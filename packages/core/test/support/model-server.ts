/** A provider on loopback that answers as it is told and keeps what it was asked. Streams follow the providers' documented formats. */
import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";

export interface SeenRequest {
  path: string;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
}

export type Reply =
  | { kind: "events"; events: readonly (object | string)[]; end?: "normal" | "cut" | "hang" }
  | { kind: "status"; status: number; body: object | string; headers?: Record<string, string> };

export interface ModelServer {
  url: string;
  requests: SeenRequest[];
}

/** Answers the n-th request with the n-th reply. */
export async function startModelServer(replies: readonly Reply[]): Promise<ModelServer> {
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const body = JSON.parse(text === "" ? "{}" : text) as Record<string, unknown>;
      requests.push({ path: request.url ?? "", headers: request.headers, body });
      answer(response, replies[requests.length - 1]);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, requests };
}

function answer(response: ServerResponse, reply: Reply | undefined): void {
  if (reply === undefined) {
    response.writeHead(418).end("no more replies");
    return;
  }
  if (reply.kind === "status") {
    response.writeHead(reply.status, { "content-type": "application/json", ...reply.headers });
    response.end(typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const lines = reply.events.map((event) => {
    if (typeof event === "string") return `data: ${event}\n\n`;
    const { type } = event as { type?: string };
    return `${type === undefined ? "" : `event: ${type}\n`}data: ${JSON.stringify(event)}\n\n`;
  });
  response.write(lines.join(""), () => {
    if (reply.end === "cut") response.destroy();
    else if (reply.end !== "hang") response.end();
  });
}

/** One text and calls of functions, as the Responses API streams them. */
export function responsesEvents(answer: {
  text?: string;
  reasoning?: { id: string; encrypted: string; summary: string };
  calls?: readonly { id: string; name: string; arguments: object }[];
}): object[] {
  const events: object[] = [{ type: "response.created", response: { id: "resp_1", created_at: 1, model: "m" } }];
  let index = 0;
  if (answer.reasoning !== undefined) {
    const { id, encrypted, summary } = answer.reasoning;
    const place = { item_id: id, output_index: index, summary_index: 0 };
    const item = { type: "reasoning", id, summary: [] };
    events.push(
      { type: "response.output_item.added", output_index: index, item: { ...item, encrypted_content: null } },
      { type: "response.reasoning_summary_part.added", ...place, part: { type: "summary_text", text: "" } },
      { type: "response.reasoning_summary_text.delta", ...place, delta: summary },
      { type: "response.reasoning_summary_part.done", ...place, part: { type: "summary_text", text: summary } },
      {
        type: "response.output_item.done",
        output_index: index,
        item: { ...item, summary: [{ type: "summary_text", text: summary }], encrypted_content: encrypted },
      },
    );
    index += 1;
  }
  if (answer.text !== undefined) {
    const item = { type: "message", id: "msg_0123456789abcdef", role: "assistant", status: "completed" };
    const part = { type: "output_text", text: answer.text, annotations: [] };
    events.push(
      { type: "response.output_item.added", output_index: index, item: { ...item, content: [] } },
      {
        type: "response.output_text.delta",
        item_id: item.id,
        output_index: index,
        content_index: 0,
        delta: answer.text,
      },
      { type: "response.output_item.done", output_index: index, item: { ...item, content: [part] } },
    );
    index += 1;
  }
  for (const call of answer.calls ?? []) {
    const item = { type: "function_call", id: `fc_${call.id}`, call_id: call.id, name: call.name, status: "completed" };
    const given = JSON.stringify(call.arguments);
    events.push(
      { type: "response.output_item.added", output_index: index, item: { ...item, arguments: "" } },
      { type: "response.function_call_arguments.delta", item_id: item.id, output_index: index, delta: given },
      { type: "response.output_item.done", output_index: index, item: { ...item, arguments: given } },
    );
    index += 1;
  }
  const usage = {
    input_tokens: 11,
    input_tokens_details: { cached_tokens: 4 },
    output_tokens: 6,
    output_tokens_details: { reasoning_tokens: 2 },
  };
  events.push({ type: "response.completed", response: { id: "resp_1", usage } });
  return events;
}

/** The same as chat completions stream it. */
export function chatEvents(answer: {
  text?: string;
  calls?: readonly { id: string; name: string; arguments: object }[];
}): (object | string)[] {
  const base = { id: "chat-1", object: "chat.completion.chunk", created: 1, model: "m" };
  const chunk = (delta: object, finishReason: string | null = null): object => ({
    ...base,
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  });
  const calls = (answer.calls ?? []).map((call, index) => ({
    index,
    id: call.id,
    type: "function",
    function: { name: call.name, arguments: JSON.stringify(call.arguments) },
  }));
  return [
    chunk({ role: "assistant", content: "" }),
    ...(answer.text === undefined ? [] : [chunk({ content: answer.text })]),
    ...(calls.length === 0 ? [] : [chunk({ tool_calls: calls })]),
    chunk({}, calls.length > 0 ? "tool_calls" : "stop"),
    { ...base, choices: [], usage: { prompt_tokens: 11, completion_tokens: 6, total_tokens: 17 } },
    "[DONE]",
  ];
}

/** The same as Anthropic's Messages API streams it. */
export function anthropicEvents(answer: {
  text?: string;
  calls?: readonly { id: string; name: string; arguments: object }[];
}): object[] {
  const message = { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], stop_reason: null };
  const events: object[] = [
    {
      type: "message_start",
      message: { ...message, stop_sequence: null, usage: { input_tokens: 11, output_tokens: 1 } },
    },
  ];
  let index = 0;
  if (answer.text !== undefined) {
    events.push(
      { type: "content_block_start", index, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index, delta: { type: "text_delta", text: answer.text } },
      { type: "content_block_stop", index },
    );
    index += 1;
  }
  for (const call of answer.calls ?? []) {
    const delta = { type: "input_json_delta", partial_json: JSON.stringify(call.arguments) };
    events.push(
      {
        type: "content_block_start",
        index,
        content_block: { type: "tool_use", id: call.id, name: call.name, input: {} },
      },
      { type: "content_block_delta", index, delta },
      { type: "content_block_stop", index },
    );
    index += 1;
  }
  const reason = (answer.calls ?? []).length > 0 ? "tool_use" : "end_turn";
  events.push(
    { type: "message_delta", delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: 6 } },
    { type: "message_stop" },
  );
  return events;
}
