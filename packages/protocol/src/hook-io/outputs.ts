/** What a hook may print, one JSON object, per event. Names and strictness are Codex's: an unknown key makes the whole output invalid,
 *  because a typo in a guard must not pass as silence. `null` stands for "not given" where the field is text or an object.
 *
 *  These are shapes. Some values are read only to be refused with a better reason than "unknown" (`permissionDecision: "ask"`);
 *  which ones is the event's matter, in the hooks package. */
import { z } from "zod";
import { HookEventName } from "../hooks.ts";

const universal = {
  continue: z.boolean().optional().describe("false: stop here"),
  stopReason: z.string().nullish().describe("why, where continue is false"),
  suppressOutput: z.boolean().optional().describe("read, without effect"),
  systemMessage: z.string().nullish().describe("shown to the user; the model does not see it"),
};

/** Any of these is taken, whichever event it is. Events whose output is not read are none of them. */
const HookOutputEventName = HookEventName.exclude(["PreModelRequest", "PostModelRequest", "SessionEnd", "PostExec"]);
const specific = { hookEventName: HookOutputEventName };
const additionalContext = z.string().nullish().describe("what the model gets to know");
const withContext = z.strictObject({ ...specific, additionalContext }).nullish();
const block = {
  decision: z.literal("block").nullish(),
  reason: z.string().nullish().describe("what the model is told; required with a decision"),
};

const SessionStartOutput = z.strictObject({ ...universal, hookSpecificOutput: withContext });
const SubagentStartOutput = SessionStartOutput;
const UserPromptSubmitOutput = z.strictObject({ ...universal, ...block, hookSpecificOutput: withContext });

const PreToolUseOutput = z.strictObject({
  ...universal,
  decision: z.enum(["approve", "block"]).nullish().describe("older way to say permissionDecision: only block works"),
  reason: block.reason,
  hookSpecificOutput: z
    .strictObject({
      ...specific,
      permissionDecision: z.enum(["allow", "deny", "ask"]).nullish().describe("allow only together with updatedInput"),
      permissionDecisionReason: z.string().nullish().describe("what the model is told; required with deny"),
      updatedInput: z.unknown().describe("the tool's new input; required with allow"),
      additionalContext,
    })
    .partial({ updatedInput: true })
    .nullish(),
});

const PermissionRequestOutput = z.strictObject({
  ...universal,
  hookSpecificOutput: z
    .strictObject({
      ...specific,
      decision: z
        .strictObject({
          behavior: z.enum(["allow", "deny"]),
          message: z.string().nullish().describe("what the model is told of a deny"),
          interrupt: z.boolean().optional().describe("must be false"),
          updatedInput: z.unknown().describe("must be null"),
          updatedPermissions: z.unknown().describe("must be null"),
        })
        .partial({ updatedInput: true, updatedPermissions: true })
        .nullish(),
    })
    .nullish(),
});

const PostToolUseOutput = z.strictObject({
  ...universal,
  ...block,
  hookSpecificOutput: z
    .strictObject({ ...specific, additionalContext, updatedMCPToolOutput: z.unknown().describe("must be null") })
    .partial({ updatedMCPToolOutput: true })
    .nullish(),
});

const PreCompactOutput = z.strictObject(universal);
const PostCompactOutput = PreCompactOutput;
const StopOutput = z.strictObject({ ...universal, ...block });
const SubagentStopOutput = StopOutput;
const InterruptOutput = z.strictObject({ systemMessage: universal.systemMessage });

const PreExecOutput = z.strictObject({
  ...universal,
  hookSpecificOutput: z
    .strictObject({
      ...specific,
      permissionDecision: z.enum(["run", "escalate", "ask", "deny"]).nullish(),
      permissionDecisionReason: z.string().nullish().describe("what the caller is told of a deny"),
    })
    .nullish(),
});

const notRead = z.unknown().describe("Nothing that this hook prints is read");

/** The output schema of every event. */
export const hookOutputs = {
  PreModelRequest: notRead,
  PostModelRequest: notRead,
  PreToolUse: PreToolUseOutput,
  PermissionRequest: PermissionRequestOutput,
  PostToolUse: PostToolUseOutput,
  PreCompact: PreCompactOutput,
  PostCompact: PostCompactOutput,
  SessionStart: SessionStartOutput,
  SessionEnd: notRead,
  UserPromptSubmit: UserPromptSubmitOutput,
  SubagentStart: SubagentStartOutput,
  SubagentStop: SubagentStopOutput,
  Stop: StopOutput,
  Interrupt: InterruptOutput,
  PreExec: PreExecOutput,
  PostExec: notRead,
};
export type HookOutputs = { [Event in keyof typeof hookOutputs]: z.infer<(typeof hookOutputs)[Event]> };
