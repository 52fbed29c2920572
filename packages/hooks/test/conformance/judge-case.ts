/** Rows of the tables judged without a process: the result is written down as the supervisor would report it. */
import type { HookEventName, HookOutputEntry } from "@sallyport/protocol";
import { eventDefinitions } from "../../src/events/index.ts";
import type { CapturedStream, ConfiguredHandler, HandlerResult } from "../../src/types.ts";
import type { Expected } from "./cases.ts";
import { effectOf, shown } from "./effects.ts";
import { printed } from "./hook-command.ts";
import type { Ending, Hook } from "./hook-command.ts";

const kept = 1 << 20;

export function streamOf(text: string | Buffer): CapturedStream {
  const all = Buffer.from(text);
  return { bytes: all.subarray(0, kept), totalBytes: all.length, spillFile: all.length > kept ? "/spill" : null };
}

export function resultOf(what: Partial<HandlerResult>): HandlerResult {
  return {
    outcome: "exited",
    exitCode: 0,
    signal: null,
    problem: null,
    startFailure: null,
    stdout: streamOf(""),
    stderr: streamOf(""),
    durationMs: 1,
    leftBehind: [],
    ...what,
  };
}

export function handlerOf(event: HookEventName, what: Partial<ConfiguredHandler> = {}): ConfiguredHandler {
  return {
    key: `/hooks.json:${event}:0:0`,
    event,
    matcherText: null,
    matches: () => true,
    action: { type: "command", command: "true", args: null, async: false, passEnv: [] },
    timeoutMs: 60_000,
    statusMessage: null,
    additionalContextLimit: null,
    onError: "allow",
    sourcePath: "/hooks.json",
    source: "user",
    isManaged: false,
    pluginId: null,
    displayOrder: 0,
    enabled: true,
    currentHash: "sha256:",
    trustStatus: "trusted",
    skipped: null,
    ...what,
  };
}

const endings: Record<Ending, Partial<HandlerResult>> = {
  SIGKILL: { outcome: "signaled", exitCode: null, signal: "SIGKILL" },
  SIGTERM: { outcome: "signaled", exitCode: null, signal: "SIGTERM" },
  timeout: { outcome: "timedOut", exitCode: null, signal: "SIGTERM" },
  noProgram: { exitCode: 127, stderr: streamOf("sh: 1: no-such-program: not found\n") },
  notExecutable: { exitCode: 126, stderr: streamOf("sh: 1: ./out: Permission denied\n") },
  noScript: {
    exitCode: 2,
    stderr: streamOf(`Can't open perl script "no-such-script.pl": No such file or directory\n`),
  },
  noFolder: { outcome: "notStarted", exitCode: null, problem: "the folder is not there", startFailure: "other" },
};

function resultOfHook(hook: Hook): HandlerResult {
  const stdout = streamOf(printed(hook));
  if (hook.ends !== undefined) return resultOf({ stdout, ...endings[hook.ends] });
  return resultOf({ stdout, stderr: streamOf(hook.stderr ?? ""), exitCode: hook.exit ?? 0 });
}

const place = { cwd: "/nowhere", env: {}, projectDir: "/nowhere" };

export function judgeHooks(
  event: HookEventName,
  hooks: readonly Hook[],
): { runs: Omit<Expected, "effect">[]; effect: Record<string, unknown> } {
  const definition = eventDefinitions[event];
  const judged = hooks.map((hook, index) => {
    const command = hook.ends === "noScript" ? "perl no-such-script.pl" : "true";
    const handler = handlerOf(event, { action: { type: "command", command, args: null, async: false, passEnv: [] } });
    return { hook, handler, runId: `run${index}`, ...definition.judge(handler, resultOfHook(hook), place) };
  });
  const outcome = definition.combine(judged, (text) => (text.length > 10_000 ? "[all of it: /spill]" : text));
  return {
    runs: judged.map(({ hook, status, entries, failure }) => ({
      status,
      entries: entries.map((entry) => entryOf(entry, hook)),
      ...(failure === undefined ? {} : { failure }),
    })),
    effect: effectOf(event, outcome),
  };
}

/** Errors are Sallyport's own words; so are others that the hook did not say. */
export function entryOf({ kind, text }: HookOutputEntry, hook: Hook): string {
  return kind !== "error" && says(hook, text) ? `${kind} ${shown(text)}` : kind;
}

/** Whether a hook said this, as text or inside its JSON. */
function says(hook: Hook, text: string): boolean {
  const said = [printed(hook), hook.stderr ?? ""];
  if (said.some((stream) => stream.includes(text))) return true;
  return said.some((stream) => stream.includes(JSON.stringify(text)));
}
