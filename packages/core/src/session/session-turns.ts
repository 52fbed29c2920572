/** Makes the turns of a session: what each gets of it, and the model. */
import type { Text } from "@sallyport/protocol";
import type { ApprovalBook } from "@sallyport/rules-store";
import type { ThreadServers } from "../mcp/thread-servers.ts";
import { createModel } from "../models/create-model.ts";
import type { Model } from "../models/model.ts";
import { CompactTurn } from "../turns/compact-turn.ts";
import type { History } from "../turns/history.ts";
import type { ItemIds } from "../turns/item-ids.ts";
import { surroundingsText, systemMessage } from "../turns/prompt.ts";
import type { TurnContext } from "../turns/turn-context.ts";
import { TurnHooks } from "../turns/turn-hooks.ts";
import type { TurnProgress } from "../turns/turn-progress.ts";
import { Turn } from "../turns/turn.ts";
import type { TurnInput, TurnSession } from "../turns/turn.ts";
import type { Approvals } from "./approvals.ts";
import { PermissionGrants, offersPermissions } from "./permission-grants.ts";
import type { RunningTurn } from "./running-turn.ts";
import type { SessionConfig, SessionHooks } from "./session-hooks.ts";
import type { SessionSettings } from "./session-settings.ts";
import { stopLimit } from "./stop-limit.ts";
import type { ThreadLog } from "./thread-log.ts";
import type { ThreadRules } from "./thread-rules.ts";
import type { ThreadState } from "./thread-state.ts";
import type { WaitingTurn } from "./waiting-turn.ts";

export interface TurnParts {
  threadId: string;
  log: ThreadLog;
  state: ThreadState;
  history: History;
  hooks: SessionHooks;
  mcp: ThreadServers;
  approvals: Approvals;
  rules: ThreadRules;
  keptApprovals: ApprovalBook;
  itemIds: ItemIds;
  /** As it counts now. */
  config(): SessionConfig;
  /** Of this process. */
  env: NodeJS.ProcessEnv;
  commandEnv(config: SessionConfig): Text[];
  shell: string;
  home: string;
  canAsk: boolean;
}

export class SessionTurns {
  readonly #parts: TurnParts;
  readonly #grants = new PermissionGrants();
  #model: { key: string; model: Model } | null = null;
  #wasCompacted = false;

  constructor(parts: TurnParts) {
    this.#parts = parts;
  }

  work(
    running: RunningTurn,
    model: Model,
    { input, progress, waiting }: { input: TurnInput; progress: TurnProgress; waiting: WaitingTurn | null },
  ): Turn {
    const limit = stopLimit(this.#parts.config().hooks.settings.maxStopBlocks, () => progress.rounds);
    const context = this.#contextOf(running, { limit, progress });
    return new Turn(context, this.#turnSession(running, model), input, waiting);
  }

  compaction(running: RunningTurn, model: Model): CompactTurn {
    const context = this.#contextOf(running, { limit: (run) => run, progress: newProgress(null) });
    return new CompactTurn(context, this.#turnSession(running, model));
  }

  /** Whether a turn since the last call has put a summary in the place of the model's input. */
  takeCompacted(): boolean {
    const was = this.#wasCompacted;
    this.#wasCompacted = false;
    return was;
  }

  /** Kept as long as the choice is the same: a script goes on where it was, and connections stay open. */
  modelFor(settings: SessionSettings): Model {
    const key = JSON.stringify(settings.model);
    if (this.#model?.key === key) return this.#model.model;
    const { env, threadId } = this.#parts;
    const model = createModel(settings.model, { env, cwd: settings.cwd, threadId });
    this.#model = { key, model };
    return model;
  }

  modelOrNull(settings: SessionSettings): Model | null {
    try {
      return this.modelFor(settings);
    } catch {
      return null; // whoever starts the next turn hears of that
    }
  }

  #contextOf(
    running: RunningTurn,
    { limit, progress }: { limit: Parameters<SessionHooks["turnObserver"]>[0]; progress: TurnProgress },
  ): TurnContext {
    const { threadId, log, history, approvals, keptApprovals, itemIds, mcp, shell, home, canAsk } = this.#parts;
    const { state, rules, hooks: sessionHooks } = this.#parts;
    const config = this.#parts.config();
    const hooks = new TurnHooks({
      session: sessionHooks.session,
      around: () => state.surroundings,
      turnId: running.id,
      observer: sessionHooks.turnObserver(limit),
      has: (event) => this.#parts.config().hooks.handlers.some((hook) => hook.event === event && hook.skipped === null),
      mayEscalate: config.hooks.settings.mayEscalate,
    });
    const context: TurnContext = {
      threadId,
      turnId: running.id,
      log,
      history,
      hooks,
      settings: state.settings,
      approvals,
      rules: () => rules.runOptions(this.#parts.config()),
      keptApprovals,
      canAsk,
      grants: this.#grants,
      offersPermissions: offersPermissions(config.config),
      itemIds,
      progress,
      mcp,
      shell,
      env: this.#parts.commandEnv(config),
      home,
      signal: running.abort.signal,
      interrupt: () => running.interrupt(),
    };
    running.context = context;
    return context;
  }

  #turnSession(running: RunningTurn, model: Model): TurnSession {
    const { hooks, state } = this.#parts;
    return {
      model,
      maxStopBlocks: this.#parts.config().hooks.settings.maxStopBlocks,
      started: () => hooks.takeStart(),
      sessionContexts: () => hooks.contexts,
      dropSessionContexts: () => hooks.dropContexts(),
      preface: () => this.#preface(),
      freshPreface: () => {
        this.#wasCompacted = true;
        return { messages: [systemMessage(state.settings)] };
      },
      takePending: () => state.takePending(),
      completing: () => {
        running.isCompleting = true;
      },
      takeSteered: () => running.takeSteered(),
      takeLastSteered: () => running.takeLastSteered(),
      userCommandsEnded: () => running.userCommandsEnded(),
      addUsage: (last) => state.addUsage(last, model.contextWindow),
      previewChange: (text) => state.previewChange(text),
      statusChange: (type) => state.changeStatus(type === "active" ? { type, activeFlags: [] } : { type }),
      hookRuns: () => hooks.runsOf(running.id),
      unreadChange: () => state.unreadFrom(running.id),
    };
  }

  #preface(): ReturnType<TurnSession["preface"]> {
    const { history, state } = this.#parts;
    if (history.isEmpty) return { messages: [systemMessage(state.settings)], parts: [] };
    const text = surroundingsText(state.settings);
    return { messages: [], parts: history.lastSurroundingsAre(text) ? [] : [{ type: "text", text }] };
  }
}

export function newProgress(outputSchema: unknown): TurnProgress {
  return { outputSchema, rounds: 0, lastText: null, granted: [], call: null };
}
