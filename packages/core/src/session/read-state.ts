/** What of a thread was read by people. A turn whose result waits to be read leaves its mark; the mark of an earlier one stays. */
import type { ThreadReadState, ThreadReadStateOperation } from "@sallyport/protocol";
import { SallyportError } from "@sallyport/supervisor";
import { v4 as uuidv4 } from "uuid";

export function afterTurn(readState: ThreadReadState | null, turnId: string): ThreadReadState {
  return { firstUnread: readState?.firstUnread ?? { type: "turn", turnId }, revision: uuidv4() };
}

/** The turn and all later ones are gone; turn ids grow. Null: nothing changes. */
export function afterRevert(readState: ThreadReadState | null, beforeTurnId: string): ThreadReadState | null {
  const isGone = readState?.firstUnread?.type === "turn" && readState.firstUnread.turnId >= beforeTurnId;
  return isGone ? { firstUnread: null, revision: uuidv4() } : null;
}

/** Throws `READ_STATE_CHANGED` for a client that has not seen the newest state, and where there is none yet. */
export function marked(
  readState: ThreadReadState | null,
  { type }: ThreadReadStateOperation,
  expectedRevision: string,
): ThreadReadState {
  if (readState?.revision !== expectedRevision) {
    throw new SallyportError("READ_STATE_CHANGED", "read state changed", {
      data: { reason: "readStateConflict", readState },
    });
  }
  return { firstUnread: type === "read" ? null : { type: "threadStart" }, revision: uuidv4() };
}
