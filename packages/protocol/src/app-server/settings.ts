/** How a thread may act: who approves, what its commands can reach, how hard the model thinks. */
import { z } from "zod";

const Granular = z.object({
  granular: z.object({
    sandbox_approval: z.boolean().optional(),
    rules: z.boolean().optional(),
    skill_approval: z.boolean().optional(),
    request_permissions: z.boolean().optional(),
    mcp_elicitations: z.boolean().optional(),
  }),
});

export const ApprovalPolicy = z.union([z.enum(["untrusted", "on-request", "never"]), Granular]);
export type ApprovalPolicy = z.infer<typeof ApprovalPolicy>;

export const ApprovalsReviewer = z.enum(["user", "auto_review", "guardian_subagent"]);
export type ApprovalsReviewer = z.infer<typeof ApprovalsReviewer>;

/** The short form, which threads are started and resumed with. */
export const SandboxMode = z.enum(["read-only", "workspace-write", "danger-full-access"]);
export type SandboxMode = z.infer<typeof SandboxMode>;

/** The long form, which turns are started with and every result shows. Unknown keys of a client are dropped. */
export const SandboxPolicy = z.discriminatedUnion("type", [
  z.object({ type: z.literal("dangerFullAccess") }),
  z.object({ type: z.literal("readOnly"), networkAccess: z.boolean().default(false) }),
  z.object({
    type: z.literal("workspaceWrite"),
    writableRoots: z.array(z.string()).default([]),
    networkAccess: z.boolean().default(false),
    excludeTmpdirEnvVar: z.boolean().default(false),
    excludeSlashTmp: z.boolean().default(false),
  }),
  z.object({
    type: z.literal("externalSandbox"),
    networkAccess: z.enum(["restricted", "enabled"]).default("restricted"),
  }),
]);
export type SandboxPolicy = z.infer<typeof SandboxPolicy>;

/** Providers name their own levels (`low`, `medium`, `high`, ...), so any word is taken. */
export const ReasoningEffort = z.string();
export type ReasoningEffort = z.infer<typeof ReasoningEffort>;

export const ReasoningSummary = z.enum(["auto", "concise", "detailed", "none"]);
export type ReasoningSummary = z.infer<typeof ReasoningSummary>;

export const SortDirection = z.enum(["asc", "desc"]);
export type SortDirection = z.infer<typeof SortDirection>;
