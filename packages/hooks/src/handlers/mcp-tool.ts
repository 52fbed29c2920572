/** Calls a tool of a server that the embedding program is connected to. The text that the tool gives counts like a command's stdout;
 *  structured content is not looked at. */
import type { HandlerAction, HandlerResult } from "../types.ts";
import { answer, answerProblem, messageOf, resultOf } from "./handler-context.ts";
import type { HandlerContext } from "./handler-context.ts";
import { fillTemplates } from "./templates.ts";

type McpToolAction = Extract<HandlerAction, { type: "mcpTool" }>;

export async function runMcpTool(action: McpToolAction, context: HandlerContext): Promise<HandlerResult> {
  const { input, limit, session } = context;
  const { server, tool } = action;
  if (session.callMcpTool === undefined) {
    return resultOf({ outcome: "notAvailable", problem: "handlers of type mcp_tool are not available here" });
  }
  const filled = fillTemplates(action.input, input);
  if ("missing" in filled) {
    return answerProblem(`the placeholder "\${${filled.missing}}" names nothing in the input of ${context.event}`);
  }
  const stopped = Promise.withResolvers<"stopped">();
  limit.signal.addEventListener("abort", () => stopped.resolve("stopped"), { once: true });
  const call = session.callMcpTool({ server, tool, arguments: filled.value, signal: limit.signal });
  call.catch(() => {}); // a call that fails after its time was up
  try {
    const first = await Promise.race([call, stopped.promise]);
    if (first === "stopped") return resultOf({ outcome: limit.reached ?? "cancelled" });
    const text = first.content.map((part) => (part.type === "text" ? (part.text ?? "") : "")).join("");
    return first.isError === true ? answerProblem(`tool "${tool}" of "${server}" failed: ${text}`) : answer(text);
  } catch (error) {
    return answerProblem(`tool "${tool}" of "${server}" could not be called: ${messageOf(error)}`);
  }
}
