/** The table of methods. */
import type { ClientRequestMethod } from "@sallyport/protocol";
import type { Answer } from "../connection.ts";
import { readParams } from "../params.ts";
import { clientListMethods } from "./client-lists.ts";
import { commandExecMethods } from "./command-exec.ts";
import { configMethods } from "./config.ts";
import { hookMethods } from "./hooks.ts";
import { historyMethods } from "./history.ts";
import { mcpMethods } from "./mcp.ts";
import type { MethodContext, MethodHandler, MethodTable } from "./method-context.ts";
import { modelMethods } from "./models.ts";
import { threadHistoryMethods } from "./thread-history.ts";
import { threadLifecycleMethods } from "./thread-lifecycle.ts";
import { threadMethods } from "./threads.ts";
import { turnMethods } from "./turns.ts";

const methods: MethodTable = {
  ...clientListMethods,
  ...commandExecMethods,
  ...configMethods,
  ...historyMethods,
  ...hookMethods,
  ...mcpMethods,
  ...modelMethods,
  ...threadHistoryMethods,
  ...threadLifecycleMethods,
  ...threadMethods,
  ...turnMethods,
};

export async function callMethod(
  method: Exclude<ClientRequestMethod, "initialize">,
  params: unknown,
  context: MethodContext,
): Promise<Answer> {
  // One key gives both the schema and the handler, which TypeScript cannot follow through a union.
  const handler = methods[method] as MethodHandler<typeof method>;
  return await handler(readParams(method, params), context);
}
