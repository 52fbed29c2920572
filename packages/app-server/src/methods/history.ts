/** Paging through what is stored: thread/turns/list, thread/items/list, turn/execRuns/list. */
import { toExecRun, toItemEntry } from "@sallyport/core";
import type { PageQuery } from "@sallyport/core";
import type { ClientRequestParams } from "@sallyport/protocol";
import type { MethodTable } from "./method-context.ts";
import { checkThreadId, storeOf } from "./thread-id.ts";
import { withExecRuns } from "./turn-view.ts";

export const historyMethods: Pick<MethodTable, "thread/turns/list" | "thread/items/list" | "turn/execRuns/list"> = {
  "thread/turns/list": async (params, context) => {
    const threadId = checkThreadId(params.threadId);
    const store = await storeOf(threadId, context);
    const page = await store.listTurns(threadId, { ...pageOf(params), itemsView: params.itemsView ?? null });
    return { result: { ...page, data: await withExecRuns(page.data, threadId, context) } };
  },

  "thread/items/list": async (params, context) => {
    const threadId = checkThreadId(params.threadId);
    const store = await storeOf(threadId, context);
    const page = await store.listItems(threadId, { ...pageOf(params), turnId: params.turnId ?? null });
    return { result: { ...page, data: page.data.map(toItemEntry) } };
  },

  "turn/execRuns/list": async (params, context) => {
    const threadId = checkThreadId(params.threadId);
    const store = await storeOf(threadId, context);
    const page = await store.listExecRuns(threadId, params.turnId, pageOf(params));
    return { result: { ...page, data: page.data.map(toExecRun) } };
  },
};

function pageOf(
  params: Pick<ClientRequestParams<"thread/turns/list">, "cursor" | "limit" | "sortDirection">,
): PageQuery {
  return { cursor: params.cursor ?? null, limit: params.limit ?? null, sortDirection: params.sortDirection ?? null };
}
