/** The store: what a long thread costs beside a short one. With good indexes the length makes no difference. */
import { mkdtempSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { openThreadStore } from "@sallyport/core";
import type { ThreadStore } from "@sallyport/core";
import { threadWithTurns } from "../packages/core/test/store/samples.ts";
import type { Sample } from "./pairs.ts";

const shortThread = 100;
const longThread = 10_000;
/** One resume is too short for the clock of a busy machine. */
const resumes = 20;

type Compare = (
  name: string,
  count: number,
  plain: () => Promise<Sample>,
  other: () => Promise<Sample>,
) => Promise<void>;

/** "plain" is a thread of 100 turns, "ours" one of 10,000. */
export async function compareStore(compare: Compare): Promise<void> {
  const folder = mkdtempSync(join(homedir(), "sallyport-bench-store-"));
  const store = openThreadStore(join(folder, "home"));
  try {
    const [short, long] = [await threadWithTurns(store, shortThread), await threadWithTurns(store, longThread)];
    await compare(
      `resume and page ${longThread} turns, plain: ${shortThread}`,
      resumes,
      () => resume(store, short.id),
      () => resume(store, long.id),
    );
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a client does that opens a thread: takes it for writing, and reads the newest page of turns and of items. */
async function resume(store: ThreadStore, threadId: string): Promise<Sample> {
  const startedAtMs = performance.now();
  for (let at = 0; at < resumes; at += 1) {
    await store.releaseThread(threadId);
    await store.acquireThread(threadId);
    await store.listTurns(threadId, { limit: 25, itemsView: "full" });
    await store.listItems(threadId, { limit: 100, sortDirection: "desc" });
  }
  const wholeMs = performance.now() - startedAtMs;
  return { wholeMs, insideMs: wholeMs };
}
