/** PreExec and PostExec hooks of `sallyport run`: as in a turn of an agent, but for one command that nobody's model has asked for. Loaded
 *  only where such a hook may be configured. */
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ExecHooks } from "@sallyport/core/exec-hooks";
import { createHookSession, discoverHooks, formatConfigWarning, loadConfigLayers } from "@sallyport/hooks";
import type { DiscoveredHooks, HookObserver, HookOutcomes, HookRun } from "@sallyport/hooks";
import type { HookEventName, HookInputs } from "@sallyport/protocol";
import type { GuardedRunOptions } from "@sallyport/shell-escalation";
import { complain } from "./terminal.ts";

export interface RunHooks extends AsyncDisposable {
  options: Pick<GuardedRunOptions, "consult"> & Required<Pick<GuardedRunOptions, "onRecord">>;
}

const events: readonly HookEventName[] = ["PreExec", "PostExec"];

/** Null where no such hook would run. Throws `CONFIG_INVALID` where it can't be told what must not be switched off. */
export function openRunHooks({ home, cwd }: { home: string; cwd: string }): RunHooks | null {
  const config = loadConfigLayers({ home, cwd });
  const found = discoverHooks(config);
  tellProblems(found);
  const active = found.handlers.filter(({ event, skipped }) => events.includes(event) && skipped === null);
  if (active.length === 0) return null;
  const id = randomUUID();
  const folder = join(tmpdir(), `sallyport-hooks-${id}`);
  const session = createHookSession({
    handlers: active,
    folder,
    projectDir: config.project.root,
    sessionId: id,
    env: process.env,
    observer,
    httpPrivateAddresses: found.settings.httpPrivateAddresses,
  });
  const ending = new AbortController();
  const fire = <Event extends HookEventName>(
    event: Event,
    own: object,
    signal: AbortSignal | null,
  ): Promise<HookOutcomes[Event]> => {
    const input = { ...commonInput(event, { id, cwd }), ...own } as unknown as HookInputs[Event]; // with `own` it is whole
    return session.fire(event, input, { observer, ...(signal === null ? {} : { signal }) });
  };
  const has = (event: HookEventName): boolean => active.some((handler) => handler.event === event);
  const context = { hooks: { fire, has, mayEscalate: found.settings.mayEscalate }, signal: ending.signal };
  const hooks = new ExecHooks(context, id);
  const { consult } = hooks;
  return {
    options: { ...(consult === null ? {} : { consult }), onRecord: (record, rule) => hooks.see(record, rule) },
    [Symbol.asyncDispose]: async () => {
      await hooks.settled();
      ending.abort();
      await session.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** There is no model and no transcript; what stands in for a turn is the run. */
function commonInput(event: HookEventName, { id, cwd }: { id: string; cwd: string }): object {
  return {
    session_id: id,
    turn_id: id,
    transcript_path: null,
    cwd,
    hook_event_name: event,
    model: "",
    permission_mode: "default",
  };
}

/** A hook's own words for whoever is there; what it decided is in the record. */
const observer: HookObserver = {
  started: () => undefined,
  completed: ({ hookKey, entries }: HookRun) => {
    for (const { kind, text } of entries)
      if (kind === "error" || kind === "warning") complain(`hook "${hookKey}": ${text}`);
  },
};

function tellProblems({ handlers, warnings, errors }: DiscoveredHooks): void {
  for (const { path, message } of errors) complain(`${path}: ${message}`);
  for (const warning of warnings) complain(formatConfigWarning(warning));
  const untrusted = handlers.filter(
    ({ event, enabled, trustStatus }) =>
      events.includes(event) && enabled && (trustStatus === "untrusted" || trustStatus === "modified"),
  );
  if (untrusted.length === 0) return;
  const names = untrusted.map(({ key }) => key).join(", ");
  complain(`hooks that nobody has trusted are not run: ${names}; see sallyport hooks trust`);
}
