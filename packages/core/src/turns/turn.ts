/** One turn: from the user's words to the model's last ones.
 *
 *      SessionStart has spoken ----------- stop: refused, the prompt is kept on the turn
 *      UserPromptSubmit ------------------ block, stop: the same
 *      userMessage
 *        PreModelRequest, request, PostModelRequest <-----------+
 *          messages, reasoning                                  |
 *          calls of tools, hooks around each -------------------+
 *      Stop ------------------------------ one more round ------+   bounded
 *      turn/completed
 *
 *  An interrupt aborts one signal, which model, commands, hooks and questions share; each ends what it has begun, and then the turn
 *  is completed as interrupted. */
import type { HookContext, HookRefusal } from "@sallyport/hooks";
import type {
  AgentMessageItem,
  HookInputs,
  ThreadTokenUsage,
  TokenUsageBreakdown,
  UntakenInput,
  UserInput,
} from "@sallyport/protocol";
import { v7 as uuidv7 } from "uuid";
import type { Model, ModelMessage } from "../models/model.ts";
import { ModelFailure } from "../models/model-failure.ts";
import { runModelStep } from "../models/model-step.ts";
import type { ModelStep } from "../models/step-answer.ts";
import type { WaitingTurn } from "../session/waiting-turn.ts";
import type { StoreChange } from "../store/index.ts";
import { modelTools, permissionsTool } from "../tools/tool-definitions.ts";
import { AnswerItems } from "./answer-items.ts";
import { toolMessage } from "./history.ts";
import { contextParts, continuationMessage, promptText, userParts } from "./prompt.ts";
import { ToolCalls } from "./tool-calls.ts";
import { Interrupted } from "./turn-context.ts";
import type { TurnContext } from "./turn-context.ts";
import { TurnFrame } from "./turn-frame.ts";
import type { Ending, FrameSession } from "./turn-frame.ts";
import { isSuspended } from "./suspended.ts";
import { callUserCommand } from "./user-command-call.ts";
import type { UserCommand } from "./user-command-call.ts";

export interface TurnInput {
  input: readonly UserInput[];
  clientUserMessageId: string | null;
  /** JSON Schema that the last message has to meet; null: none. */
  outputSchema: unknown;
  /** A command of the user's own that the turn begins with. The model is only asked where more input comes meanwhile. */
  userCommand?: UserCommand;
}

/** What the session gives to its turns besides the context. */
export interface TurnSession extends FrameSession {
  model: Model;
  maxStopBlocks: number;
  /** Resolves when SessionStart hooks have spoken. `stop`: this turn is refused. */
  started(): Promise<{ stop: HookRefusal | null }>;
  /** What hooks of the session want to add to the next prompt that is accepted; taken then. */
  sessionContexts(): HookContext[];
  dropSessionContexts(): void;
  /** Messages that stand before this turn's first: instructions, surroundings. */
  preface(): { messages: ModelMessage[]; parts: { type: "text"; text: string }[] };
  /** The same for an input that begins anew. */
  freshPreface(): { messages: ModelMessage[] };
  /** Messages that wait for the next request, and the change that stores that they do not any more. */
  takePending(): { messages: ModelMessage[]; changes: StoreChange[] };
  /** Input that came while the turn ran. */
  takeSteered(): TurnInput[];
  /** Takes what came while the turn ran, for the last time: from now on nothing more is taken for this turn. */
  takeLastSteered(): TurnInput[];
  /** Resolves when commands of the user that were started in this turn have ended. */
  userCommandsEnded(): Promise<void>;
  addUsage(last: TokenUsageBreakdown): ThreadTokenUsage;
  /** What the thread shows of its first prompt. */
  previewChange(text: string): StoreChange[];
}

export class Turn {
  readonly #context: TurnContext;
  readonly #session: TurnSession;
  readonly #input: TurnInput;
  readonly #items: AnswerItems;
  readonly #tools: ToolCalls;
  readonly #frame: TurnFrame;
  readonly #waiting: WaitingTurn | null;

  /** `waiting`: the turn was begun by a server that has ended, and goes on from its question. */
  constructor(context: TurnContext, session: TurnSession, input: TurnInput, waiting: WaitingTurn | null) {
    this.#context = context;
    this.#session = session;
    this.#input = input;
    this.#items = new AnswerItems(context);
    this.#tools = new ToolCalls(context);
    this.#waiting = waiting;
    this.#frame = new TurnFrame(context, session, waiting?.turn ?? null);
    if (waiting !== null) this.#items.lastMessage = lastMessageOf(waiting);
  }

  /** The change that stores the turn while it runs. */
  beginning(): StoreChange {
    return this.#frame.beginning();
  }

  /** Resolves when the turn is completed, or suspended. Rejects only when something could not be stored. */
  async run(): Promise<void> {
    if (this.#waiting === null) await this.#frame.begin();
    const ending = await this.#workToEnd();
    if (ending === "suspended") return await this.#suspend();
    if (ending.status === "interrupted") this.#frame.untakenInput = await this.#untaken();
    else await this.#keepSteered();
    await this.#frame.complete(ending, this.#items.lastMessage);
  }

  async #workToEnd(): Promise<Ending | "suspended"> {
    try {
      await this.#work();
      return { status: "completed", error: null };
    } catch (error) {
      if (isSuspended(this.#context.signal)) return "suspended";
      if (this.#context.signal.aborted) return await this.#interrupted();
      await this.#answerOpenCalls("the tool failed, and the turn with it");
      if (error instanceof ModelFailure) return { status: "failed", error: error.turnError };
      // A fault of ours, or of the store. If it was the store's, telling will fail as well, and then run() rejects.
      const message = error instanceof Error ? error.message : String(error);
      return { status: "failed", error: { message, codexErrorInfo: "other", additionalDetails: null } };
    }
  }

  async #work(): Promise<void> {
    const isUnderWay = this.#waiting === null ? await this.#begin() : await this.#goOnFrom(this.#waiting);
    if (!isUnderWay) return undefined;
    for (;;) {
      await this.#acceptSteered();
      await this.#addPending();
      await this.#addAsyncContexts();
      const { toolCalls } = await this.#askModel();
      for (const call of toolCalls) await this.#runTool(call);
      if (toolCalls.length === 0 && !(await this.#goesOn())) return undefined;
    }
  }

  /** Whether there is something for the model to answer. */
  async #begin(): Promise<boolean> {
    const { userCommand } = this.#input;
    if (userCommand !== undefined && !(await this.#runUserCommand(userCommand))) return false;
    const { stop } = await this.#abortable(this.#session.started());
    if (stop !== null) {
      await this.#block(this.#input, stop.runId);
      return false;
    }
    await this.#addPending();
    return this.#input.input.length === 0 || (await this.#acceptPrompt(this.#input)) === "accepted";
  }

  /** Asks again, and makes the calls of the model's answer that were not made. */
  async #goOnFrom(waiting: WaitingTurn): Promise<boolean> {
    const { history, progress } = this.#context;
    const { call: current } = progress;
    const calls = history.openCalls();
    const [first, ...others] = calls;
    if (first === undefined || current?.callId !== first.callId)
      throw new Error(`No call "${current?.callId}" waits in the model's input, so the turn can't go on`);
    const { stop } = await this.#abortable(this.#session.started());
    if (stop !== null) {
      await this.#tools.refuseWaiting(current, waiting, stop.runId);
      await this.#answerOpenCalls(`not run: ${stop.reason ?? "a SessionStart hook stopped it"}`);
      return false;
    }
    await this.#keepOutput(first, await this.#tools.goOn(current, waiting));
    for (const call of others) await this.#runTool(call);
    return true;
  }

  /** Whether there is something for the model to answer. */
  async #runUserCommand(command: UserCommand): Promise<boolean> {
    const { history, log, turnId, signal } = this.#context;
    const message = await callUserCommand(this.#context, command);
    const { messages } = this.#session.preface();
    await log.record([history.append(turnId, [...messages, message])]);
    signal.throwIfAborted();
    await this.#abortable(this.#session.userCommandsEnded());
    const steered = this.#session.takeLastSteered();
    if (steered.length === 0) return false;
    // These are the first words of the session perhaps, so SessionStart hooks come before them.
    const { stop } = await this.#abortable(this.#session.started());
    const outcomes: string[] = [];
    for (const input of steered) {
      if (stop === null) outcomes.push(await this.#acceptPrompt(input));
      else await this.#block(input, stop.runId);
    }
    return outcomes.includes("accepted");
  }

  /** What clients and the user's commands have for the model. */
  async #addPending(): Promise<void> {
    const { history, log, turnId } = this.#context;
    const { messages, changes } = this.#session.takePending();
    if (messages.length === 0) return;
    const first = history.isEmpty ? this.#session.preface().messages : [];
    await log.record([history.append(turnId, [...first, ...messages]), ...changes]);
  }

  async #acceptPrompt(
    { input, clientUserMessageId }: TurnInput,
    signal: AbortSignal | null = this.#context.signal,
  ): Promise<"accepted" | "blocked"> {
    const { hooks, settings, turnId, threadId, log, history } = this.#context;
    const own = userParts(input, settings.cwd);
    const prompt = promptText(input);
    const { block, stop, contexts } = await hooks.fire("UserPromptSubmit", { prompt }, signal);
    signal?.throwIfAborted();
    const refusal = stop ?? block;
    if (refusal !== null) {
      await this.#block({ input, clientUserMessageId, outputSchema: null }, refusal.runId);
      return "blocked";
    }
    const { messages, parts } = this.#session.preface();
    const added = contextParts([...this.#session.sessionContexts(), ...contexts]);
    const message: ModelMessage = { role: "user", content: [...parts, ...own, ...added] };
    const atMs = Date.now();
    const item = {
      type: "userMessage" as const,
      id: uuidv7(),
      clientId: clientUserMessageId,
      content: [...input],
      startedAtMs: atMs,
      completedAtMs: atMs,
    };
    const { completedAtMs: _, ...started } = item;
    await log.record(
      [
        history.append(turnId, [...messages, message]),
        { kind: "putItem", turnId, item },
        ...this.#session.previewChange(prompt),
      ],
      [
        { method: "item/started", params: { threadId, turnId, item: started, startedAtMs: atMs } },
        { method: "item/completed", params: { threadId, turnId, item, completedAtMs: atMs, contentTokenCount: null } },
      ],
    );
    this.#session.dropSessionContexts();
    return "accepted";
  }

  /** The model never gets it; the turn keeps it, with the run that refused it. Stored at once: nothing else holds the words. */
  async #block({ input }: TurnInput, hookRunId: string): Promise<void> {
    this.#frame.blockedInput = { content: [...input], hookRunId };
    await this.#context.log.record([this.beginning()]);
  }

  async #acceptSteered(): Promise<void> {
    for (const steered of this.#session.takeSteered()) await this.#acceptPrompt(steered);
  }

  /** Whether the turn has something to go on with. Where nothing came, nothing will: the client is told so, and starts a turn. */
  async #acceptLastSteered(): Promise<boolean> {
    await this.#abortable(this.#session.userCommandsEnded());
    const outcomes: string[] = [];
    for (const steered of this.#session.takeLastSteered()) outcomes.push(await this.#acceptPrompt(steered));
    return outcomes.includes("accepted");
  }

  /** The turn goes on where its question is asked again, and takes these words up then. */
  async #suspend(): Promise<void> {
    this.#frame.untakenInput = await this.#untaken();
    if (this.#frame.untakenInput.length > 0) await this.#context.log.record([this.beginning()]);
  }

  /** An interrupt came before the model was asked again, and nobody would answer. No item is made of the words: by that clients know
   *  that they were not taken up. */
  async #untaken(): Promise<UntakenInput[]> {
    await this.#session.userCommandsEnded();
    const untaken: TurnInput[] = [];
    for (;;) {
      const steered = this.#session.takeLastSteered();
      if (steered.length === 0) break;
      untaken.push(...steered);
    }
    return untaken.map(({ input, clientUserMessageId }) => ({ content: [...input], clientId: clientUserMessageId }));
  }

  /** A failure came before the model was asked again: the words are not lost, the next turn's request has them. Hooks see them as ever,
   *  so what they refuse does not slip in behind a failure. */
  async #keepSteered(): Promise<void> {
    await this.#session.userCommandsEnded();
    for (;;) {
      const steered = this.#session.takeLastSteered();
      if (steered.length === 0) return;
      for (const input of steered) await this.#acceptPrompt(input, null);
    }
  }

  async #addAsyncContexts(): Promise<boolean> {
    const { hooks, history, log, turnId, threadId } = this.#context;
    const { contexts, warnings } = hooks.takeAsyncResults();
    if (contexts.length === 0 && warnings.length === 0) return false;
    const message: ModelMessage = { role: "user", content: contextParts(contexts) };
    await log.record(
      contexts.length === 0 ? [] : [history.append(turnId, [message])],
      warnings.map((text) => ({ method: "warning", params: { threadId, message: text } })),
    );
    return contexts.length > 0;
  }

  async #askModel(): Promise<ModelStep> {
    const { hooks, signal } = this.#context;
    await hooks.fire("PreModelRequest", {}, signal);
    signal.throwIfAborted();
    const step = await this.#stepOfModel();
    await this.#items.closeWhole();
    await this.#keepAnswer(step);
    await hooks.fire(
      "PostModelRequest",
      { status: "completed", error: null, token_usage: hookUsage(step.usage) },
      signal,
    );
    signal.throwIfAborted();
    return step;
  }

  async #stepOfModel(): Promise<ModelStep> {
    const { history, log, mcp, signal, threadId, turnId } = this.#context;
    const tools = [
      ...modelTools,
      ...(this.#context.offersPermissions ? [permissionsTool] : []),
      ...(await mcp.offer(signal)),
    ];
    try {
      return await runModelStep(this.#session.model, {
        prompt: history.messages,
        tools,
        outputSchema: this.#context.progress.outputSchema,
        signal,
        onPart: (part) => this.#items.add(part),
        onRestart: () => this.#items.closePartial(),
        onRetry: (error) => log.record([], [{ method: "error", params: { error, willRetry: true, threadId, turnId } }]),
      });
    } catch (error) {
      await this.#items.closePartial();
      await this.#reportModelFailure(error);
      throw error;
    }
  }

  async #keepAnswer({ message, toolCalls, usage }: ModelStep): Promise<void> {
    const { history, log, threadId, turnId } = this.#context;
    const tokenUsage = this.#session.addUsage(usage);
    const texts = typeof message.content === "string" ? [] : message.content;
    const { progress } = this.#context;
    progress.lastText =
      texts.findLast((part) => part.type === "text")?.text ?? (toolCalls.length > 0 ? progress.lastText : null);
    const kept = message.content.length === 0 ? [] : [history.append(turnId, [message])];
    await log.record(
      [...kept, { kind: "updateThread", patch: { tokenUsage } }],
      [{ method: "thread/tokenUsage/updated", params: { threadId, turnId, tokenUsage } }],
    );
  }

  /** On an interrupt it has to run although the turn's signal is aborted. */
  async #reportModelFailure(error: unknown): Promise<void> {
    const { hooks, signal } = this.#context;
    const status = signal.aborted ? "cancelled" : "failed";
    const message = error instanceof Error ? error.message : String(error);
    await hooks.fire("PostModelRequest", { status, error: message, token_usage: null }, signal.aborted ? null : signal);
  }

  async #runTool(call: ModelStep["toolCalls"][number]): Promise<void> {
    this.#context.signal.throwIfAborted();
    await this.#keepOutput(call, await this.#tools.run(call));
  }

  /** A question that nobody has to answer any more goes in the same step. */
  async #keepOutput(call: ModelStep["toolCalls"][number], text: string): Promise<void> {
    const { history, log, turnId, signal } = this.#context;
    // Who takes the turn up has this call to answer.
    if (isSuspended(signal)) signal.throwIfAborted();
    await log.record([history.append(turnId, [toolMessage(call, text)]), ...this.#questionsGone()]);
    signal.throwIfAborted();
  }

  #questionsGone(): StoreChange[] {
    return (this.#waiting?.questions ?? []).map(({ id }) => ({ kind: "dropApproval", approvalId: id }));
  }

  /** Whether there is one more round, and why. */
  async #goesOn(): Promise<boolean> {
    const { hooks, signal, history, log, turnId, progress } = this.#context;
    const stop = await hooks.fire(
      "Stop",
      { stop_hook_active: progress.rounds > 0, last_assistant_message: progress.lastText },
      signal,
    );
    signal.throwIfAborted();
    if (stop.continuation.length > 0 && progress.rounds < this.#session.maxStopBlocks) {
      progress.rounds += 1;
      await log.record([history.append(turnId, [continuationMessage(stop.continuation)])]);
      return true;
    }
    // What an async hook found out meanwhile is worth one more round, but not endlessly many.
    if (progress.rounds < this.#session.maxStopBlocks && (await this.#addAsyncContexts())) {
      progress.rounds += 1;
      return true;
    }
    return await this.#acceptLastSteered();
  }

  async #interrupted(): Promise<Ending> {
    await this.#answerOpenCalls("aborted by user");
    await this.#context.hooks.fire("Interrupt", {}, null);
    return { status: "interrupted", error: null };
  }

  /** No provider takes a history with calls that have no output, so without this the thread could not be used any more. */
  async #answerOpenCalls(text: string): Promise<void> {
    const { history, log, turnId } = this.#context;
    const messages = history.openCalls().map((call) => toolMessage(call, text));
    if (messages.length > 0) await log.record([history.append(turnId, messages), ...this.#questionsGone()]);
  }

  async #abortable<T>(pending: Promise<T>): Promise<T> {
    const { signal } = this.#context;
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(new Interrupted());
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    try {
      return await Promise.race([pending, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      aborted.promise.catch(() => {}); // lost the race
    }
  }
}

function lastMessageOf({ turn }: WaitingTurn): AgentMessageItem | null {
  return turn.items.findLast((item) => item.type === "agentMessage") ?? null;
}

function hookUsage(usage: TokenUsageBreakdown): NonNullable<HookInputs["PostModelRequest"]["token_usage"]> {
  return {
    input_tokens: usage.inputTokens,
    cached_input_tokens: usage.cachedInputTokens,
    cache_write_input_tokens: usage.cacheWriteInputTokens,
    output_tokens: usage.outputTokens,
    reasoning_output_tokens: usage.reasoningOutputTokens,
    total_tokens: usage.totalTokens,
  };
}
