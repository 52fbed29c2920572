/** turn/start, turn/interrupt. */
import type { ThreadSession } from "@sallyport/core";
import type { ClientRequestParams, Turn } from "@sallyport/protocol";
import { RpcError, rpcCodes } from "../rpc-error.ts";
import type { MethodTable } from "./method-context.ts";
import { requireSession } from "./thread-id.ts";

const maxInputCharacters = 1_048_576;

export const turnMethods: Pick<MethodTable, "turn/start" | "turn/interrupt"> = {
  "turn/start": async (params, context) => {
    const session = await requireSession(params.threadId, context);
    refuseLongInput(params.input);
    return { result: { turn: steered(session, params) ?? (await started(session, params)) } };
  },

  "turn/interrupt": async (params, context) => {
    const session = await requireSession(params.threadId, context);
    const active = session.activeTurnId;
    if (active === null) throw new RpcError(rpcCodes.invalidRequest, "no active turn to interrupt");
    if (active !== params.turnId)
      throw new RpcError(rpcCodes.invalidRequest, `expected active turn id ${params.turnId} but found ${active}`);
    session.interrupt(params.turnId);
    return { result: {} };
  },
};

async function started(session: ThreadSession, params: ClientRequestParams<"turn/start">): Promise<Turn> {
  return await session.startTurn({
    input: params.input,
    clientUserMessageId: params.clientUserMessageId ?? null,
    outputSchema: params.outputSchema ?? null,
    cwd: params.cwd ?? null,
    approvalPolicy: params.approvalPolicy ?? null,
    sandboxPolicy: params.sandboxPolicy ?? null,
    model: params.model ?? null,
    effort: params.effort ?? null,
  });
}

/** More input for the turn that runs: the answer is that turn. */
function steered(session: ThreadSession, params: ClientRequestParams<"turn/start">): Turn | null {
  const id = session.activeTurnId;
  if (id === null) return null;
  session.steerTurn(id, params.input, params.clientUserMessageId ?? null);
  return {
    id,
    rootTurnId: id,
    items: [],
    itemsView: "notLoaded",
    status: "inProgress",
    error: null,
    startedAt: null,
    completedAt: null,
    durationMs: null,
    hookRuns: [],
  };
}

function refuseLongInput(input: ClientRequestParams<"turn/start">["input"]): void {
  const actual = input.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : 0), 0);
  if (actual <= maxInputCharacters) return;
  const message = `The input has ${actual} characters, expected at most ${maxInputCharacters}`;
  const data = { input_error_code: "input_too_large", max_chars: maxInputCharacters, actual_chars: actual };
  throw new RpcError(rpcCodes.invalidParams, message, data);
}
