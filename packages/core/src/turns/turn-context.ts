/** What the parts of a running turn share. */
import type { Text } from "@sallyport/protocol";
import type { Approvals } from "../session/approvals.ts";
import type { SessionSettings } from "../session/session-settings.ts";
import type { ThreadLog } from "../session/thread-log.ts";
import type { History } from "./history.ts";
import type { ItemIds } from "./item-ids.ts";
import type { TurnHooks } from "./turn-hooks.ts";

export interface TurnContext {
  threadId: string;
  turnId: string;
  log: ThreadLog;
  history: History;
  hooks: TurnHooks;
  settings: SessionSettings;
  approvals: Approvals;
  /** False: nobody is there to ask, so what would be asked is refused. */
  canAsk: boolean;
  itemIds: ItemIds;
  /** The program that runs command lines. */
  shell: string;
  /** NAME=value entries that commands get. */
  env: Text[];
  home: string;
  /** Aborts when the turn is interrupted. */
  signal: AbortSignal;
  interrupt(): void;
}

/** Thrown through the turn by an interrupt; the reason of its signal. */
export class Interrupted extends Error {
  constructor() {
    super("the turn was interrupted");
    this.name = "Interrupted";
  }
}
