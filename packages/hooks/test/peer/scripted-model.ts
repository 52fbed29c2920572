/** A model on loopback that answers in the order of a script, in the wire format of OpenAI's Responses API. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface InputItem {
  type?: string;
  role?: string;
  name?: string;
  call_id?: string;
  content?: { type: string; text?: string }[];
  output?: unknown;
}
export interface ModelRequest {
  input: InputItem[];
  tools?: { name?: string; type?: string; parameters?: unknown; tools?: unknown }[];
}

/** `hang`: no answer until the client goes away. */
export type Reply =
  | { say: string }
  | { call: string; namespace?: string; args: Record<string, unknown> }
  | { hang: true };

export class ScriptedModel {
  readonly #server: Server;
  /** Every request since the last `play()`. */
  requests: ModelRequest[] = [];
  #choose: (request: ModelRequest, index: number) => Reply = () => ({ say: "done" });
  #calls = 0;
  #onRequest: () => void = () => undefined;

  static async start(): Promise<ScriptedModel> {
    const model = new ScriptedModel();
    await new Promise<void>((resolve) => model.#server.listen(0, "127.0.0.1", resolve));
    return model;
  }

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo; // it listens on TCP
    return `http://127.0.0.1:${port}/v1`;
  }

  /** Resolves with the first request since the last `play()`. */
  async requested(): Promise<void> {
    if (this.requests.length === 0) await new Promise<void>((resolve) => (this.#onRequest = resolve));
  }

  play(choose: (request: ModelRequest, index: number) => Reply): void {
    this.requests = [];
    this.#choose = choose;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer); // a request yields buffers
    if (request.method !== "POST") {
      response.writeHead(404).end();
      return;
    }
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as ModelRequest; // the peer's own request
    const reply = this.#choose(body, this.requests.push(body) - 1);
    this.#onRequest();
    response.writeHead(200, { "content-type": "text/event-stream" });
    if ("hang" in reply) {
      response.flushHeaders();
      return;
    }
    const id = `resp-${(this.#calls += 1)}`;
    const usage = {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 15,
    };
    for (const event of [
      { type: "response.created", response: { id } },
      { type: "response.output_item.done", item: this.#item(reply) },
      { type: "response.completed", response: { id, usage } },
    ]) {
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    }
    response.end();
  }

  #item(reply: Exclude<Reply, { hang: true }>): object {
    if ("say" in reply) {
      const content = [{ type: "output_text", text: reply.say }];
      return { type: "message", role: "assistant", id: `msg-${this.#calls}`, content };
    }
    const { call: name, namespace, args } = reply;
    return { type: "function_call", call_id: `call-${this.#calls}`, name, namespace, arguments: JSON.stringify(args) };
  }
}
