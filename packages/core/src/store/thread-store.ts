/** Where threads live. The interface is asynchronous and says nothing of SQLite, so that a database server can stand behind it.
 *
 *     session                       store                              clients
 *       | commit(changes, events)     |                                   |
 *       |---------------------------->| one transaction: all or nothing   |
 *       |<-------- sequence numbers --|                                   |
 *       |-------------------------------- notifications ----------------->|   nothing is announced before it is stored
 *
 *  One process writes a thread at a time: whoever created or acquired it. Others read. A writer that was killed is noticed, and what
 *  it left open reads as interrupted from then on. Times are integer milliseconds since the epoch. */
import type { HookRun } from "@sallyport/hooks";
import type {
  BlockedInput,
  ExecRecord,
  GitInfo,
  ServerNotification,
  SortDirection,
  ThreadHistoryMode,
  ThreadItem,
  ThreadReadState,
  ThreadSource,
  ThreadTokenUsage,
  TurnError,
  TurnItemsView,
  TurnStatus,
  UntakenInput,
} from "@sallyport/protocol";

/** What a JSON document can hold. Key order is kept, so the same value gives the same bytes after any number of resumes. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue | undefined };

export interface StoredThread {
  /** UUIDv7. */
  id: string;
  sessionId: string;
  forkedFromId: string | null;
  createdAtMs: number;
  updatedAtMs: number;
  /** When a turn was last started; sorts the list of recent threads. */
  recencyAtMs: number;
  archivedAtMs: number | null;
  /** Text of the first user message; empty before. */
  preview: string;
  name: string | null;
  cwd: string;
  model: string | null;
  modelProvider: string;
  reasoningEffort: string | null;
  source: ThreadSource;
  threadSource: string | null;
  originator: string | null;
  cliVersion: string;
  gitInfo: GitInfo | null;
  historyMode: ThreadHistoryMode;
  ephemeral: boolean;
  /** The JSON-lines mirror, null for an ephemeral thread. The store sets it. */
  path: string | null;
  tokenUsage: ThreadTokenUsage | null;
  /** Null: no turn has ended since such marks are kept. */
  readState: ThreadReadState | null;
  /** What the session needs to go on with and clients do not see as such: approval policy, sandbox, instructions, ... */
  settings: { [key: string]: JsonValue | undefined };
}

export type NewThread = Omit<StoredThread, "path" | "ephemeral">;

/** Whatever may change after a thread was made. */
export type ThreadPatch = Partial<Omit<StoredThread, "id" | "path" | "ephemeral" | "createdAtMs" | "source">>;

export interface StoredTurn {
  /** UUIDv7. */
  id: string;
  rootTurnId: string | null;
  status: TurnStatus;
  error: TurnError | null;
  startedAtMs: number | null;
  completedAtMs: number | null;
  durationMs: number | null;
  blockedInput: BlockedInput | null;
  /** Steered words that were not taken up, the first ones first. Absent: none. */
  untakenInput?: readonly UntakenInput[];
}

/** One message of the model's input, as it is sent: roles and parts, hook context and provider's reasoning included. The store
 *  neither reads nor changes `body`. */
export interface StoredMessage {
  turnId: string;
  body: JsonValue;
}

/** What one turn did to the model's input. */
export interface TurnMessages {
  messages: JsonValue[];
  /** They stand in the place of all that was before. */
  replacesEarlier: boolean;
}

export interface StoredExecRun {
  /** The commandExecution item whose command started the program. */
  itemId: string;
  record: ExecRecord;
}

/** A question to people. While it waits its turn waits with it, also when its server has died: such a turn is not interrupted. */
export interface StoredApproval {
  /** UUIDv7. */
  id: string;
  turnId: string;
  /** The item whose work begins with the answer, and that reads as in progress until then; null: none does. */
  waitingItemId: string | null;
  askedAtMs: number;
  /** Null: it waits. */
  answer: JsonValue | null;
  /** What it takes to ask again and to go on. The store neither reads nor changes it. */
  body: JsonValue;
}

/** An announced notification. `seq` grows within a thread and is not dense. */
export interface StoredEvent {
  seq: number;
  notification: ServerNotification;
}

/** The last ten turns' events are kept, and deltas until their item is put again: then it says all that they said. Long items are put
 *  again while they run, so whoever wants to catch up with one takes a snapshot. */
export interface EventPage {
  events: StoredEvent[];
  /** False: events after `afterSeq` are not kept any more, and only a snapshot tells the whole. */
  isComplete: boolean;
}

/** One thing to store. `put` inserts, or replaces what has the same id and keeps its place in the order. A new turn sets the
 *  thread's `recencyAtMs`, every change its `updatedAtMs`; a patch may say otherwise. */
export type StoreChange =
  | { kind: "updateThread"; patch: ThreadPatch }
  | { kind: "putTurn"; turn: StoredTurn }
  /** An item without `completedAtMs` runs: it reads as what was put last and the deltas that were announced since. */
  | { kind: "putItem"; turnId: string; item: ThreadItem }
  /** `turnId` null: the run belongs to the turn that follows, and gets its id when that turn is put. */
  | { kind: "putHookRun"; turnId: string | null; run: HookRun }
  /** Of a turn 4000 are kept: the first 2000, and the newest. */
  | { kind: "putExecRun"; turnId: string; itemId: string; record: ExecRecord }
  /** Answered ones are kept as long as events are. */
  | { kind: "putApproval"; approval: StoredApproval }
  /** Nobody is asked any more. Does nothing to one that was answered. */
  | { kind: "dropApproval"; approvalId: string }
  | { kind: "appendMessages"; turnId: string; messages: readonly JsonValue[] }
  /** After a compaction: the model's input starts anew with these. Items and turns stay. */
  | { kind: "replaceMessages"; turnId: string; messages: readonly JsonValue[] }
  /** Removes the turn, all later ones, and what belongs to them; the model's input is what it was before that turn, also where it
   *  was replaced since. Events are not kept: who was attached has to take a snapshot. */
  | { kind: "revert"; beforeTurnId: string };

/** Changes are stored in order, then the events. */
export interface ThreadCommit {
  changes?: readonly StoreChange[];
  /** What will be announced once this is stored. */
  events?: readonly ServerNotification[];
}

export interface CommitResult {
  /** The sequence number of each event, in order. */
  seqs: number[];
}

/** `cursor` is opaque: one that a page gave. A next cursor goes on in the same direction; a backwards cursor is used with the
 *  other direction and gives the page's first entry again. A cursor of another list is refused with `CURSOR_INVALID`. */
export interface PageQuery {
  cursor?: string | null;
  /** 1 to 100; smaller counts as 1, larger as 100. Default 25. */
  limit?: number | null;
  sortDirection?: SortDirection | null;
}

export interface Page<Entry> {
  data: Entry[];
  /** Null: nothing follows. */
  nextCursor: string | null;
  /** Null only when the page is empty. */
  backwardsCursor: string | null;
}

export interface ThreadListQuery extends PageQuery {
  /** Default `createdAt`; direction default desc. Ties are sorted by id. */
  sortKey?: "createdAt" | "updatedAt" | "recencyAt";
  /** Empty or absent: any. */
  modelProviders?: readonly string[];
  /** Empty or absent: any. */
  sources?: readonly ThreadSource[];
  /** Default false: only threads that are not archived; true: only those that are. */
  archived?: boolean;
  /** Exact. Empty or absent: any. */
  cwds?: readonly string[];
  /** A part of the name or, where there is none, of the preview; upper and lower case are alike. */
  searchTerm?: string;
  /** Threads without a turn are left out unless this is true. */
  includeEmpty?: boolean;
}

/** A turn with what belongs to it. `hookRuns` is complete whatever the view; it is in the order of start. */
export interface TurnRecord extends StoredTurn {
  items: ThreadItem[];
  itemsView: TurnItemsView;
  hookRuns: HookRun[];
}

export interface TurnListQuery extends PageQuery {
  /** Default `summary`. Direction default desc. */
  itemsView?: TurnItemsView | null;
}

export interface ItemListQuery extends PageQuery {
  /** Only of this turn. Direction default asc. */
  turnId?: string | null;
}

export interface ItemRecord {
  turnId: string;
  item: ThreadItem;
}

export interface ThreadSnapshot {
  thread: StoredThread;
  turns: Page<TurnRecord>;
  /** The newest event, 0 before the first. */
  seq: number;
}

/** Ids match exactly. Methods that take a thread throw `THREAD_NOT_FOUND` where there is none, unless they say otherwise. */
export interface ThreadStore {
  /** Stores a new thread, and holds it for writing. */
  createThread(thread: NewThread): Promise<StoredThread>;
  /** Holds a thread for writing; a second call changes nothing. What a dead writer left open is stored as interrupted first, but for
   *  turns with a question that waits.
   *  Throws `THREAD_HAS_WRITER` while another process, or another store of this one, holds it. */
  acquireThread(threadId: string): Promise<StoredThread>;
  /** Lets others write. Turns that are still open are stored as interrupted, but for those with a question that waits. Does nothing
   *  for a thread that is not held. */
  releaseThread(threadId: string): Promise<void>;
  /** Stores all of it or, when it throws, nothing. Throws `THREAD_NOT_HELD` for a thread that was not created or acquired here. */
  commit(threadId: string, commit: ThreadCommit): Promise<CommitResult>;
  /** Removes the thread with everything that belongs to it. It has to be held. */
  deleteThread(threadId: string): Promise<void>;

  /** Null where there is none. */
  readThread(threadId: string): Promise<StoredThread | null>;
  listThreads(query: ThreadListQuery): Promise<Page<StoredThread>>;
  /** Null where the thread has no such turn. */
  readTurn(threadId: string, turnId: string, itemsView: TurnItemsView): Promise<TurnRecord | null>;
  listTurns(threadId: string, query: TurnListQuery): Promise<Page<TurnRecord>>;
  listItems(threadId: string, query: ItemListQuery): Promise<Page<ItemRecord>>;
  /** In the order of their decisions. Direction default asc; the limit may be up to 200. */
  listExecRuns(threadId: string, turnId: string, query: PageQuery): Promise<Page<StoredExecRun>>;
  /** The model's whole input, in order. */
  readMessages(threadId: string): Promise<StoredMessage[]>;
  /** Of one turn, for a copy of the thread; those that were replaced later are among them. Empty where there is no such turn. */
  readTurnMessages(threadId: string, turnId: string): Promise<TurnMessages>;
  /** In the order in which they were asked. */
  readApprovals(threadId: string): Promise<StoredApproval[]>;
  /** Events after `afterSeq`, oldest first, at most `limit`. */
  readEvents(threadId: string, query: { afterSeq: number; limit: number }): Promise<EventPage>;
  /** Thread, turns and the number of the newest event, read in one step: a client that gets these and then every later event
   *  misses nothing and gets nothing twice. */
  readSnapshot(threadId: string, query: TurnListQuery): Promise<ThreadSnapshot>;

  /** Releases every thread and closes the database. Other calls fail afterwards. */
  close(): Promise<void>;
}
