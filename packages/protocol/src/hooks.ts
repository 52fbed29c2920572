/** Hook runs on the wire: the summary of one execution of one handler, and the notifications that carry it. Names and enums are
 *  the Codex App Server's; what is ours says so. */
import { z } from "zod";

/** As hook input and configuration files spell events. PreExec and PostExec are ours. The order is that of listings. */
export const HookEventName = z.enum([
  "PreModelRequest",
  "PostModelRequest",
  "PreToolUse",
  "PermissionRequest",
  "PostToolUse",
  "PreCompact",
  "PostCompact",
  "SessionStart",
  "SessionEnd",
  "UserPromptSubmit",
  "SubagentStart",
  "SubagentStop",
  "Stop",
  "Interrupt",
  "PreExec",
  "PostExec",
]);
export type HookEventName = z.infer<typeof HookEventName>;

/** As summaries and listings spell events. */
export const HookEventWireName = z.enum([
  "preModelRequest",
  "postModelRequest",
  "preToolUse",
  "permissionRequest",
  "postToolUse",
  "preCompact",
  "postCompact",
  "sessionStart",
  "sessionEnd",
  "userPromptSubmit",
  "subagentStart",
  "subagentStop",
  "stop",
  "interrupt",
  "preExec",
  "postExec",
]);
export type HookEventWireName = z.infer<typeof HookEventWireName>;

/** `http` and `module` are ours. */
export const HookHandlerType = z.enum(["command", "mcpTool", "prompt", "agent", "http", "module"]);
export type HookHandlerType = z.infer<typeof HookHandlerType>;

export const HookExecutionMode = z.enum(["sync", "async"]);
export type HookExecutionMode = z.infer<typeof HookExecutionMode>;

export const HookScope = z.enum(["thread", "turn"]);
export type HookScope = z.infer<typeof HookScope>;

export const HookSource = z.enum([
  "system",
  "user",
  "project",
  "mdm",
  "sessionFlags",
  "plugin",
  "cloudRequirements",
  "cloudManagedConfig",
  "legacyManagedConfigFile",
  "legacyManagedConfigMdm",
  "unknown",
]);
export type HookSource = z.infer<typeof HookSource>;

export const HookRunStatus = z.enum(["running", "completed", "failed", "blocked", "stopped"]);
export type HookRunStatus = z.infer<typeof HookRunStatus>;

export const HookOutputEntryKind = z.enum(["warning", "stop", "feedback", "context", "error"]);
export type HookOutputEntryKind = z.infer<typeof HookOutputEntryKind>;

export const HookOutputEntry = z.strictObject({ kind: HookOutputEntryKind, text: z.string() });
export type HookOutputEntry = z.infer<typeof HookOutputEntry>;

/** Why a run is `failed`; ours. `badOutput`: what it printed is not what the event reads. */
export const HookFailure = z.enum([
  "notFound",
  "notExecutable",
  "timeout",
  "signal",
  "badOutput",
  "exit",
  "notAvailable",
]);
export type HookFailure = z.infer<typeof HookFailure>;

/** One run of one handler.
 *
 *  - `id` is a UUIDv7, unique per run; `hookKey` is the handler's stable key, `<file>:<event_snake>:<group>:<handler>`.
 *  - `startedAt` and `completedAt` are Unix seconds, `durationMs` is milliseconds; the latter two are null while it runs.
 *  - `failure` and `continuation` are ours and there only when they apply: `continuation` where a Stop or SubagentStop run made
 *    the turn go on for one more round.
 *  - `hookKey`, `failure` and `continuation` are unknown to Codex clients, which ignore them. */
export const HookRunSummary = z.strictObject({
  id: z.uuid(),
  hookKey: z.string(),
  eventName: HookEventWireName,
  handlerType: HookHandlerType,
  executionMode: HookExecutionMode,
  scope: HookScope,
  sourcePath: z.string(),
  source: HookSource,
  displayOrder: z.int(),
  status: HookRunStatus,
  statusMessage: z.string().nullable(),
  startedAt: z.int(),
  completedAt: z.int().nullable(),
  durationMs: z.int().nullable(),
  entries: z.array(HookOutputEntry),
  failure: HookFailure.optional(),
  continuation: z.boolean().optional(),
});
export type HookRunSummary = z.infer<typeof HookRunSummary>;

/** Params of `hook/started` and `hook/completed`. */
export const HookRunNotification = z.strictObject({
  threadId: z.string(),
  turnId: z.string().nullable(),
  run: HookRunSummary,
});
export type HookRunNotification = z.infer<typeof HookRunNotification>;

export const HookTrustStatus = z.enum(["managed", "untrusted", "trusted", "modified"]);
export type HookTrustStatus = z.infer<typeof HookTrustStatus>;

/** One configured handler as `hooks/list` shows it. `skipped` is ours: why it would not run now, in words, else null. */
export const HookMetadata = z.strictObject({
  key: z.string(),
  eventName: HookEventWireName,
  handlerType: HookHandlerType,
  command: z.string().optional(),
  async: z.boolean().optional(),
  server: z.string().optional(),
  tool: z.string().optional(),
  url: z.string().optional(),
  matcher: z.string().nullable(),
  timeoutSec: z.int(),
  statusMessage: z.string().nullable(),
  additionalContextLimit: z.int().nullable(),
  sourcePath: z.string(),
  source: HookSource,
  pluginId: z.string().nullable(),
  environmentId: z.string().nullable(),
  displayOrder: z.int(),
  enabled: z.boolean(),
  isManaged: z.boolean(),
  currentHash: z.string(),
  trustStatus: HookTrustStatus,
  skipped: z.string().nullable(),
});
export type HookMetadata = z.infer<typeof HookMetadata>;

export const HooksListParams = z.looseObject({
  cwds: z.array(z.string()).nullish(),
  threadId: z.string().nullish(),
});
export type HooksListParams = z.infer<typeof HooksListParams>;

export const HooksListEntry = z.strictObject({
  cwd: z.string(),
  hooks: z.array(HookMetadata),
  warnings: z.array(z.string()),
  errors: z.array(z.strictObject({ path: z.string(), message: z.string() })),
});
export type HooksListEntry = z.infer<typeof HooksListEntry>;

export const HooksListResponse = z.strictObject({ data: z.array(HooksListEntry) });
export type HooksListResponse = z.infer<typeof HooksListResponse>;
