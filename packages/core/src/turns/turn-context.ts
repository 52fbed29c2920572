/** What the parts of a running turn share. */
import type { Text } from "@sallyport/protocol";
import type { ThreadServers } from "../mcp/thread-servers.ts";
import type { ApprovalBook } from "@sallyport/rules-store";
import type { Approvals } from "../session/approvals.ts";
import type { PermissionGrants } from "../session/permission-grants.ts";
import type { RuleOptions } from "../session/thread-rules.ts";
import type { SessionSettings } from "../session/session-settings.ts";
import type { ThreadLog } from "../session/thread-log.ts";
import type { History } from "./history.ts";
import type { ItemIds } from "./item-ids.ts";
import type { TurnHooks } from "./turn-hooks.ts";
import type { TurnProgress } from "./turn-progress.ts";

export interface TurnContext {
  threadId: string;
  turnId: string;
  log: ThreadLog;
  history: History;
  hooks: TurnHooks;
  settings: SessionSettings;
  approvals: Approvals;
  /** For the next command. Throws where nothing may run. */
  rules(): RuleOptions;
  /** What a yes was kept for; asked before anybody is. */
  keptApprovals: ApprovalBook;
  /** False: nobody is there to ask, so what would be asked is refused. */
  canAsk: boolean;
  grants: PermissionGrants;
  /** The model may ask for permissions. */
  offersPermissions: boolean;
  itemIds: ItemIds;
  /** Kept with every question. */
  progress: TurnProgress;
  mcp: ThreadServers;
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
