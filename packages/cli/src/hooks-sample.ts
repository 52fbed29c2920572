/** Inputs to try hooks with: complete, and about something harmless. */
import { randomUUID } from "node:crypto";
import { hookInputs } from "@sallyport/protocol";
import type { HookEventName, HookInputs } from "@sallyport/protocol";
import { SallyportError } from "@sallyport/supervisor";

/** Session ids of tries start with this, so that a hook with side effects can leave them out. */
const trySessionPrefix = "sallyport-try-";

const prompt = "This is a try of sallyport hooks; nobody acts on the answer.";
const tool = { tool_name: "Bash", tool_input: { command: "true" } };
const exec = { tool_use_id: "try", file: "/usr/bin/true", argv: ["true"], parents: ["bash"], rule: null };
const subagent = { agent_id: "try", agent_type: "default" };
const stop = { stop_hook_active: false, last_assistant_message: prompt };

/** What each event has besides the fields that all have. */
const samples: Record<HookEventName, Record<string, unknown>> = {
  PreModelRequest: {},
  PostModelRequest: { status: "completed", error: null, token_usage: null },
  PreToolUse: { ...tool, tool_use_id: "try" },
  PermissionRequest: tool,
  PostToolUse: { ...tool, tool_use_id: "try", tool_response: "", exit_code: 0, duration_ms: 1 },
  PreCompact: { trigger: "manual" },
  PostCompact: { trigger: "manual" },
  SessionStart: { source: "startup" },
  SessionEnd: { reason: "other" },
  UserPromptSubmit: { prompt },
  SubagentStart: subagent,
  SubagentStop: { ...stop, ...subagent, agent_transcript_path: null },
  Stop: stop,
  Interrupt: {},
  PreExec: exec,
  PostExec: { ...exec, exit_code: 0, signal: null, duration_ms: 1 },
};

/** A complete input with `given` laid over it. Throws `HOOK_INPUT_INVALID` when the event takes no such input. */
export function sampleInput<Event extends HookEventName>(
  event: Event,
  cwd: string,
  given: Readonly<Record<string, unknown>> = {},
): HookInputs[Event] {
  const common = {
    session_id: `${trySessionPrefix}${randomUUID()}`,
    turn_id: "try",
    transcript_path: null,
    cwd,
    hook_event_name: event,
    model: "none",
    permission_mode: "default",
    workdir: cwd,
  };
  const parsed = hookInputs[event].safeParse({ ...common, ...samples[event], ...given });
  if (parsed.success) return parsed.data as HookInputs[Event]; // parsed by the event's own schema
  const [issue] = parsed.error.issues;
  const place = issue?.path.join(".") ?? "";
  throw new SallyportError(
    "HOOK_INPUT_INVALID",
    `Input of ${event} can't be used: "${place}": ${issue?.message ?? ""}`,
    {
      data: { event, place },
    },
  );
}
