/** One call of a tool, with the hooks around it.
 *
 *      PreToolUse -> refused: a declined item, the reason to the model
 *          |         rewritten, to be asked about, context
 *          v
 *      the tool, after approval where that is wanted
 *          |
 *          v
 *      PostToolUse -> words in place of the output, context
 *
 *  Context goes with the output, in the order in which the hooks are configured. */
import type { HookContext, HookOutcomes } from "@sallyport/hooks";
import type { StepToolCall } from "../models/step-answer.ts";
import type { WaitingTurn } from "../session/waiting-turn.ts";
import { readArguments, readPermissionsRequest, readToolRequest } from "../tools/tool-arguments.ts";
import type { ToolRequest } from "../tools/tool-arguments.ts";
import type { AskedBefore } from "./asked-before.ts";
import { askForRetry } from "./cut-short-call.ts";
import { recordCompleted } from "./item-record.ts";
import { McpCall } from "./mcp-call.ts";
import type { McpCallRequest } from "./mcp-call.ts";
import { PatchCall } from "./patch-call.ts";
import { PermissionsCall } from "./permissions-call.ts";
import { contextText } from "./prompt.ts";
import { ShellCall } from "./shell-call.ts";
import type { ToolOutcome } from "./shell-call.ts";
import type { TurnContext } from "./turn-context.ts";
import { TurnDiff } from "./turn-diff.ts";
import type { CallProgress, KeptRequest } from "./turn-progress.ts";

type AnyRequest = ToolRequest | ({ kind: "mcp" } & McpCallRequest);
type UsableRequest = Exclude<AnyRequest, { kind: "unusable" }>;
type PreToolUse = HookOutcomes["PreToolUse"];

/** What does nothing, and what is a question itself. */
const asksNever: ReadonlySet<UsableRequest["kind"]> = new Set(["updatePlan", "requestPermissions"]);

/** What hooks are told of a call. */
interface ShownCall {
  tool_name: string;
  tool_input: Record<string, unknown>;
  tool_use_id: string;
}

export class ToolCalls {
  readonly #context: TurnContext;
  readonly #diff: TurnDiff;

  constructor(context: TurnContext) {
    this.#context = context;
    this.#diff = new TurnDiff(context);
  }

  /** The text that the model gets. Whatever goes wrong with the call is told to the model; rejects when something could not be
   *  stored. */
  async run(call: StepToolCall): Promise<string> {
    const request = this.#readRequest(call);
    if (request.kind === "unusable") return request.problem;
    const itemId = this.#context.itemIds.idFor(call.callId);
    const shown: ShownCall = { ...shownTool(request), tool_use_id: itemId };
    const { signal } = this.#context;
    const pre = await this.#context.hooks.fire("PreToolUse", shown, signal);
    signal.throwIfAborted();
    if (pre.deny !== null) return await this.#decline(request, itemId, pre);
    const rewritten = rewrite(request, pre.updatedInput);
    if (rewritten.kind === "unusable") return withContexts(rewritten.problem, pre.contexts);
    const { contexts } = pre;
    const kept = keptRequest(rewritten, call.name);
    const progress = { callId: call.callId, itemId, request: kept, mustAsk: this.#mustAsk(rewritten, pre), contexts };
    return await this.#carryOut(rewritten, progress, null);
  }

  /** The same for the call whose question waited when its server ended. Hooks before it have spoken then. */
  async goOn(progress: CallProgress, { turn, questions }: WaitingTurn): Promise<string> {
    const item = turn.items.find(({ id }) => id === progress.itemId) ?? null;
    const [question] = questions;
    if (question === undefined || question.body.programIdentity !== null) {
      const text = await askForRetry(this.#context, questions, item);
      return withContexts(text, progress.contexts);
    }
    const request = await this.#readAgain(progress.request);
    if (request.kind !== "unusable") return await this.#carryOut(request, progress, { approvalId: question.id, item });
    if (item?.type === "mcpToolCall")
      await recordCompleted(this.#context, { ...item, status: "failed", error: { message: request.problem } });
    return withContexts(request.problem, progress.contexts);
  }

  /** A hook said that the session shall not go on: what waits is refused. */
  async refuseWaiting(progress: CallProgress, { turn, questions }: WaitingTurn, hookRunId: string): Promise<void> {
    const item = turn.items.find(({ id }) => id === progress.itemId) ?? null;
    const declinedBy = { hookRunId };
    const completesItem = questions.every(({ body }) => body.programIdentity === null);
    if (!completesItem || item === null) return;
    if (item.type === "commandExecution" || item.type === "fileChange")
      await recordCompleted(this.#context, { ...item, status: "declined", declinedBy });
    if (item.type === "mcpToolCall") await recordCompleted(this.#context, { ...item, status: "failed", declinedBy });
  }

  async #carryOut(request: UsableRequest, progress: CallProgress, before: AskedBefore | null): Promise<string> {
    const { itemId, mustAsk, contexts } = progress;
    this.#context.progress.call = progress;
    const outcome = await this.#execute(request, itemId, { mustAsk, before });
    this.#context.progress.call = null;
    return await this.#afterwards({ ...shownTool(request), tool_use_id: itemId }, outcome, contexts);
  }

  /** Servers of MCP have to start before their tools are there. */
  async #readAgain(request: KeptRequest): Promise<AnyRequest> {
    if (request.kind !== "mcp") return request;
    const { mcp, signal } = this.#context;
    await mcp.offer(signal);
    const tool = mcp.find(request.name);
    if (tool !== null) return { kind: "mcp", tool, args: request.args };
    return { kind: "unusable", problem: `The tool "${request.name}" is not there any more, so it was not called` };
  }

  /** Tools of MCP servers are found by what the model was offered last; names of ours never begin like theirs. */
  #readRequest({ name, input }: StepToolCall): AnyRequest {
    const tool = this.#context.mcp.find(name);
    if (name === "request_permissions" && this.#context.offersPermissions) return readPermissionsRequest(input);
    if (tool === null) return readToolRequest(name, input);
    const args = readArguments(name, input);
    return "problem" in args ? args : { kind: "mcp", tool, args: args.value };
  }

  /** Words for the question, where a hook or the policy wants one. */
  #mustAsk(request: UsableRequest, pre: PreToolUse): string | null {
    if (pre.ask !== null) return pre.ask.reason;
    // What the user has approved for good by its name is not asked about by the policy.
    if (request.kind === "mcp" && request.tool.approvalMode === "approve") return null;
    const asksAlways = this.#context.settings.approvalPolicy === "untrusted" && !asksNever.has(request.kind);
    return asksAlways ? "the approval policy is to ask about every action" : null;
  }

  async #decline(request: UsableRequest, itemId: string, { deny, contexts }: PreToolUse): Promise<string> {
    const { reason = "", runId: hookRunId = "" } = deny ?? {};
    const what = request.kind === "shell" ? "Command" : request.kind === "applyPatch" ? "Patch" : "Tool call";
    if (request.kind === "shell") await new ShellCall(this.#context, itemId, request, null).decline({ hookRunId });
    if (request.kind === "applyPatch") await this.#patchCall(itemId, request.patch, null).decline({ hookRunId });
    if (request.kind === "mcp") await new McpCall(this.#context, itemId, request, null).decline({ hookRunId }, reason);
    const about = request.kind === "shell" ? `. ${what}: ${request.command}` : "";
    return withContexts(`${what} blocked by a hook: ${reason}${about}`, contexts);
  }

  #patchCall(itemId: string, patch: string, before: AskedBefore | null): PatchCall {
    return new PatchCall(this.#context, itemId, { patch, diff: this.#diff }, before);
  }

  async #execute(
    request: UsableRequest,
    itemId: string,
    { mustAsk, before }: { mustAsk: string | null; before: AskedBefore | null },
  ): Promise<ToolOutcome> {
    if (request.kind === "shell") return new ShellCall(this.#context, itemId, request, before).run(mustAsk);
    if (request.kind === "applyPatch") return this.#patchCall(itemId, request.patch, before).run(mustAsk);
    if (request.kind === "mcp") return new McpCall(this.#context, itemId, request, before).run(mustAsk);
    if (request.kind === "requestPermissions") return new PermissionsCall(this.#context, itemId, before).run(request);
    const { threadId, turnId, log } = this.#context;
    const { explanation, plan } = request;
    await log.record([], [{ method: "turn/plan/updated", params: { threadId, turnId, explanation, plan } }]);
    const text = "Plan updated";
    return { text, ran: { response: text, exitCode: null, durationMs: 0 } };
  }

  async #afterwards(shown: ShownCall, outcome: ToolOutcome, contexts: readonly HookContext[]): Promise<string> {
    const { hooks, signal } = this.#context;
    if (outcome.ran === null || signal.aborted) return withContexts(outcome.text, contexts);
    const { response, exitCode, durationMs } = outcome.ran;
    const post = await hooks.fire(
      "PostToolUse",
      { ...shown, tool_response: response, exit_code: exitCode, duration_ms: durationMs },
      signal,
    );
    return withContexts(post.feedback ?? outcome.text, [...contexts, ...post.contexts]);
  }
}

function withContexts(text: string, contexts: readonly HookContext[]): string {
  return [text, ...contexts.map(contextText)].join("\n\n");
}

/** Hooks know the peers' names and shapes. */
function shownTool(request: UsableRequest): Pick<ShownCall, "tool_name" | "tool_input"> {
  if (request.kind === "shell") return { tool_name: "Bash", tool_input: { command: request.command } };
  if (request.kind === "applyPatch") return { tool_name: "apply_patch", tool_input: { command: request.patch } };
  if (request.kind === "mcp") return { tool_name: request.tool.hookName, tool_input: request.args };
  const name = request.kind === "updatePlan" ? "update_plan" : "request_permissions";
  return { tool_name: name, tool_input: request.asWritten };
}

/** A rewrite goes the same way as the model's own words: through the rules, and through approval. */
function rewrite(request: UsableRequest, updated: unknown): AnyRequest {
  if (updated === undefined) return request;
  const fields = (typeof updated === "object" && updated !== null ? updated : {}) as Record<string, unknown>;
  if (request.kind === "mcp") return { ...request, args: fields };
  const command = fields["command"];
  if (request.kind === "updatePlan") return readToolRequest("update_plan", JSON.stringify(updated));
  if (request.kind === "requestPermissions") return readPermissionsRequest(JSON.stringify(updated));
  if (typeof command !== "string" || command === "") {
    const problem = 'A hook rewrote the call without a text as "command", so it was not made';
    return { kind: "unusable", problem };
  }
  if (request.kind === "applyPatch") return { kind: "applyPatch", patch: command };
  return readToolRequest("shell", JSON.stringify({ ...shellFields(request), command }));
}

function keptRequest(request: UsableRequest, name: string): KeptRequest {
  return request.kind === "mcp" ? { kind: "mcp", name, args: request.args } : request;
}

function shellFields(request: UsableRequest & { kind: "shell" }): Record<string, unknown> {
  return { workdir: request.workdir, timeout_ms: request.timeoutMs };
}
