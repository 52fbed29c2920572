/** Makes an EventDefinition of what an event file says and of what all events share. */
import type { HookEventName, HookInputs } from "@sallyport/protocol";
import type { HandlerAction, HookOutcomes } from "../types.ts";
import type { EventDefinition, JudgedRun, Spill } from "./definition.ts";
import type { Effect, EventRules } from "./event-rules.ts";
import { judgeRun } from "./exit-ladder.ts";

interface EventSettings<Event extends HookEventName> {
  matchValues: ((input: HookInputs[Event]) => string[]) | null;
  takesContext: boolean;
  scope?: "thread" | "turn";
  /** SessionEnd and Interrupt hold up the end of something, so they get 1 s, at most 3 s. */
  isBrief?: true;
  canRunAsync?: false;
  handlerTypes?: readonly HandlerAction["type"][];
  combine: (judged: readonly JudgedRun<Effect>[], spill: Spill) => Omit<HookOutcomes[Event], "runs">;
}

export type DefinedEvent<Event extends HookEventName> = EventDefinition<Event, Effect>;

const allHandlerTypes = ["command", "http", "module", "mcpTool", "prompt", "agent"] as const;

export function defineEvent<Event extends HookEventName>(
  rules: EventRules<Event> & EventSettings<Event>,
): DefinedEvent<Event> {
  const { event, scope = "turn", takesContext, matchValues } = rules;
  return {
    event,
    scope,
    defaultTimeoutMs: rules.isBrief ? 1000 : 600_000,
    maxTimeoutMs: rules.isBrief ? 3000 : null,
    canRunAsync: rules.canRunAsync ?? true,
    takesContext,
    takesMatcher: matchValues !== null,
    guards: rules.refuseFailed !== null,
    handlerTypes: rules.handlerTypes ?? allHandlerTypes,
    matchValues: (input) => matchValues?.(input) ?? null,
    judge: (handler, result, place) => judgeRun(rules, handler, result, place),
    combine: (judged, spill) => rules.combine(judged, spill),
  };
}
