/** What a hook reads on stdin, one JSON object, per event. Names are Codex's, so that a hook written for it runs unchanged.
 *
 *  Sallyport writes these objects and hooks read them; a later version may add fields, so the schemas take unknown keys. */
import { z } from "zod";
import { Text } from "../text.ts";

export const HookPermissionMode = z.enum(["default", "acceptEdits", "plan", "dontAsk", "bypassPermissions"]);
export type HookPermissionMode = z.infer<typeof HookPermissionMode>;

const session = {
  session_id: z.string(),
  /** The thread's JSON-lines mirror; null for threads that are not kept. */
  transcript_path: z.string().nullable(),
  cwd: z.string(),
};
const turn = { ...session, turn_id: z.string(), model: z.string() };
const turnWithMode = { ...turn, permission_mode: HookPermissionMode };
/** There only inside subagents. */
const agent = { agent_id: z.string().optional(), agent_type: z.string().optional() };
const subagent = { agent_id: z.string(), agent_type: z.string() };

const SessionStartInput = z.object({
  ...session,
  hook_event_name: z.literal("SessionStart"),
  model: z.string(),
  permission_mode: HookPermissionMode,
  source: z.enum(["startup", "resume", "clear", "fork", "compact"]),
});

const SessionEndInput = z.object({
  ...session,
  hook_event_name: z.literal("SessionEnd"),
  reason: z.literal("other"),
});

const UserPromptSubmitInput = z.object({
  ...turnWithMode,
  hook_event_name: z.literal("UserPromptSubmit"),
  prompt: z.string(),
  ...agent,
});

const PreToolUseInput = z.object({
  ...turnWithMode,
  hook_event_name: z.literal("PreToolUse"),
  tool_name: z.string(),
  tool_input: z.unknown(),
  tool_use_id: z.string(),
  ...agent,
});

const PermissionRequestInput = z.object({
  ...turnWithMode,
  hook_event_name: z.literal("PermissionRequest"),
  tool_name: z.string(),
  tool_input: z.unknown(),
  ...agent,
});

/** `exit_code` (null where the tool has none) and `duration_ms` are ours. */
const PostToolUseInput = z.object({
  ...turnWithMode,
  hook_event_name: z.literal("PostToolUse"),
  tool_name: z.string(),
  tool_input: z.unknown(),
  tool_response: z.unknown(),
  tool_use_id: z.string(),
  exit_code: z.int().nullable(),
  duration_ms: z.int(),
  ...agent,
});

const compact = { ...turn, trigger: z.enum(["manual", "auto"]), ...agent };
const PreCompactInput = z.object({ ...compact, hook_event_name: z.literal("PreCompact") });
const PostCompactInput = z.object({ ...compact, hook_event_name: z.literal("PostCompact") });

/** `transcript_path` is the child's, `session_id` the root thread's. */
const SubagentStartInput = z.object({
  ...turnWithMode,
  hook_event_name: z.literal("SubagentStart"),
  ...subagent,
});

const stop = {
  ...turnWithMode,
  /** True when a hook has already made this turn go on. */
  stop_hook_active: z.boolean(),
  last_assistant_message: z.string().nullable(),
};

/** `transcript_path` is the parent's. */
const SubagentStopInput = z.object({
  ...stop,
  hook_event_name: z.literal("SubagentStop"),
  agent_transcript_path: z.string().nullable(),
  ...subagent,
});

const StopInput = z.object({ ...stop, hook_event_name: z.literal("Stop") });

const InterruptInput = z.object({ ...turnWithMode, hook_event_name: z.literal("Interrupt") });

const PreModelRequestInput = z.object({ ...turn, hook_event_name: z.literal("PreModelRequest") });

const HookTokenUsage = z.object({
  input_tokens: z.int(),
  cached_input_tokens: z.int(),
  cache_write_input_tokens: z.int(),
  output_tokens: z.int(),
  reasoning_output_tokens: z.int(),
  total_tokens: z.int(),
});

const PostModelRequestInput = z.object({
  ...turn,
  hook_event_name: z.literal("PostModelRequest"),
  status: z.enum(["completed", "failed", "cancelled"]),
  error: z.string().nullable(),
  token_usage: HookTokenUsage.nullable(),
});

/** One program start. `turn_id`, `model` and `tool_use_id` are null for a command that no agent's turn started. */
const exec = {
  ...session,
  turn_id: z.string().nullable(),
  model: z.string().nullable(),
  permission_mode: HookPermissionMode,
  tool_use_id: z.string().nullable(),
  /** The program after resolving, not what the caller wrote. */
  file: Text,
  argv: z.array(Text),
  workdir: Text,
  /** Program names up the chain, the nearest first. */
  parents: z.array(Text),
  rule: z
    .object({ decision: z.enum(["allow", "prompt", "forbidden"]), justification: z.string().nullable() })
    .nullable(),
  ...agent,
};
const PreExecInput = z.object({ ...exec, hook_event_name: z.literal("PreExec") });
const PostExecInput = z.object({
  ...exec,
  hook_event_name: z.literal("PostExec"),
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  duration_ms: z.int(),
});

/** The input schema of every event. */
export const hookInputs = {
  PreModelRequest: PreModelRequestInput,
  PostModelRequest: PostModelRequestInput,
  PreToolUse: PreToolUseInput,
  PermissionRequest: PermissionRequestInput,
  PostToolUse: PostToolUseInput,
  PreCompact: PreCompactInput,
  PostCompact: PostCompactInput,
  SessionStart: SessionStartInput,
  SessionEnd: SessionEndInput,
  UserPromptSubmit: UserPromptSubmitInput,
  SubagentStart: SubagentStartInput,
  SubagentStop: SubagentStopInput,
  Stop: StopInput,
  Interrupt: InterruptInput,
  PreExec: PreExecInput,
  PostExec: PostExecInput,
};
export type HookInputs = { [Event in keyof typeof hookInputs]: z.infer<(typeof hookInputs)[Event]> };
