/** Questions of the server to its clients. The first answer counts; `serverRequest/resolved` tells the others. */
import { z } from "zod";
import { CommandAction } from "./thread-item.ts";

const Amendment = z.strictObject({
  acceptWithExecpolicyAmendment: z.looseObject({ execpolicy_amendment: z.array(z.string()) }),
});

/** `cancel` also ends the turn. The amendment writes a rule, so that what begins with these words is not asked again. */
export const CommandApprovalDecision = z.union([
  z.enum(["accept", "acceptForSession", "decline", "cancel"]),
  Amendment,
]);
export type CommandApprovalDecision = z.infer<typeof CommandApprovalDecision>;

/** Params of `item/commandExecution/requestApproval`. `humanCommand` goes to clients that have said that they show it to a person
 *  (`capabilities.requiredHumanApproval`), and is answered for this once. `command` is the exact program with its arguments, where a rule asks about
 *  one program of a command; `approvalId` then tells several questions about one item apart. */
export const CommandApprovalParams = z.strictObject({
  kind: z.enum(["command", "humanCommand"]),
  threadId: z.uuid(),
  turnId: z.string(),
  itemId: z.string(),
  approvalId: z.string().nullable(),
  startedAtMs: z.int(),
  environmentId: z.string().nullable(),
  reason: z.string().nullable(),
  command: z.string(),
  cwd: z.string(),
  commandActions: z.array(CommandAction),
  proposedExecpolicyAmendment: z.array(z.string()).nullable(),
  availableDecisions: z.array(CommandApprovalDecision),
});
export type CommandApprovalParams = z.infer<typeof CommandApprovalParams>;

/** Loose: it comes from a client. */
export const CommandApprovalResponse = z.looseObject({ decision: CommandApprovalDecision });
export type CommandApprovalResponse = z.infer<typeof CommandApprovalResponse>;

/** Params of `item/fileChange/requestApproval`. The diff is in the item. */
export const FileChangeApprovalParams = z.strictObject({
  threadId: z.uuid(),
  turnId: z.string(),
  itemId: z.string(),
  startedAtMs: z.int(),
  reason: z.string().nullable(),
  grantRoot: z.string().nullable(),
});
export type FileChangeApprovalParams = z.infer<typeof FileChangeApprovalParams>;

export const FileChangeApprovalDecision = z.enum(["accept", "acceptForSession", "decline", "cancel"]);
export type FileChangeApprovalDecision = z.infer<typeof FileChangeApprovalDecision>;

export const FileChangeApprovalResponse = z.looseObject({ decision: FileChangeApprovalDecision });
export type FileChangeApprovalResponse = z.infer<typeof FileChangeApprovalResponse>;

const FileSystemEntry = z.strictObject({
  path: z.strictObject({ type: z.literal("path"), path: z.string() }),
  access: z.enum(["read", "write"]),
});

/** Params of `item/permissions/requestApproval`: what the agent wants for its next commands. `entries` says the same as `read` and
 *  `write`. There is no item. */
export const PermissionsApprovalParams = z.strictObject({
  threadId: z.uuid(),
  turnId: z.string(),
  itemId: z.string(),
  environmentId: z.string().nullable(),
  startedAtMs: z.int(),
  cwd: z.string(),
  reason: z.string().nullable(),
  permissions: z.strictObject({
    network: z.strictObject({ enabled: z.boolean() }).nullable(),
    fileSystem: z
      .strictObject({ read: z.array(z.string()), write: z.array(z.string()), entries: z.array(FileSystemEntry) })
      .nullable(),
  }),
});
export type PermissionsApprovalParams = z.infer<typeof PermissionsApprovalParams>;

/** What of it is granted, and for how long (default: the turn); nothing: it is refused. */
export const PermissionsApprovalResponse = z.looseObject({
  permissions: z.looseObject({
    network: z.looseObject({ enabled: z.boolean().nullish() }).nullish(),
    fileSystem: z
      .looseObject({
        read: z.array(z.string()).nullish(),
        write: z.array(z.string()).nullish(),
        entries: z.array(FileSystemEntry).nullish(),
      })
      .nullish(),
  }),
  scope: z.enum(["turn", "session"]).optional(),
});
export type PermissionsApprovalResponse = z.infer<typeof PermissionsApprovalResponse>;
