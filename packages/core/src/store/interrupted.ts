/** What was open when its server died, as it reads afterwards. Pure, so that a reader shows the same as the next writer stores.
 *  `atMs` is the thread's last sign of life: nobody knows when the server died, only that it lived then. */
import type { HookRun } from "@sallyport/hooks";
import type { ThreadItem } from "@sallyport/protocol";
import { isOpen } from "./deltas.ts";
import type { StoredTurn } from "./thread-store.ts";

export function interruptedTurn(turn: StoredTurn, atMs: number): StoredTurn {
  if (turn.status !== "inProgress") return turn;
  const durationMs = turn.startedAtMs === null ? null : Math.max(0, atMs - turn.startedAtMs);
  return { ...turn, status: "interrupted", completedAtMs: atMs, durationMs };
}

/** A command, patch or tool call reads as `failed` and `interrupted`: the peer has no status of that name, and its clients drop an item with
 *  a status that they don't know. A message keeps the text that was shown. */
export function interruptedItem(item: ThreadItem, atMs: number): ThreadItem {
  if (!isOpen(item)) return item;
  const completedAtMs = Math.max(atMs, item.startedAtMs ?? atMs);
  if (item.type === "fileChange") return { ...item, status: "failed", interrupted: true, completedAtMs };
  if (item.type === "commandExecution" || item.type === "mcpToolCall") {
    const durationMs = item.startedAtMs === undefined ? null : completedAtMs - item.startedAtMs;
    const ended = { status: "failed", interrupted: true, completedAtMs, durationMs } as const;
    return item.type === "mcpToolCall"
      ? { ...item, ...ended, error: { message: "interrupted" } }
      : { ...item, ...ended };
  }
  return { ...item, completedAtMs };
}

export function interruptedHookRun(run: HookRun, atMs: number): HookRun {
  if (run.status !== "running") return run;
  const completedAtMs = Math.max(atMs, run.startedAtMs);
  return {
    ...run,
    status: "stopped",
    completedAtMs,
    durationMs: completedAtMs - run.startedAtMs,
    entries: [...run.entries, { kind: "error", text: "interrupted" }],
  };
}
