/** thread/start, thread/resume, thread/read, thread/list. */
import { toThread } from "@sallyport/core";
import type { ThreadListQuery, ThreadSession, TurnListQuery } from "@sallyport/core";
import type { ClientRequestParams, ThreadResumeResponse, ThreadSource } from "@sallyport/protocol";
import { isThreadNotFound } from "../not-found.ts";
import { RpcError, rpcCodes } from "../rpc-error.ts";
import type { MethodContext, MethodTable } from "./method-context.ts";
import { checkThreadId, storeOf } from "./thread-id.ts";
import { allTurns, newestFirst, openOptions, sessionFields } from "./thread-view.ts";
import { withExecRuns } from "./turn-view.ts";

type Started = Pick<MethodTable, "thread/start" | "thread/resume" | "thread/read" | "thread/list">;

const sources: readonly ThreadSource[] = ["cli", "vscode", "exec", "appServer", "unknown"];
const interactiveSources: readonly ThreadSource[] = ["cli", "vscode", "appServer", "unknown"];
const sortKeys = {
  created_at: "createdAt",
  updated_at: "updatedAt",
  recency_at: "recencyAt",
  // There are no sections: the order that stands nearest to what people left them in.
  section_position: "recencyAt",
} as const;
const newestOnly = { limit: 1, sortDirection: "desc", itemsView: "notLoaded" } as const;

export const threadMethods: Started = {
  "thread/start": async (params, context) => {
    const { threads } = await context.core();
    const session = await threads.start({
      ...openOptions(params),
      cwd: params.cwd ?? context.cwd,
      source: "vscode",
      sessionStartSource: params.sessionStartSource ?? "startup",
      ephemeral: params.ephemeral === true,
      threadSource: params.threadSource ?? null,
      originator: context.connection.handshake?.client.name ?? null,
      historyMode: params.historyMode ?? "paginated",
    });
    context.subscriptions.subscribe(context.connection, session);
    const thread = toThread(session.thread, session.status);
    const afterwards = (): void => context.subscriptions.toAll({ method: "thread/started", params: { thread } });
    return { result: sessionFields(session, thread), afterwards };
  },

  "thread/resume": async (params, context) => {
    const { threads } = await context.core();
    const threadId = checkThreadId(params.threadId);
    const known = threads.find(threadId);
    const session = known ?? (await resume(threadId, params, context));
    const { connection, subscriptions } = context;
    const detach = subscriptions.attach(connection, session);
    const { result, seq } = await resumed(session, params, context).catch((error: unknown) => {
      detach();
      throw error;
    });
    const afterwards = (): void => {
      const { status } = session;
      connection.notify({ method: "thread/status/changed", params: { threadId, status } });
      const { tokenUsage } = session.thread;
      const turnId = result.thread.turns.at(-1)?.id ?? result.initialTurnsPage?.data[0]?.id ?? null;
      if (tokenUsage !== null && turnId !== null)
        connection.notify({ method: "thread/tokenUsage/updated", params: { threadId, turnId, tokenUsage } });
      subscriptions.release(connection, session, seq);
    };
    return { result, afterwards };
  },

  "thread/read": async (params, context) => {
    const { threads, store } = await context.core();
    const threadId = checkThreadId(params.threadId);
    const stored = threads.find(threadId)?.thread ?? (await store.readThread(threadId));
    if (stored === null)
      throw new RpcError(rpcCodes.invalidRequest, `thread not found: ${threadId}`, { path: "threadId" });
    const turns =
      params.includeTurns === true ? await allTurns(await storeOf(threadId, context), threadId, context) : [];
    return { result: { thread: toThread(stored, threads.statusOf(threadId), turns), readState: stored.readState } };
  },

  "thread/list": async (params, context) => {
    const { threads, store } = await context.core();
    const query = listQuery(params);
    const none = { data: [], nextCursor: null, backwardsCursor: null };
    const page = query === null ? none : await store.listThreads(query);
    const data = page.data.map((thread) => toThread(thread, threads.statusOf(thread.id)));
    const { nextCursor, backwardsCursor } = page;
    const readStates = Object.fromEntries(
      page.data.flatMap(({ id, readState }) => (readState === null ? [] : [[id, readState]])),
    );
    return { result: { data, nextCursor, backwardsCursor, readStates } };
  },
};

async function resume(
  threadId: string,
  params: ClientRequestParams<"thread/resume">,
  context: MethodContext,
): Promise<ThreadSession> {
  const { threads } = await context.core();
  try {
    return await threads.resume(threadId, openOptions(params));
  } catch (error) {
    if (!isThreadNotFound(error)) throw error;
    throw new RpcError(rpcCodes.invalidRequest, `no rollout found for thread id ${threadId}`, { path: "threadId" });
  }
}

/** `seq` is the newest event that the answer holds. */
async function resumed(
  session: ThreadSession,
  params: ClientRequestParams<"thread/resume">,
  context: MethodContext,
): Promise<{ result: ThreadResumeResponse; seq: number }> {
  const { id, store } = session;
  const asked = params.initialTurnsPage ?? null;
  const wantsAll = params.excludeTurns !== true;
  // Newest first: only the newest turn can change, so the pages after the snapshot are as old as it.
  const query: TurnListQuery = wantsAll ? newestFirst : asked === null ? newestOnly : pageQuery(asked);
  const snapshot = await store.readSnapshot(id, query);
  const turns = wantsAll ? await allTurns(store, id, context, snapshot.turns) : [];
  const page = asked === null ? null : wantsAll ? await store.listTurns(id, pageQuery(asked)) : snapshot.turns;
  const newestTurn = await store.listTurns(id, newestOnly);
  const newestItem = await store.listItems(id, { limit: 1, sortDirection: "desc" });
  const result = {
    ...sessionFields(session, toThread(session.thread, session.status, turns)),
    collaborationMode: null,
    initialTurnsPage: page === null ? null : { ...page, data: await withExecRuns(page.data, id, context) },
    turnsBackwardsCursor: newestTurn.backwardsCursor,
    itemsBackwardsCursor: newestItem.backwardsCursor,
  };
  return { result, seq: snapshot.seq };
}

type FirstPage = NonNullable<ClientRequestParams<"thread/resume">["initialTurnsPage"]>;

function pageQuery({ limit, sortDirection, itemsView }: FirstPage): TurnListQuery {
  return { limit: limit ?? null, sortDirection: sortDirection ?? null, itemsView: itemsView ?? null };
}

/** Null: nothing can be found. */
function listQuery(params: ClientRequestParams<"thread/list">): ThreadListQuery | null {
  const { cursor, limit, sortDirection, sortKey, modelProviders, sourceKinds, archived, cwd, searchTerm } = params;
  const asked = sourceKinds ?? [];
  const known = sources.filter((source) => asked.includes(source));
  // No thread has a parent, and a kind that is not known here has no threads; to the store, an empty list means any.
  if (params.parentThreadId != null || (asked.length > 0 && known.length === 0)) return null;
  return {
    cursor: cursor ?? null,
    limit: limit ?? null,
    sortDirection: sortDirection ?? null,
    sortKey: sortKeys[sortKey ?? "created_at"],
    modelProviders: modelProviders ?? [],
    sources: asked.length === 0 ? interactiveSources : known,
    archived: archived === true,
    cwds: cwd == null ? [] : [cwd].flat(),
    ...(searchTerm == null || searchTerm === "" ? {} : { searchTerm }),
  };
}
