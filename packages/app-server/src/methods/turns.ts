/** turn/start, turn/steer, turn/interrupt. */
import type { ThreadSession } from "@sallyport/core";
import type { ClientRequestParams, Turn } from "@sallyport/protocol";
import { RpcError, rpcCodes } from "../rpc-error.ts";
import type { MethodTable } from "./method-context.ts";
import { requireSession } from "./thread-id.ts";

const maxInputCharacters = 1_048_576;

export const turnMethods: Pick<MethodTable, "turn/start" | "turn/steer" | "turn/interrupt"> = {
  "turn/start": async (params, context) => {
    const session = await requireSession(params.threadId, context);
    refuseLongInput(params.input);
    return { result: { turn: steered(session, params) ?? (await started(session, params)) } };
  },

  "turn/steer": async (params, context) => {
    const session = await requireSession(params.threadId, context);
    refuseLongInput(params.input);
    refuseUnsteerable(session);
    const active = session.steerableTurnId;
    if (active === null) throw new RpcError(rpcCodes.invalidRequest, "no active turn to steer");
    if (active !== params.expectedTurnId) {
      const message = `expected active turn id \`${params.expectedTurnId}\` but found \`${active}\``;
      throw new RpcError(rpcCodes.invalidRequest, message, { path: "expectedTurnId" });
    }
    if (params.input.length === 0)
      throw new RpcError(rpcCodes.invalidRequest, "input must not be empty", { path: "input" });
    session.steerTurn(active, params.input, params.clientUserMessageId ?? null);
    return { result: { turnId: active } };
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
  refuseUnsteerable(session);
  const id = session.steerableTurnId;
  return id === null ? null : session.steerTurn(id, params.input, params.clientUserMessageId ?? null);
}

/** In the peer's form: its clients keep the words and send them again later. */
function refuseUnsteerable({ unsteerable: turnKind }: ThreadSession): void {
  if (turnKind === null) return;
  const message = `cannot steer a ${turnKind} turn`;
  const codexErrorInfo = { activeTurnNotSteerable: { turnKind } };
  throw new RpcError(rpcCodes.invalidRequest, message, { message, codexErrorInfo, additionalDetails: null });
}

function refuseLongInput(input: ClientRequestParams<"turn/start">["input"]): void {
  const actual = input.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : 0), 0);
  if (actual <= maxInputCharacters) return;
  const message = `The input has ${actual} characters, expected at most ${maxInputCharacters}`;
  const data = { input_error_code: "input_too_large", max_chars: maxInputCharacters, actual_chars: actual };
  throw new RpcError(rpcCodes.invalidParams, message, data);
}
