/** The words in which an event file says what is particular to its event. */
import type { HookEventName, HookOutputEntry, HookOutputs } from "@sallyport/protocol";
import type { HookContext, HookRefusal, HookStop } from "../types.ts";
import type { JudgedRun, Spill } from "./definition.ts";
import { trimWhiteSpace } from "./output-parser.ts";

/** What one run wants; nothing is an empty object. */
export interface Effect {
  /** For the model. */
  context?: string;
  stop?: { reason: string | null };
  /** Block, deny or feedback, whatever the event makes of it. */
  refusal?: string;
  /** A guard that failed and wants to be asked about. */
  ask?: string;
  /** PermissionRequest: approve without asking. */
  allow?: true;
  /** PreToolUse: what the tool gets instead. `undefined` can't be written as JSON. */
  updatedInput?: unknown;
  /** PreExec. */
  permission?: { decision: "deny" | "ask" | "run" | "escalate"; reason: string | null };
}

/** A run that worked, or why what it printed can't be meant. Entries in the order context, then stop or feedback. */
export interface Meaning {
  status: "completed" | "blocked" | "stopped";
  entries: HookOutputEntry[];
  continuation?: true;
  effect: Effect;
}

export interface EventRules<Event extends HookEventName> {
  event: Event;
  plainText: "context" | "ignored" | "refused";
  /** What a valid output object means; null: whatever it prints is ignored. */
  read: ((output: HookOutputs[Event]) => Meaning | { invalid: string }) | null;
  /** What exit 2 with a reason on stderr means; null: a failure like any other exit. */
  refuse: ((reason: string) => Meaning) | null;
  /** What a failed run of a handler with `onError` "ask" or "deny" does; null: the event guards nothing. */
  refuseFailed: ((problem: string, onError: "ask" | "deny") => Effect) | null;
}

export function completed(entries: HookOutputEntry[] = [], effect: Effect = {}): Meaning {
  return { status: "completed", entries, effect };
}

/** Exit 2, or the same thing said as JSON. */
export function blocked(reason: string): Meaning {
  return { status: "blocked", entries: [{ kind: "feedback", text: reason }], effect: { refusal: reason } };
}

export function stopped(reason: string | null): Meaning {
  return {
    status: "stopped",
    entries: reason === null ? [] : [{ kind: "stop", text: reason }],
    effect: { stop: { reason } },
  };
}

/** Puts the context that the output carries before whatever else it means. An empty one counts, as it does for the peer. */
export function withContext(context: string | null | undefined, meaning: Meaning): Meaning {
  if (context == null) return meaning;
  const entries: HookOutputEntry[] = [{ kind: "context", text: context }, ...meaning.entries];
  return { ...meaning, entries, effect: { ...meaning.effect, context } };
}

/** The text without blanks around it; null where nothing is left or nothing was given. */
export function given(text: string | null | undefined): string | null {
  const trimmed = trimWhiteSpace(text ?? "");
  return trimmed === "" ? null : trimmed;
}

interface Deciding {
  decision?: string | null | undefined;
  reason?: string | null | undefined;
}

/** `decision: "block"` needs a reason: the model is told nothing else. */
export function blockWithoutReason({ decision, reason }: Deciding): { invalid: string } | null {
  if (decision !== "block" || given(reason) !== null) return null;
  return { invalid: '"decision": "block" without a "reason", expected a reason that is not blank' };
}

export function contextsOf(event: HookEventName, judged: readonly JudgedRun<Effect>[], spill: Spill): HookContext[] {
  return judged.flatMap(({ handler, runId, effect: { context } }) => {
    if (context === undefined) return [];
    return [{ event, hookKey: handler.key, runId, text: spill(context, handler.additionalContextLimit) }];
  });
}

export function firstStop(judged: readonly JudgedRun<Effect>[]): HookStop | null {
  const run = judged.find(({ effect }) => effect.stop !== undefined);
  return run?.effect.stop === undefined ? null : { reason: run.effect.stop.reason, runId: run.runId };
}

export function refusalsOf(judged: readonly JudgedRun<Effect>[]): HookRefusal[] {
  return judged.flatMap(({ runId, effect: { refusal } }) =>
    refusal === undefined ? [] : [{ reason: refusal, runId }],
  );
}
