/** What somebody should know about the ground that a thread's commands run on, told once. */
import type { ThreadLog } from "../session/thread-log.ts";
import type { TurnContext } from "./turn-context.ts";

/** By the thread's log, which lives as long as the thread is loaded: who resumes it is told again. */
const told = new WeakMap<ThreadLog, Set<string>>();

/** Rejects when it could not be stored. */
export async function warnOnce(
  { threadId, log }: Pick<TurnContext, "threadId" | "log">,
  message: string,
): Promise<void> {
  const before = told.get(log) ?? new Set<string>();
  told.set(log, before);
  if (before.has(message)) return;
  before.add(message);
  await log.record([], [{ method: "warning", params: { threadId, message } }]);
}
