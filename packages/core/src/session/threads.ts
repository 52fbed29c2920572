/** All threads of one process: makes, loads and closes them. */
import { rm } from "node:fs/promises";
import type { ModuleHook } from "@sallyport/hooks";
import type { ThreadReadState, ThreadReadStateOperation, ThreadSource, ThreadStatus } from "@sallyport/protocol";
import { createHome } from "@sallyport/shell-escalation";
import { SallyportError } from "@sallyport/supervisor";
import { v7 as uuidv7 } from "uuid";
import { commandEnvironment } from "../config/command-env.ts";
import { requireRules } from "../config/require-rules.ts";
import { McpPool } from "../mcp/server-pool.ts";
import { readMcpServers } from "../mcp/server-settings.ts";
import { createModel } from "../models/create-model.ts";
import type { NewThread, StoredThread, ThreadPatch, ThreadStore } from "../store/index.ts";
import { findCommandShell } from "../tools/command-shell.ts";
import { copyTurns, turnsToCopy } from "./copy-turns.ts";
import type { CopyRange } from "./copy-turns.ts";
import { marked } from "./read-state.ts";
import { hookOutputFolder, loadSessionConfig } from "./session-hooks.ts";
import type { HookSetup, SessionConfig } from "./session-hooks.ts";
import { changeSettings, readSessionSettings, restoredOverrides, storedSettings } from "./session-settings.ts";
import type { SessionSettings, SettingsOverrides } from "./session-settings.ts";
import { usualAnswerWithinMs } from "./approvals.ts";
import { ThreadSession } from "./thread-session.ts";
import type { SessionEnding, SessionSource } from "./thread-session.ts";
import { readWaitingTurn } from "./waiting-turn.ts";

export interface ThreadsOptions {
  /** Sallyport's home, absolute. */
  home: string;
  store: ThreadStore;
  /** Opened when the first ephemeral thread is started. */
  openEphemeralStore(): ThreadStore;
  /** Of this process; keys of models are read from it, and hooks and commands inherit it without these. */
  env: NodeJS.ProcessEnv;
  cliVersion: string;
  /** False where nobody answers: what would be asked is refused at once. */
  canAsk: boolean;
  /** How long a question waits for an answer. Default 300 s. */
  answerWithinMs?: number;
  modules?: readonly ModuleHook[];
  /** Of tests: in place of /etc/sallyport. */
  systemFolder?: string;
}

export interface OpenThreadOptions extends SettingsOverrides {
  /** Overrides of the configuration, dotted or nested keys. */
  config?: Readonly<Record<string, unknown>> | null;
  /** Run hooks although nobody trusted them. */
  bypassHookTrust?: boolean;
}

export interface StartThreadOptions extends OpenThreadOptions {
  cwd: string;
  source: ThreadSource;
  /** Refuse to store a thread whose model can't be made: for who runs a turn at once and nothing else. */
  needsModel?: boolean;
  sessionStartSource?: "startup" | "clear";
  ephemeral?: boolean;
  threadSource?: string | null;
  originator?: string | null;
  historyMode?: NewThread["historyMode"];
}

export interface ForkThreadOptions extends OpenThreadOptions, CopyRange {
  source: ThreadSource;
  ephemeral?: boolean;
  threadSource?: string | null;
  originator?: string | null;
}

interface LoadedThread {
  session: ThreadSession;
  open: OpenThreadOptions;
}

export function openThreads(options: ThreadsOptions): Threads {
  return new Threads(options);
}

export class Threads {
  readonly #options: ThreadsOptions;
  readonly #setup: HookSetup;
  readonly #loaded = new Map<string, LoadedThread>();
  readonly #loading = new Map<string, Promise<ThreadSession>>();
  /** Threads that are not loaded and can't be yet: a session of theirs is ending, or they are changed or deleted without one. */
  readonly #busy = new Map<string, Promise<void>>();
  readonly #shell: string = findCommandShell();
  readonly #mcpPool: McpPool;
  #ephemeralStore: ThreadStore | null = null;
  #lastRequestId = -1;

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.#mcpPool = new McpPool({ env: options.env, version: options.cliVersion });
    const { home, env, modules = [], systemFolder = null } = options;
    this.#setup = { home, env, modules, systemFolder };
  }

  get loaded(): ThreadSession[] {
    return [...this.#loaded.values()].map(({ session }) => session);
  }

  find(threadId: string): ThreadSession | null {
    return this.#loaded.get(threadId)?.session ?? null;
  }

  statusOf(threadId: string): ThreadStatus {
    return this.find(threadId)?.status ?? { type: "notLoaded" };
  }

  /** Throws `CONFIG_INVALID`, `MODEL_NOT_CONFIGURED`, `PROVIDER_UNKNOWN`, `RULES_INVALID`, and what the store throws; with `needsModel`
   *  also what a model that can't be made throws. */
  async start(options: StartThreadOptions): Promise<ThreadSession> {
    requireRules(this.#options.home, this.#setup.systemFolder);
    const config = this.#usableConfig(options.cwd, options);
    const settings = readSessionSettings(config.config, options);
    if (options.needsModel === true)
      createModel(settings.model, { env: this.#options.env, cwd: settings.cwd, threadId: "" });
    const store = options.ephemeral === true ? this.#ephemeral() : this.#options.store;
    const thread = await store.createThread(this.#newThread(options, settings));
    const source = options.sessionStartSource ?? "startup";
    return await this.#open({ store, thread, settings, config, source }, options);
  }

  /** Loads a stored thread. One that is loaded already is given back as it is, whatever `options` say.
   *  Throws `THREAD_NOT_FOUND`, `THREAD_HAS_WRITER`, and what `start()` throws. */
  async resume(threadId: string, options: OpenThreadOptions = {}): Promise<ThreadSession> {
    // No other await from here on: what is found free must still be free when it is taken.
    while (this.#busy.has(threadId)) await this.#busy.get(threadId);
    const known = this.find(threadId) ?? this.#loading.get(threadId);
    if (known !== undefined) return await known;
    const loading = this.#load(threadId, options);
    this.#loading.set(threadId, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(threadId);
    }
  }

  async #load(threadId: string, options: OpenThreadOptions): Promise<ThreadSession> {
    requireRules(this.#options.home, this.#setup.systemFolder);
    const { store } = this.#options;
    const thread = await store.acquireThread(threadId);
    let parts: { settings: SessionSettings; config: SessionConfig };
    try {
      const restored = restoredOverrides(thread);
      // A turn that waits goes on as it was begun, as it would in a thread that is loaded.
      const waits = this.#options.canAsk && (await readWaitingTurn(store, threadId)) !== null;
      const chosen = waits ? {} : options;
      const cwd = chosen.cwd ?? restored.cwd;
      const config = this.#usableConfig(cwd, options);
      const settings = changeSettings(readSessionSettings(config.config, restored), config.config, { ...chosen, cwd });
      parts = { settings, config };
    } catch (error) {
      await store.releaseThread(threadId);
      throw error;
    }
    return await this.#open({ store, thread, ...parts, source: "resume" }, options);
  }

  /** A new thread with a copy of the history of another, whole or up to a turn; it shares nothing with it from then on. A turn that
   *  runs is copied as interrupted. Throws `THREAD_NOT_FOUND`, `TURN_NOT_FOUND`, `TURN_ACTIVE` for a last turn that runs, and what
   *  `start()` throws. */
  async fork(threadId: string, options: ForkThreadOptions): Promise<ThreadSession> {
    requireRules(this.#options.home, this.#setup.systemFolder);
    const original = this.find(threadId);
    const from = original?.thread.ephemeral === true ? this.#ephemeral() : this.#options.store;
    const source = await from.readThread(threadId);
    if (source === null) throw threadNotFound(threadId);
    const turns = await turnsToCopy(from, threadId, options);
    const restored = restoredOverrides(source);
    const cwd = options.cwd ?? restored.cwd;
    const config = this.#usableConfig(cwd, options);
    const settings = changeSettings(readSessionSettings(config.config, restored), config.config, { ...options, cwd });
    const store = options.ephemeral === true ? this.#ephemeral() : this.#options.store;
    const fresh = this.#newThread({ ...options, cwd }, settings);
    const { name, preview, historyMode } = source;
    const tokenUsage = turns.length === 0 ? null : source.tokenUsage;
    // In nobody's list until it is whole: a server that is killed meanwhile leaves no half of a thread to be taken for the whole.
    const fields = {
      ...fresh,
      archivedAtMs: Date.now(),
      forkedFromId: threadId,
      name,
      historyMode,
      tokenUsage,
      preview: turns.length === 0 ? "" : preview,
    };
    const thread = await store.createThread(fields);
    try {
      await copyTurns({ from, threadId }, { to: store, newId: thread.id }, turns);
      const { createdAtMs: atMs } = thread;
      const patch = { archivedAtMs: null, recencyAtMs: atMs, updatedAtMs: atMs };
      await store.commit(thread.id, { changes: [{ kind: "updateThread", patch }] });
    } catch (error) {
      await store.deleteThread(thread.id);
      throw error;
    }
    // What was copied as running is stored as interrupted when the thread is taken up again.
    await store.releaseThread(thread.id);
    const held = await store.acquireThread(thread.id);
    return await this.#open({ store, thread: held, settings, config, source: "fork" }, options);
  }

  /** Changes what is known of a thread as such, loaded or not. Throws `THREAD_NOT_FOUND`, `THREAD_HAS_WRITER`. */
  async update(threadId: string, patch: ThreadPatch): Promise<StoredThread> {
    const loading = this.#loading.get(threadId)?.catch(() => null); // whoever loads it hears of that
    const session = this.find(threadId) ?? (await loading) ?? null;
    if (session !== null) {
      await session.update(patch);
      return session.thread;
    }
    return (
      (await this.#withoutSession(threadId, () => this.#updateStored(threadId, () => patch))) ??
      this.update(threadId, patch)
    );
  }

  /** Says what of a thread was read. Throws `READ_STATE_CHANGED`, `THREAD_NOT_FOUND`, `THREAD_HAS_WRITER`. */
  async markRead(
    threadId: string,
    operation: ThreadReadStateOperation,
    expectedRevision: string,
  ): Promise<ThreadReadState> {
    const session = this.find(threadId) ?? (await this.#loading.get(threadId)?.catch(() => null)) ?? null;
    if (session !== null) return await session.markRead(operation, expectedRevision);
    const mark = ({ readState }: StoredThread): ThreadPatch => ({
      readState: marked(readState, operation, expectedRevision),
    });
    const stored = await this.#withoutSession(threadId, () => this.#updateStored(threadId, mark));
    return stored?.readState ?? (await this.markRead(threadId, operation, expectedRevision));
  }

  async #updateStored(threadId: string, patchOf: (thread: StoredThread) => ThreadPatch): Promise<StoredThread> {
    const { store } = this.#options;
    const found = await store.acquireThread(threadId);
    const { updatedAtMs } = found;
    try {
      // It was not worked on, so it keeps its place in lists.
      await store.commit(threadId, { changes: [{ kind: "updateThread", patch: { updatedAtMs, ...patchOf(found) } }] });
    } finally {
      await store.releaseThread(threadId);
    }
    const thread = await store.readThread(threadId);
    if (thread === null) throw threadNotFound(threadId);
    return thread;
  }

  /** Works on a thread that has no session, and lets none begin meanwhile: it would find the thread held, and lose it when the work is
   *  done. Null where a session was there first. */
  async #withoutSession<Result>(threadId: string, work: () => Promise<Result>): Promise<Result | null> {
    while (this.#busy.has(threadId)) await this.#busy.get(threadId);
    if (this.#loaded.has(threadId) || this.#loading.has(threadId)) return null;
    const working = work();
    this.#occupy(threadId, working);
    return await working;
  }

  #occupy(threadId: string, work: Promise<unknown>): void {
    const ended = work.then(
      () => {},
      () => {}, // whoever began it hears of that
    );
    const busy = ended.then(() => void this.#busy.delete(threadId));
    this.#busy.set(threadId, busy);
  }

  /** Ends a loaded thread: SessionEnd runs, and other processes may write it. Of an ephemeral one nothing is left. */
  close(threadId: string, ending: SessionEnding = "interrupt"): Promise<void> {
    const loaded = this.#loaded.get(threadId);
    if (loaded === undefined) return this.#busy.get(threadId) ?? Promise.resolve();
    // At once: what comes while hooks still run finds no session that would refuse it.
    this.#loaded.delete(threadId);
    const closing = this.#close(loaded.session, ending);
    this.#occupy(threadId, closing);
    return closing;
  }

  async #close(session: ThreadSession, ending: SessionEnding): Promise<void> {
    await session.close(session.thread.ephemeral ? "interrupt" : ending);
    if (!session.thread.ephemeral) return;
    const store = this.#ephemeral();
    await store.acquireThread(session.id);
    await store.deleteThread(session.id);
    await rm(hookOutputFolder(this.#options.env, session.id), { recursive: true, force: true });
  }

  /** Closes the thread and removes all that is kept of it. Throws `THREAD_NOT_FOUND`, `THREAD_HAS_WRITER`. */
  async delete(threadId: string): Promise<void> {
    await this.#loading.get(threadId)?.catch(() => null); // whoever loads it hears of that
    const isEphemeral = this.find(threadId)?.thread.ephemeral === true;
    await this.close(threadId);
    if (isEphemeral) return;
    const deleted = await this.#withoutSession(threadId, () => this.#deleteStored(threadId));
    // Somebody resumed it meanwhile.
    if (deleted === null) await this.delete(threadId);
  }

  async #deleteStored(threadId: string): Promise<"deleted"> {
    const { store, env } = this.#options;
    await store.acquireThread(threadId);
    await store.deleteThread(threadId);
    await rm(hookOutputFolder(env, threadId), { recursive: true, force: true });
    return "deleted";
  }

  /** Somebody changed the configuration: loaded threads take it up at their next turn. */
  reloadConfig(): void {
    for (const { session, open } of this.#loaded.values()) {
      session.reload(this.#loadConfig(session.settings.cwd, open));
    }
  }

  /** Closes every thread; a question that waits goes on waiting, for whoever resumes its thread. The store stays open. */
  async closeAll(): Promise<void> {
    const threadIds = new Set([...this.#loaded.keys(), ...this.#busy.keys()]);
    const results = await Promise.allSettled([...threadIds].map((threadId) => this.close(threadId, "suspend")));
    await this.#mcpPool.settled();
    await this.#ephemeralStore?.close();
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  async #open(
    parts: {
      store: ThreadStore;
      thread: StoredThread;
      settings: SessionSettings;
      config: SessionConfig;
      source: SessionSource;
    },
    open: OpenThreadOptions,
  ): Promise<ThreadSession> {
    try {
      const session = await ThreadSession.open({
        ...this.#setup,
        ...parts,
        commandEnv: ({ config }) => commandEnvironment(config, this.#options.env),
        shell: this.#shell,
        mcpPool: this.#mcpPool,
        canAsk: this.#options.canAsk,
        answerWithinMs: this.#options.answerWithinMs ?? usualAnswerWithinMs,
        nextRequestId: () => this.#nextRequestId(),
      });
      this.#loaded.set(session.id, { session, open });
      return session;
    } catch (error) {
      await parts.store.releaseThread(parts.thread.id);
      throw error;
    }
  }

  /** Throws `CONFIG_INVALID` for servers that can't be started as they are written: a thread without them is not what was asked for. */
  #usableConfig(cwd: string, open: OpenThreadOptions): SessionConfig {
    const config = this.#loadConfig(cwd, open);
    readMcpServers(config.config);
    return config;
  }

  #loadConfig(cwd: string, open: OpenThreadOptions): SessionConfig {
    return loadSessionConfig(this.#setup, {
      cwd,
      overrides: open.config ?? {},
      bypassHookTrust: open.bypassHookTrust === true,
    });
  }

  #newThread(options: StartThreadOptions, settings: SessionSettings): NewThread {
    const id = uuidv7();
    const atMs = Date.now();
    return {
      id,
      sessionId: id,
      forkedFromId: null,
      createdAtMs: atMs,
      updatedAtMs: atMs,
      recencyAtMs: atMs,
      archivedAtMs: null,
      preview: "",
      name: null,
      cwd: settings.cwd,
      model: settings.model.model,
      modelProvider: settings.model.provider.id,
      reasoningEffort: settings.model.reasoningEffort,
      source: options.source,
      threadSource: options.threadSource ?? null,
      originator: options.originator ?? null,
      cliVersion: this.#options.cliVersion,
      gitInfo: null,
      historyMode: options.historyMode ?? "paginated",
      tokenUsage: null,
      readState: null,
      settings: storedSettings(settings),
    };
  }

  #ephemeral(): ThreadStore {
    createHome(this.#options.home);
    this.#ephemeralStore ??= this.#options.openEphemeralStore();
    return this.#ephemeralStore;
  }

  #nextRequestId(): number {
    this.#lastRequestId += 1;
    return this.#lastRequestId;
  }
}

function threadNotFound(threadId: string): SallyportError {
  return new SallyportError("THREAD_NOT_FOUND", `thread not found: ${threadId}`, { data: { threadId } });
}
