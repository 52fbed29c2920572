/** A loaded thread: takes input, runs one turn at a time, tells its listeners what happens. */
import type {
  McpServerStatus,
  RequestId,
  ServerNotification,
  Text,
  ThreadReadState,
  ThreadReadStateOperation,
  ThreadStatus,
  Turn as WireTurn,
} from "@sallyport/protocol";
import { openApprovals } from "@sallyport/rules-store";
import { SallyportError } from "@sallyport/supervisor";
import { v7 as uuidv7 } from "uuid";
import { callForHook } from "../mcp/hook-calls.ts";
import type { McpPool } from "../mcp/server-pool.ts";
import { ThreadServers } from "../mcp/thread-servers.ts";
import type { StoreChange, StoredThread, ThreadPatch, ThreadStore } from "../store/index.ts";
import { History, toolMessage } from "../turns/history.ts";
import { ItemIds } from "../turns/item-ids.ts";
import { userParts } from "../turns/prompt.ts";
import { Suspended } from "../turns/suspended.ts";
import { Interrupted } from "../turns/turn-context.ts";
import type { TurnContext } from "../turns/turn-context.ts";
import type { TurnInput } from "../turns/turn.ts";
import { callUserCommand } from "../turns/user-command-call.ts";
import type { UserCommand } from "../turns/user-command-call.ts";
import { Approvals } from "./approvals.ts";
import type { ApprovalDecision, ApprovalRequest } from "./approvals.ts";
import { SessionHooks, configWarnings } from "./session-hooks.ts";
import type { HookSetup, SessionConfig } from "./session-hooks.ts";
import { changeSettings } from "./session-settings.ts";
import type { SessionSettings, SettingsOverrides } from "./session-settings.ts";
import { SessionTurns, newProgress } from "./session-turns.ts";
import { RunningTurn, begunTurn } from "./running-turn.ts";
import { ThreadRules } from "./thread-rules.ts";
import { ThreadState } from "./thread-state.ts";
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
  /** Whether the questions reach somebody who shows a person what only a person may answer. Absent: they don't. */
  reachesPerson?(): boolean;
  /** Something could not be stored: the turn ends without being completed, and the thread should be closed. */
  failed?(error: unknown): void;
}

/** What every kind of turn can do. */
interface RunnableTurn {
  beginning(): StoreChange;
  run(): Promise<void>;
}

export class ThreadSession {
  readonly id: string;
  readonly #options: SessionOptions;
  readonly #log: ThreadLog;
  readonly #hooks: SessionHooks;
  readonly #mcp: ThreadServers;
  readonly #approvals: Approvals;
  readonly #rules: ThreadRules;
  readonly #turns: SessionTurns;
  readonly #history: History;
  readonly #itemIds = new ItemIds();
  readonly #failureListeners = new Set<(error: unknown) => void>();
  readonly #state: ThreadState;
  #config: SessionConfig;
  #turn: RunningTurn | null = null;
  #closing: Promise<void> | null = null;
  #reverting: Promise<void> | null = null;

  private constructor(options: SessionOptions, history: History, lastTurnId: string | null) {
    this.#options = options;
    this.id = options.thread.id;
    this.#state = new ThreadState(options.thread, options.settings);
    this.#config = options.config;
    this.#history = history;
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
      around: () => this.#state.surroundings,
      config: options.config,
      lastTurnId,
      callMcpTool: callForHook(this.#mcp),
    });
    const onWarning = (message: string): void => {
      const warning: ServerNotification = { method: "warning", params: { threadId: this.id, message } };
      this.#log.record([], [warning]).catch((error: unknown) => this.#fail(error));
    };
    this.#rules = new ThreadRules(options.home, onWarning);
    this.#approvals = new Approvals({
      threadId: this.id,
      log: this.#log,
      nextRequestId: () => options.nextRequestId(),
      onFlags: (activeFlags) => this.#state.changeStatus({ type: "active", activeFlags }),
      answerWithinMs: options.answerWithinMs,
    });
    const { env, shell, home, canAsk } = options;
    this.#turns = new SessionTurns({
      threadId: this.id,
      log: this.#log,
      state: this.#state,
      history,
      hooks: this.#hooks,
      mcp: this.#mcp,
      approvals: this.#approvals,
      rules: this.#rules,
      keptApprovals: openApprovals({ home, onWarning }),
      itemIds: this.#itemIds,
      config: () => this.#config,
      env,
      commandEnv: (config) => options.commandEnv(config),
      shell,
      home,
      canAsk,
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
    const model = canAsk ? this.#turns.modelOrNull(this.#state.settings) : null;
    const progress = waiting.questions[0]?.body.progress;
    if (model === null || progress === undefined) {
      await interruptWaitingTurn(store, this.id, waiting);
      return null;
    }
    const { turn, questions } = waiting;
    const running = new RunningTurn(turn.id, "work");
    running.steerAgain(turn.untakenInput ?? []);
    this.#turn = running;
    this.#state.status = { type: "active", activeFlags: ["waitingOnApproval"] };
    this.#itemIds.reserve(turn.items.map(({ id }) => id));
    this.#hooks.goOnWithTurn(turn.id, turn.hookRuns);
    const input = { input: [], clientUserMessageId: null, outputSchema: progress.outputSchema };
    const resumed = this.#turns.work(running, model, { input, progress, waiting: { turn, questions } });
    return () => void this.#run(resumed).finally(running.end);
  }

  get thread(): StoredThread {
    return this.#state.thread;
  }

  /** Where it is stored; threads that are not to be kept have another store than the rest. */
  get store(): ThreadStore {
    return this.#options.store;
  }

  get lastTurnId(): string | null {
    return this.#hooks.lastTurnId;
  }

  get settings(): SessionSettings {
    return this.#state.settings;
  }

  get status(): ThreadStatus {
    return this.#state.status;
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
      this.#approvals.subscribe({
        request: (request) => listener.request?.(request),
        reachesPerson: () => listener.reachesPerson?.() === true,
      }),
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
    const settings = changeSettings(this.#state.settings, this.#config.config, overrides);
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
    await this.#startWork(this.#state.settings, input);
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
    const model = this.#turns.modelFor(this.#state.settings);
    await this.#start("compact", this.#state.settings, (running) => this.#turns.compaction(running, model));
    // Hooks say again what the summary may have lost; what they add comes with the next prompt.
    const running = this.#turn;
    if (running === null) return;
    void running.ended.then(() => {
      if (this.#turns.takeCompacted() && this.#closing === null)
        this.#hooks.start("compact").catch((error: unknown) => this.#fail(error));
    });
  }

  async #startWork(settings: SessionSettings, input: TurnInput): Promise<WireTurn> {
    const model = this.#turns.modelFor(settings);
    const progress = newProgress(input.outputSchema);
    return await this.#start("work", settings, (running) =>
      this.#turns.work(running, model, { input, progress, waiting: null }),
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
    const running = new RunningTurn(uuidv7(), kind);
    this.#turn = running; // before the first await, so that a second call finds it
    this.#state.settings = settings;
    this.#hooks.beginTurn(running.id);
    const turn = make(running);
    try {
      await this.#log.record([turn.beginning(), this.#state.settingsChange()]);
    } catch (error) {
      this.#endTurn();
      running.end();
      throw error;
    }
    setImmediate(() => void this.#run(turn).finally(running.end));
    return begunTurn(running.id);
  }

  #runBeside(running: RunningTurn, context: TurnContext, command: UserCommand): void {
    const ended = callUserCommand(context, command)
      .then((message) => this.#log.record([this.#state.addPending([message])]))
      .catch((error: unknown) => this.#fail(error));
    running.addUserCommand(ended);
  }

  /** Items of the Responses API for the model alone, before its next request. Throws `INPUT_REFUSED`, `THREAD_CLOSED`. */
  async injectItems(items: readonly unknown[]): Promise<void> {
    // Few clients do this, and the schemas take long to load.
    const { injectedMessages } = await import("../turns/injected-items.ts");
    this.#refuseClosed();
    await this.#log.record([this.#state.addPending(injectedMessages(items))]);
  }

  /** Changes what is known of the thread as such. */
  async update(patch: ThreadPatch): Promise<void> {
    await this.#log.record([this.#state.patch(patch)]);
  }

  /** Throws `READ_STATE_CHANGED`. */
  async markRead(operation: ThreadReadStateOperation, expectedRevision: string): Promise<ThreadReadState> {
    const { readState, changes, notifications } = this.#state.markRead(operation, expectedRevision);
    await this.#log.record(changes, notifications);
    return readState;
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
    this.#turn?.interrupt();
    await this.idle();
    this.#state.status = { type: "idle" };
    const { id: threadId } = this;
    const unread = this.#state.readStateReverted(beforeTurnId);
    await this.#log.record(
      [{ kind: "revert", beforeTurnId }, ...unread.changes],
      [
        ...unread.notifications,
        { method: "thread/status/changed", params: { threadId, status: { type: "notLoaded" } } },
        { method: "thread/status/changed", params: { threadId, status: this.#state.status } },
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

  /** Gives the running turn more input; it is taken up before the next request to the model. Returns the turn as `startTurn()` does.
   *  Throws `TURN_MISMATCH`. */
  steerTurn(turnId: string, input: TurnInput["input"], clientUserMessageId: string | null = null): WireTurn {
    const running = this.#requireTurn(turnId);
    if (running.takesNoMore) throw mismatch(turnId, null);
    userParts(input, this.#state.settings.cwd);
    running.steer({ input, clientUserMessageId, outputSchema: null });
    return begunTurn(turnId);
  }

  /** Resolves at once; `turn/completed` tells when everything has ended. Throws `TURN_MISMATCH`. */
  interrupt(turnId: string): void {
    const running = this.#requireTurn(turnId);
    running.interrupt();
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
      const waits = ending === "suspend" && (await this.#waits());
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

  /** For people: also before the question of an earlier server is asked again. */
  async #waits(): Promise<boolean> {
    if (this.#turn === null) return false;
    return (
      this.#approvals.waiting.length > 0 ||
      (await readWaitingTurn(this.#options.store, this.id).catch(() => null)) !== null
    );
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
    this.#state.status = { type: "systemError" };
    for (const listener of this.#failureListeners) listener(error);
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

function mismatch(turnId: string, activeTurnId: string | null): SallyportError {
  const found = activeTurnId === null ? "no turn runs that takes input" : `the running turn is "${activeTurnId}"`;
  return new SallyportError("TURN_MISMATCH", `Turn "${turnId}" is not the running one: ${found}`, {
    data: { turnId, activeTurnId },
  });
}
