/** A session, and an observer that writes down what it is told. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { HookInputs } from "@sallyport/protocol";
import { createHookSession } from "../../src/index.ts";
import type { ConfiguredHandler, HookObserver, HookRun, HookSession, HookSessionOptions } from "../../src/index.ts";
import { workFolder } from "./handlers.ts";

interface Told {
  what: "started" | "completed";
  run: HookRun;
}

export interface Recorder extends HookObserver {
  told: Told[];
}

export function makeRecorder(): Recorder {
  const told: Told[] = [];
  return {
    told,
    started(run): void {
      told.push({ what: "started", run });
    },
    completed(run): void {
      told.push({ what: "completed", run });
    },
  };
}

export interface TestSession {
  session: HookSession;
  observer: Recorder;
  /** Told about async runs. */
  asyncObserver: Recorder;
  folder: string;
}

export function openSession(
  handlers: readonly ConfiguredHandler[],
  changes: Partial<HookSessionOptions> = {},
): TestSession {
  const asyncObserver = makeRecorder();
  const folder = join(workFolder, randomUUID());
  const session = createHookSession({
    handlers,
    folder,
    projectDir: "/the/project",
    sessionId: "the-session",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" },
    observer: asyncObserver,
    ...changes,
  });
  return { session, observer: makeRecorder(), asyncObserver, folder };
}

const common = { session_id: "the-session", transcript_path: null, cwd: workFolder, model: "m" };
const inTurn = { ...common, turn_id: "the-turn", permission_mode: "default" } as const;

export const inputs = {
  SessionStart: { ...common, permission_mode: "default", hook_event_name: "SessionStart", source: "startup" },
  SessionEnd: {
    session_id: "s",
    transcript_path: null,
    cwd: workFolder,
    hook_event_name: "SessionEnd",
    reason: "other",
  },
  UserPromptSubmit: { ...inTurn, hook_event_name: "UserPromptSubmit", prompt: "say hi" },
  PreToolUse: {
    ...inTurn,
    hook_event_name: "PreToolUse",
    tool_name: "Bash",
    tool_input: { command: "ls" },
    tool_use_id: "c1",
  },
  Stop: { ...inTurn, hook_event_name: "Stop", stop_hook_active: false, last_assistant_message: "done" },
} as const satisfies Partial<HookInputs>;
