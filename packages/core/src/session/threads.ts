/** All threads of one process: makes, loads and closes them. */
import { rm } from "node:fs/promises";
import type { ModuleHook } from "@sallyport/hooks";
import type { ThreadSource, ThreadStatus } from "@sallyport/protocol";
import { createHome, readEnvironment } from "@sallyport/shell-escalation";
import { v7 as uuidv7 } from "uuid";
import { secretVariables } from "../models/provider-config.ts";
import type { NewThread, StoredThread, ThreadStore } from "../store/index.ts";
import { findCommandShell } from "../tools/command-shell.ts";
import { hookOutputFolder, loadSessionConfig } from "./session-hooks.ts";
import type { HookSetup, SessionConfig } from "./session-hooks.ts";
import { changeSettings, readSessionSettings, restoredOverrides, storedSettings } from "./session-settings.ts";
import type { SessionSettings, SettingsOverrides } from "./session-settings.ts";
import { ThreadSession } from "./thread-session.ts";
import type { SessionSource } from "./thread-session.ts";

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
  sessionStartSource?: "startup" | "clear";
  ephemeral?: boolean;
  threadSource?: string | null;
  originator?: string | null;
  historyMode?: NewThread["historyMode"];
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
  readonly #shell: string = findCommandShell();
  #ephemeralStore: ThreadStore | null = null;
  #lastRequestId = -1;

  constructor(options: ThreadsOptions) {
    this.#options = options;
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

  /** Throws `CONFIG_INVALID`, `MODEL_NOT_CONFIGURED`, `PROVIDER_UNKNOWN`, and what the store throws. */
  async start(options: StartThreadOptions): Promise<ThreadSession> {
    const config = this.#loadConfig(options.cwd, options);
    const settings = readSessionSettings(config.config, options);
    const store = options.ephemeral === true ? this.#ephemeral() : this.#options.store;
    const thread = await store.createThread(this.#newThread(options, settings));
    const source = options.sessionStartSource ?? "startup";
    return await this.#open({ store, thread, settings, config, source }, options);
  }

  /** Loads a stored thread. One that is loaded already is given back as it is, whatever `options` say.
   *  Throws `THREAD_NOT_FOUND`, `THREAD_HAS_WRITER`, and what `start()` throws. */
  async resume(threadId: string, options: OpenThreadOptions = {}): Promise<ThreadSession> {
    const known = this.find(threadId) ?? (await this.#loading.get(threadId));
    if (known !== undefined) return known;
    const loading = this.#load(threadId, options);
    this.#loading.set(threadId, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(threadId);
    }
  }

  async #load(threadId: string, options: OpenThreadOptions): Promise<ThreadSession> {
    const { store } = this.#options;
    const thread = await store.acquireThread(threadId);
    let parts: { settings: SessionSettings; config: SessionConfig };
    try {
      const restored = restoredOverrides(thread);
      const cwd = options.cwd ?? restored.cwd;
      const config = this.#loadConfig(cwd, options);
      const settings = changeSettings(readSessionSettings(config.config, restored), config.config, { ...options, cwd });
      parts = { settings, config };
    } catch (error) {
      await store.releaseThread(threadId);
      throw error;
    }
    return await this.#open({ store, thread, ...parts, source: "resume" }, options);
  }

  /** Ends a loaded thread: SessionEnd runs, and other processes may write it. */
  async close(threadId: string): Promise<void> {
    const loaded = this.#loaded.get(threadId);
    if (loaded === undefined) return;
    try {
      await loaded.session.close();
    } finally {
      this.#loaded.delete(threadId);
    }
  }

  /** Closes the thread and removes all that is kept of it. */
  async delete(threadId: string): Promise<void> {
    await this.close(threadId);
    const { store, env } = this.#options;
    await store.acquireThread(threadId);
    await store.deleteThread(threadId);
    await rm(hookOutputFolder(env, threadId), { recursive: true, force: true });
  }

  /** Somebody changed the configuration: loaded threads take it up at their next turn. */
  reloadConfig(): void {
    for (const { session, open } of this.#loaded.values()) {
      session.reload(this.#loadConfig(session.settings.cwd, open));
    }
  }

  /** Closes every thread. The store stays open. */
  async closeAll(): Promise<void> {
    const results = await Promise.allSettled([...this.#loaded.keys()].map((threadId) => this.close(threadId)));
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
        commandEnv: (config) => this.#commandEnv(config),
        shell: this.#shell,
        canAsk: this.#options.canAsk,
        nextRequestId: () => this.#nextRequestId(),
      });
      this.#loaded.set(session.id, { session, open });
      return session;
    } catch (error) {
      await parts.store.releaseThread(parts.thread.id);
      throw error;
    }
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

  /** Commands get the environment without the keys of models: what runs in the sandbox may be hostile. */
  #commandEnv({ config }: SessionConfig): ReturnType<typeof readEnvironment> {
    const secret = new Set(secretVariables(config));
    const own = readEnvironment().filter((entry) => typeof entry !== "string");
    const named = Object.entries(this.#options.env).flatMap(([name, value]) =>
      value === undefined || secret.has(name) ? [] : [`${name}=${value}`],
    );
    return [...own, ...named];
  }
}
