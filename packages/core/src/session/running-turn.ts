/** The turn that runs, as the session sees it: what may still be put into it, and when it has ended. */
import type { Turn as WireTurn, UntakenInput } from "@sallyport/protocol";
import { Interrupted } from "../turns/turn-context.ts";
import type { TurnContext } from "../turns/turn-context.ts";
import type { TurnInput } from "../turns/turn.ts";

export class RunningTurn {
  readonly id: string;
  readonly kind: "work" | "compact";
  readonly abort: AbortController = new AbortController();
  readonly ended: Promise<void>;
  readonly end: () => void;
  /** Nothing more is taken up in this turn. */
  takesNoMore: boolean;
  /** What commands of the user run in; null until the turn is made. */
  context: TurnContext | null = null;
  /** All is done but to say so. */
  isCompleting = false;
  #steered: TurnInput[] = [];
  /** Commands that the user typed while it ran. */
  readonly #userCommands = new Set<Promise<void>>();

  constructor(id: string, kind: RunningTurn["kind"]) {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.id = id;
    this.kind = kind;
    this.ended = ended;
    this.end = end;
    this.takesNoMore = kind === "compact";
  }

  interrupt(): void {
    this.abort.abort(new Interrupted());
  }

  steer(input: TurnInput): void {
    this.#steered.push(input);
  }

  /** What an earlier server did not take up. */
  steerAgain(untaken: readonly UntakenInput[]): void {
    for (const { content, clientId } of untaken)
      this.steer({ input: content, clientUserMessageId: clientId, outputSchema: null });
  }

  takeSteered(): TurnInput[] {
    return this.#steered.splice(0);
  }

  /** From an empty hand on nothing more is taken. */
  takeLastSteered(): TurnInput[] {
    this.takesNoMore = this.#steered.length === 0;
    return this.takeSteered();
  }

  addUserCommand(running: Promise<void>): void {
    const ended = running.finally(() => this.#userCommands.delete(ended));
    this.#userCommands.add(ended);
  }

  async userCommandsEnded(): Promise<void> {
    while (this.#userCommands.size > 0) await Promise.all(this.#userCommands);
  }
}

/** As `turn/start` answers with it. */
export function begunTurn(id: string): WireTurn {
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
