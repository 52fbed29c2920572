/** A call of a tool of an MCP server: one mcpToolCall item. The server runs outside of the sandbox, so what its tools do is held back by
 *  the question alone: a tool that does not say that it only reads is asked about. */
import type { McpToolCallItem } from "@sallyport/protocol";
import type { McpTool } from "../mcp/thread-servers.ts";
import { keptResult, resultText } from "../mcp/tool-result.ts";
import type { ApprovalResult } from "../session/approvals.ts";
import { openItem } from "./asked-before.ts";
import type { AskedBefore } from "./asked-before.ts";
import { askPermission } from "./permission.ts";
import type { ToolOutcome } from "./shell-call.ts";
import type { TurnContext } from "./turn-context.ts";
import { recordCompleted, recordStarted } from "./item-record.ts";

export interface McpCallRequest {
  tool: McpTool;
  args: Record<string, unknown>;
}

export class McpCall {
  readonly #context: TurnContext;
  readonly #tool: McpTool;
  readonly #args: Record<string, unknown>;
  readonly #item: McpToolCallItem & { startedAtMs: number };
  readonly #before: AskedBefore | null;

  constructor(context: TurnContext, itemId: string, { tool, args }: McpCallRequest, before: AskedBefore | null) {
    this.#context = context;
    this.#before = before;
    this.#tool = tool;
    this.#args = args;
    const fresh: McpToolCallItem = {
      type: "mcpToolCall",
      id: itemId,
      server: tool.server,
      tool: tool.tool,
      status: "inProgress",
      arguments: args,
      appContext: null,
      mcpAppUi: null,
      pluginId: null,
      readOnlyHint: tool.info.annotations?.readOnlyHint ?? null,
      result: null,
      error: null,
      durationMs: null,
    };
    this.#item = openItem(fresh, before);
  }

  /** A hook said no. */
  async decline(declinedBy: { hookRunId: string }, reason: string): Promise<void> {
    await this.#start();
    await this.#complete({ status: "failed", error: { message: `blocked by a hook: ${reason}` }, declinedBy });
  }

  /** `mustAsk`: why a person's word is needed whatever the tool says of itself; null: nothing of the kind. */
  async run(mustAsk: string | null): Promise<ToolOutcome> {
    await this.#start();
    const refusal = await this.#refusal(mustAsk);
    const { signal } = this.#context;
    if (signal.aborted) return await this.#interrupted();
    if (refusal !== null) {
      await this.#complete({ status: "failed", error: { message: refusal }, durationMs: 0 });
      return { text: `The tool was not called: ${refusal}`, ran: null };
    }
    const startedAtMs = performance.now();
    const elapsedMs = (): number => Math.round(performance.now() - startedAtMs);
    try {
      const raw = await this.#tool.call(this.#args, signal);
      if (signal.aborted) return await this.#interrupted();
      const result = keptResult(raw);
      const text = resultText(result);
      const durationMs = elapsedMs();
      await this.#complete({ status: raw.isError === true ? "failed" : "completed", result, durationMs });
      if (raw.isError === true) return { text: `The tool failed: ${text}`, ran: null };
      const { content, structuredContent } = result;
      const response = { content, ...(structuredContent == null ? {} : { structuredContent }) };
      return { text, ran: { response, exitCode: null, durationMs } };
    } catch (error) {
      if (signal.aborted) return await this.#interrupted();
      const message = error instanceof Error ? error.message.slice(0, 4096) : String(error);
      await this.#complete({ status: "failed", error: { message }, durationMs: elapsedMs() });
      return { text: `The tool could not be called: ${message}`, ran: null };
    }
  }

  /** Why it may not run; null: it may. */
  async #refusal(mustAsk: string | null): Promise<string | null> {
    const { settings, signal } = this.#context;
    const { approvalPolicy, sandboxPolicy } = settings;
    if (mustAsk === null && !this.#asksByItself()) return null;
    const hasNoWall = sandboxPolicy.type === "dangerFullAccess" || sandboxPolicy.type === "externalSandbox";
    // Where commands may do anything unasked, a tool may too; what a hook wants to have asked stays asked.
    if (approvalPolicy === "never" && hasNoWall && mustAsk === null) return null;
    const answer = await askPermission(this.#context, this.#question(), signal);
    return answer.kind === "allow" ? null : refusalText(answer);
  }

  #asksByItself(): boolean {
    const { approvalMode, info } = this.#tool;
    if (approvalMode !== "auto") return approvalMode === "prompt";
    const { readOnlyHint, destructiveHint, openWorldHint } = info.annotations ?? {};
    if (destructiveHint === true) return true;
    return readOnlyHint !== true && ((destructiveHint ?? true) || (openWorldHint ?? true));
  }

  #question(): Parameters<typeof askPermission>[1] {
    const { threadId, turnId } = this.#context;
    const { server, tool, hookName, info } = this.#tool;
    return {
      question: {
        method: "mcpServer/elicitation/request",
        params: {
          threadId,
          turnId,
          serverName: server,
          mode: "form",
          _meta: {
            codex_approval_kind: "mcp_tool_call",
            persist: ["session"],
            tool_name: tool,
            ...(info.description === "" ? {} : { tool_description: info.description }),
            tool_params: this.#args,
            tool_params_display: [],
          },
          message: `Allow the ${server} MCP server to run tool ${JSON.stringify(tool)}?`,
          requestedSchema: { type: "object", properties: {} },
        },
      },
      scope: { rememberAs: JSON.stringify(["mcp", server, tool]), proposals: [] },
      askedBy: "mcp",
      toolName: hookName,
      toolInput: this.#args,
      waitingItemId: this.#item.id,
      programIdentity: null,
      askedBefore: this.#before?.approvalId ?? null,
    };
  }

  async #interrupted(): Promise<ToolOutcome> {
    await this.#complete({ status: "failed", interrupted: true, error: { message: "aborted by user" } });
    return { text: "aborted by user", ran: null };
  }

  async #start(): Promise<void> {
    if (this.#before === null) await recordStarted(this.#context, this.#item);
  }

  #complete(changes: Partial<McpToolCallItem>): Promise<void> {
    return recordCompleted(this.#context, { ...this.#item, ...changes });
  }
}

function refusalText({ reason, decision }: Extract<ApprovalResult, { kind: "deny" }>): string {
  return decision === "decline" || decision === "timeout" ? `it needs approval: ${reason}` : reason;
}
