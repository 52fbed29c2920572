/** Names a stored thread: its exact id, or the latest. */
import type { ThreadStore } from "@sallyport/core";
import { SallyportError } from "@sallyport/supervisor";

/** Throws `THREAD_NOT_FOUND`. */
export async function findThread(store: ThreadStore, name: string): Promise<string> {
  if (name === "last") {
    const { data } = await store.listThreads({ limit: 1, sortKey: "recencyAt", includeEmpty: false });
    const [latest] = data;
    if (latest !== undefined) return latest.id;
    throw new SallyportError("THREAD_NOT_FOUND", "There is no stored thread to resume, expected one with a turn");
  }
  const thread = await store.readThread(name);
  if (thread !== null) return thread.id;
  throw new SallyportError(
    "THREAD_NOT_FOUND",
    `No thread ${JSON.stringify(name)} is stored, expected an id; sallyport threads list shows them`,
    { data: { threadId: name } },
  );
}
