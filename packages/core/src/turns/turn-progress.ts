/** Where a turn is, in what is kept with a question: a later server goes on from there. All of it goes through JSON. */
import type { HookContext } from "@sallyport/hooks";
import type { PermissionGrant } from "../session/permission-grants.ts";
import type { ToolRequest } from "../tools/tool-arguments.ts";

export interface TurnProgress {
  /** JSON Schema that the last message has to meet; null: none. */
  outputSchema: unknown;
  /** Rounds that hooks have asked for in a row. */
  rounds: number;
  lastText: string | null;
  /** For the rest of this turn. */
  granted: readonly PermissionGrant[];
  /** The call of a tool that is being made; null between calls. */
  call: CallProgress | null;
}

export interface CallProgress {
  callId: string;
  itemId: string;
  request: KeptRequest;
  /** Why a person's word is needed for the whole call; null: it is not. */
  mustAsk: string | null;
  /** What PreToolUse hooks have for the model. */
  contexts: readonly HookContext[];
}

/** Tools of MCP servers by the name under which the model was offered them. */
export type KeptRequest =
  | Exclude<ToolRequest, { kind: "unusable" }>
  | { kind: "mcp"; name: string; args: Record<string, unknown> };
