/** The output shapes once more, without zod, which takes longer to load than most hooks take to run. This side only says yes: what it
 *  does not take is the schema's to judge and to word. Its keys are the schema's by type, and a test compares both on what hooks may
 *  print. */
import type { HookEventName, HookOutputs } from "@sallyport/protocol";

type Check = (value: unknown) => boolean;
type Fields<Shape> = { [Key in keyof Required<Shape>]: Check };
type Specific<Event extends "SessionStart" | "PreToolUse" | "PermissionRequest" | "PostToolUse" | "PreExec"> =
  NonNullable<HookOutputs[Event]["hookSpecificOutput"]>;

const isAnything: Check = () => true;
const isFlag: Check = (value) => typeof value === "boolean";
const isText: Check = (value) => typeof value === "string" || value === null;

function isOneOf(...names: readonly (string | null)[]): Check {
  const allowed = new Set<unknown>(names);
  return (value) => allowed.has(value);
}

/** Values come from JSON.parse(), so a key that is there has a value. Own keys only: `__proto__` and `constructor` are no fields. */
function isObject<Shape extends object>(fields: Fields<Shape>, ...required: (keyof Shape & string)[]): Check {
  const checks = new Map(Object.entries<Check>(fields));
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const isField = ([key, inner]: [string, unknown]): boolean => checks.get(key)?.(inner) === true;
    return required.every((key) => Object.hasOwn(value, key)) && Object.entries(value).every(isField);
  };
}

function orNull(check: Check): Check {
  return (value) => value === null || check(value);
}

const universal = { continue: isFlag, stopReason: isText, suppressOutput: isFlag, systemMessage: isText };
const block = { decision: isOneOf("block", null), reason: isText };
const specific = {
  // What has no output has no name here.
  hookEventName: isOneOf(
    "PreToolUse",
    "PermissionRequest",
    "PostToolUse",
    "PreCompact",
    "PostCompact",
    "SessionStart",
    "UserPromptSubmit",
    "SubagentStart",
    "SubagentStop",
    "Stop",
    "Interrupt",
    "PreExec",
  ),
};

const hookSpecificOutput = orNull(
  isObject<Specific<"SessionStart">>({ ...specific, additionalContext: isText }, "hookEventName"),
);
const isStart = isObject<HookOutputs["SessionStart"]>({ ...universal, hookSpecificOutput });
const isCompact = isObject<HookOutputs["PreCompact"]>(universal);
const isStop = isObject<HookOutputs["Stop"]>({ ...universal, ...block });

const isPermissionDecision = isObject<NonNullable<Specific<"PermissionRequest">["decision"]>>(
  {
    behavior: isOneOf("allow", "deny"),
    message: isText,
    interrupt: isFlag,
    updatedInput: isAnything,
    updatedPermissions: isAnything,
  },
  "behavior",
);

const shapes: { [Event in HookEventName]: Check } = {
  PreModelRequest: isAnything,
  PostModelRequest: isAnything,
  PreToolUse: isObject<HookOutputs["PreToolUse"]>({
    ...universal,
    decision: isOneOf("approve", "block", null),
    reason: isText,
    hookSpecificOutput: orNull(
      isObject<Specific<"PreToolUse">>(
        {
          ...specific,
          permissionDecision: isOneOf("allow", "deny", "ask", null),
          permissionDecisionReason: isText,
          updatedInput: isAnything,
          additionalContext: isText,
        },
        "hookEventName",
      ),
    ),
  }),
  PermissionRequest: isObject<HookOutputs["PermissionRequest"]>({
    ...universal,
    hookSpecificOutput: orNull(
      isObject<Specific<"PermissionRequest">>({ ...specific, decision: orNull(isPermissionDecision) }, "hookEventName"),
    ),
  }),
  PostToolUse: isObject<HookOutputs["PostToolUse"]>({
    ...universal,
    ...block,
    hookSpecificOutput: orNull(
      isObject<Specific<"PostToolUse">>(
        { ...specific, additionalContext: isText, updatedMCPToolOutput: isAnything },
        "hookEventName",
      ),
    ),
  }),
  PreCompact: isCompact,
  PostCompact: isCompact,
  SessionStart: isStart,
  SessionEnd: isAnything,
  UserPromptSubmit: isObject<HookOutputs["UserPromptSubmit"]>({ ...universal, ...block, hookSpecificOutput }),
  SubagentStart: isStart,
  SubagentStop: isStop,
  Stop: isStop,
  Interrupt: isObject<HookOutputs["Interrupt"]>({ systemMessage: isText }),
  PreExec: isObject<HookOutputs["PreExec"]>({
    ...universal,
    hookSpecificOutput: orNull(
      isObject<Specific<"PreExec">>(
        {
          ...specific,
          permissionDecision: isOneOf("run", "escalate", "ask", "deny", null),
          permissionDecisionReason: isText,
        },
        "hookEventName",
      ),
    ),
  }),
  PostExec: isAnything,
};

/** True only for what the event's schema takes, as it is. `value` comes from JSON.parse(). */
export function hasOutputShape<Event extends HookEventName>(event: Event, value: unknown): value is HookOutputs[Event] {
  return shapes[event](value);
}
