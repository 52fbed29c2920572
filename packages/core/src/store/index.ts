/** The store: its interface, the SQLite that meets it, and how what is stored becomes what is sent. */
export { openEphemeralThreadStore, openThreadStore } from "./sqlite/sqlite-thread-store.ts";
export { toExecRun, toItemEntry, toThread, toTurn } from "./to-wire.ts";
export type {
  CommitResult,
  EventPage,
  ItemListQuery,
  ItemRecord,
  JsonValue,
  NewThread,
  Page,
  PageQuery,
  StoreChange,
  StoredApproval,
  StoredEvent,
  StoredExecRun,
  StoredMessage,
  StoredThread,
  StoredTurn,
  ThreadCommit,
  ThreadListQuery,
  ThreadPatch,
  ThreadSnapshot,
  ThreadStore,
  TurnListQuery,
  TurnMessages,
  TurnRecord,
} from "./thread-store.ts";
