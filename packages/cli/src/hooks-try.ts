/** Really runs hooks for one event, outside of any agent, and keeps all that can be shown of it. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHookSession, describeAction, toHookRunSummary } from "@sallyport/hooks";
import type { ConfiguredHandler, HandlerResult, HookRun } from "@sallyport/hooks";
import type { HookEventName, HookInputs, HookRunSummary } from "@sallyport/protocol";
import type { HooksPlace } from "./hooks-place.ts";

/** One run as `--json` shows it. `stdout` and `stderr` are at most the first MiB. */
export interface TriedRun {
  hook: string;
  outcome: HandlerResult["outcome"];
  exitCode: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
  /** Where all of an output is that did not fit. */
  spillFiles: string[];
  summary: HookRunSummary;
}

export interface Tried {
  /** In configured order, async ones behind the others. */
  runs: TriedRun[];
  /** What the turn would do. */
  verdict: Readonly<Record<string, unknown>>;
  asyncResults: { contexts: unknown[]; warnings: string[] };
  /** The signal that ended it early, or null. */
  interruptedBy: NodeJS.Signals | null;
  /** Kept because something is in it; else null. */
  folder: string | null;
}

export async function tryHooks<Event extends HookEventName>(
  { found, config }: Pick<HooksPlace, "found" | "config">,
  event: Event,
  input: HookInputs[Event],
  handlers: readonly ConfiguredHandler[],
): Promise<Tried> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-hooks-"));
  const results = new Map<string, HandlerResult>();
  const asyncRuns: HookRun[] = [];
  const session = createHookSession({
    handlers,
    folder,
    projectDir: config.project.root,
    sessionId: input.session_id,
    env: process.env,
    httpPrivateAddresses: found.settings.httpPrivateAddresses,
    observer: { started: () => {}, completed: (run) => void asyncRuns.push(run) },
    onResult: ({ id }, result) => results.set(id, result),
  });
  let interruptedBy: NodeJS.Signals | null = null;
  const stop = (signal: NodeJS.Signals): void => {
    interruptedBy ??= signal;
    void session.close();
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    const observer = { started: () => {}, completed: () => {} };
    const { runs, ...verdict } = await session.fire(event, input, { observer });
    await session.asyncIdle();
    const shown = [...runs, ...asyncRuns].map((run) => triedRun(run, handlers, results.get(run.id)));
    const asyncResults = session.takeAsyncResults();
    return { runs: shown, verdict, asyncResults, interruptedBy, folder: keptFolder(folder) };
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    await session.close();
  }
}

function triedRun(run: HookRun, handlers: readonly ConfiguredHandler[], result: HandlerResult | undefined): TriedRun {
  const handler = handlers.find(({ key }) => key === run.hookKey);
  const { stdout, stderr } = result ?? {};
  return {
    hook: handler === undefined ? run.hookKey : describeAction(handler),
    outcome: result?.outcome ?? "notStarted",
    exitCode: result?.exitCode ?? null,
    signal: result?.signal ?? null,
    stdout: stdout?.bytes.toString("utf8") ?? "",
    stderr: stderr?.bytes.toString("utf8") ?? "",
    spillFiles: [stdout?.spillFile, stderr?.spillFile].filter((file) => typeof file === "string"),
    summary: toHookRunSummary(run),
  };
}

function keptFolder(folder: string): string | null {
  if (readdirSync(folder).length > 0) return folder;
  rmSync(folder, { recursive: true });
  return null;
}
