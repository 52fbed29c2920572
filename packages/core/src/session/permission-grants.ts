/** What people granted to the agent when it asked for permissions: it widens the sandbox of later commands and patches, of the turn or
 *  until the thread is unloaded. Rules, and what is protected in every sandbox, stay as they are. */
import { realpathSync, statSync } from "node:fs";
import type { SandboxPolicy } from "@sallyport/protocol";
import { isTable } from "../config/config-table.ts";
import type { ConfigTable } from "../config/config-table.ts";

export interface PermissionGrant {
  network: boolean;
  /** Resolved. All that is not hidden from every command can be read anyway. */
  read: readonly string[];
  /** Resolved folders. */
  write: readonly string[];
  scope: "turn" | "session";
}

/** The peer's name of the switch. */
export function offersPermissions(config: ConfigTable): boolean {
  const features = config["features"];
  return isTable(features) && features["request_permissions_tool"] === true;
}

export class PermissionGrants {
  readonly #ofSession: PermissionGrant[] = [];

  keep(grant: PermissionGrant): void {
    this.#ofSession.push(grant);
  }

  /** `ofTurn`: what was granted for it alone. Only a sandbox with writable folders gets wider. */
  widen(policy: SandboxPolicy, ofTurn: readonly PermissionGrant[]): SandboxPolicy {
    const grants = [...this.#ofSession, ...ofTurn];
    if (policy.type !== "workspaceWrite" || grants.length === 0) return policy;
    const folders = grants.flatMap(({ write }) => write).filter(isStillThere);
    return {
      ...policy,
      writableRoots: [...new Set([...policy.writableRoots, ...folders])],
      networkAccess: policy.networkAccess || grants.some(({ network }) => network),
    };
  }
}

/** The attack: what was granted is replaced by a symlink to somewhere else, and the wall follows it. A grant is for the very folder. */
function isStillThere(folder: string): boolean {
  try {
    return realpathSync.native(folder) === folder && statSync(folder).isDirectory();
  } catch {
    return false;
  }
}
