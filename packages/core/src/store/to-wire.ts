/** What is stored, as it is sent. Inside times are milliseconds; the wire has seconds where the peer has. */
import { toHookRunSummary } from "@sallyport/hooks";
import type { ExecRun, ItemsListEntry, Thread, ThreadStatus, Turn } from "@sallyport/protocol";
import type { ItemRecord, StoredExecRun, StoredThread, TurnRecord } from "./thread-store.ts";

/** `status` is what the server knows: a thread that it has not loaded is `notLoaded`. */
export function toThread(thread: StoredThread, status: ThreadStatus, turns: Turn[] = []): Thread {
  return {
    id: thread.id,
    sessionId: thread.sessionId,
    forkedFromId: thread.forkedFromId,
    parentThreadId: null,
    preview: thread.preview,
    ephemeral: thread.ephemeral,
    historyMode: thread.historyMode,
    modelProvider: thread.modelProvider,
    model: thread.model,
    reasoningEffort: thread.reasoningEffort,
    createdAt: toSeconds(thread.createdAtMs),
    updatedAt: toSeconds(thread.updatedAtMs),
    recencyAt: toSeconds(thread.recencyAtMs),
    status,
    path: thread.path,
    cwd: thread.cwd,
    cliVersion: thread.cliVersion,
    originator: thread.originator,
    source: thread.source,
    threadSource: thread.threadSource,
    projectId: null,
    canAcceptDirectInput: status.type === "notLoaded" ? null : true,
    gitInfo: thread.gitInfo,
    name: thread.name,
    turns,
  };
}

/** `execRuns` only for clients that asked. */
export function toTurn(turn: TurnRecord, execRuns?: readonly StoredExecRun[]): Turn {
  return {
    id: turn.id,
    rootTurnId: turn.rootTurnId,
    items: turn.items,
    itemsView: turn.itemsView,
    status: turn.status,
    error: turn.error,
    startedAt: turn.startedAtMs === null ? null : toSeconds(turn.startedAtMs),
    completedAt: turn.completedAtMs === null ? null : toSeconds(turn.completedAtMs),
    durationMs: turn.durationMs,
    hookRuns: turn.hookRuns.map(toHookRunSummary),
    ...(turn.blockedInput === null ? {} : { blockedInput: turn.blockedInput }),
    ...(turn.untakenInput === undefined ? {} : { untakenInput: [...turn.untakenInput] }),
    ...(execRuns === undefined ? {} : { execRuns: execRuns.map(toExecRun) }),
  };
}

export function toItemEntry({ turnId, item }: ItemRecord): ItemsListEntry {
  return { turnId, item, startedAtMs: item.startedAtMs ?? null, completedAtMs: item.completedAtMs ?? null };
}

export function toExecRun({ itemId, record }: StoredExecRun): ExecRun {
  return {
    id: record.id,
    itemId,
    parentId: record.parentId,
    file: record.file,
    argv: record.argv,
    cwd: record.cwd,
    decision: record.decision,
    reason: record.reason,
    startedAtMs: record.atMs,
    completedAtMs: record.durationMs === null ? null : record.atMs + record.durationMs,
    exitCode: record.exitCode,
    signal: record.signal,
  };
}

function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}
