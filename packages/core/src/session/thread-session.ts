/** A loaded thread: takes input, runs one turn at a time, tells its listeners what happens. */
import type {
  McpServerStatus,
  RequestId,
  ServerNotification,
  Text,
  ThreadReadState,
  ThreadReadStateOperation,
  ThreadStatus,
  ThreadTokenUsage,
  TokenUsageBreakdown,
  Turn as WireTurn,
  UntakenInput,
} from "@sallyport/protocol";
import { openApprovals } from "@sallyport/rules-store";
import type { ApprovalBook } from "@sallyport/rules-store";
import { SallyportError } from "@sallyport/supervisor";
import { v7 as uuidv7 } from "uuid";
import { callForHook } from "../mcp/hook-calls.ts";
import type { McpPool } from "../mcp/server-pool.ts";
import { ThreadServers } from "../mcp/thread-servers.ts";
import { createModel } from "../models/create-model.ts";
import type { Model, ModelMessage } from "../models/model.ts";
import type { JsonValue, StoreChange, StoredThread, ThreadPatch, ThreadStore } from "../store/index.ts";
import { CompactTurn } from "../turns/compact-turn.ts";
import { History, toolMessage } from "../turns/history.ts";
import { ItemIds } from "../turns/item-ids.ts";
import { surroundingsText, systemMessage, userParts } from "../turns/prompt.ts";
import { Suspended } from "../turns/suspended.ts";
import { Interrupted } from "../turns/turn-context.ts";
import type { TurnContext } from "../turns/turn-context.ts";
import { TurnHooks } from "../turns/turn-hooks.ts";
import type { TurnProgress } from "../turns/turn-progress.ts";
import type { HookSurroundings } from "../turns/turn-hooks.ts";
import { Turn } from "../turns/turn.ts";
import type { TurnInput, TurnSession } from "../turns/turn.ts";
import { callUserCommand } from "../turns/user-command-call.ts";
import type { UserCommand } from "../turns/user-command-call.ts";
import { Approvals } from "./approvals.ts";
import type { ApprovalDecision, ApprovalRequest } from "./approvals.ts";
import { PermissionGrants, offersPermissions } from "./permission-grants.ts";
import { afterRevert, afterTurn, marked } from "./read-state.ts";
import { SessionHooks, configWarnings } from "./session-hooks.ts";
import type { HookSetup, SessionConfig } from "./session-hooks.ts";
import { changeSettings, storedSettings } from "./session-settings.ts";
import type { SessionSettings, SettingsOverrides } from "./session-settings.ts";
import { stopLimit } from "./stop-limit.ts";
import { ThreadRules } from "./thread-rules.ts";
import { interruptWaitingTurn, readWaitingTurn } from "./waiting-turn.ts";
import type { WaitingTurn } from "./waiting-turn.ts";
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
  mcpPool: McpPool;
  canAsk: boolean;
  answerWithinMs: number;
  nextRequestId(): RequestId;
}

/** `suspend`: a question that waits goes on waiting in the store, and its turn with it. */
export type SessionEnding = "interrupt" | "suspend";

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

/** What every kind of turn can do. */
interface RunnableTurn {
  beginning(): StoreChange;
  run(): Promise<void>;
}

interface RunningTurn {
  id: string;
  kind: "work" | "compact";
  abort: AbortController;
  steered: TurnInput[];
  /** Nothing more is taken up in this turn. */
  takesNoMore: boolean;
  /** Commands that the user typed while it ran. */
  userCommands: Set<Promise<void>>;
  /** What those commands run in; null until the turn is made. */
  context: TurnContext | null;
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
  readonly #mcp: ThreadServers;
  readonly #approvals: Approvals;
  readonly #rules: ThreadRules;
  readonly #keptApprovals: ApprovalBook;
  readonly #history: History;
  readonly #itemIds = new ItemIds();
  readonly #grants = new PermissionGrants();
  readonly #failureListeners = new Set<(error: unknown) => void>();
  #thread: StoredThread;
  #settings: SessionSettings;
  #config: SessionConfig;
  #status: ThreadStatus = { type: "idle" };
  #model: { key: string; model: Model } | null = null;
  #turn: RunningTurn | null = null;
  #closing: Promise<void> | null = null;
  #reverting: Promise<void> | null = null;
  /** By the turn that runs. */
  #wasCompacted = false;
  /** For the model, before its next request; stored with the thread. */
  #pending: JsonValue[];

  private constructor(options: SessionOptions, history: History, lastTurnId: string | null) {
    this.#options = options;
    this.id = options.thread.id;
    this.#thread = options.thread;
    this.#settings = options.settings;
    this.#config = options.config;
    this.#history = history;
    this.#pending = pendingOf(options.thread);
    this.#log = new ThreadLog(options.store, this.id);
    this.#mcp = new ThreadServers({
      pool: options.mcpPool,
      threadId: this.id,
      cwd: options.settings.cwd,
      tell: (notifications) => this.#log.record([], notifications),
    });
    this.#hooks = new SessionHooks(options, {
      threadId: this.id,
      log: this.#log,
      around: () => this.#surroundings(),
      config: options.config,
      lastTurnId,
      callMcpTool: callForHook(this.#mcp),
    });
    const onWarning = (message: string): void => {
      const warning: ServerNotification = { method: "warning", params: { threadId: this.id, message } };
      this.#log.record([], [warning]).catch((error: unknown) => this.#fail(error));
    };
    this.#rules = new ThreadRules(options.home, onWarning);
    this.#keptApprovals = openApprovals({ home: options.home, onWarning });
    this.#approvals = new Approvals({
      threadId: this.id,
      log: this.#log,
      nextRequestId: () => options.nextRequestId(),
      onFlags: (activeFlags) => this.#changeStatus({ type: "active", activeFlags }),
      answerWithinMs: options.answerWithinMs,
    });
  }

  /** The thread is held for writing. Its hooks begin with the next turn of the event loop, so that whoever opened it can listen. */
  static async open(options: SessionOptions): Promise<ThreadSession> {
    const { store, thread, source } = options;
    const isNew = source === "startup" || source === "clear";
    const history = isNew ? History.empty() : await History.load(store, thread.id);
    const last = isNew ? null : await store.listTurns(thread.id, { limit: 1, itemsView: "notLoaded" });
    const session = new ThreadSession(options, history, last?.data[0]?.id ?? null);
    const waiting = isNew ? null : await readWaitingTurn(store, thread.id);
    const goesOn = waiting === null ? null : await session.#takeUp(waiting);
    if (goesOn === null && last?.data[0] !== undefined) await session.#repairHistory(last.data[0].id);
    setImmediate(() => {
      session.#begin();
      goesOn?.();
    });
    return session;
  }

  /** What lets a turn of an earlier server go on from its question; null: it can't, and is interrupted. */
  async #takeUp(waiting: WaitingTurn): Promise<(() => void) | null> {
    const { store, canAsk } = this.#options;
    const model = canAsk ? this.#modelOrNull() : null;
    const progress = waiting.questions[0]?.body.progress;
    if (model === null || progress === undefined) {
      await interruptWaitingTurn(store, this.id, waiting);
      return null;
    }
    const { turn, questions } = waiting;
    const { running, end } = newRunningTurn(turn.id, "work");
    running.steered.push(...(turn.untakenInput ?? []).map(steeredAgain));
    this.#turn = running;
    this.#status = { type: "active", activeFlags: ["waitingOnApproval"] };
    this.#itemIds.reserve(turn.items.map(({ id }) => id));
    this.#hooks.goOnWithTurn(turn.id, turn.hookRuns);
    const input = { input: [], clientUserMessageId: null, outputSchema: progress.outputSchema };
    const resumed = this.#makeTurn(running, model, { input, progress, waiting: { turn, questions } });
    return () => void this.#run(resumed).finally(end);
  }

  #modelOrNull(): Model | null {
    try {
      return this.#modelFor(this.#settings);
    } catch {
      return null; // whoever starts the next turn hears of that
    }
  }

  get thread(): StoredThread {
    return this.#thread;
  }

  /** Where it is stored; threads that are not to be kept have another store than the rest. */
  get store(): ThreadStore {
    return this.#options.store;
  }

  get lastTurnId(): string | null {
    return this.#hooks.lastTurnId;
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

  /** The turn that takes more input; null also where one is about to be completed. */
  get steerableTurnId(): string | null {
    return this.#turn === null || this.#turn.takesNoMore ? null : this.#turn.id;
  }

  /** Questions that wait; whoever listens from now on has to be shown these too. */
  get waitingApprovals(): ApprovalRequest[] {
    return this.#approvals.waiting;
  }

  /** The MCP servers that the thread uses, by name. */
  get mcpServers(): McpServerStatus[] {
    return this.#mcp.statuses();
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
    await this.#turnIsFree();
    const settings = changeSettings(this.#settings, this.#config.config, overrides);
    userParts(input, settings.cwd);
    const turnInput = { input, clientUserMessageId: clientUserMessageId ?? null, outputSchema: outputSchema ?? null };
    return await this.#startWork(settings, turnInput);
  }

  /** Runs a command of the user's own: in a turn of its own, or beside the work of the running one. Throws `THREAD_CLOSED`. */
  async startUserCommand(command: UserCommand): Promise<void> {
    this.#refuseClosed();
    await this.#reverting;
    const running = this.#turn;
    if (running?.context != null && running.kind === "work" && !running.takesNoMore) {
      this.#runBeside(running, running.context, command);
      return;
    }
    if (running?.kind === "work") await running.ended;
    await this.#turnIsFree();
    const input = { input: [], clientUserMessageId: null, outputSchema: null, userCommand: command };
    await this.#startWork(this.#settings, input);
  }

  /** Starts a turn that puts a summary in the place of the model's input. Throws what `startTurn()` throws, `INPUT_REFUSED` where
   *  nothing has been said yet. */
  async startCompaction(): Promise<void> {
    await this.#turnIsFree();
    if (this.#history.isEmpty) {
      throw new SallyportError(
        "INPUT_REFUSED",
        `Thread "${this.id}" has no conversation yet, expected one to compact`,
        {
          data: { threadId: this.id },
        },
      );
    }
    const model = this.#modelFor(this.#settings);
    await this.#start("compact", this.#settings, (running) => {
      const nothingYet = { outputSchema: null, rounds: 0, lastText: null, granted: [], call: null };
      const context = this.#contextOf(running, { limit: (run) => run, progress: nothingYet });
      return new CompactTurn(context, this.#turnSession(running, model));
    });
    // Hooks say again what the summary may have lost; what they add comes with the next prompt.
    const running = this.#turn;
    if (running === null) return;
    void running.ended.then(() => {
      if (this.#closing === null && this.#wasCompacted)
        this.#hooks.start("compact").catch((error: unknown) => this.#fail(error));
      this.#wasCompacted = false;
    });
  }

  async #startWork(settings: SessionSettings, input: TurnInput): Promise<WireTurn> {
    const model = this.#modelFor(settings);
    const progress = { outputSchema: input.outputSchema, rounds: 0, lastText: null, granted: [], call: null };
    return await this.#start("work", settings, (running) =>
      this.#makeTurn(running, model, { input, progress, waiting: null }),
    );
  }

  /** Throws `TURN_ACTIVE`, `THREAD_CLOSED`. */
  async #turnIsFree(): Promise<void> {
    await this.#reverting;
    // Whoever hears `turn/completed` may start the next one at once.
    if (this.#turn?.isCompleting === true) await this.#turn.ended;
    this.#refuseClosed();
    if (this.#turn === null) return;
    const { id } = this.#turn;
    throw new SallyportError(
      "TURN_ACTIVE",
      `Turn "${id}" still runs, expected it to have ended; steer or interrupt it`,
      { data: { turnId: id } },
    );
  }

  async #start(
    kind: RunningTurn["kind"],
    settings: SessionSettings,
    make: (running: RunningTurn) => RunnableTurn,
  ): Promise<WireTurn> {
    const { running, end } = newRunningTurn(uuidv7(), kind);
    this.#turn = running; // before the first await, so that a second call finds it
    this.#settings = settings;
    this.#hooks.beginTurn(running.id);
    const turn = make(running);
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

  #runBeside(running: RunningTurn, context: TurnContext, command: UserCommand): void {
    const ended = callUserCommand(context, command)
      .then((message) => this.#addPending([message]))
      .catch((error: unknown) => this.#fail(error))
      .finally(() => running.userCommands.delete(ended));
    running.userCommands.add(ended);
  }

  /** Items of the Responses API for the model alone, before its next request. Throws `INPUT_REFUSED`, `THREAD_CLOSED`. */
  async injectItems(items: readonly unknown[]): Promise<void> {
    // Few clients do this, and the schemas take long to load.
    const { injectedMessages } = await import("../turns/injected-items.ts");
    this.#refuseClosed();
    await this.#addPending(injectedMessages(items));
  }

  /** Resolves when they are stored. */
  #addPending(messages: readonly ModelMessage[]): Promise<void> {
    const bodies = JSON.parse(JSON.stringify(messages)) as JsonValue[];
    return this.#log.record([this.#pendingChange([...this.#pending, ...bodies])]);
  }

  #pendingChange(pending: JsonValue[]): StoreChange {
    this.#pending = pending;
    return this.#settingsChange();
  }

  /** Changes what is known of the thread as such. */
  async update(patch: ThreadPatch): Promise<void> {
    this.#thread = { ...this.#thread, ...patch };
    await this.#log.record([{ kind: "updateThread", patch }]);
  }

  /** Throws `READ_STATE_CHANGED`. */
  async markRead(operation: ThreadReadStateOperation, expectedRevision: string): Promise<ThreadReadState> {
    const readState = marked(this.#thread.readState, operation, expectedRevision);
    const { changes, notifications } = this.#readStateChange(readState);
    await this.#log.record(changes, notifications);
    return readState;
  }

  #readStateChange(readState: ThreadReadState | null): { changes: StoreChange[]; notifications: ServerNotification[] } {
    if (readState === null || this.#thread.ephemeral) return { changes: [], notifications: [] };
    this.#thread = { ...this.#thread, readState };
    return {
      changes: [{ kind: "updateThread", patch: { readState } }],
      notifications: [{ method: "thread/readState/changed", params: { threadId: this.id, readState } }],
    };
  }

  /** Removes the turn and all later ones; a running turn is interrupted first. Throws `TURN_NOT_FOUND`. */
  async revert(beforeTurnId: string): Promise<void> {
    this.#refuseClosed();
    await this.#reverting;
    const reverting = this.#revert(beforeTurnId);
    this.#reverting = reverting.catch(() => {});
    try {
      await reverting;
    } finally {
      this.#reverting = null;
    }
  }

  async #revert(beforeTurnId: string): Promise<void> {
    const { store } = this.#options;
    const turn = await store.readTurn(this.id, beforeTurnId, "notLoaded");
    if (turn === null) {
      throw new SallyportError("TURN_NOT_FOUND", `turn not found: ${beforeTurnId}`, {
        data: { threadId: this.id, turnId: beforeTurnId },
      });
    }
    this.#turn?.abort.abort(new Interrupted());
    await this.idle();
    this.#status = { type: "idle" };
    const { id: threadId } = this;
    const unread = this.#readStateChange(afterRevert(this.#thread.readState, beforeTurnId));
    await this.#log.record(
      [{ kind: "revert", beforeTurnId }, ...unread.changes],
      [
        ...unread.notifications,
        { method: "thread/status/changed", params: { threadId, status: { type: "notLoaded" } } },
        { method: "thread/status/changed", params: { threadId, status: this.#status } },
        { method: "thread/reverted", params: { threadId } },
      ],
    );
    await this.#history.reload(store, threadId);
    const last = await store.listTurns(threadId, { limit: 1, itemsView: "notLoaded" });
    this.#hooks.lastTurnIs(last.data[0]?.id ?? null);
    if (last.data.length === 0) await this.update({ preview: "", tokenUsage: null });
  }

  /** The running turn takes no input: the kind that says why; null: it does, or there is none. */
  get unsteerable(): "compact" | null {
    return this.#turn?.kind === "compact" ? "compact" : null;
  }

  /** Gives the running turn more input; it is taken up before the next request to the model. Throws `TURN_MISMATCH`. */
  steerTurn(turnId: string, input: TurnInput["input"], clientUserMessageId: string | null = null): void {
    const running = this.#requireTurn(turnId);
    if (running.takesNoMore) throw mismatch(turnId, null);
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
    try {
      this.#mcp.configure(config.config);
    } catch (error) {
      // The servers stay as they were; somebody is in the middle of writing the file.
      const params = { threadId: this.id, message: error instanceof Error ? error.message : String(error) };
      this.#log.record([], [{ method: "warning", params }]).catch((failure: unknown) => this.#fail(failure));
    }
  }

  /** Ends a running turn, fires SessionEnd, and lets others write the thread. */
  close(ending: SessionEnding = "interrupt"): Promise<void> {
    this.#closing ??= this.#close(ending);
    return this.#closing;
  }

  async #close(ending: SessionEnding): Promise<void> {
    try {
      const waits = ending === "suspend" && this.#approvals.waiting.length > 0;
      this.#turn?.abort.abort(waits ? new Suspended() : new Interrupted());
      await this.idle();
      await this.#hooks.close();
      await this.#log.settled();
    } finally {
      this.#rules.close();
      await this.#mcp.close();
      await this.#options.store.releaseThread(this.id);
    }
  }

  #begin(): void {
    if (this.#closing !== null) return;
    this.#mcp.configure(this.#config.config);
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

  async #run(turn: RunnableTurn): Promise<void> {
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

  #makeTurn(
    running: RunningTurn,
    model: Model,
    { input, progress, waiting }: { input: TurnInput; progress: TurnProgress; waiting: WaitingTurn | null },
  ): Turn {
    const limit = stopLimit(this.#config.hooks.settings.maxStopBlocks, () => progress.rounds);
    const context = this.#contextOf(running, { limit, progress });
    return new Turn(context, this.#turnSession(running, model), input, waiting);
  }

  #contextOf(
    running: RunningTurn,
    { limit, progress }: { limit: Parameters<SessionHooks["turnObserver"]>[0]; progress: TurnProgress },
  ): TurnContext {
    const { shell, home, canAsk } = this.#options;
    const hooks = new TurnHooks({
      session: this.#hooks.session,
      around: () => this.#surroundings(),
      turnId: running.id,
      observer: this.#hooks.turnObserver(limit),
      has: (event) => this.#config.hooks.handlers.some((hook) => hook.event === event && hook.skipped === null),
      mayEscalate: this.#config.hooks.settings.mayEscalate,
    });
    const context: TurnContext = {
      threadId: this.id,
      turnId: running.id,
      log: this.#log,
      history: this.#history,
      hooks,
      settings: this.#settings,
      approvals: this.#approvals,
      rules: () => this.#rules.runOptions(this.#config),
      keptApprovals: this.#keptApprovals,
      canAsk,
      grants: this.#grants,
      offersPermissions: offersPermissions(this.#config.config),
      itemIds: this.#itemIds,
      progress,
      mcp: this.#mcp,
      shell,
      env: this.#options.commandEnv(this.#config),
      home,
      signal: running.abort.signal,
      interrupt: () => running.abort.abort(new Interrupted()),
    };
    running.context = context;
    return context;
  }

  #turnSession(running: RunningTurn, model: Model): TurnSession {
    return {
      model,
      maxStopBlocks: this.#config.hooks.settings.maxStopBlocks,
      started: () => this.#hooks.takeStart(),
      sessionContexts: () => this.#hooks.contexts,
      dropSessionContexts: () => this.#hooks.dropContexts(),
      preface: () => this.#preface(),
      freshPreface: () => {
        this.#wasCompacted = true;
        return { messages: [systemMessage(this.#settings)] };
      },
      takePending: () => this.#takePending(),
      completing: () => {
        running.isCompleting = true;
      },
      takeSteered: () => running.steered.splice(0),
      takeLastSteered: () => {
        running.takesNoMore = running.steered.length === 0;
        return running.steered.splice(0);
      },
      userCommandsEnded: async () => {
        while (running.userCommands.size > 0) await Promise.all(running.userCommands);
      },
      addUsage: (last) => this.#addUsage(last, model),
      previewChange: (text) => this.#previewChange(text),
      statusChange: (type) => this.#changeStatus(type === "active" ? { type, activeFlags: [] } : { type }),
      hookRuns: () => this.#hooks.runsOf(running.id),
      unreadChange: () => this.#readStateChange(afterTurn(this.#thread.readState, running.id)),
    };
  }

  #takePending(): ReturnType<TurnSession["takePending"]> {
    if (this.#pending.length === 0) return { messages: [], changes: [] };
    const messages = this.#pending as unknown as ModelMessage[]; // what addPending() was given
    return { messages, changes: [this.#pendingChange([])] };
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
      settings: {
        ...storedSettings(this.#settings),
        ...(this.#pending.length === 0 ? {} : { pending: this.#pending }),
      },
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
    throw mismatch(turnId, running?.id ?? null);
  }

  #refuseClosed(): void {
    if (this.#closing === null) return;
    throw new SallyportError("THREAD_CLOSED", `Thread "${this.id}" is closed, expected a loaded one; resume it`, {
      data: { threadId: this.id },
    });
  }
}

function newRunningTurn(id: string, kind: RunningTurn["kind"]): { running: RunningTurn; end: () => void } {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const running: RunningTurn = {
    id,
    kind,
    abort: new AbortController(),
    steered: [],
    takesNoMore: kind === "compact",
    userCommands: new Set(),
    context: null,
    isCompleting: false,
    ended,
  };
  return { running, end };
}

function steeredAgain({ content, clientId }: UntakenInput): TurnInput {
  return { input: content, clientUserMessageId: clientId, outputSchema: null };
}

function pendingOf({ settings }: StoredThread): JsonValue[] {
  const { pending } = settings;
  return Array.isArray(pending) ? pending : [];
}

function mismatch(turnId: string, activeTurnId: string | null): SallyportError {
  const found = activeTurnId === null ? "no turn runs that takes input" : `the running turn is "${activeTurnId}"`;
  return new SallyportError("TURN_MISMATCH", `Turn "${turnId}" is not the running one: ${found}`, {
    data: { turnId, activeTurnId },
  });
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
