/** The outcome of a firing in the words of the table: what the turn does, without ids and without Sallyport's own texts. */
import type { HookEventName } from "@sallyport/protocol";
import type { HookContext, HookOutcomes, HookRefusal } from "../../src/types.ts";

const longestShown = 200;

/** The hook's own words in a text. */
export function wordsIn(text: string): string {
  return [...new Set(text.match(/\bthe-[a-z]+\b/g) ?? [])].join(" ");
}

export function shown(text: string): string {
  if (text.includes("[all of it: ")) return "(spilled)";
  return text.length <= longestShown ? text : `(${text.length} characters)`;
}

const texts = (contexts: HookContext[]): string[] => contexts.map(({ text }) => shown(text));
const reasons = (refusals: HookRefusal[]): string[] => refusals.map(({ reason }) => wordsIn(reason));

type Outcome<Event extends HookEventName> = Omit<HookOutcomes[Event], "runs">;

const effects: { [Event in HookEventName]: (outcome: Outcome<Event>) => Record<string, unknown> } = {
  SessionStart: ({ contexts, stop }) => ({ contexts: stop === null ? texts(contexts) : [], ends: stop !== null }),
  SessionEnd: () => ({}),
  UserPromptSubmit: ({ contexts, block, stop }) => ({
    contexts: texts(contexts),
    ends: block !== null || stop !== null,
  }),
  PreToolUse: ({ contexts, deny, updatedInput }) => ({
    contexts: texts(contexts),
    deny: deny === null ? null : wordsIn(deny.reason),
    runs: deny === null ? wordsIn(JSON.stringify(updatedInput ?? "the-original")) : null,
  }),
  PermissionRequest: ({ decision }) => ({
    decision: decision?.behavior ?? null,
    says: decision?.behavior === "deny" ? wordsIn(decision.message) : null,
  }),
  PostToolUse: ({ contexts, feedback }) => ({
    contexts: texts(contexts),
    feedback: feedback === null ? null : wordsIn(feedback),
  }),
  PreCompact: ({ stop }) => ({ stops: stop !== null }),
  PostCompact: ({ stop }) => ({ stops: stop !== null }),
  SubagentStart: ({ contexts }) => ({ contexts: texts(contexts) }),
  SubagentStop: ({ continuation }) => ({ continues: reasons(continuation) }),
  Stop: ({ continuation }) => ({ continues: reasons(continuation) }),
  Interrupt: () => ({}),
  PreModelRequest: () => ({}),
  PostModelRequest: () => ({}),
  PreExec: ({ permission }) => ({
    decision: permission?.decision ?? null,
    says: permission?.reason == null ? null : wordsIn(permission.reason),
  }),
  PostExec: () => ({}),
};

export function effectOf(event: HookEventName, outcome: object): Record<string, unknown> {
  const read = effects[event] as (outcome: object) => Record<string, unknown>; // the event is the outcome's own
  return read(outcome);
}
