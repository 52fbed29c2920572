/** The end of a loop that Stop hooks would keep going for ever: the last run says that it was not followed. */
import type { HookRun } from "@sallyport/hooks";

/** Changes a Stop run that asks for one round too many, before it is stored and announced. */
export function stopLimit(limit: number, blocksSoFar: () => number): (run: HookRun) => HookRun {
  return (run) => {
    if (run.event !== "Stop" || run.continuation !== true || blocksSoFar() < limit) return run;
    const rounds = limit === 1 ? "once" : `${limit} times in a row`;
    const text = `Stop hooks have kept this turn going ${rounds}, which is the limit, so it ends here`;
    return { ...run, continuation: false, entries: [...run.entries, { kind: "warning", text }] };
  };
}
