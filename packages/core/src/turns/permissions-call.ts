/** A call of request_permissions: asks people whether later commands may use the network or write to further folders.
 *
 *      no sandbox, a read-only one, protected places -> no, and nobody is asked
 *      what the sandbox leaves open anyway ----------> yes, and nobody is asked
 *      policy, hooks, clients -----------------------> yes to all or a part of it */
import { realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve, sep } from "node:path";
import type { PermissionsApprovalParams, SandboxPolicy } from "@sallyport/protocol";
import { defaultDenyRead, surveyWritablePlaces } from "@sallyport/sandbox";
import { isSallyportError } from "@sallyport/supervisor";
import type { PermissionGrant } from "../session/permission-grants.ts";
import { guardedSandbox } from "../session/session-settings.ts";
import { isBareRepository } from "../tools/apply-patch/repository-folders.ts";
import type { PermissionsRequest } from "../tools/tool-arguments.ts";
import type { AskedBefore } from "./asked-before.ts";
import { programFolders } from "./patch-call.ts";
import { askPermission } from "./permission.ts";
import { sandboxNow } from "./sandbox-now.ts";
import type { ToolOutcome } from "./shell-call.ts";
import type { TurnContext } from "./turn-context.ts";

type Wanted = Pick<PermissionGrant, "network" | "read" | "write">;

export class PermissionsCall {
  readonly #context: TurnContext;
  readonly #itemId: string;
  readonly #before: AskedBefore | null;

  constructor(context: TurnContext, itemId: string, before: AskedBefore | null) {
    this.#context = context;
    this.#itemId = itemId;
    this.#before = before;
  }

  async run(request: PermissionsRequest): Promise<ToolOutcome> {
    const policy = sandboxNow(this.#context);
    if (policy.type === "dangerFullAccess" || policy.type === "externalSandbox")
      return told("There is no sandbox here, so nothing has to be granted");
    // Fails closed because who chose read-only has said what the agent shall do: look.
    if (policy.type === "readOnly")
      return told("Not granted: the sandbox is read-only, and nobody is asked to widen it");
    const wanted = this.#resolved(request);
    const objection = this.#objectionTo(wanted, policy);
    if (objection !== null) return told(`Not granted: ${objection}`);
    const missing = this.#missing(wanted, policy);
    if (missing === null) return granted({ ...wanted, scope: "turn" });
    const answer = await this.#ask(missing, request);
    if (answer.kind === "deny") return told(`Not granted: ${answer.reason}`);
    const grant = within(
      answer.grant ?? { ...missing, scope: answer.keep === undefined ? "turn" : "session" },
      missing,
    );
    if (grant === null) return told("Not granted: what the user's client granted is nothing of what was asked for");
    const { grants, progress } = this.#context;
    if (grant.scope === "session") grants.keep(grant);
    else progress.granted = [...progress.granted, grant];
    return granted(grant);
  }

  /** Symlinks too: people see, and grant, the place itself. */
  #resolved({ network, read, write }: PermissionsRequest): Wanted {
    const { cwd } = this.#context.settings;
    const real = (path: string): string => {
      try {
        return realpathSync.native(resolve(cwd, path));
      } catch {
        return resolve(cwd, path);
      }
    };
    return { network, read: [...new Set(read.map(real))], write: [...new Set(write.map(real))] };
  }

  /** Null: it may be asked for. */
  #objectionTo({ read, write }: Wanted, policy: SandboxPolicy): string | null {
    const { home } = this.#context;
    const hidden = [...new Set([homedir(), this.#variable("HOME") ?? homedir()])].flatMap(defaultDenyRead);
    for (const path of [...read, ...write]) {
      const place = [home, ...hidden].find((closed) => isWithin(path, closed));
      if (place !== undefined) return `${JSON.stringify(path)} lies in ${place}, which no command may reach`;
    }
    for (const folder of write) {
      const why = protectedPart(folder) ?? this.#wallRefusal(folder, policy);
      if (why !== null) return why;
    }
    return null;
  }

  /** What the wall itself would refuse: the home folder, the whole file system, Sallyport's own program, what is no folder. */
  #wallRefusal(folder: string, policy: SandboxPolicy): string | null {
    try {
      this.#places({ ...policy, ...(policy.type === "workspaceWrite" ? { writableRoots: [folder] } : {}) });
      return null;
    } catch (error) {
      if (isSallyportError(error) && error.code === "WALL_REFUSED") return error.message;
      throw error;
    }
  }

  /** What the sandbox does not give yet; null: nothing. */
  #missing(wanted: Wanted, policy: SandboxPolicy): Wanted | null {
    const { roots } = this.#places(policy);
    const write = wanted.write.filter((folder) => !roots.some((root) => isWithin(folder, root)));
    const network = wanted.network && !(policy.type === "workspaceWrite" && policy.networkAccess);
    return network || write.length > 0 ? { network, read: wanted.read, write } : null;
  }

  #places(policy: SandboxPolicy): ReturnType<typeof surveyWritablePlaces> {
    const { settings, home } = this.#context;
    const sandbox = guardedSandbox(policy);
    return surveyWritablePlaces(
      { ...sandbox, cwd: settings.cwd, home, journal: null, rulesFiles: [], programFolders },
      { HOME: this.#variable("HOME") ?? homedir() },
    );
  }

  #variable(name: string): string | null {
    const entry = this.#context.env.find((text) => typeof text === "string" && text.startsWith(`${name}=`));
    return typeof entry === "string" ? entry.slice(name.length + 1) : null;
  }

  #ask(missing: Wanted, { reason, asWritten }: PermissionsRequest): ReturnType<typeof askPermission> {
    const { threadId, turnId, settings, signal } = this.#context;
    const params: PermissionsApprovalParams = {
      threadId,
      turnId,
      itemId: this.#itemId,
      environmentId: null,
      startedAtMs: Date.now(),
      cwd: settings.cwd,
      reason,
      permissions: {
        network: missing.network ? { enabled: true } : null,
        fileSystem: missing.read.length + missing.write.length === 0 ? null : fileSystemOf(missing),
      },
    };
    return askPermission(
      this.#context,
      {
        question: { method: "item/permissions/requestApproval", params },
        scope: { rememberAs: null, proposals: [] },
        askedBy: "permissions",
        toolName: "request_permissions",
        toolInput: asWritten,
        waitingItemId: null,
        programIdentity: null,
        askedBefore: this.#before?.approvalId ?? null,
      },
      signal,
    );
  }
}

function fileSystemOf({ read, write }: Wanted): NonNullable<PermissionsApprovalParams["permissions"]["fileSystem"]> {
  const entry = (access: "read" | "write") => (path: string) => ({ path: { type: "path" as const, path }, access });
  return { read: [...read], write: [...write], entries: [...read.map(entry("read")), ...write.map(entry("write"))] };
}

/** The attack: an answer that grants more than people were shown. Null: nothing is left. */
function within(grant: PermissionGrant, wanted: Wanted): PermissionGrant | null {
  const network = grant.network && wanted.network;
  const read = wanted.read.filter((path) => grant.read.includes(path));
  const write = wanted.write.filter((path) => grant.write.includes(path));
  return network || read.length > 0 || write.length > 0 ? { network, read, write, scope: grant.scope } : null;
}

/** Settings of git and of tools make programs outside run what is written there; no wall lets commands write to them. */
const protectedNames: ReadonlySet<string> = new Set([".git", ".sallyport", ".codex", ".claude", ".vscode"]);

function protectedPart(folder: string): string | null {
  const isProtected = folder.split(sep).some((name) => protectedNames.has(name.toLowerCase()));
  if (isProtected) return `${JSON.stringify(folder)} is protected: programs outside the sandbox act on what lies there`;
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    if (isBareRepository(at)) return `${JSON.stringify(folder)} is protected: git outside the sandbox acts on ${at}`;
  }
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) return `${JSON.stringify(folder)} is no folder that is there`;
  return null;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}

function granted({ network, read, write, scope }: PermissionGrant): ToolOutcome {
  const files = read.length + write.length === 0 ? null : { read, write };
  return told(
    JSON.stringify({ permissions: { network: network ? { enabled: true } : null, file_system: files }, scope }),
  );
}

function told(text: string): ToolOutcome {
  return { text, ran: { response: text, exitCode: null, durationMs: 0 } };
}
