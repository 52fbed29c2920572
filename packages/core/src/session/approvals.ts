/** Questions that a person answers: asked, remembered for the session, taken back. Fails closed because a command waits: no answer
 *  within the limit, and nobody there to ask, both refuse.
 *
 *      remembered? -> yes
 *      PermissionRequest hooks -> allow, deny
 *      policy "never", nobody there -> no
 *      clients -> accept | acceptForSession | acceptWithExecpolicyAmendment | decline | cancel */
import { isDeepStrictEqual } from "node:util";
import type {
  CommandApprovalDecision,
  CommandApprovalParams,
  FileChangeApprovalParams,
  McpServerElicitationParams,
  RequestId,
  ServerNotification,
  ThreadActiveFlag,
} from "@sallyport/protocol";
import type { ApprovalKeep, ApprovalProposal } from "@sallyport/rules-store";
import { SallyportError } from "@sallyport/supervisor";
import type { ThreadLog } from "./thread-log.ts";

const limitMs = 300_000;

export type ApprovalQuestion =
  | { method: "item/commandExecution/requestApproval"; params: CommandApprovalParams }
  | { method: "item/fileChange/requestApproval"; params: FileChangeApprovalParams }
  | { method: "mcpServer/elicitation/request"; params: McpServerElicitationParams };

/** A question of the server that waits for an answer. */
export type ApprovalRequest = ApprovalQuestion & { requestId: RequestId };

/** As clients send it: a yes can also name the proposal that it shall be kept for. */
export type ApprovalDecision = CommandApprovalDecision;

/** `reason` completes "refused: ...", and is for the model and the record. */
export type ApprovalResult =
  | { kind: "allow"; by: string; keep?: ApprovalKeep }
  | { kind: "deny"; reason: string; decision: "decline" | "cancel" | "timeout" | "withdrawn" };

/** What a yes may hold for beyond this once. */
export interface ApprovalScope {
  /** What acceptForSession holds for; null: the book of approvals remembers it. */
  rememberAs: string | null;
  /** What a yes may be kept for, the narrowest first. */
  proposals: readonly ApprovalProposal[];
}

interface Pending {
  request: ApprovalRequest;
  settle(result: ApprovalResult): void;
  scope: ApprovalScope;
}

export interface ApprovalsOptions {
  threadId: string;
  log: ThreadLog;
  /** Unique in the whole process: clients of several threads share a connection. */
  nextRequestId(): RequestId;
  onFlags(flags: ThreadActiveFlag[]): ServerNotification;
}

export class Approvals {
  readonly #options: ApprovalsOptions;
  readonly #pending = new Map<RequestId, Pending>();
  readonly #remembered = new Set<string>();
  readonly #listeners = new Set<(request: ApprovalRequest) => void>();

  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  /** The requests that wait, oldest first: whoever connects later has to see them too. */
  get waiting(): ApprovalRequest[] {
    return [...this.#pending.values()].map(({ request }) => request);
  }

  subscribe(listener: (request: ApprovalRequest) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isRemembered({ rememberAs }: ApprovalScope): boolean {
    return rememberAs !== null && this.#remembered.has(rememberAs);
  }

  /** Aborting `signal` takes the question back. */
  async ask(question: ApprovalQuestion, scope: ApprovalScope, signal: AbortSignal): Promise<ApprovalResult> {
    const { promise, resolve } = Promise.withResolvers<ApprovalResult>();
    const requestId = this.#options.nextRequestId();
    const pending: Pending = { request: { ...question, requestId }, settle: resolve, scope };
    const onAbort = (): void =>
      resolve({ kind: "deny", reason: "the answer is not needed any more", decision: "withdrawn" });
    const timer = setTimeout(() => {
      resolve({ kind: "deny", reason: `no answer within ${limitMs / 1000} s`, decision: "timeout" });
    }, limitMs);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    this.#pending.set(requestId, pending);
    try {
      await this.#options.log.record([], [this.#options.onFlags(["waitingOnApproval"])]);
      for (const listener of this.#listeners) listener(pending.request);
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      this.#pending.delete(requestId);
      const { threadId } = this.#options;
      const resolved: ServerNotification = { method: "serverRequest/resolved", params: { threadId, requestId } };
      const flags = this.#pending.size === 0 ? [this.#options.onFlags([])] : [];
      await this.#options.log.record([], [resolved, ...flags]);
    }
  }

  /** The first answer counts. Throws `APPROVAL_UNKNOWN` for a request that does not wait (any more). */
  answer(requestId: RequestId, decision: ApprovalDecision): void {
    const pending = this.#pending.get(requestId);
    if (pending === undefined) {
      throw new SallyportError(
        "APPROVAL_UNKNOWN",
        `No approval request ${JSON.stringify(requestId)} waits, expected one that was not answered yet`,
        { data: { requestId } },
      );
    }
    if (typeof decision === "object") {
      const wanted = decision.acceptWithExecpolicyAmendment.execpolicy_amendment;
      const proposal = pending.scope.proposals.find(({ pattern }) => isDeepStrictEqual([...pattern], [...wanted]));
      // Fails closed because the client may be wrong, or talked into it: only what was proposed for this very program is kept.
      if (proposal === undefined) this.fail(requestId, "what the client wants to keep was not proposed");
      else pending.settle({ kind: "allow", by: "the user", keep: { scope: "always", proposal } });
      return;
    }
    const { rememberAs } = pending.scope;
    if (decision === "acceptForSession" && rememberAs !== null) this.#remembered.add(rememberAs);
    if (decision === "accept") pending.settle({ kind: "allow", by: "the user" });
    else if (decision === "acceptForSession")
      pending.settle({ kind: "allow", by: "the user, for this session", keep: { scope: "session" } });
    else pending.settle({ kind: "deny", reason: "rejected by the user", decision });
  }

  /** An answer that says neither yes nor no. */
  fail(requestId: RequestId, why: string): void {
    const reason = `the approval request failed: ${why}`;
    this.#pending.get(requestId)?.settle({ kind: "deny", reason, decision: "decline" });
  }
}
