/** PreExec and PostExec hooks of one command: what they are told of each program, and what a PreExec hook says about it. */
import type { ExecRecord, Text } from "@sallyport/protocol";
import type { ExecForOpinion, ExecOpinion, ExecRule } from "@sallyport/shell-escalation";
import type { HookRun } from "@sallyport/hooks";
import type { TurnHooks } from "./turn-hooks.ts";

/** Programs whose hooks run at a time, in one command. The attack: a loop in the sandbox that starts programs faster than their hooks
 *  end would otherwise start as many processes outside of it. */
const mostAtATime = 8;

/** Whose hooks they are, and what ends them: a turn, or one command of its own. */
export interface ExecHooksContext {
  hooks: Pick<TurnHooks, "fire" | "has" | "mayEscalate">;
  signal: AbortSignal;
}

export class ExecHooks {
  readonly #context: ExecHooksContext;
  readonly #itemId: string;
  #told: Promise<void> = Promise.resolve();
  /** Of their own each: a program must not wait for what is told of others that have ended. */
  readonly #opinions = new Lane(mostAtATime);
  readonly #endings = new Lane(mostAtATime);
  /** Programs by the id of their record, for the names above an ended one. */
  readonly #programs = new Map<string, { file: Text; parentId: string | null; rule: ExecRule | null }>();

  constructor(context: ExecHooksContext, itemId: string) {
    this.#context = context;
    this.#itemId = itemId;
  }

  /** Null where no PreExec hook would run: then no program waits for one. */
  get consult(): ((exec: ExecForOpinion) => Promise<ExecOpinion | null>) | null {
    return this.#context.hooks.has("PreExec") ? (exec) => this.#opinionOn(exec) : null;
  }

  async #opinionOn(exec: ExecForOpinion): Promise<ExecOpinion | null> {
    const { hooks, signal } = this.#context;
    const { file, argv, cwd: workdir, parents, rule } = exec;
    const own = { tool_use_id: this.#itemId, file, argv: [...argv], workdir, parents: [...parents], rule };
    const outcome = await this.#opinions.run(async () =>
      signal.aborted ? null : await hooks.fire("PreExec", own, signal),
    );
    // A guard that was interrupted has said nothing, and the command still has its moment of grace: nothing new starts in it.
    if (signal.aborted) return { decision: "deny", reason: "the turn was interrupted", by: "the user" };
    if (outcome === null || outcome.permission === null) return null;
    const { decision, reason, runId } = outcome.permission;
    const run = outcome.runs.find(({ id }) => id === runId);
    return {
      decision,
      reason: reason ?? `a PreExec hook says ${decision}`,
      by: run === undefined ? `hook run ${runId}` : `hook ${JSON.stringify(run.hookKey)}`,
      mayEscalate: hooks.mayEscalate && run !== undefined && isNoProjects(run),
    };
  }

  /** For every record, when its program is decided on and again when it has ended. */
  see(record: ExecRecord, rule: ExecRule | null): void {
    if (!this.#context.hooks.has("PostExec")) return;
    const { id, file, parentId } = record;
    // The rule is told with the decision, and not again at the end.
    this.#programs.set(id, { file, parentId, rule: rule ?? this.#programs.get(id)?.rule ?? null });
    // What was denied did not run, so it did not end either.
    if (record.durationMs === null || record.decision === "deny") return;
    const { durationMs } = record;
    const told = this.#endings.run(() => this.#tellEnd(record, durationMs));
    // Chained, so that a command with a million programs does not keep a million promises.
    const before = this.#told;
    this.#told = told.then(() => before);
    this.#told.catch(() => {}); // settled() tells
  }

  /** Resolves when every PostExec hook has been run, or the turn was interrupted. Rejects when one of their runs could not be stored. */
  async settled(): Promise<void> {
    await this.#told;
  }

  async #tellEnd(record: ExecRecord, durationMs: number): Promise<void> {
    const { hooks, signal } = this.#context;
    if (signal.aborted) return;
    const { file, argv, cwd: workdir, exitCode, signal: name } = record;
    const rule = this.#programs.get(record.id)?.rule ?? null;
    const own = { tool_use_id: this.#itemId, file, argv, workdir, parents: this.#parentsOf(record), rule };
    await hooks.fire("PostExec", { ...own, exit_code: exitCode, signal: name, duration_ms: durationMs }, signal);
  }

  #parentsOf({ parentId }: ExecRecord): Text[] {
    const found: Text[] = [];
    for (let id = parentId; id !== null && found.length < 32;) {
      const program = this.#programs.get(id);
      if (program === undefined) break;
      found.push(program.file);
      id = program.parentId;
    }
    return found;
  }
}

/** The attack: a hook that came with the code that is worked on, trusted because it looked harmless, opens the wall for it. */
function isNoProjects({ source }: HookRun): boolean {
  return source !== "project" && source !== "plugin";
}

/** Work of which only so much runs at a time; the rest waits in its order. */
class Lane {
  readonly #width: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(width: number) {
    this.#width = width;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#width) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next(); // it takes over the place
    }
  }
}
