/** The lines of `sallyport exec --json`: what happens on the thread, in the events of `codex exec --json`, one JSON object a line.
 *
 *      thread.started, turn.started,
 *        item.started, item.completed ...       items are numbered item_0, item_1, ...
 *      turn.completed with the thread's usage | error, turn.failed                                         */
import type {
  CommandExecutionItem,
  FileChangeItem,
  HookRunSummary,
  McpToolCallItem,
  ServerNotification,
  ThreadItem,
  TokenUsageBreakdown,
  ToolItemStatus,
  Turn,
  TurnPlanStep,
} from "@sallyport/protocol";

/** Seconds in `run` as on the App Server's wire; ours, and only with --hooks. */
interface HookEvent {
  type: "hook.started" | "hook.completed";
  run: HookRunSummary;
}

interface Usage {
  input_tokens: number;
  cached_input_tokens: number;
  cache_write_input_tokens: number;
  output_tokens: number;
  reasoning_output_tokens: number;
}

type McpContent = NonNullable<McpToolCallItem["result"]>["content"];
type ItemStatus = "in_progress" | "completed" | "failed";

export type ExecItem =
  | { id: string; type: "agent_message" | "reasoning"; text: string }
  | {
      id: string;
      type: "command_execution";
      command: string;
      aggregated_output: string;
      exit_code: number | null;
      status: ItemStatus;
    }
  | { id: string; type: "file_change"; changes: { path: string; kind: string }[]; status: ItemStatus }
  | {
      id: string;
      type: "mcp_tool_call";
      server: string;
      tool: string;
      arguments: unknown;
      result: { content: McpContent; structured_content: unknown } | null;
      error: { message: string } | null;
      status: ItemStatus;
    }
  | { id: string; type: "todo_list"; items: { text: string; completed: boolean }[] }
  | { id: string; type: "error"; message: string };

export type ExecEvent =
  | { type: "thread.started"; thread_id: string }
  | { type: "turn.started" }
  | { type: "item.started" | "item.updated" | "item.completed"; item: ExecItem }
  | { type: "turn.completed"; usage: Usage }
  | { type: "turn.failed"; error: { message: string } }
  | { type: "error"; message: string }
  | HookEvent;

const statusNames: Record<ToolItemStatus, ItemStatus> = {
  inProgress: "in_progress",
  completed: "completed",
  failed: "failed",
  declined: "failed",
};

export class ExecEventWriter {
  readonly #emit: (event: ExecEvent) => void;
  readonly #withHooks: boolean;
  readonly #ids = new Map<string, string>();
  #count = 0;
  #usage: TokenUsageBreakdown | null;
  #plan: Extract<ExecItem, { type: "todo_list" }> | null = null;

  /** `usage`: what the thread had used before. */
  constructor(emit: (event: ExecEvent) => void, options: { withHooks: boolean; usage: TokenUsageBreakdown | null }) {
    this.#emit = emit;
    this.#withHooks = options.withHooks;
    this.#usage = options.usage;
  }

  begin(threadId: string): void {
    this.#emit({ type: "thread.started", thread_id: threadId });
    this.#emit({ type: "turn.started" });
  }

  /** A failure that no turn tells of. */
  fail(message: string): void {
    this.#emit({ type: "error", message });
    this.#emit({ type: "turn.failed", error: { message } });
  }

  write({ method, params }: ServerNotification): void {
    if (method === "item/started") this.#itemStarted(params.item);
    else if (method === "item/completed") this.#itemCompleted(params.item);
    else if (method === "turn/plan/updated") this.#planUpdated(params.plan);
    else if (method === "thread/tokenUsage/updated") this.#usage = params.tokenUsage.total;
    else if (method === "warning")
      this.#emit({ type: "item.completed", item: { id: this.#newId(), type: "error", message: params.message } });
    else if (method === "error") this.#emit({ type: "error", message: params.error.message });
    else if ((method === "hook/started" || method === "hook/completed") && this.#withHooks)
      this.#emit({ type: method === "hook/started" ? "hook.started" : "hook.completed", run: params.run });
  }

  /** `failure`: why the turn did not do what was asked; null: it did. */
  end(failure: string | null, turn: Turn): void {
    if (this.#plan !== null) this.#emit({ type: "item.completed", item: this.#plan });
    if (failure === null) {
      this.#emit({ type: "turn.completed", usage: usageOf(this.#usage) });
      return;
    }
    // A turn that failed told its error before.
    if (turn.status !== "failed") this.#emit({ type: "error", message: failure });
    this.#emit({ type: "turn.failed", error: { message: failure } });
  }

  #itemStarted(item: ThreadItem): void {
    if (item.type === "commandExecution") this.#emit({ type: "item.started", item: this.#command(item) });
    else if (item.type === "fileChange") this.#emit({ type: "item.started", item: this.#fileChange(item) });
    else if (item.type === "mcpToolCall") this.#emit({ type: "item.started", item: this.#mcpToolCall(item) });
  }

  #itemCompleted(item: ThreadItem): void {
    const completed = this.#completed(item);
    if (completed !== null) this.#emit({ type: "item.completed", item: completed });
  }

  #completed(item: ThreadItem): ExecItem | null {
    if (item.type === "agentMessage") return { id: this.#idOf(item.id), type: "agent_message", text: item.text };
    if (item.type === "reasoning") return { id: this.#idOf(item.id), type: "reasoning", text: item.summary.join("\n") };
    if (item.type === "commandExecution") return this.#command(item);
    if (item.type === "mcpToolCall") return this.#mcpToolCall(item);
    return item.type === "fileChange" ? this.#fileChange(item) : null;
  }

  #command(item: CommandExecutionItem): ExecItem {
    return {
      id: this.#idOf(item.id),
      type: "command_execution",
      command: item.command,
      aggregated_output: item.aggregatedOutput ?? "",
      exit_code: item.exitCode,
      status: statusNames[item.status],
    };
  }

  #fileChange(item: FileChangeItem): ExecItem {
    const changes = item.changes.map(({ path, kind }) => ({ path, kind: kind.type }));
    return { id: this.#idOf(item.id), type: "file_change", changes, status: statusNames[item.status] };
  }

  #mcpToolCall({ id, server, tool, arguments: args, result, error, status }: McpToolCallItem): ExecItem {
    const shown =
      result === null ? null : { content: result.content, structured_content: result.structuredContent ?? null };
    const fields = { server, tool, arguments: args, result: shown, error, status: statusNames[status] };
    return { id: this.#idOf(id), type: "mcp_tool_call", ...fields };
  }

  #planUpdated(plan: readonly TurnPlanStep[]): void {
    const type = this.#plan === null ? "item.started" : "item.updated";
    const items = plan.map(({ step, status }) => ({ text: step, completed: status === "completed" }));
    this.#plan = { id: this.#plan?.id ?? this.#newId(), type: "todo_list", items };
    this.#emit({ type, item: this.#plan });
  }

  #idOf(itemId: string): string {
    const known = this.#ids.get(itemId);
    if (known !== undefined) return known;
    const id = this.#newId();
    this.#ids.set(itemId, id);
    return id;
  }

  #newId(): string {
    this.#count += 1;
    return `item_${this.#count - 1}`;
  }
}

function usageOf(usage: TokenUsageBreakdown | null): Usage {
  return {
    input_tokens: usage?.inputTokens ?? 0,
    cached_input_tokens: usage?.cachedInputTokens ?? 0,
    cache_write_input_tokens: usage?.cacheWriteInputTokens ?? 0,
    output_tokens: usage?.outputTokens ?? 0,
    reasoning_output_tokens: usage?.reasoningOutputTokens ?? 0,
  };
}
