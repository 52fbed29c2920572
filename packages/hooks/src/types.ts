/** What the parts of the engine hand to each other, and what a harness gets. Times are integer milliseconds since the epoch;
 *  the wire's seconds are made by `toHookRunSummary()`.
 *
 *      discovery   files and trust            -> ConfiguredHandler[]
 *      dispatcher  event + input              -> which of them run; starts, observes, combines
 *      handlers/*  one ConfiguredHandler      -> HandlerResult (what happened)
 *      verdict     HandlerResult + event file -> RunVerdict (what it means)
 *      events/*    verdicts in order          -> the event's outcome (what the turn does) */
import type {
  HookEventName,
  HookFailure,
  HookHandlerType,
  HookInputs,
  HookOutputEntry,
  HookRunStatus,
  HookScope,
  HookSource,
  HookTrustStatus,
} from "@sallyport/protocol";

/** What a handler does. `command` with `args` is the exec form: no shell, `command` is the program. */
export type HandlerAction =
  | { type: "command"; command: string; args: string[] | null; async: boolean; passEnv: string[] }
  | { type: "http"; url: string; headers: Record<string, string>; async: boolean; passEnv: string[] }
  | { type: "module"; name: string; run: ModuleHandler; async: boolean }
  | { type: "mcpTool"; server: string; tool: string; input: Record<string, unknown> }
  | { type: "prompt" | "agent" };

/** A hook in process: gets the input object, returns the output object (or text, or nothing) that a command would print. */
export type ModuleHandler = (input: Readonly<Record<string, unknown>>, signal: AbortSignal) => unknown;

/** What a guard that failed means: the event's usual rule (`allow`), asking, or refusing. */
export type OnError = "allow" | "ask" | "deny";

/** One handler as configured, with everything that decides whether and how it runs. */
export interface ConfiguredHandler {
  /** `<absolute path of the file>:<event in snake_case>:<group index>:<handler index>`, indexes as written in the file. */
  key: string;
  event: HookEventName;
  /** The matcher as written; null where absent or where the event has none. */
  matcherText: string | null;
  /** True when one of the values (a tool's name and its aliases, a source, a path) matches. */
  matches(values: readonly string[]): boolean;
  action: HandlerAction;
  timeoutMs: number;
  statusMessage: string | null;
  /** Tokens (4 bytes each) of context that reach the model unspilled; null: 2500; 0: never spilled. */
  additionalContextLimit: number | null;
  onError: OnError;
  sourcePath: string;
  source: HookSource;
  isManaged: boolean;
  pluginId: string | null;
  displayOrder: number;
  enabled: boolean;
  currentHash: string;
  trustStatus: HookTrustStatus;
  /** Why it does not run although it is configured; null when it is active. */
  skipped: string | null;
  /** There for hooks whose files are pinned: asked right before each run, says why it must not run now, or null. */
  recheck?: () => string | null;
}

/** One stream of a handler: at most 1 MiB in memory, the rest in a file of the session's folder. */
export interface CapturedStream {
  /** Bytes as they came, at most the limit in memory. */
  bytes: Buffer;
  totalBytes: number;
  /** Where all of it is, when it did not fit; else null. */
  spillFile: string | null;
}

/** What happened when a handler ran. Nothing here is thrown. */
export interface HandlerResult {
  outcome: "exited" | "signaled" | "timedOut" | "notStarted" | "cancelled" | "answered" | "notAvailable";
  exitCode: number | null;
  /** Name such as SIGKILL. */
  signal: string | null;
  /** For `notStarted` and `notAvailable`, for http and module handlers that failed, and for a death that needs a word: why. */
  problem: string | null;
  /** For `notStarted`: whether the program is missing or may not be executed. */
  startFailure: "notFound" | "notExecutable" | "other" | null;
  stdout: CapturedStream;
  stderr: CapturedStream;
  durationMs: number;
  /** Names of programs that the handler left behind and that were ended, at most 16; shown in a warning. */
  leftBehind: string[];
}

/** The record of one run: stored, announced, replayed. */
export interface HookRun {
  id: string;
  hookKey: string;
  event: HookEventName;
  handlerType: HookHandlerType;
  executionMode: "sync" | "async";
  scope: HookScope;
  sourcePath: string;
  source: HookSource;
  displayOrder: number;
  status: HookRunStatus;
  statusMessage: string | null;
  startedAtMs: number;
  completedAtMs: number | null;
  durationMs: number | null;
  entries: HookOutputEntry[];
  failure?: HookFailure;
  continuation?: boolean;
}

/** Told about every run, in order. `started` is awaited before the handler runs and `completed` before results are combined, so
 *  that whoever stores runs has stored them before anything follows from them. An observer that throws fails the firing. */
export interface HookObserver {
  started(run: HookRun): void | Promise<void>;
  completed(run: HookRun): void | Promise<void>;
}

/** Context for the model. `text` is what the model gets (already spilled and shortened where it was too long). */
export interface HookContext {
  event: HookEventName;
  hookKey: string;
  runId: string;
  text: string;
}

/** A refusal or a stop, and who said it. `reason` may be null only for stops. */
export interface HookRefusal {
  reason: string;
  runId: string;
}
export interface HookStop {
  reason: string | null;
  runId: string;
}

/** What every firing gives besides its event's own results: its sync runs in configured order. */
export interface CommonOutcome {
  runs: HookRun[];
}

/** A guard that failed and whose `onError` says so: `deny` where one denies, else `ask` where one asks. */
interface GuardOutcome {
  /** Approval has to be asked for whatever else would be decided; null: nobody said so. */
  ask: HookRefusal | null;
}

export interface HookOutcomes {
  SessionStart: CommonOutcome & { contexts: HookContext[]; stop: HookStop | null };
  SessionEnd: CommonOutcome;
  UserPromptSubmit: CommonOutcome & { contexts: HookContext[]; block: HookRefusal | null; stop: HookStop | null };
  PreToolUse: CommonOutcome &
    GuardOutcome & {
      contexts: HookContext[];
      deny: HookRefusal | null;
      /** The last rewrite in configured order; undefined: none. */
      updatedInput: unknown;
    };
  PermissionRequest: CommonOutcome & {
    decision: { behavior: "allow"; runId: string } | { behavior: "deny"; message: string; runId: string } | null;
  };
  PostToolUse: CommonOutcome & {
    contexts: HookContext[];
    /** Replaces the tool's output for the model; null: the output stands. */
    feedback: string | null;
  };
  PreCompact: CommonOutcome & { stop: HookStop | null };
  PostCompact: CommonOutcome & { stop: HookStop | null };
  SubagentStart: CommonOutcome & { contexts: HookContext[] };
  SubagentStop: CommonOutcome & { stop: HookStop | null; continuation: HookRefusal[] };
  Stop: CommonOutcome & {
    stop: HookStop | null;
    /** One per handler that blocked, in configured order; empty: the turn ends. Empty whenever `stop` is set. */
    continuation: HookRefusal[];
  };
  Interrupt: CommonOutcome;
  PreModelRequest: CommonOutcome;
  PostModelRequest: CommonOutcome;
  PreExec: CommonOutcome & {
    /** The most restrictive answer, in the order deny, ask, run, escalate; null: nobody answered. */
    permission: { decision: "deny" | "ask" | "run" | "escalate"; reason: string | null; runId: string } | null;
  };
  PostExec: CommonOutcome;
}

export interface FireOptions {
  observer: HookObserver;
  /** Ends all runs of this firing and completes their summaries as `stopped`. */
  signal?: AbortSignal;
}

/** The hooks of one thread while it is loaded. */
export interface HookSession {
  /** Runs every active handler that matches, in parallel, and combines what they say in configured order. Rejects only when an
   *  observer does; whatever a handler does is a value. With no matching handler it resolves at once. */
  fire<Event extends HookEventName>(
    event: Event,
    input: HookInputs[Event],
    options: FireOptions,
  ): Promise<HookOutcomes[Event]>;
  /** What async handlers gave since the last call, in the order in which they ended: context for the model, and warnings. */
  takeAsyncResults(): { contexts: HookContext[]; warnings: string[] };
  /** Resolves when no async handler runs any more. */
  asyncIdle(): Promise<void>;
  /** Takes effect at the next firing. */
  replaceHandlers(handlers: readonly ConfiguredHandler[]): void;
  /** Ends what still runs, completes its summaries as `stopped`, and resolves when no process is left. */
  close(): Promise<void>;
}

export interface HookSessionOptions {
  handlers: readonly ConfiguredHandler[];
  /** Where output that is too long is kept; made when needed, removed with the thread. */
  folder: string;
  projectDir: string;
  sessionId: string;
  /** Environment that handlers inherit, without the secrets that they do not list. */
  env: NodeJS.ProcessEnv;
  /** For runs of async handlers, which end after their firing. Their starts are told while the firing announces the others, and
   *  `fire()` awaits them; an end that it can't record becomes a warning of `takeAsyncResults()`. */
  observer: HookObserver;
  /** Http handlers may reach this machine and private networks; default false. */
  httpPrivateAddresses?: boolean;
  /** Calls a tool of a connected MCP server, for handlers of type mcp_tool; without it they are not available. */
  callMcpTool?: McpToolCaller;
  /** For tools that show hooks at work: told what a handler did, before it is completed. Must not throw. */
  onResult?(run: HookRun, result: HandlerResult): void;
}

export interface McpToolCall {
  server: string;
  tool: string;
  arguments: Record<string, unknown>;
  /** Aborted when the handler's time is up or its firing was interrupted. */
  signal: AbortSignal;
}

/** The part of MCP's CallToolResult that counts. */
export interface McpToolAnswer {
  content: readonly { type: string; text?: string }[];
  isError?: boolean;
}

/** Rejects when there is no such server, or no connection to it. */
export type McpToolCaller = (call: McpToolCall) => Promise<McpToolAnswer>;
