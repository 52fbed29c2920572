/** Which handlers an event would run, and why the others not. */
import type { HookEventName, HookInputs } from "@sallyport/protocol";
import { eventDefinitions } from "../events/index.ts";
import { toolNames } from "../events/tool-names.ts";
import type { ConfiguredHandler } from "../types.ts";

export interface ExplainedHook {
  handler: ConfiguredHandler;
  /** `depends`: it is active and has a matcher, and there is nothing to match it with. */
  runs: "yes" | "no" | "depends";
  why: string;
}

export interface ExplainedEvent {
  /** What matchers are tried on; null: the event has no matchers, or nothing was given. */
  values: string[] | null;
  hooks: ExplainedHook[];
}

/** `given`: an input object, whole or in part, or names of tools; null: neither. */
export function explainEvent(
  handlers: readonly ConfiguredHandler[],
  event: HookEventName,
  given: { input: Readonly<Record<string, unknown>> } | { tools: readonly string[] } | null,
): ExplainedEvent {
  const values =
    given === null ? null : "tools" in given ? given.tools.flatMap(toolNames) : valuesOf(event, given.input);
  const ofEvent = handlers.filter((handler) => handler.event === event);
  return { values, hooks: ofEvent.map((handler) => explain(handler, values)) };
}

function explain(handler: ConfiguredHandler, values: string[] | null): ExplainedHook {
  const skipped = handler.recheck === undefined ? handler.skipped : handler.recheck();
  const { matcherText } = handler;
  if (values !== null && !handler.matches(values)) {
    const tried = values.map((value) => JSON.stringify(value)).join(", ");
    const also = skipped === null ? "" : `; besides, ${skipped}`;
    return { handler, runs: "no", why: `its matcher ${JSON.stringify(matcherText)} does not take ${tried}${also}` };
  }
  if (skipped !== null) return { handler, runs: "no", why: skipped };
  if (matcherText === null || matcherText === "" || matcherText === "*") {
    return { handler, runs: "yes", why: "it is active and always runs" };
  }
  if (values === null)
    return { handler, runs: "depends", why: `it is active and runs for ${JSON.stringify(matcherText)}` };
  const taken = values.filter((value) => handler.matches([value])).map((value) => JSON.stringify(value));
  return { handler, runs: "yes", why: `it is active and its matcher takes ${taken.join(", ")}` };
}

/** Not all of the input has to be there: only what the event's matchers look at. */
function valuesOf(event: HookEventName, input: Readonly<Record<string, unknown>>): string[] | null {
  // The events read single fields, and what is missing of them is sorted out below.
  const definition = eventDefinitions[event] as { matchValues(input: HookInputs[HookEventName]): unknown[] | null };
  try {
    const values = definition.matchValues(input as HookInputs[HookEventName]) ?? [];
    const texts = values.filter((value) => typeof value === "string");
    return texts.length === 0 ? null : texts;
  } catch {
    // A field has another type than the event's input has: nothing to match with.
    return null;
  }
}
