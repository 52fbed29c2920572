/** The hooks of a loaded thread, and which turn each of their runs belongs to. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import {
  createHookSession,
  discoverHooks,
  formatConfigWarning,
  loadConfigLayers,
  mergedConfig,
  overridesFromObject,
} from "@sallyport/hooks";
import type {
  ConfigLayers,
  DiscoveredHooks,
  HookContext,
  HookObserver,
  HookRefusal,
  HookRun,
  HookSession,
  McpToolCaller,
  ModuleHook,
} from "@sallyport/hooks";
import type { HookInputs } from "@sallyport/protocol";
import type { ConfigTable } from "../config/config-table.ts";
import { hookInput, recordingObserver } from "../turns/turn-hooks.ts";
import type { HookSurroundings } from "../turns/turn-hooks.ts";
import type { ThreadLog } from "./thread-log.ts";

export interface HookSetup {
  home: string;
  env: NodeJS.ProcessEnv;
  /** Hooks in process, of the embedding program. */
  modules: readonly ModuleHook[];
  /** Of tests: where the system's files are. */
  systemFolder: string | null;
}

/** What a session is configured with, read anew when the configuration has changed. */
export interface SessionConfig {
  layers: ConfigLayers;
  config: ConfigTable;
  hooks: DiscoveredHooks;
}

export function loadSessionConfig(
  setup: HookSetup,
  options: { cwd: string; overrides: Readonly<Record<string, unknown>>; bypassHookTrust: boolean },
): SessionConfig {
  const layers = loadConfigLayers({
    home: setup.home,
    cwd: options.cwd,
    env: setup.env,
    sessionFlags: overridesFromObject({ ...options.overrides }),
    ...(setup.systemFolder === null ? {} : { systemFolder: setup.systemFolder }),
  });
  const hooks = discoverHooks(layers, { modules: setup.modules, bypassTrust: options.bypassHookTrust });
  return { layers, config: mergedConfig(layers), hooks };
}

/** One sentence each: what is wrong in the files, and which hooks wait for somebody's trust. */
export function configWarnings({ hooks }: SessionConfig): string[] {
  const untrusted = hooks.handlers.filter(
    ({ enabled, skipped, trustStatus }) =>
      enabled && skipped !== null && (trustStatus === "untrusted" || trustStatus === "modified"),
  );
  const names = untrusted.map(({ key }) => key).join(", ");
  const skipped =
    untrusted.length === 0 ? [] : [`Hooks that nobody has trusted are not run: ${names}; see sallyport hooks trust`];
  const broken = hooks.errors.map(({ path, message }) => `${path}: ${message}`);
  return [...broken, ...hooks.warnings.map(formatConfigWarning), ...skipped];
}

/** What SessionStart hooks said. */
export interface StartVerdict {
  stop: HookRefusal | null;
}

interface PlacedRun {
  turnId: string | null;
  run: HookRun;
}

export class SessionHooks {
  readonly session: HookSession;
  readonly #threadId: string;
  readonly #log: ThreadLog;
  readonly #around: () => HookSurroundings;
  readonly #runs = new Map<string, PlacedRun>();
  #startAbort = new AbortController();
  #turnId: string | null = null;
  #lastTurnId: string | null = null;
  #contexts: HookContext[] = [];
  #stop: HookRefusal | null = null;
  #started: Promise<void> = Promise.resolve();

  constructor(
    setup: HookSetup,
    options: {
      threadId: string;
      log: ThreadLog;
      around: () => HookSurroundings;
      config: SessionConfig;
      lastTurnId: string | null;
      callMcpTool: McpToolCaller;
    },
  ) {
    this.#threadId = options.threadId;
    this.#log = options.log;
    this.#around = options.around;
    this.#lastTurnId = options.lastTurnId;
    this.session = createHookSession({
      handlers: options.config.hooks.handlers,
      folder: hookOutputFolder(setup.env, options.threadId),
      projectDir: options.config.layers.project.root,
      sessionId: options.threadId,
      env: setup.env,
      observer: this.#observer(null),
      callMcpTool: options.callMcpTool,
    });
  }

  reload({ hooks }: SessionConfig): void {
    this.session.replaceHandlers(hooks.handlers);
  }

  /** Fires SessionStart. Rejects only when a run could not be stored. */
  start(source: HookInputs["SessionStart"]["source"]): Promise<void> {
    this.#startAbort = new AbortController(); // an interrupt of an earlier turn is not meant for these
    this.#started = this.#fireStart(source);
    this.#started.catch(() => {}); // the first turn hears of it
    return this.#started;
  }

  async #fireStart(source: HookInputs["SessionStart"]["source"]): Promise<void> {
    const input = hookInput("SessionStart", this.#around(), null, { source });
    const { contexts, stop } = await this.session.fire("SessionStart", input, {
      observer: this.#observer(null),
      signal: this.#startAbort.signal,
    });
    this.#contexts.push(...contexts);
    const reason = stop?.reason ?? "a SessionStart hook stopped it";
    this.#stop = stop === null ? null : { reason, runId: stop.runId };
  }

  /** A stop refuses one turn: the hook is not asked again, and the session must not be dead for good. */
  async takeStart(): Promise<StartVerdict> {
    await this.#started;
    const stop = this.#stop;
    this.#stop = null;
    return { stop };
  }

  get contexts(): HookContext[] {
    return [...this.#contexts];
  }

  dropContexts(): void {
    this.#contexts = [];
  }

  /** Runs that were before it belong to this turn, and so do those that are fired from now on. */
  beginTurn(turnId: string): void {
    this.#turnId = turnId;
    this.#lastTurnId = turnId;
    for (const [id, placed] of this.#runs) {
      if (placed.turnId === null) placed.turnId = turnId;
      else if (placed.run.status !== "running") this.#runs.delete(id);
    }
  }

  /** A turn of an earlier server goes on: what has run in it belongs to it still. */
  goOnWithTurn(turnId: string, runs: readonly HookRun[]): void {
    this.beginTurn(turnId);
    for (const run of runs) this.#runs.set(run.id, { turnId, run });
  }

  get lastTurnId(): string | null {
    return this.#lastTurnId;
  }

  /** Turns were removed. */
  lastTurnIs(turnId: string | null): void {
    this.#lastTurnId = turnId;
    this.#runs.clear();
  }

  endTurn(): void {
    this.#turnId = null;
  }

  runsOf(turnId: string): HookRun[] {
    const runs = [...this.#runs.values()].filter((placed) => placed.turnId === turnId).map(({ run }) => run);
    // Ids are UUIDv7, so they break ties in the order in which they were made.
    return runs.toSorted((left, right) => left.startedAtMs - right.startedAtMs || (left.id < right.id ? -1 : 1));
  }

  /** For the runs of one turn; `change` may put another run in the place of one that has ended. */
  turnObserver(change: (run: HookRun) => HookRun): HookObserver {
    return this.#observer(change);
  }

  #observer(change: ((run: HookRun) => HookRun) | null): HookObserver {
    return recordingObserver({
      threadId: this.#threadId,
      log: this.#log,
      onRun: (given) => {
        const run = change === null ? given : change(given);
        const turnId = this.#runs.get(run.id)?.turnId ?? this.#placeOf(run);
        this.#runs.set(run.id, { turnId, run });
        return run;
      },
      turnId: ({ id }) => this.#runs.get(id)?.turnId ?? null,
    });
  }

  /** SessionStart belongs to the turn that follows; what runs between turns, to the last one. */
  #placeOf({ event }: HookRun): string | null {
    return this.#turnId ?? (event === "SessionStart" ? null : this.#lastTurnId);
  }

  /** A turn that waited for it was interrupted. */
  interruptStart(): void {
    this.#startAbort.abort();
  }

  /** Fires SessionEnd and ends whatever still runs. */
  async close(): Promise<void> {
    this.#startAbort.abort();
    try {
      await this.#started.catch(() => {}); // it could not be stored, which was told
      const input = hookInput("SessionEnd", this.#around(), null, { reason: "other" });
      await this.session.fire("SessionEnd", input, { observer: this.#observer(null) });
    } finally {
      await this.session.close();
    }
  }
}

/** Where hook output that is too long for the model goes. Not in Sallyport's home, which is hidden inside the sandbox: the model is
 *  told the file's name so that its commands can read it. */
export function hookOutputFolder(env: NodeJS.ProcessEnv, threadId: string): string {
  const configured = env["XDG_CACHE_HOME"] ?? "";
  const cache = isAbsolute(configured) ? configured : join(homedir(), ".cache");
  return join(cache, "sallyport", "hook-output", threadId);
}
