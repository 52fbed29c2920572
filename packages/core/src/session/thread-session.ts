/** A loaded thread: takes input, runs one turn at a time, tells its listeners what happens. */
import type {
  RequestId,
  ServerNotification,
  Text,
  ThreadStatus,
  ThreadTokenUsage,
  TokenUsageBreakdown,
  Turn as WireTurn,
} from "@sallyport/protocol";
import { SallyportError } from "@sallyport/supervisor";
import { v7 as uuidv7 } from "uuid";
import { createModel } from "../models/create-model.ts";
import type { Model } from "../models/model.ts";
import type { StoreChange, StoredThread, ThreadStore } from "../store/index.ts";
import { History, toolMessage } from "../turns/history.ts";
import { ItemIds } from "../turns/item-ids.ts";
import { surroundingsText, systemMessage, userParts } from "../turns/prompt.ts";
import { Interrupted } from "../turns/turn-context.ts";
import type { TurnContext } from "../turns/turn-context.ts";
import { TurnHooks } from "../turns/turn-hooks.ts";
import type { HookSurroundings } from "../turns/turn-hooks.ts";
import { Turn } from "../turns/turn.ts";
import type { TurnInput, TurnSession } from "../turns/turn.ts";
import { Approvals } from "./approvals.ts";
import type { ApprovalDecision, ApprovalRequest } from "./approvals.ts";
import { SessionHooks, configWarnings } from "./session-hooks.ts";
import type { HookSetup, SessionConfig } from "./session-hooks.ts";
import { changeSettings, storedSettings } from "./session-settings.ts";
import type { SessionSettings, SettingsOverrides } from "./session-settings.ts";
import { stopLimit } from "./stop-limit.ts";
import { ThreadLog } from "./thread-log.ts";
import type { ThreadListener } from "./thread-log.ts";

export type SessionSource = "startup" | "resume" | "clear" | "fork" | "compact";

export interface SessionOptions extends HookSetup {
  store: ThreadStore;
  thread: StoredThread;
  settings: SessionSettings;
  config: SessionConfig;
  source: SessionSource;
  /** NAME=value entries that commands get under a configuration. */
  commandEnv(config: SessionConfig): Text[];
  shell: string;
  canAsk: boolean;
  nextRequestId(): RequestId;
}

export interface StartTurnOptions extends SettingsOverrides {
  input: TurnInput["input"];
  clientUserMessageId?: string | null;
  outputSchema?: unknown;
}

export interface SessionListener {
  /** Everything that is announced, in order; stored before. */
  event?: ThreadListener;
  /** A question that waits for `answerApproval()`. */
  request?(request: ApprovalRequest): void;
  /** Something could not be stored: the turn ends without being completed, and the thread should be closed. */
  failed?(error: unknown): void;
}

interface RunningTurn {
  id: string;
  abort: AbortController;
  steered: TurnInput[];
  /** All is done but to say so. */
  isCompleting: boolean;
  ended: Promise<void>;
}

const noUsage: TokenUsageBreakdown = {
  totalTokens: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteInputTokens: 0,
  outputTokens: 0,
  reasoningOutputTokens: 0,
};

export class ThreadSession {
  readonly id: string;
  readonly #options: SessionOptions;
  readonly #log: ThreadLog;
  readonly #hooks: SessionHooks;
  readonly #approvals: Approvals;
  readonly #history: History;
  readonly #itemIds = new ItemIds();
  readonly #failureListeners = new Set<(error: unknown) => void>();
  #thread: StoredThread;
  #settings: SessionSettings;
  #config: SessionConfig;
  #status: ThreadStatus = { type: "idle" };
  #model: { key: string; model: Model } | null = null;
  #turn: RunningTurn | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: SessionOptions, history: History, lastTurnId: string | null) {
    this.#options = options;
    this.id = options.thread.id;
    this.#thread = options.thread;
    this.#settings = options.settings;
    this.#config = options.config;
    this.#history = history;
    this.#log = new ThreadLog(options.store, this.id);
    this.#hooks = new SessionHooks(options, {
      threadId: this.id,
      log: this.#log,
      around: () => this.#surroundings(),
      config: options.config,
      lastTurnId,
    });
    this.#approvals = new Approvals({
      threadId: this.id,
      log: this.#log,
      nextRequestId: () => options.nextRequestId(),
      onFlags: (activeFlags) => this.#changeStatus({ type: "active", activeFlags }),
    });
  }

  /** The thread is held for writing. Its hooks begin with the next turn of the event loop, so that whoever opened it can listen. */
  static async open(options: SessionOptions): Promise<ThreadSession> {
    const { store, thread, source } = options;
    const isNew = source === "startup" || source === "clear";
    const history = isNew ? History.empty() : await History.load(store, thread.id);
    const last = isNew ? null : await store.listTurns(thread.id, { limit: 1, itemsView: "notLoaded" });
    const session = new ThreadSession(options, history, last?.data[0]?.id ?? null);
    if (last?.data[0] !== undefined) await session.#repairHistory(last.data[0].id);
    setImmediate(() => session.#begin());
    return session;
  }

  get thread(): StoredThread {
    return this.#thread;
  }

  get settings(): SessionSettings {
    return this.#settings;
  }

  get status(): ThreadStatus {
    return this.#status;
  }

  get activeTurnId(): string | null {
    return this.#turn?.id ?? null;
  }

  /** Questions that wait; whoever listens from now on has to be shown these too. */
  get waitingApprovals(): ApprovalRequest[] {
    return this.#approvals.waiting;
  }

  subscribe(listener: SessionListener): () => void {
    const ends = [
      listener.event === undefined ? null : this.#log.subscribe(listener.event),
      listener.request === undefined ? null : this.#approvals.subscribe((request) => listener.request?.(request)),
    ];
    const onFailure = (error: unknown): void => listener.failed?.(error);
    this.#failureListeners.add(onFailure);
    return () => {
      for (const end of ends) end?.();
      this.#failureListeners.delete(onFailure);
    };
  }

  /** Stores a turn and gives it back as it begins; what happens in it comes as events, the first one with the next turn of the event
   *  loop. Throws `TURN_ACTIVE`, `THREAD_CLOSED`, `INPUT_REFUSED`, and what a model that can't be made throws. */
  async startTurn({ input, clientUserMessageId, outputSchema, ...overrides }: StartTurnOptions): Promise<WireTurn> {
    // Whoever hears `turn/completed` may start the next one at once.
    if (this.#turn?.isCompleting === true) await this.#turn.ended;
    this.#refuseClosed();
    if (this.#turn !== null) {
      const { id } = this.#turn;
      throw new SallyportError(
        "TURN_ACTIVE",
        `Turn "${id}" still runs, expected it to have ended; steer or interrupt it`,
        {
          data: { turnId: id },
        },
      );
    }
    const settings = changeSettings(this.#settings, this.#config.config, overrides);
    userParts(input, settings.cwd);
    const model = this.#modelFor(settings);
    const turnInput = { input, clientUserMessageId: clientUserMessageId ?? null, outputSchema: outputSchema ?? null };
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const running: RunningTurn = {
      id: uuidv7(),
      abort: new AbortController(),
      steered: [],
      isCompleting: false,
      ended,
    };
    this.#turn = running; // before the first await, so that a second call finds it
    this.#settings = settings;
    this.#hooks.beginTurn(running.id);
    const turn = this.#makeTurn(running, model, turnInput);
    try {
      await this.#log.record([turn.beginning(), this.#settingsChange()]);
    } catch (error) {
      this.#endTurn();
      end();
      throw error;
    }
    setImmediate(() => void this.#run(turn).finally(end));
    return begunTurn(running.id);
  }

  /** Gives the running turn more input; it is taken up before the next request to the model. Throws `TURN_MISMATCH`. */
  steerTurn(turnId: string, input: TurnInput["input"], clientUserMessageId: string | null = null): void {
    const running = this.#requireTurn(turnId);
    userParts(input, this.#settings.cwd);
    running.steered.push({ input, clientUserMessageId, outputSchema: null });
  }

  /** Resolves at once; `turn/completed` tells when everything has ended. Throws `TURN_MISMATCH`. */
  interrupt(turnId: string): void {
    const running = this.#requireTurn(turnId);
    running.abort.abort(new Interrupted());
    this.#hooks.interruptStart();
  }

  /** Throws `APPROVAL_UNKNOWN`. */
  answerApproval(requestId: RequestId, decision: ApprovalDecision): void {
    this.#approvals.answer(requestId, decision);
  }

  /** The client's answer could not be understood: refuses. */
  failApproval(requestId: RequestId, why: string): void {
    this.#approvals.fail(requestId, why);
  }

  /** Resolves when no turn runs. */
  async idle(): Promise<void> {
    await this.#turn?.ended;
    await this.#log.settled();
  }

  /** Takes up a changed configuration: hooks from the next firing on, the rest with what is asked for next. */
  reload(config: SessionConfig): void {
    this.#config = config;
    this.#hooks.reload(config);
  }

  /** Interrupts a running turn, fires SessionEnd, and lets others write the thread. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      this.#turn?.abort.abort(new Interrupted());
      await this.idle();
      await this.#hooks.close();
      await this.#log.settled();
    } finally {
      await this.#options.store.releaseThread(this.id);
    }
  }

  #begin(): void {
    if (this.#closing !== null) return;
    const warnings = configWarnings(this.#config).map((message): ServerNotification => ({
      method: "warning",
      params: { threadId: this.id, message },
    }));
    const told = warnings.length === 0 ? Promise.resolve() : this.#log.record([], warnings);
    told.catch((error: unknown) => this.#fail(error));
    this.#hooks.start(this.#options.source).catch((error: unknown) => this.#fail(error));
  }

  /** A server that died left calls without an output; no provider takes such a history. */
  async #repairHistory(turnId: string): Promise<void> {
    const open = this.#history.openCalls();
    if (open.length === 0) return;
    const messages = open.map((call) => toolMessage(call, "interrupted: the server ended while the tool ran"));
    await this.#log.record([this.#history.append(turnId, messages)]);
  }

  async #run(turn: Turn): Promise<void> {
    try {
      await turn.run();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#endTurn();
    }
  }

  #endTurn(): void {
    this.#turn = null;
    this.#hooks.endTurn();
  }

  #fail(error: unknown): void {
    this.#status = { type: "systemError" };
    for (const listener of this.#failureListeners) listener(error);
  }

  #makeTurn(running: RunningTurn, model: Model, input: TurnInput): Turn {
    const limit = stopLimit(this.#config.hooks.settings.maxStopBlocks, () => turn.stopBlocks);
    const context = this.#contextOf(running, limit);
    const turn = new Turn(context, this.#turnSession(running, model), input);
    return turn;
  }

  #contextOf(running: RunningTurn, limit: Parameters<SessionHooks["turnObserver"]>[0]): TurnContext {
    const { shell, home, canAsk } = this.#options;
    const hooks = new TurnHooks({
      session: this.#hooks.session,
      around: () => this.#surroundings(),
      turnId: running.id,
      observer: this.#hooks.turnObserver(limit),
      has: (event) => this.#config.hooks.handlers.some((hook) => hook.event === event && hook.skipped === null),
    });
    return {
      threadId: this.id,
      turnId: running.id,
      log: this.#log,
      history: this.#history,
      hooks,
      settings: this.#settings,
      approvals: this.#approvals,
      canAsk,
      itemIds: this.#itemIds,
      shell,
      env: this.#options.commandEnv(this.#config),
      home,
      signal: running.abort.signal,
      interrupt: () => running.abort.abort(new Interrupted()),
    };
  }

  #turnSession(running: RunningTurn, model: Model): TurnSession {
    return {
      model,
      maxStopBlocks: this.#config.hooks.settings.maxStopBlocks,
      started: () => this.#hooks.takeStart(),
      sessionContexts: () => this.#hooks.contexts,
      dropSessionContexts: () => this.#hooks.dropContexts(),
      preface: () => this.#preface(),
      completing: () => {
        running.isCompleting = true;
      },
      takeSteered: () => running.steered.splice(0),
      addUsage: (last) => this.#addUsage(last, model),
      previewChange: (text) => this.#previewChange(text),
      statusChange: (type) => this.#changeStatus(type === "active" ? { type, activeFlags: [] } : { type }),
      hookRuns: () => this.#hooks.runsOf(running.id),
    };
  }

  #preface(): ReturnType<TurnSession["preface"]> {
    if (this.#history.isEmpty) return { messages: [systemMessage(this.#settings)], parts: [] };
    const text = surroundingsText(this.#settings);
    return { messages: [], parts: this.#history.lastSurroundingsAre(text) ? [] : [{ type: "text", text }] };
  }

  #addUsage(last: TokenUsageBreakdown, model: Model): ThreadTokenUsage {
    const before = this.#thread.tokenUsage?.total ?? noUsage;
    const total = Object.fromEntries(
      Object.entries(last).map(([key, value]) => [key, value + before[key as keyof TokenUsageBreakdown]]),
    ) as TokenUsageBreakdown; // has the keys of `last`
    const tokenUsage = { total, last, modelContextWindow: model.contextWindow };
    this.#thread = { ...this.#thread, tokenUsage };
    return tokenUsage;
  }

  #previewChange(text: string): StoreChange[] {
    if (this.#thread.preview !== "" || text === "") return [];
    this.#thread = { ...this.#thread, preview: text };
    return [{ kind: "updateThread", patch: { preview: text } }];
  }

  #settingsChange(): StoreChange {
    const { cwd, model } = this.#settings;
    const patch = {
      cwd,
      model: model.model,
      modelProvider: model.provider.id,
      reasoningEffort: model.reasoningEffort,
      settings: storedSettings(this.#settings),
    };
    this.#thread = { ...this.#thread, ...patch };
    return { kind: "updateThread", patch };
  }

  #changeStatus(status: ThreadStatus): ServerNotification {
    this.#status = status;
    return { method: "thread/status/changed", params: { threadId: this.id, status } };
  }

  /** Kept as long as the choice is the same: a script goes on where it was, and connections stay open. */
  #modelFor(settings: SessionSettings): Model {
    const key = JSON.stringify(settings.model);
    if (this.#model?.key === key) return this.#model.model;
    const { env } = this.#options;
    const model = createModel(settings.model, { env, cwd: settings.cwd, threadId: this.id });
    this.#model = { key, model };
    return model;
  }

  #surroundings(): HookSurroundings {
    const { cwd, model, approvalPolicy } = this.#settings;
    return { threadId: this.id, transcriptPath: this.#thread.path, cwd, model: model.model, approvalPolicy };
  }

  #requireTurn(turnId: string): RunningTurn {
    const running = this.#turn;
    if (running?.id === turnId) return running;
    const found = running === null ? "no turn runs" : `the running turn is "${running.id}"`;
    throw new SallyportError("TURN_MISMATCH", `Turn "${turnId}" is not the running one: ${found}`, {
      data: { turnId, activeTurnId: running?.id ?? null },
    });
  }

  #refuseClosed(): void {
    if (this.#closing === null) return;
    throw new SallyportError("THREAD_CLOSED", `Thread "${this.id}" is closed, expected a loaded one; resume it`, {
      data: { threadId: this.id },
    });
  }
}

function begunTurn(id: string): WireTurn {
  return {
    id,
    rootTurnId: id,
    items: [],
    itemsView: "notLoaded",
    status: "inProgress",
    error: null,
    startedAt: null,
    completedAt: null,
    durationMs: null,
    hookRuns: [],
  };
}
