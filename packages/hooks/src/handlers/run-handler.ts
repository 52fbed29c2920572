/** Runs one handler once. Whatever it does is a result. */
import type { ConfiguredHandler, HandlerResult } from "../types.ts";
import { runCommand } from "./command.ts";
import { messageOf, notStarted, resultOf } from "./handler-context.ts";
import type { HandlerContext } from "./handler-context.ts";
import { runHttp } from "./http.ts";
import { runMcpTool } from "./mcp-tool.ts";
import { runModule } from "./module.ts";

export async function runHandler(handler: ConfiguredHandler, context: HandlerContext): Promise<HandlerResult> {
  const startedAtMs = performance.now();
  let result: HandlerResult;
  try {
    result = await runAction(handler, context);
  } catch (error) {
    result = notStarted("other", messageOf(error));
  }
  context.limit.stopClock();
  return { ...result, durationMs: Math.round(performance.now() - startedAtMs) };
}

function runAction(handler: ConfiguredHandler, context: HandlerContext): HandlerResult | Promise<HandlerResult> {
  const { action } = handler;
  if (context.limit.reached !== null) return resultOf({ outcome: context.limit.reached });
  // The attack: a command inside the sandbox rewrites the script of a trusted hook. A guard that may not run any more is a guard
  // that failed, and not one that has nothing to say.
  const objection = handler.recheck?.() ?? null;
  if (objection !== null) return notStarted("other", objection);
  if (action.type === "command") return runCommand(action, context);
  if (action.type === "http") return runHttp(action, context);
  if (action.type === "module") return runModule(action, context);
  if (action.type === "mcpTool") return runMcpTool(action, context);
  return resultOf({ outcome: "notAvailable", problem: `handlers of type ${action.type} are not available` });
}
