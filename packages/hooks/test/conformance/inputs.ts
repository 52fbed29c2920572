/** One input of each event, as a harness would give it. */
import type { HookInputs } from "@sallyport/protocol";

export function inputsIn(cwd: string): HookInputs {
  const session = { session_id: "thread", transcript_path: null, cwd };
  const turn = { ...session, turn_id: "turn", model: "scripted" };
  const full = { ...turn, permission_mode: "default" } as const;
  const tool = { ...full, tool_name: "Bash", tool_input: { command: "true" } };
  const exec = {
    ...full,
    tool_use_id: "call",
    file: "/usr/bin/env",
    argv: ["env"],
    workdir: cwd,
    parents: ["bash"],
    rule: null,
  };
  const usage = {
    input_tokens: 10,
    cached_input_tokens: 0,
    cache_write_input_tokens: 0,
    output_tokens: 5,
    reasoning_output_tokens: 0,
    total_tokens: 15,
  };
  const agent = { agent_id: "child", agent_type: "default" };
  const end = { stop_hook_active: false, last_assistant_message: "done" };
  return {
    PreModelRequest: { ...turn, hook_event_name: "PreModelRequest" },
    PostModelRequest: {
      ...turn,
      hook_event_name: "PostModelRequest",
      status: "completed",
      error: null,
      token_usage: usage,
    },
    PreToolUse: { ...tool, hook_event_name: "PreToolUse", tool_use_id: "call" },
    PermissionRequest: { ...tool, hook_event_name: "PermissionRequest" },
    PostToolUse: {
      ...tool,
      hook_event_name: "PostToolUse",
      tool_use_id: "call",
      tool_response: "",
      exit_code: 0,
      duration_ms: 3,
    },
    PreCompact: { ...turn, hook_event_name: "PreCompact", trigger: "auto" },
    PostCompact: { ...turn, hook_event_name: "PostCompact", trigger: "auto" },
    SessionStart: {
      ...session,
      model: "scripted",
      permission_mode: "default",
      hook_event_name: "SessionStart",
      source: "startup",
    },
    SessionEnd: { ...session, hook_event_name: "SessionEnd", reason: "other" },
    UserPromptSubmit: { ...full, hook_event_name: "UserPromptSubmit", prompt: "the-prompt" },
    SubagentStart: { ...full, ...agent, hook_event_name: "SubagentStart" },
    SubagentStop: { ...full, ...agent, ...end, hook_event_name: "SubagentStop", agent_transcript_path: null },
    Stop: { ...full, ...end, hook_event_name: "Stop" },
    Interrupt: { ...full, hook_event_name: "Interrupt" },
    PreExec: { ...exec, hook_event_name: "PreExec" },
    PostExec: { ...exec, hook_event_name: "PostExec", exit_code: 0, signal: null, duration_ms: 3 },
  };
}
