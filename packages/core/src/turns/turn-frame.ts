/** What every turn has, whatever happens in it: how it is stored, how it begins and how it is completed. */
import { toHookRunSummary } from "@sallyport/hooks";
import type { HookRun } from "@sallyport/hooks";
import type {
  AgentMessageItem,
  BlockedInput,
  ServerNotification,
  Turn as WireTurn,
  TurnError,
  TurnStatus,
  UntakenInput,
} from "@sallyport/protocol";
import type { StoreChange, StoredTurn } from "../store/index.ts";
import type { TurnContext } from "./turn-context.ts";

export interface FrameSession {
  /** Nothing is left to do but to tell that the turn is completed. */
  completing(): void;
  statusChange(status: "active" | "idle" | "systemError"): ServerNotification;
  /** Runs that belong to this turn, in the order of their start. */
  hookRuns(): HookRun[];
  /** The turn's result waits for people to read it. */
  unreadChange(): { changes: StoreChange[]; notifications: ServerNotification[] };
}

export interface Ending {
  status: TurnStatus;
  error: TurnError | null;
}

export class TurnFrame {
  readonly #context: TurnContext;
  readonly #session: FrameSession;
  readonly #startedAtMs: number;
  /** A prompt that a hook refused. */
  blockedInput: BlockedInput | null;
  /** What was steered into it and not taken up. */
  untakenInput: readonly UntakenInput[] = [];

  /** `begun`: the turn as an earlier server has stored it. */
  constructor(context: TurnContext, session: FrameSession, begun: StoredTurn | null) {
    this.#startedAtMs = begun?.startedAtMs ?? Date.now();
    this.blockedInput = begun?.blockedInput ?? null;
    this.#context = context;
    this.#session = session;
  }

  /** The change that stores the turn while it runs. */
  beginning(): StoreChange {
    return { kind: "putTurn", turn: this.#stored({ status: "inProgress", error: null }) };
  }

  async begin(): Promise<void> {
    const { threadId, log } = this.#context;
    const turn = this.#wire(this.#stored({ status: "inProgress", error: null }), null);
    await log.record(
      [{ kind: "updateThread", patch: { recencyAtMs: this.#startedAtMs, updatedAtMs: this.#startedAtMs } }],
      [this.#session.statusChange("active"), { method: "turn/started", params: { threadId, turn } }],
    );
  }

  async complete(ending: Ending, lastMessage: AgentMessageItem | null): Promise<void> {
    this.#session.completing();
    const { threadId, turnId, log } = this.#context;
    const { error } = ending;
    // Once for both: what is told is what is stored, to the millisecond.
    const stored = this.#stored(ending);
    const turn = this.#wire(stored, lastMessage);
    const failure: ServerNotification[] =
      error === null ? [] : [{ method: "error", params: { error, willRetry: false, threadId, turnId } }];
    const hasResult = ending.status === "failed" || (ending.status === "completed" && lastMessage !== null);
    const unread = hasResult ? this.#session.unreadChange() : { changes: [], notifications: [] };
    await log.record(
      [
        { kind: "putTurn", turn: stored },
        ...unread.changes,
        { kind: "updateThread", patch: { updatedAtMs: Date.now() } },
      ],
      [
        ...unread.notifications,
        this.#session.statusChange(error === null ? "idle" : "systemError"),
        ...failure,
        { method: "turn/completed", params: { threadId, turn } },
      ],
    );
  }

  #stored({ status, error }: Ending): StoredTurn {
    // A clock that was set back ends nothing before it began.
    const completedAtMs = status === "inProgress" ? null : Math.max(Date.now(), this.#startedAtMs);
    const startedAtMs = this.#startedAtMs;
    return {
      id: this.#context.turnId,
      rootTurnId: this.#context.turnId,
      status,
      error,
      startedAtMs,
      completedAtMs,
      durationMs: completedAtMs === null ? null : completedAtMs - startedAtMs,
      blockedInput: this.blockedInput,
      ...(this.untakenInput.length === 0 ? {} : { untakenInput: this.untakenInput }),
    };
  }

  #wire(turn: StoredTurn, lastMessage: AgentMessageItem | null): WireTurn {
    const { startedAtMs, completedAtMs, durationMs, blockedInput, untakenInput, ...rest } = turn;
    return {
      ...rest,
      items: lastMessage === null ? [] : [lastMessage],
      itemsView: lastMessage === null ? "notLoaded" : "summary",
      startedAt: startedAtMs === null ? null : Math.floor(startedAtMs / 1000),
      completedAt: completedAtMs === null ? null : Math.floor(completedAtMs / 1000),
      durationMs,
      hookRuns: this.#session.hookRuns().map(toHookRunSummary),
      ...(blockedInput === null ? {} : { blockedInput }),
      ...(untakenInput === undefined ? {} : { untakenInput: [...untakenInput] }),
    };
  }
}
