/** A call of apply_patch: one fileChange item. The patch is applied outside the sandbox, so where it may write is decided here. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import type { FileChangeItem, FileUpdateChange } from "@sallyport/protocol";
import { surveyWritablePlaces } from "@sallyport/sandbox";
import type { WritablePlaces } from "@sallyport/sandbox";
import { isSallyportError } from "@sallyport/supervisor";
import type { SallyportError } from "@sallyport/supervisor";
import { guardedSandbox } from "../session/session-settings.ts";
import { findPlacesElsewhere, planPatch } from "../tools/apply-patch/apply-patch.ts";
import type { PlannedPatch } from "../tools/apply-patch/apply-patch.ts";
import { PatchError, parsePatch } from "../tools/apply-patch/parse-patch.ts";
import type { PatchAction } from "../tools/apply-patch/parse-patch.ts";
import { openItem } from "./asked-before.ts";
import type { AskedBefore } from "./asked-before.ts";
import { askPermission } from "./permission.ts";
import { sandboxNow } from "./sandbox-now.ts";
import type { ToolOutcome } from "./shell-call.ts";
import type { TurnContext } from "./turn-context.ts";
import type { TurnDiff } from "./turn-diff.ts";
import { recordCompleted, recordStarted } from "./item-record.ts";

export const programFolders: string[] = [
  fileURLToPath(new URL("../../..", import.meta.url)),
  dirname(process.execPath),
];

export class PatchCall {
  readonly #context: TurnContext;
  readonly #patch: string;
  readonly #diff: TurnDiff;
  readonly #item: FileChangeItem & { startedAtMs: number };
  readonly #before: AskedBefore | null;

  constructor(
    context: TurnContext,
    itemId: string,
    options: { patch: string; diff: TurnDiff },
    before: AskedBefore | null,
  ) {
    this.#context = context;
    this.#patch = options.patch;
    this.#diff = options.diff;
    this.#before = before;
    const fresh: FileChangeItem = { type: "fileChange", id: itemId, changes: [], status: "inProgress" };
    this.#item = openItem(fresh, before);
  }

  /** A hook said no. */
  async decline(declinedBy: { hookRunId: string }): Promise<void> {
    this.#item.changes = wantedChanges(this.#patch);
    await this.#start();
    await this.#complete({ status: "declined", declinedBy });
  }

  async run(mustAsk: string | null): Promise<ToolOutcome> {
    const startedAtMs = performance.now();
    let planned: PlannedPatch | null = null;
    try {
      const { cwd, approvalPolicy } = this.#context.settings;
      const actions = parsePatch(this.#patch);
      const places = this.#places([]);
      const elsewhere = approvalPolicy === "never" ? null : findPlacesElsewhere(actions, { cwd, places });
      planned = await planPatch(actions, { cwd, places: elsewhere === null ? places : this.#widerPlaces(elsewhere) });
      const reasons = [mustAsk, elsewhere?.reason ?? null].filter((reason) => reason !== null);
      // A yes would be to what was shown, and what would be done is something else by now.
      const isAsShown = reasons.length > 0 && isDeepStrictEqual(this.#item.changes, planned.changes);
      if (this.#before !== null && !isAsShown)
        throw new PatchError("the files were changed while its question waited; make it anew");
      this.#item.changes = planned.changes;
      await this.#start();
      const refusal = reasons.length === 0 ? null : await this.#ask(reasons.join("; "), elsewhere?.folders ?? []);
      if (this.#context.signal.aborted) return await this.#interrupted();
      if (refusal !== null) {
        await this.#complete({ status: "declined" });
        const why = elsewhere === null ? refusal : `${elsewhere.reason}; ${refusal}`;
        return { text: `The patch was not applied: ${why}`, ran: null };
      }
      planned.apply();
      await this.#complete({ status: "completed" });
      await this.#diff.add(planned.texts);
      const text = `Applied:\n${planned.changes.map(describeChange).join("\n")}`;
      const durationMs = Math.round(performance.now() - startedAtMs);
      return { text, ran: { response: text, exitCode: 0, durationMs } };
    } catch (error) {
      return await this.#failed(error);
    } finally {
      planned?.close();
    }
  }

  /** Those of the sandbox, and `more` folders. What is protected in a writable folder is protected in these too. */
  #places(more: readonly string[]): WritablePlaces {
    const { settings, home, env } = this.#context;
    const policy = guardedSandbox(sandboxNow(this.#context));
    const wider = { ...policy, mode: "workspace-write" as const, writable: [...policy.writable, ...more] };
    const sandbox = more.length === 0 ? policy : wider;
    const named = Object.fromEntries(
      env.flatMap((entry) => {
        const equals = typeof entry === "string" ? entry.indexOf("=") : -1;
        return typeof entry === "string" && equals > 0 ? [[entry.slice(0, equals), entry.slice(equals + 1)]] : [];
      }),
    );
    return surveyWritablePlaces(
      { ...sandbox, cwd: settings.cwd, home, journal: null, rulesFiles: [], programFolders },
      named,
    );
  }

  #widerPlaces({ folders, reason }: { folders: readonly string[]; reason: string }): WritablePlaces {
    try {
      return this.#places(folders);
    } catch (error) {
      if (!isWallRefusal(error)) throw error;
      throw new PatchError(`${reason}, and nobody can allow it: ${error.message}`);
    }
  }

  /** Null: it may happen. */
  async #ask(reason: string, elsewhere: readonly string[]): Promise<string | null> {
    const { threadId, turnId, signal, settings } = this.#context;
    const params = { threadId, turnId, itemId: this.#item.id, startedAtMs: Date.now(), reason, grantRoot: null };
    const answer = await askPermission(
      this.#context,
      {
        question: { method: "item/fileChange/requestApproval", params },
        scope: {
          rememberAs: JSON.stringify([
            "patch",
            settings.cwd,
            this.#item.changes.map(touchedPlace).toSorted(),
            elsewhere,
          ]),
          proposals: [],
        },
        askedBy: "action",
        toolName: "apply_patch",
        toolInput: { command: this.#patch, description: reason },
        waitingItemId: this.#item.id,
        programIdentity: null,
        askedBefore: this.#before?.approvalId ?? null,
      },
      signal,
    );
    return answer.kind === "allow" ? null : answer.reason;
  }

  async #interrupted(): Promise<ToolOutcome> {
    await this.#complete({ status: "failed", interrupted: true });
    return { text: "aborted by user", ran: null };
  }

  async #failed(error: unknown): Promise<ToolOutcome> {
    if (!(error instanceof PatchError) && !isWallRefusal(error)) throw error;
    if (this.#item.changes.length === 0) {
      this.#item.changes = wantedChanges(this.#patch);
      // A text that is no patch changes no file, and then there is nothing to show.
      if (this.#item.changes.length > 0) await this.#start();
    }
    if (this.#item.changes.length > 0) await this.#complete({ status: "failed" });
    return { text: `The patch was not applied: ${error.message}`, ran: null };
  }

  async #start(): Promise<void> {
    if (this.#before === null) await recordStarted(this.#context, { ...this.#item });
  }

  #complete(changes: Partial<FileChangeItem>): Promise<void> {
    return recordCompleted(this.#context, { ...this.#item, ...changes });
  }
}

function isWallRefusal(error: unknown): error is SallyportError {
  return isSallyportError(error) && error.code === "WALL_REFUSED";
}

/** What a yes for the session is given for: a yes to a change of a file is none to its end, nor to where it may be moved. */
function touchedPlace({ path, kind }: FileUpdateChange): string {
  return JSON.stringify([path, kind.type, kind.type === "update" ? kind.move_path : null]);
}

/** What a patch that is not applied was about, as far as it can be told from its text alone. */
function wantedChanges(patch: string): FileUpdateChange[] {
  let actions: PatchAction[];
  try {
    actions = parsePatch(patch);
  } catch {
    return []; // it says nothing that could be shown
  }
  return actions.map((action): FileUpdateChange => {
    if (action.kind === "add") return { path: action.path, kind: { type: "add" }, diff: action.content };
    if (action.kind === "delete") return { path: action.path, kind: { type: "delete" }, diff: "" };
    return { path: action.path, kind: { type: "update", move_path: action.moveTo }, diff: "" };
  });
}

function describeChange({ path, kind }: FileUpdateChange): string {
  if (kind.type === "add") return `A ${path}`;
  if (kind.type === "delete") return `D ${path}`;
  return kind.move_path === null ? `M ${path}` : `R ${path} -> ${kind.move_path}`;
}
