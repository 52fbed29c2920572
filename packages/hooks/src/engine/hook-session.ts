/** The hooks of one thread while it is loaded: what runs at an event, and what all runs together say.
 *
 *      fire()      started, in configured order, each awaited        observer
 *        |         all handlers at once                              handlers/*
 *        |         each as it ends: judge, completed, awaited        events/*, observer
 *        v         combine, in configured order                      events/*
 *      outcome     async handlers go on by themselves; takeAsyncResults() has what they gave */
import type { HookEventName, HookInputs } from "@sallyport/protocol";
import { hasBroker } from "@sallyport/supervisor";
import type { EventDefinition, JudgedRun, RunVerdict, Spill } from "../events/definition.ts";
import { eventDefinitions } from "../events/index.ts";
import { runHandler } from "../handlers/run-handler.ts";
import { messageOf } from "../handlers/handler-context.ts";
import { RunLimit } from "../handlers/run-limit.ts";
import type {
  ConfiguredHandler,
  FireOptions,
  HookContext,
  HookObserver,
  HookOutcomes,
  HookRun,
  HookSession,
  HookSessionOptions,
} from "../types.ts";
import { ActiveHandlers } from "./active-handlers.ts";
import { AsyncRuns } from "./async-runs.ts";
import { CancelGroup } from "./cancel-group.ts";
import { beginRun, completeRun, interrupted } from "./run-record.ts";
import { makeSpill } from "./spill.ts";

const asyncRunsAtOnce = 8;
const tooLate = "an async hook can't block or stop anything: what it asked for has no effect";
const inProcessGroups = "hooks run without a broker here: what leaves a hook's process group is not ended with it";

/** Makes the session of one thread. Nothing is read or started until the first firing. */
export function createHookSession(options: HookSessionOptions): HookSession {
  return new Session(options);
}

/** One handler at one firing. */
interface PlannedRun {
  handler: ConfiguredHandler;
  run: HookRun;
  observer: HookObserver;
}

interface Firing<Event extends HookEventName> {
  definition: EventDefinition<Event>;
  input: HookInputs[Event];
  inputText: string;
}

interface EndedRun {
  run: HookRun;
  verdict: RunVerdict<unknown>;
}

class Session implements HookSession {
  readonly #options: HookSessionOptions;
  readonly #spill: Spill;
  readonly #asyncRuns = new AsyncRuns(asyncRunsAtOnce);
  readonly #everything = new CancelGroup();
  /** One listener a signal, however many firings share it. */
  readonly #groups = new WeakMap<AbortSignal, CancelGroup>();
  readonly #firings = new Set<Promise<unknown>>();
  #active: ActiveHandlers;
  #asyncContexts: HookContext[] = [];
  #asyncWarnings: string[];

  constructor(options: HookSessionOptions) {
    this.#options = options;
    this.#spill = makeSpill(options.folder);
    this.#active = new ActiveHandlers(options.handlers);
    const runsCommands = options.handlers.some(({ action, skipped }) => action.type === "command" && skipped === null);
    this.#asyncWarnings = runsCommands && !hasBroker() ? [inProcessGroups] : [];
  }

  async fire<Event extends HookEventName>(
    event: Event,
    input: HookInputs[Event],
    options: FireOptions,
  ): Promise<HookOutcomes[Event]> {
    const definition: EventDefinition<Event> = eventDefinitions[event];
    const handlers = this.#active.matching(event, definition.matchValues(input));
    if (handlers.length === 0) return this.#outcome(definition, [], []);
    const firing = this.#run({ definition, input, inputText: JSON.stringify(input) }, handlers, options);
    this.#firings.add(firing);
    try {
      return await firing;
    } finally {
      this.#firings.delete(firing);
    }
  }

  takeAsyncResults(): { contexts: HookContext[]; warnings: string[] } {
    const taken = { contexts: this.#asyncContexts, warnings: this.#asyncWarnings };
    this.#asyncContexts = [];
    this.#asyncWarnings = [];
    return taken;
  }

  asyncIdle(): Promise<void> {
    return this.#asyncRuns.idle();
  }

  replaceHandlers(handlers: readonly ConfiguredHandler[]): void {
    this.#active = new ActiveHandlers(handlers);
  }

  async close(): Promise<void> {
    this.#everything.cancel();
    await Promise.allSettled(this.#firings);
    await this.#asyncRuns.idle();
  }

  async #run<Event extends HookEventName>(
    firing: Firing<Event>,
    handlers: readonly ConfiguredHandler[],
    { observer, signal }: FireOptions,
  ): Promise<HookOutcomes[Event]> {
    const { definition } = firing;
    const planned = handlers.map((handler): PlannedRun => {
      const isAsync = definition.canRunAsync && "async" in handler.action && handler.action.async;
      const run = beginRun(handler, isAsync ? "async" : "sync", definition.scope);
      return { handler, run, observer: isAsync ? this.#options.observer : observer };
    });
    await announce(planned);
    for (const plan of planned.filter(({ run }) => run.executionMode === "async")) {
      this.#asyncRuns.add(() => this.#runAsync(firing, plan));
    }
    const ended = await this.#runAll(
      firing,
      planned.filter(({ run }) => run.executionMode === "sync"),
      signal,
    );
    const judged = ended.map(({ run, verdict, handler }) => ({ handler, runId: run.id, effect: verdict.effect }));
    return this.#outcome(
      definition,
      judged,
      ended.map(({ run }) => run),
    );
  }

  #outcome<Event extends HookEventName>(
    definition: EventDefinition<Event>,
    judged: readonly JudgedRun<unknown>[],
    runs: HookRun[],
  ): HookOutcomes[Event] {
    return { ...definition.combine(judged, this.#spill), runs } as HookOutcomes[Event]; // `runs` is all that combine() leaves out
  }

  /** All at once. When an observer fails the others are cancelled, and the failure is thrown when they all have ended. */
  async #runAll<Event extends HookEventName>(
    firing: Firing<Event>,
    planned: readonly PlannedRun[],
    signal: AbortSignal | undefined,
  ): Promise<(EndedRun & { handler: ConfiguredHandler })[]> {
    const siblings = new CancelGroup();
    const groups = [siblings, ...(signal === undefined ? [] : [this.#groupOf(signal)])];
    const ended = await Promise.allSettled(
      planned.map(async (plan) => {
        try {
          return { ...(await this.#runOne(firing, plan, groups)), handler: plan.handler };
        } catch (error) {
          siblings.cancel();
          throw error;
        }
      }),
    );
    return ended.map((one) => {
      if (one.status === "rejected") throw one.reason;
      return one.value;
    });
  }

  async #runOne<Event extends HookEventName>(
    { definition, input, inputText }: Firing<Event>,
    { handler, run, observer }: PlannedRun,
    groups: readonly CancelGroup[],
  ): Promise<EndedRun> {
    const limit = new RunLimit(handler.timeoutMs);
    const joined = [this.#everything, ...groups];
    for (const group of joined) group.join(limit);
    const { cwd } = input;
    const { event } = handler;
    const result = await runHandler(handler, { event, input, inputText, cwd, session: this.#options, limit });
    for (const group of joined) group.leave(limit);
    const { env, projectDir } = this.#options;
    const verdict = definition.judge(handler, result, { cwd, env, projectDir });
    this.#options.onResult?.(run, result);
    const isLate = run.executionMode === "async" && result.outcome !== "cancelled";
    const ended = completeRun(run, isLate ? withoutForce(verdict) : verdict, result.durationMs);
    await observer.completed(ended);
    return { run: ended, verdict };
  }

  /** Never rejects: nobody waits for it. */
  async #runAsync<Event extends HookEventName>(firing: Firing<Event>, plan: PlannedRun): Promise<void> {
    try {
      const { run, verdict } = await this.#runOne(firing, plan, []);
      const judged = [{ handler: plan.handler, runId: run.id, effect: verdict.effect }];
      const outcome = this.#outcome(firing.definition, judged, []);
      if ("contexts" in outcome) this.#asyncContexts.push(...outcome.contexts);
      this.#asyncWarnings.push(...run.entries.filter(({ kind }) => kind === "warning").map(({ text }) => text));
    } catch (error) {
      this.#asyncWarnings.push(
        `the end of the async hook "${plan.handler.key}" could not be recorded: ${messageOf(error)}`,
      );
    }
  }

  #groupOf(signal: AbortSignal): CancelGroup {
    const known = this.#groups.get(signal);
    if (known !== undefined) return known;
    const group = new CancelGroup();
    this.#groups.set(signal, group);
    if (signal.aborted) group.cancel();
    else signal.addEventListener("abort", () => group.cancel(), { once: true });
    return group;
  }
}

/** Nothing runs before it is announced. When an observer fails, what was announced and will not run is completed. */
async function announce(planned: readonly PlannedRun[]): Promise<void> {
  for (const [at, { run, observer }] of planned.entries()) {
    try {
      await observer.started(run);
    } catch (error) {
      for (const told of planned.slice(0, at)) {
        const completed = async (): Promise<void> => told.observer.completed(completeRun(told.run, interrupted, 0));
        await completed().catch(() => {}); // the failure that counts is the first one
      }
      throw error;
    }
  }
}

/** What an async run said comes after the fact: it may add, warn and fail, but not block, stop or keep a turn going. */
function withoutForce(verdict: RunVerdict<unknown>): Omit<RunVerdict<unknown>, "effect"> {
  const { status, entries, failure } = verdict;
  const kept = { entries, ...(failure !== undefined && { failure }) };
  if (status !== "blocked" && status !== "stopped") return { ...kept, status };
  return { ...kept, status: "completed", entries: [...entries, { kind: "warning", text: tooLate }] };
}
