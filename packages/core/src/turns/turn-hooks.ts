/** Hooks at their places in a thread: what they are told, and that every run of theirs is stored before it is announced. */
import { toHookRunSummary } from "@sallyport/hooks";
import type { HookObserver, HookOutcomes, HookRun, HookSession } from "@sallyport/hooks";
import type { ApprovalPolicy, HookEventName, HookInputs, HookPermissionMode } from "@sallyport/protocol";
import type { ThreadLog } from "../session/thread-log.ts";

/** What every event's input has. */
export interface HookSurroundings {
  threadId: string;
  transcriptPath: string | null;
  cwd: string;
  model: string;
  approvalPolicy: ApprovalPolicy;
}

/** An event's input without what all have; `SessionStart` and `SessionEnd` stand outside of turns. */
export type OwnInput<Event extends HookEventName> = Omit<
  HookInputs[Event],
  "session_id" | "transcript_path" | "cwd" | "model" | "permission_mode" | "turn_id" | "hook_event_name"
>;

function permissionMode(policy: ApprovalPolicy): HookPermissionMode {
  return policy === "never" ? "bypassPermissions" : "default";
}

const withoutMode: ReadonlySet<HookEventName> = new Set([
  "SessionEnd",
  "PreCompact",
  "PostCompact",
  "PreModelRequest",
  "PostModelRequest",
]);

/** The whole input. Which fields an event has is the peer's choice. */
export function hookInput<Event extends HookEventName>(
  event: Event,
  around: HookSurroundings,
  turnId: string | null,
  own: OwnInput<Event>,
): HookInputs[Event] {
  return {
    session_id: around.threadId,
    ...(turnId === null ? {} : { turn_id: turnId }),
    transcript_path: around.transcriptPath,
    cwd: around.cwd,
    hook_event_name: event,
    ...(event === "SessionEnd" ? {} : { model: around.model }),
    ...(withoutMode.has(event) ? {} : { permission_mode: permissionMode(around.approvalPolicy) }),
    ...own,
  } as unknown as HookInputs[Event]; // the table above decides per event what the types say per event
}

/** Stores and announces runs. `turnId` null: they belong to the turn that follows. */
export function recordingObserver(options: {
  threadId: string;
  log: ThreadLog;
  turnId(run: HookRun): string | null;
  /** Sees each run as it is stored; may return another in its place. */
  onRun?(run: HookRun): HookRun;
}): HookObserver {
  const { threadId, log } = options;
  const record = (method: "hook/started" | "hook/completed", given: HookRun): Promise<void> => {
    const run = options.onRun?.(given) ?? given;
    const turnId = options.turnId(run);
    return log.record(
      [{ kind: "putHookRun", turnId, run }],
      [{ method, params: { threadId, turnId, run: toHookRunSummary(run) } }],
    );
  };
  return { started: (run) => record("hook/started", run), completed: (run) => record("hook/completed", run) };
}

/** The hooks of one turn. */
export class TurnHooks {
  readonly #session: HookSession;
  readonly #around: () => HookSurroundings;
  readonly #turnId: string;
  readonly #observer: HookObserver;
  readonly #has: (event: HookEventName) => boolean;
  /** PreExec hooks may carry programs outside. */
  readonly mayEscalate: boolean;

  constructor(options: {
    session: HookSession;
    around: () => HookSurroundings;
    turnId: string;
    observer: HookObserver;
    has: (event: HookEventName) => boolean;
    mayEscalate: boolean;
  }) {
    this.mayEscalate = options.mayEscalate;
    this.#has = options.has;
    this.#session = options.session;
    this.#around = options.around;
    this.#turnId = options.turnId;
    this.#observer = options.observer;
  }

  fire<Event extends HookEventName>(
    event: Event,
    own: OwnInput<Event>,
    signal: AbortSignal | null,
  ): Promise<HookOutcomes[Event]> {
    const input = hookInput(event, this.#around(), this.#turnId, own);
    const options = { observer: this.#observer, ...(signal === null ? {} : { signal }) };
    return this.#session.fire(event, input, options);
  }

  /** Whether any hook would run at the event: what stands at every program start must cost nothing without one. */
  has(event: HookEventName): boolean {
    return this.#has(event);
  }

  takeAsyncResults(): ReturnType<HookSession["takeAsyncResults"]> {
    return this.#session.takeAsyncResults();
  }
}
