/** Runs a function of the embedding program. It shares our thread: one that never yields can't be stopped. */
import type { HandlerAction, HandlerResult } from "../types.ts";
import { answer, answerProblem, messageOf, resultOf } from "./handler-context.ts";
import type { HandlerContext } from "./handler-context.ts";

type ModuleAction = Extract<HandlerAction, { type: "module" }>;

export async function runModule(action: ModuleAction, { input, limit }: HandlerContext): Promise<HandlerResult> {
  const { signal } = limit;
  const stopped = Promise.withResolvers<"stopped">();
  signal.addEventListener("abort", () => stopped.resolve("stopped"), { once: true });
  // A copy: what one module does to its input is nobody else's business.
  const call = (async () => ({ given: await action.run(structuredClone(input), signal) }))();
  call.catch(() => {}); // a module that fails after its time was up
  try {
    const first = await Promise.race([call, stopped.promise]);
    if (first === "stopped") return resultOf({ outcome: limit.reached ?? "cancelled" });
    return answer(textOf(first.given));
  } catch (error) {
    return answerProblem(`module "${action.name}" threw: ${messageOf(error)}`);
  }
}

/** What a command would have printed. */
function textOf(given: unknown): string {
  if (given === undefined || given === null) return "";
  if (typeof given === "string") return given;
  const text: unknown = JSON.stringify(given); // undefined for a function or a symbol
  if (typeof text !== "string") throw new TypeError(`it gave a ${typeof given}, expected an object, text or nothing`);
  return text;
}
