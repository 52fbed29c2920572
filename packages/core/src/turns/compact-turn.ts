/** A turn that puts a summary in the place of the model's input, so that a long thread fits its context window again.
 *
 *      PreCompact ---------------- stop: nothing is changed
 *      contextCompaction started
 *        request: the whole input, and the wish for a summary
 *      the input is replaced, contextCompaction completed        one step: all of it or nothing
 *      PostCompact
 *
 *  Turns and items stay, and so do the old messages in the store: a revert to before this turn brings them back. */
import type { ContextCompactionItem } from "@sallyport/protocol";
import { v7 as uuidv7 } from "uuid";
import { ModelFailure } from "../models/model-failure.ts";
import { runModelStep } from "../models/model-step.ts";
import type { ModelStep } from "../models/step-answer.ts";
import type { StoreChange } from "../store/index.ts";
import { modelTools, permissionsTool } from "../tools/tool-definitions.ts";
import { summaryMessage, summaryRequest } from "./prompt.ts";
import type { TurnContext } from "./turn-context.ts";
import { TurnFrame } from "./turn-frame.ts";
import type { Ending } from "./turn-frame.ts";
import type { TurnSession } from "./turn.ts";

export class CompactTurn {
  readonly #context: TurnContext;
  readonly #session: TurnSession;
  readonly #frame: TurnFrame;

  constructor(context: TurnContext, session: TurnSession) {
    this.#context = context;
    this.#session = session;
    this.#frame = new TurnFrame(context, session, null);
  }

  beginning(): StoreChange {
    return this.#frame.beginning();
  }

  /** Resolves when the turn is completed. Rejects only when something could not be stored. */
  async run(): Promise<void> {
    await this.#frame.begin();
    await this.#frame.complete(await this.#workToEnd(), null);
  }

  async #workToEnd(): Promise<Ending> {
    const { hooks, signal } = this.#context;
    try {
      await this.#work();
      return { status: "completed", error: null };
    } catch (error) {
      if (signal.aborted) {
        await hooks.fire("Interrupt", {}, null);
        return { status: "interrupted", error: null };
      }
      if (error instanceof ModelFailure) return { status: "failed", error: error.turnError };
      const message = error instanceof Error ? error.message : String(error);
      return { status: "failed", error: { message, codexErrorInfo: "other", additionalDetails: null } };
    }
  }

  async #work(): Promise<void> {
    const { hooks, signal } = this.#context;
    const { stop } = await hooks.fire("PreCompact", { trigger: "manual" }, signal);
    signal.throwIfAborted();
    if (stop !== null) return;
    const item = { type: "contextCompaction" as const, id: uuidv7(), startedAtMs: Date.now() };
    await this.#start(item);
    try {
      await this.#replace(item, await this.#askForSummary());
    } catch (error) {
      await this.#complete(item, []);
      throw error;
    }
    await hooks.fire("PostCompact", { trigger: "manual" }, signal);
  }

  async #askForSummary(): Promise<ModelStep> {
    const { history, log, signal, threadId, turnId } = this.#context;
    return await runModelStep(this.#session.model, {
      prompt: [...history.messages, summaryRequest],
      // Some providers refuse an input with calls of tools that are not declared. A call in the answer is not run.
      tools: [...modelTools, ...(this.#context.offersPermissions ? [permissionsTool] : [])],
      outputSchema: null,
      signal,
      onPart: () => Promise.resolve(),
      onRestart: () => Promise.resolve(),
      onRetry: (error) => log.record([], [{ method: "error", params: { error, willRetry: true, threadId, turnId } }]),
    });
  }

  async #replace(item: ContextCompactionItem, { message, usage }: ModelStep): Promise<void> {
    const { history, turnId } = this.#context;
    const summary = message.content
      .flatMap((part) => (part.type === "text" ? [part.text] : []))
      .join("\n")
      .trim();
    // Fails closed because an empty summary would lose everything that was said.
    if (summary === "") throw new Error("The model gave no summary, so its input stays as it is");
    const tokenUsage = this.#session.addUsage(usage);
    const { messages } = this.#session.freshPreface();
    const replaced = history.replace(turnId, [...messages, summaryMessage(summary)]);
    await this.#complete(item, [replaced, { kind: "updateThread", patch: { tokenUsage } }]);
    const { log, threadId } = this.#context;
    await log.record([], [{ method: "thread/tokenUsage/updated", params: { threadId, turnId, tokenUsage } }]);
  }

  #start(item: ContextCompactionItem & { startedAtMs: number }): Promise<void> {
    const { threadId, turnId, log } = this.#context;
    const { startedAtMs } = item;
    return log.record(
      [{ kind: "putItem", turnId, item }],
      [{ method: "item/started", params: { threadId, turnId, item, startedAtMs } }],
    );
  }

  #complete(started: ContextCompactionItem, changes: readonly StoreChange[]): Promise<void> {
    const { threadId, turnId, log } = this.#context;
    const completedAtMs = Date.now();
    const item = { ...started, completedAtMs };
    return log.record(
      [...changes, { kind: "putItem", turnId, item }],
      [{ method: "item/completed", params: { threadId, turnId, item, completedAtMs, contentTokenCount: null } }],
    );
  }
}
