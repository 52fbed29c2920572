/** thread/loaded/list, name/set, archive, unarchive, delete, unsubscribe. */
import { toThread } from "@sallyport/core";
import type { Threads } from "@sallyport/core";
import type { ServerNotification } from "@sallyport/protocol";
import { RpcError, rpcCodes } from "../rpc-error.ts";
import type { MethodContext, MethodTable } from "./method-context.ts";
import { checkThreadId } from "./thread-id.ts";

type Mine = Pick<
  MethodTable,
  | "thread/loaded/list"
  | "thread/name/set"
  | "thread/readState/update"
  | "thread/archive"
  | "thread/unarchive"
  | "thread/delete"
  | "thread/unsubscribe"
>;

export const threadLifecycleMethods: Mine = {
  "thread/loaded/list": async (params, context) => {
    const { threads } = await context.core();
    const after = params.cursor == null ? "" : checkCursor(params.cursor);
    const ids = threads.loaded.map(({ id }) => id).toSorted();
    const rest = ids.filter((id) => id > after);
    const data = params.limit == null ? rest : rest.slice(0, Math.max(params.limit, 1));
    return { result: { data, nextCursor: data.length < rest.length ? (data.at(-1) ?? null) : null } };
  },

  "thread/name/set": async (params, context) => {
    const { threads } = await context.core();
    const threadId = checkThreadId(params.threadId);
    const name = params.name.trim();
    if (name === "") throw new RpcError(rpcCodes.invalidRequest, "thread name must not be empty", { path: "name" });
    await threads.update(threadId, { name });
    return told(context, { method: "thread/name/updated", params: { threadId, threadName: name } });
  },

  "thread/readState/update": async ({ threadId, operation, expectedRevision }, context) => {
    const { threads } = await context.core();
    return { result: { readState: await threads.markRead(checkThreadId(threadId), operation, expectedRevision) } };
  },

  "thread/archive": async (params, context) => {
    const { threads } = await context.core();
    const threadId = checkThreadId(params.threadId);
    if (threads.find(threadId)?.thread.ephemeral === true) {
      const message = `Thread "${threadId}" is ephemeral, expected a stored one; delete it, or leave it`;
      throw new RpcError(rpcCodes.invalidRequest, message, { path: "threadId" });
    }
    const wasLoaded = await closed(threadId, threads, context);
    await threads.update(threadId, { archivedAtMs: Date.now() });
    return told(context, ...unloaded(threadId, wasLoaded), { method: "thread/archived", params: { threadId } });
  },

  "thread/unarchive": async (params, context) => {
    const { threads } = await context.core();
    const threadId = checkThreadId(params.threadId);
    const stored = await threads.update(threadId, { archivedAtMs: null });
    const { afterwards } = told(context, { method: "thread/unarchived", params: { threadId } });
    return { result: { thread: toThread(stored, threads.statusOf(threadId)) }, afterwards };
  },

  "thread/delete": async (params, context) => {
    const { threads } = await context.core();
    const threadId = checkThreadId(params.threadId);
    const wasLoaded = threads.find(threadId) !== null;
    await threads.delete(threadId);
    context.subscriptions.forget(threadId);
    return told(context, ...unloaded(threadId, wasLoaded), { method: "thread/deleted", params: { threadId } });
  },

  "thread/unsubscribe": async (params, context) => {
    const { threads } = await context.core();
    const threadId = checkThreadId(params.threadId);
    if (threads.find(threadId) === null) return { result: { status: "notLoaded" } };
    const wasSubscribed = context.subscriptions.unsubscribe(context.connection, threadId);
    return { result: { status: wasSubscribed ? "unsubscribed" : "notSubscribed" } };
  },
};

async function closed(threadId: string, threads: Threads, context: MethodContext): Promise<boolean> {
  const wasLoaded = threads.find(threadId) !== null;
  // Subscribers still hear how its turn and its SessionEnd hooks end.
  await threads.close(threadId);
  context.subscriptions.forget(threadId);
  return wasLoaded;
}

function unloaded(threadId: string, wasLoaded: boolean): ServerNotification[] {
  return wasLoaded ? [{ method: "thread/status/changed", params: { threadId, status: { type: "notLoaded" } } }] : [];
}

/** All clients hear of it, behind the answer. */
function told(
  { subscriptions }: MethodContext,
  ...notifications: ServerNotification[]
): { result: Record<string, never>; afterwards: () => void } {
  return {
    result: {},
    afterwards: () => {
      for (const notification of notifications) subscriptions.toAll(notification);
    },
  };
}

function checkCursor(cursor: string): string {
  try {
    return checkThreadId(cursor);
  } catch {
    throw new RpcError(rpcCodes.invalidParams, `invalid cursor: ${cursor}`, { path: "cursor" });
  }
}
