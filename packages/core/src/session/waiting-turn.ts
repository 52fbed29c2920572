/** A turn that waits for people, and whose server has ended: it goes on where it is taken up again, or is interrupted where it can't. */
import { interruptedItem, interruptedTurn } from "../store/interrupted.ts";
import type { StoreChange, ThreadStore, TurnRecord } from "../store/index.ts";
import type { KeptQuestion } from "./approvals.ts";

export interface WaitingApproval {
  id: string;
  body: KeptQuestion;
}

export interface WaitingTurn {
  turn: TurnRecord;
  /** All are about the same call; never empty. */
  questions: WaitingApproval[];
}

/** Null: none waits. */
export async function readWaitingTurn(store: ThreadStore, threadId: string): Promise<WaitingTurn | null> {
  const waiting = (await store.readApprovals(threadId)).filter(({ answer }) => answer === null);
  const turn = waiting[0] === undefined ? null : await store.readTurn(threadId, waiting[0].turnId, "full");
  if (turn === null) return null;
  const questions = waiting.map(({ id, body }) => ({ id, body: body as unknown as KeptQuestion })); // written by Approvals
  return { turn, questions };
}

/** Nobody is asked any more: the turn reads as one whose server ended in the middle. */
export async function interruptWaitingTurn(
  store: ThreadStore,
  threadId: string,
  { turn, questions }: WaitingTurn,
): Promise<void> {
  const atMs = Date.now();
  const { items, itemsView: _, hookRuns: _runs, ...stored } = turn;
  await store.commit(threadId, {
    changes: [
      ...questions.map(({ id }): StoreChange => ({ kind: "dropApproval", approvalId: id })),
      ...items.map((item): StoreChange => ({ kind: "putItem", turnId: turn.id, item: interruptedItem(item, atMs) })),
      { kind: "putTurn", turn: interruptedTurn(stored, atMs) },
    ],
  });
}
