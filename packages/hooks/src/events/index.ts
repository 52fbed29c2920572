/** Every event's definition. */
import type { HookEventName } from "@sallyport/protocol";
import type { EventDefinition } from "./definition.ts";
import { interrupt } from "./interrupt.ts";
import { permissionRequest } from "./permission-request.ts";
import { postCompact } from "./post-compact.ts";
import { postExec } from "./post-exec.ts";
import { postModelRequest } from "./post-model-request.ts";
import { postToolUse } from "./post-tool-use.ts";
import { preCompact } from "./pre-compact.ts";
import { preExec } from "./pre-exec.ts";
import { preModelRequest } from "./pre-model-request.ts";
import { preToolUse } from "./pre-tool-use.ts";
import { sessionEnd } from "./session-end.ts";
import { sessionStart } from "./session-start.ts";
import { stop } from "./stop.ts";
import { subagentStart } from "./subagent-start.ts";
import { subagentStop } from "./subagent-stop.ts";
import { userPromptSubmit } from "./user-prompt-submit.ts";

export const eventDefinitions: { [Event in HookEventName]: EventDefinition<Event> } = {
  PreModelRequest: preModelRequest,
  PostModelRequest: postModelRequest,
  PreToolUse: preToolUse,
  PermissionRequest: permissionRequest,
  PostToolUse: postToolUse,
  PreCompact: preCompact,
  PostCompact: postCompact,
  SessionStart: sessionStart,
  SessionEnd: sessionEnd,
  UserPromptSubmit: userPromptSubmit,
  SubagentStart: subagentStart,
  SubagentStop: subagentStop,
  Stop: stop,
  Interrupt: interrupt,
  PreExec: preExec,
  PostExec: postExec,
};
