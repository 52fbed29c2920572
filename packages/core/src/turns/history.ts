/** The model's input so far: every message exactly as it was sent and is stored. */
import type { ModelMessage } from "../models/model.ts";
import type { JsonValue, StoreChange, ThreadStore } from "../store/index.ts";
import type { StepToolCall } from "../models/step-answer.ts";

/** A user could write this too; then the model is only told once more. */
const surroundingsTag = "<environment>\n";

export class History {
  readonly #messages: ModelMessage[];

  private constructor(messages: ModelMessage[]) {
    this.#messages = messages;
  }

  static async load(store: ThreadStore, threadId: string): Promise<History> {
    const stored = await store.readMessages(threadId);
    // Nobody else writes them: they are what append() stored.
    return new History(stored.map(({ body }) => body as unknown as ModelMessage));
  }

  static empty(): History {
    return new History([]);
  }

  get messages(): ModelMessage[] {
    return [...this.#messages];
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /** Whether the last message that told of surroundings told this. */
  lastSurroundingsAre(text: string): boolean {
    const texts = this.#messages.flatMap(({ role, content }) => {
      if (typeof content === "string") return [content.slice(content.lastIndexOf(surroundingsTag))];
      return role === "user" ? content.map((part) => (part.type === "text" ? part.text : "")) : [];
    });
    return texts.findLast((told) => told.startsWith(surroundingsTag)) === text;
  }

  /** Takes messages up; the change stores them. In one step with what is announced of them. */
  append(turnId: string, messages: readonly ModelMessage[]): StoreChange {
    // Through JSON, so that what is sent now is what will be sent after a resume.
    const bodies = JSON.parse(JSON.stringify(messages)) as JsonValue[];
    this.#messages.push(...(bodies as unknown as ModelMessage[]));
    return { kind: "appendMessages", turnId, messages: bodies };
  }

  /** Puts messages in the place of all; the change stores that. */
  replace(turnId: string, messages: readonly ModelMessage[]): StoreChange {
    const bodies = JSON.parse(JSON.stringify(messages)) as JsonValue[];
    this.#messages.splice(0, this.#messages.length, ...(bodies as unknown as ModelMessage[]));
    return { kind: "replaceMessages", turnId, messages: bodies };
  }

  /** Takes up what the store has, where it was changed there. */
  async reload(store: ThreadStore, threadId: string): Promise<void> {
    const stored = await History.load(store, threadId);
    this.#messages.splice(0, this.#messages.length, ...stored.#messages);
  }

  /** Calls whose output the model never got: it was interrupted, or its server died. Providers refuse a history with such calls. */
  openCalls(): StepToolCall[] {
    const open = new Map<string, StepToolCall>();
    for (const message of this.#messages) {
      if (typeof message.content === "string") continue;
      for (const part of message.content) {
        if (part.type === "tool-call") open.set(part.toolCallId, callOf(part));
        if (part.type === "tool-result") open.delete(part.toolCallId);
      }
    }
    return [...open.values()];
  }
}

function callOf({
  toolCallId,
  toolName,
  input,
}: {
  toolCallId: string;
  toolName: string;
  input: unknown;
}): StepToolCall {
  return { callId: toolCallId, name: toolName, input: typeof input === "string" ? input : JSON.stringify(input) };
}

export function toolMessage(call: Pick<StepToolCall, "callId" | "name">, text: string): ModelMessage {
  const output = { type: "text", value: text } as const;
  return { role: "tool", content: [{ type: "tool-result", toolCallId: call.callId, toolName: call.name, output }] };
}
