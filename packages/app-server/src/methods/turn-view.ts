/** Turns as one client gets them: with the programs that ran only where it asked for them. */
import { toTurn } from "@sallyport/core";
import type { TurnRecord } from "@sallyport/core";
import type { Turn } from "@sallyport/protocol";
import type { MethodContext } from "./method-context.ts";
import { storeOf } from "./thread-id.ts";

/** A turn shows as many; the rest comes through `turn/execRuns/list`. */
const shownExecRuns = 200;

export async function withExecRuns(
  turns: readonly TurnRecord[],
  threadId: string,
  context: MethodContext,
): Promise<Turn[]> {
  if (context.connection.handshake?.execRuns !== true) return turns.map((turn) => toTurn(turn));
  const store = await storeOf(threadId, context);
  return await Promise.all(
    turns.map(async (turn) =>
      toTurn(turn, (await store.listExecRuns(threadId, turn.id, { limit: shownExecRuns })).data),
    ),
  );
}
