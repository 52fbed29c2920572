/** Hooks are other people's programs, and most were written for Codex: a name that changes here breaks them. A change to a literal
 *  below comes with a line in CHANGELOG.md. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { hookJsonSchemas } from "../src/index.ts";

interface Schema {
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
}

/** Dotted names of all fields, those of nested objects too. */
function fieldsOf({ properties = {}, anyOf = [] }: Schema): string[] {
  const own = Object.entries(properties).flatMap(([name, schema]) => [
    name,
    ...fieldsOf(schema).map((inner) => `${name}.${inner}`),
  ]);
  return [...own, ...anyOf.flatMap(fieldsOf)];
}

function pinned(direction: string): Record<string, string> {
  const schemas = Object.entries(hookJsonSchemas()).filter(([name]) => name.endsWith(`.${direction}.json`));
  return Object.fromEntries(schemas.map(([name, schema]) => [name.split(".")[0], fieldsOf(schema).sort().join(" ")]));
}

test("the fields that hooks read stay as they are", () => {
  assert.deepEqual(pinned("input"), {
    "pre-model-request": "cwd hook_event_name model session_id transcript_path turn_id",
    "post-model-request":
      "cwd error hook_event_name model session_id status token_usage token_usage.cache_write_input_tokens token_usage.cached_input_tokens token_usage.input_tokens token_usage.output_tokens token_usage.reasoning_output_tokens token_usage.total_tokens transcript_path turn_id",
    "pre-tool-use":
      "agent_id agent_type cwd hook_event_name model permission_mode session_id tool_input tool_name tool_use_id transcript_path turn_id",
    "permission-request":
      "agent_id agent_type cwd hook_event_name model permission_mode session_id tool_input tool_name transcript_path turn_id",
    "post-tool-use":
      "agent_id agent_type cwd duration_ms exit_code hook_event_name model permission_mode session_id tool_input tool_name tool_response tool_use_id transcript_path turn_id",
    "pre-compact": "agent_id agent_type cwd hook_event_name model session_id transcript_path trigger turn_id",
    "post-compact": "agent_id agent_type cwd hook_event_name model session_id transcript_path trigger turn_id",
    "session-start": "cwd hook_event_name model permission_mode session_id source transcript_path",
    "session-end": "cwd hook_event_name reason session_id transcript_path",
    "user-prompt-submit":
      "agent_id agent_type cwd hook_event_name model permission_mode prompt session_id transcript_path turn_id",
    "subagent-start":
      "agent_id agent_type cwd hook_event_name model permission_mode session_id transcript_path turn_id",
    "subagent-stop":
      "agent_id agent_transcript_path agent_type cwd hook_event_name last_assistant_message model permission_mode session_id stop_hook_active transcript_path turn_id",
    stop: "cwd hook_event_name last_assistant_message model permission_mode session_id stop_hook_active transcript_path turn_id",
    interrupt: "cwd hook_event_name model permission_mode session_id transcript_path turn_id",
    "pre-exec":
      "agent_id agent_type argv cwd file file.base64 hook_event_name model parents permission_mode rule rule.decision rule.justification session_id tool_use_id transcript_path turn_id workdir workdir.base64",
    "post-exec":
      "agent_id agent_type argv cwd duration_ms exit_code file file.base64 hook_event_name model parents permission_mode rule rule.decision rule.justification session_id signal tool_use_id transcript_path turn_id workdir workdir.base64",
  });
});

test("the fields that hooks print stay as they are", () => {
  assert.deepEqual(pinned("output"), {
    "pre-model-request": "",
    "post-model-request": "",
    "pre-tool-use":
      "continue decision hookSpecificOutput hookSpecificOutput.additionalContext hookSpecificOutput.hookEventName hookSpecificOutput.permissionDecision hookSpecificOutput.permissionDecisionReason hookSpecificOutput.updatedInput reason stopReason suppressOutput systemMessage",
    "permission-request":
      "continue hookSpecificOutput hookSpecificOutput.decision hookSpecificOutput.decision.behavior hookSpecificOutput.decision.interrupt hookSpecificOutput.decision.message hookSpecificOutput.decision.updatedInput hookSpecificOutput.decision.updatedPermissions hookSpecificOutput.hookEventName stopReason suppressOutput systemMessage",
    "post-tool-use":
      "continue decision hookSpecificOutput hookSpecificOutput.additionalContext hookSpecificOutput.hookEventName hookSpecificOutput.updatedMCPToolOutput reason stopReason suppressOutput systemMessage",
    "pre-compact": "continue stopReason suppressOutput systemMessage",
    "post-compact": "continue stopReason suppressOutput systemMessage",
    "session-start":
      "continue hookSpecificOutput hookSpecificOutput.additionalContext hookSpecificOutput.hookEventName stopReason suppressOutput systemMessage",
    "session-end": "",
    "user-prompt-submit":
      "continue decision hookSpecificOutput hookSpecificOutput.additionalContext hookSpecificOutput.hookEventName reason stopReason suppressOutput systemMessage",
    "subagent-start":
      "continue hookSpecificOutput hookSpecificOutput.additionalContext hookSpecificOutput.hookEventName stopReason suppressOutput systemMessage",
    "subagent-stop": "continue decision reason stopReason suppressOutput systemMessage",
    stop: "continue decision reason stopReason suppressOutput systemMessage",
    interrupt: "systemMessage",
    "pre-exec":
      "continue hookSpecificOutput hookSpecificOutput.hookEventName hookSpecificOutput.permissionDecision hookSpecificOutput.permissionDecisionReason stopReason suppressOutput systemMessage",
    "post-exec": "",
  });
});
