/** What one event file says, and the seam to the engine: the engine runs handlers, an event says what their results mean.
 *
 *      HandlerResult --judge--> RunVerdict (one run) --combine, in configured order--> the event's outcome */
import type {
  HookEventName,
  HookFailure,
  HookInputs,
  HookOutputEntry,
  HookRunStatus,
  HookScope,
} from "@sallyport/protocol";
import type { ConfiguredHandler, HandlerAction, HandlerResult, HookOutcomes } from "../types.ts";

export interface RunVerdict<Effect> {
  status: Exclude<HookRunStatus, "running">;
  entries: HookOutputEntry[];
  failure?: HookFailure;
  continuation?: boolean;
  /** What `combine()` gets of this run; not for anyone else. */
  effect: Effect;
}

/** Gives the model's copy of a text: the text itself, or head and tail and where the rest is. `limitTokens` null: 2500; 0: as it is. */
export type Spill = (text: string, limitTokens: number | null) => string;

export interface JudgedRun<Effect> {
  handler: ConfiguredHandler;
  runId: string;
  effect: Effect;
}

/** Where a command ran: needed to find the files that it names. */
export interface RunPlace {
  cwd: string;
  env: NodeJS.ProcessEnv;
  projectDir: string;
}

export interface EventDefinition<Event extends HookEventName, Effect = unknown> {
  event: Event;
  scope: HookScope;
  defaultTimeoutMs: number;
  /** A longer timeout is cut to this; null: no limit. */
  maxTimeoutMs: number | null;
  /** False: an async handler runs in the foreground, with a warning. */
  canRunAsync: boolean;
  /** False: `additionalContextLimit` has no meaning here, is left out of the hash and warned about. */
  takesContext: boolean;
  /** False: a matcher is ignored, listed as null and left out of the hash. */
  takesMatcher: boolean;
  /** False: nothing here can be refused, so a handler's `onError` has no meaning. */
  guards: boolean;
  /** A handler of another type is skipped with a warning. */
  handlerTypes: readonly HandlerAction["type"][];
  /** Values that matchers are tried on; null: the event ignores matchers. */
  matchValues(input: HookInputs[Event]): string[] | null;
  /** What one run means. Changes nothing; never throws. Without `place` a script that a command names can't be looked for, and an
   *  exit 2 of an interpreter that did not find it counts as what exit 2 always means. */
  judge(handler: ConfiguredHandler, result: HandlerResult, place?: RunPlace): RunVerdict<Effect>;
  /** What all runs together mean; `judged` is in configured order. */
  combine(judged: readonly JudgedRun<Effect>[], spill: Spill): Omit<HookOutcomes[Event], "runs">;
}
