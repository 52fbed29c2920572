/** Thread ids, matched exactly. */
import type { ThreadSession, ThreadStore } from "@sallyport/core";
import { RpcError, rpcCodes } from "../rpc-error.ts";
import type { MethodContext } from "./method-context.ts";

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function checkThreadId(threadId: string): string {
  if (uuid.test(threadId)) return threadId;
  throw new RpcError(rpcCodes.invalidRequest, `invalid thread id: ${JSON.stringify(threadId)}, expected a UUID`, {
    path: "threadId",
  });
}

/** Where the thread is stored, if anywhere: one that is not to be kept is in another store, and only while it is loaded. */
export async function storeOf(threadId: string, context: MethodContext): Promise<ThreadStore> {
  const { threads, store } = await context.core();
  return threads.find(threadId)?.store ?? store;
}

/** A loaded thread. */
export async function requireSession(threadId: string, context: MethodContext): Promise<ThreadSession> {
  const { threads } = await context.core();
  const session = threads.find(checkThreadId(threadId));
  if (session !== null) return session;
  throw new RpcError(rpcCodes.invalidRequest, `thread not found: ${threadId}; resume it first`, { path: "threadId" });
}
