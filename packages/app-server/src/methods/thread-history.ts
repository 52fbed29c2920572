/** thread/fork, revert, compact/start, inject_items, shellCommand. */
import { toThread } from "@sallyport/core";
import type { ForkThreadOptions } from "@sallyport/core";
import type { ClientRequestParams } from "@sallyport/protocol";
import { RpcError, rpcCodes } from "../rpc-error.ts";
import type { MethodTable } from "./method-context.ts";
import { checkThreadId, requireSession } from "./thread-id.ts";
import { allTurns, openOptions, sessionFields } from "./thread-view.ts";

type Mine = Pick<
  MethodTable,
  "thread/fork" | "thread/revert" | "thread/compact/start" | "thread/inject_items" | "thread/shellCommand"
>;

/** The peer's: an hour. */
const usualCommandTimeoutMs = 3_600_000;

export const threadHistoryMethods: Mine = {
  "thread/fork": async (params, context) => {
    const { threads } = await context.core();
    const session = await threads.fork(checkThreadId(params.threadId), {
      ...openOptions(params),
      ...forkRange(params),
      source: "vscode",
      ephemeral: params.ephemeral === true,
      threadSource: params.threadSource ?? null,
      originator: context.connection.handshake?.client.name ?? null,
    });
    const { connection, subscriptions } = context;
    subscriptions.subscribe(connection, session);
    const { id: threadId } = session;
    const turns = params.excludeTurns === true ? [] : await allTurns(session.store, threadId, context);
    const thread = toThread(session.thread, session.status, turns);
    const afterwards = (): void => {
      const { tokenUsage } = session.thread;
      const turnId = session.lastTurnId;
      if (tokenUsage !== null && turnId !== null)
        connection.notify({ method: "thread/tokenUsage/updated", params: { threadId, turnId, tokenUsage } });
      subscriptions.toAll({ method: "thread/started", params: { thread: { ...thread, turns: [] } } });
    };
    return { result: sessionFields(session, thread), afterwards };
  },

  "thread/revert": async (params, context) => {
    const session = await requireSession(params.threadId, context);
    await session.revert(params.beforeTurnId);
    const newest = { limit: 1, sortDirection: "desc" } as const;
    const { backwardsCursor: turnsBackwardsCursor } = await session.store.listTurns(session.id, newest);
    const { backwardsCursor: itemsBackwardsCursor } = await session.store.listItems(session.id, newest);
    const thread = toThread(session.thread, session.status);
    return { result: { thread, turnsBackwardsCursor, itemsBackwardsCursor } };
  },

  "thread/compact/start": async (params, context) => {
    const session = await requireSession(params.threadId, context);
    await session.startCompaction();
    return { result: {} };
  },

  "thread/inject_items": async (params, context) => {
    const session = await requireSession(params.threadId, context);
    await session.injectItems(params.items);
    return { result: {} };
  },

  "thread/shellCommand": async (params, context) => {
    const session = await requireSession(params.threadId, context);
    const { command } = params;
    if (command.trim() === "")
      throw new RpcError(rpcCodes.invalidRequest, "command must not be empty", { path: "command" });
    await session.startUserCommand({ command, timeoutMs: params.timeoutMs ?? usualCommandTimeoutMs });
    return { result: {} };
  },
};

function forkRange(params: ClientRequestParams<"thread/fork">): Pick<ForkThreadOptions, "lastTurnId" | "beforeTurnId"> {
  const { lastTurnId = null, beforeTurnId = null } = params;
  if (lastTurnId !== null && beforeTurnId !== null)
    throw new RpcError(rpcCodes.invalidParams, "Expected lastTurnId or beforeTurnId, found both", {
      path: "beforeTurnId",
    });
  return { lastTurnId, beforeTurnId };
}
