/** How a thread acts: what a turn can change and later turns keep. Stored with the thread, so that a resumed one acts alike. */
import { resolve } from "node:path";
import type { ApprovalPolicy, SandboxMode, SandboxPolicy } from "@sallyport/protocol";
import type { GuardedRunOptions } from "@sallyport/shell-escalation";
import { readChoice, readFlag, readTable, readText, readTexts } from "../config/config-table.ts";
import type { ConfigTable } from "../config/config-table.ts";
import { readModelSettings } from "../models/provider-config.ts";
import type { ModelSettings } from "../models/provider-config.ts";
import type { JsonValue } from "../store/index.ts";

/** What a request may choose in place of the configuration. Absent or null: nothing is chosen. */
export interface SettingsOverrides {
  model?: string | null;
  modelProvider?: string | null;
  effort?: string | null;
  cwd?: string | null;
  approvalPolicy?: ApprovalPolicy | null;
  /** The short form; `sandboxPolicy` counts where both are given. */
  sandbox?: SandboxMode | null;
  sandboxPolicy?: SandboxPolicy | null;
  baseInstructions?: string | null;
  developerInstructions?: string | null;
}

export interface SessionSettings {
  cwd: string;
  model: ModelSettings;
  approvalPolicy: ApprovalPolicy;
  sandboxPolicy: SandboxPolicy;
  /** Replaces our own words to the model. */
  baseInstructions: string | null;
  /** Stands behind them. */
  developerInstructions: string | null;
}

const policies = ["untrusted", "on-request", "never"] as const;
const modes = ["read-only", "workspace-write", "danger-full-access"] as const;

/** Throws what `readModelSettings()` throws. */
export function readSessionSettings(
  config: ConfigTable,
  overrides: SettingsOverrides & { cwd: string },
): SessionSettings {
  const sandbox = overrides.sandbox ?? null;
  return {
    cwd: resolve(overrides.cwd),
    model: readModelSettings(config, overrides),
    approvalPolicy: overrides.approvalPolicy ?? readChoice(config, "approval_policy", policies, "") ?? "on-request",
    sandboxPolicy:
      overrides.sandboxPolicy ?? (sandbox === null ? configuredSandbox(config) : sandboxPolicyOf(sandbox, config)),
    baseInstructions: overrides.baseInstructions ?? null,
    developerInstructions: overrides.developerInstructions ?? readText(config, "developer_instructions", ""),
  };
}

/** Only what was chosen changes. */
export function changeSettings(
  settings: SessionSettings,
  config: ConfigTable,
  overrides: SettingsOverrides,
): SessionSettings {
  const { model, provider } = settings.model;
  const changesModel = overrides.model != null || overrides.modelProvider != null || overrides.effort != null;
  const mode = overrides.sandbox ?? null;
  return {
    ...settings,
    cwd: overrides.cwd == null ? settings.cwd : resolve(settings.cwd, overrides.cwd),
    model: changesModel
      ? readModelSettings(config, {
          model: overrides.model ?? model,
          modelProvider: overrides.modelProvider ?? (overrides.model == null ? provider.id : null),
          effort: overrides.effort ?? settings.model.reasoningEffort,
        })
      : settings.model,
    approvalPolicy: overrides.approvalPolicy ?? settings.approvalPolicy,
    sandboxPolicy: overrides.sandboxPolicy ?? (mode === null ? settings.sandboxPolicy : sandboxPolicyOf(mode, config)),
    baseInstructions: overrides.baseInstructions ?? settings.baseInstructions,
    developerInstructions: overrides.developerInstructions ?? settings.developerInstructions,
  };
}

/** What the configuration says, where nobody chose. */
export function configuredSandbox(config: ConfigTable): SandboxPolicy {
  return sandboxPolicyOf(readChoice(config, "sandbox_mode", modes, "") ?? "workspace-write", config);
}

function sandboxPolicyOf(mode: SandboxMode, config: ConfigTable): SandboxPolicy {
  if (mode === "danger-full-access") return { type: "dangerFullAccess" };
  if (mode === "read-only") return { type: "readOnly", networkAccess: false };
  const at = "sandbox_workspace_write.";
  const table = readTable(config, "sandbox_workspace_write", "") ?? {};
  return {
    type: "workspaceWrite",
    writableRoots: readTexts(table, "writable_roots", at),
    networkAccess: readFlag(table, "network_access", at) ?? false,
    excludeTmpdirEnvVar: readFlag(table, "exclude_tmpdir_env_var", at) ?? false,
    excludeSlashTmp: readFlag(table, "exclude_slash_tmp", at) ?? false,
  };
}

/** As the guarded door wants it. An external sandbox is somebody else's wall, so none of ours is built. */
export function guardedSandbox(policy: SandboxPolicy): GuardedRunOptions["sandbox"] {
  const common = { denyRead: [], allowGitInit: false, sockets: [], wall: "auto" as const };
  if (policy.type === "readOnly") {
    return { ...common, mode: "read-only", writable: [], network: policy.networkAccess };
  }
  if (policy.type === "workspaceWrite") {
    return { ...common, mode: "workspace-write", writable: policy.writableRoots, network: policy.networkAccess };
  }
  return { ...common, mode: "danger-full-access", writable: [], network: true };
}

/** The part that is stored. The model's provider is not: where it is and how it is reached is the configuration's to say. */
export function storedSettings(settings: SessionSettings): { [key: string]: JsonValue } {
  const { approvalPolicy, sandboxPolicy, baseInstructions, developerInstructions } = settings;
  return { approvalPolicy, sandboxPolicy, baseInstructions, developerInstructions };
}

/** What was stored, as overrides of the configuration. */
export function restoredOverrides(thread: {
  cwd: string;
  model: string | null;
  modelProvider: string;
  reasoningEffort: string | null;
  settings: { [key: string]: JsonValue | undefined };
}): SettingsOverrides & { cwd: string } {
  const stored = thread.settings as Partial<ReturnType<typeof storedSettings>> & SettingsOverrides; // written by storedSettings()
  return {
    cwd: thread.cwd,
    model: thread.model,
    modelProvider: thread.modelProvider,
    effort: thread.reasoningEffort,
    approvalPolicy: stored.approvalPolicy ?? null,
    sandboxPolicy: stored.sandboxPolicy ?? null,
    baseInstructions: stored.baseInstructions ?? null,
    developerInstructions: stored.developerInstructions ?? null,
  };
}
