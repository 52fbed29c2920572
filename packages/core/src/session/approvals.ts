/** Questions that a person answers: asked, stored as long as they wait, remembered for the session, taken back. Fails closed because a
 *  command waits: no answer within the limit, and nobody there to ask, both refuse.
 *
 *      remembered? -> yes
 *      PermissionRequest hooks -> allow, deny
 *      policy "never", nobody there -> no
 *      clients -> accept | acceptForSession | acceptWithExecpolicyAmendment | decline | cancel
 *
 *  The end of the server is no answer: what is stored waits, and is asked again where the thread is resumed. */
import { isDeepStrictEqual } from "node:util";
import type {
  CommandApprovalDecision,
  CommandApprovalParams,
  FileChangeApprovalParams,
  McpServerElicitationParams,
  PermissionsApprovalParams,
  RequestId,
  ServerNotification,
  ThreadActiveFlag,
} from "@sallyport/protocol";
import type { ApprovalKeep, ApprovalProposal } from "@sallyport/rules-store";
import { SallyportError } from "@sallyport/supervisor";
import { v7 as uuidv7 } from "uuid";
import type { JsonValue, StoreChange, StoredApproval } from "../store/index.ts";
import { isSuspended } from "../turns/suspended.ts";
import type { TurnProgress } from "../turns/turn-progress.ts";
import type { PermissionGrant } from "./permission-grants.ts";
import type { ThreadLog } from "./thread-log.ts";

export const usualAnswerWithinMs = 300_000;

export type ApprovalQuestion =
  | { method: "item/commandExecution/requestApproval"; params: CommandApprovalParams }
  | { method: "item/fileChange/requestApproval"; params: FileChangeApprovalParams }
  | { method: "item/permissions/requestApproval"; params: PermissionsApprovalParams }
  | { method: "mcpServer/elicitation/request"; params: McpServerElicitationParams };

/** A question of the server that waits for an answer. */
export type ApprovalRequest = ApprovalQuestion & { requestId: RequestId };

/** As clients send it: a yes can also name the proposal that it shall be kept for, or what of the permissions it grants. */
export type ApprovalDecision = CommandApprovalDecision | { grant: PermissionGrant };

/** `reason` completes "refused: ...", and is for the model and the record. */
export type ApprovalResult =
  | { kind: "allow"; by: string; keep?: ApprovalKeep; grant?: PermissionGrant }
  | { kind: "deny"; reason: string; decision: "decline" | "cancel" | "timeout" | "withdrawn" };

/** What a yes may hold for beyond this once. */
export interface ApprovalScope {
  /** What acceptForSession holds for; null: the book of approvals remembers it. */
  rememberAs: string | null;
  /** What a yes may be kept for, the narrowest first. */
  proposals: readonly ApprovalProposal[];
}

/** A question with what it takes to ask it again after the end of this server. */
export interface Asked {
  question: ApprovalQuestion;
  scope: ApprovalScope;
  /** The id under which an earlier server has asked it; null: it is new. */
  askedBefore: string | null;
  turnId: string;
  /** The item whose work begins with the answer; null: none, or one that runs. */
  waitingItemId: string | null;
  /** Of the program of a running command that it is about; null: it is about something that has not begun. */
  programIdentity: string | null;
  progress: TurnProgress;
}

/** The body of what is stored. */
export type KeptQuestion = Pick<Asked, "question" | "scope" | "programIdentity" | "progress">;

/** Of a managed rule that wants a person's own word, each time. */
export function isForPerson({ method, params }: ApprovalQuestion): boolean {
  return method === "item/commandExecution/requestApproval" && params.kind === "humanCommand";
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
  answerWithinMs: number;
}

export interface ApprovalListener {
  request(request: ApprovalRequest): void;
  /** Whether it shows a person what only a person may answer. */
  reachesPerson(): boolean;
}

export class Approvals {
  readonly #options: ApprovalsOptions;
  readonly #pending = new Map<RequestId, Pending>();
  readonly #remembered = new Set<string>();
  /** By the identity of a program: an answer that came when the program's command had been cut short. */
  readonly #forRetries = new Map<string, ApprovalResult>();
  readonly #listeners = new Set<ApprovalListener>();
  /** Questions of which not everything has been stored and told. */
  #unfinished = 0;

  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  /** The requests that wait, oldest first: whoever connects later has to see them too. */
  get waiting(): ApprovalRequest[] {
    return [...this.#pending.values()].map(({ request }) => request);
  }

  subscribe(listener: ApprovalListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether somebody listens who shows a person what only a person may answer. */
  get reachesPerson(): boolean {
    return [...this.#listeners].some((listener) => listener.reachesPerson());
  }

  isRemembered({ rememberAs }: ApprovalScope): boolean {
    return rememberAs !== null && this.#remembered.has(rememberAs);
  }

  /** Aborting `signal` takes the question back, unless it is suspended: then it stays stored, and this rejects. */
  async ask(asked: Asked, signal: AbortSignal): Promise<ApprovalResult> {
    const { promise, resolve } = Promise.withResolvers<ApprovalResult>();
    const requestId = this.#options.nextRequestId();
    const request = { ...askedNow(asked.question), requestId };
    const settle = (result: ApprovalResult): void => {
      // At once: a second answer finds nothing that waits.
      this.#pending.delete(requestId);
      resolve(result);
    };
    const onAbort = (): void =>
      settle({ kind: "deny", reason: "the answer is not needed any more", decision: "withdrawn" });
    const limitMs = this.#options.answerWithinMs;
    const timer = setTimeout(() => {
      settle({ kind: "deny", reason: `no answer within ${limitMs / 1000} s`, decision: "timeout" });
    }, limitMs);
    this.#pending.set(requestId, { request, settle, scope: asked.scope });
    this.#unfinished += 1;
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    const stored = storedQuestion(asked);
    try {
      const flags = this.#options.onFlags(["waitingOnApproval"]);
      await this.#options.log.record([{ kind: "putApproval", approval: stored }], [flags]);
      if (this.#pending.has(requestId)) for (const listener of this.#listeners) listener.request(request);
      const result = await promise;
      const isWithdrawn = result.kind === "deny" && result.decision === "withdrawn";
      if (isWithdrawn && isSuspended(signal)) throw signal.reason;
      await this.#finish(requestId, stored, result);
      return result;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      this.#pending.delete(requestId);
    }
  }

  async #finish(requestId: RequestId, stored: StoredApproval, result: ApprovalResult): Promise<void> {
    const { threadId, log } = this.#options;
    this.#unfinished -= 1;
    const resolved: ServerNotification = { method: "serverRequest/resolved", params: { threadId, requestId } };
    const flags = this.#unfinished === 0 ? [this.#options.onFlags([])] : [];
    await log.record([withAnswer(stored, result)], [resolved, ...flags]);
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
    if (isForPerson(pending.request) && (typeof decision === "object" || decision === "acceptForSession")) {
      // Fails closed because a person's word is wanted each time, and this one is for later ones too.
      this.fail(requestId, "only accept, decline and cancel answer it");
      return;
    }
    if (typeof decision === "object" && "grant" in decision) {
      pending.settle({ kind: "allow", by: "the user", grant: decision.grant });
      return;
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

  /** A yes came too late for the program that waited: the next start of the same one gets it, once. What it holds for beyond that is
   *  up to whoever takes it. */
  keepForRetry(programIdentity: string, yes: ApprovalResult): void {
    this.#forRetries.set(programIdentity, yes);
  }

  takeForRetry(programIdentity: string): ApprovalResult | null {
    const kept = this.#forRetries.get(programIdentity) ?? null;
    this.#forRetries.delete(programIdentity);
    return kept;
  }
}

/** The time that is left counts from now, also where the question is an old one. */
function askedNow(question: ApprovalQuestion): ApprovalQuestion {
  if (question.method === "mcpServer/elicitation/request") return question;
  const startedAtMs = Date.now();
  if (question.method === "item/permissions/requestApproval")
    return { ...question, params: { ...question.params, startedAtMs } };
  return question.method === "item/fileChange/requestApproval"
    ? { ...question, params: { ...question.params, startedAtMs } }
    : { ...question, params: { ...question.params, startedAtMs } };
}

function storedQuestion({ question, scope, programIdentity, progress, ...asked }: Asked): StoredApproval {
  const kept: KeptQuestion = { question, scope, programIdentity, progress };
  return {
    id: asked.askedBefore ?? uuidv7(),
    turnId: asked.turnId,
    waitingItemId: asked.waitingItemId,
    askedAtMs: Date.now(),
    answer: null,
    body: JSON.parse(JSON.stringify(kept)) as JsonValue,
  };
}

/** What nobody has answered is not kept. */
function withAnswer(stored: StoredApproval, result: ApprovalResult): StoreChange {
  const isUnanswered = result.kind === "deny" && (result.decision === "timeout" || result.decision === "withdrawn");
  if (isUnanswered) return { kind: "dropApproval", approvalId: stored.id };
  const answer = JSON.parse(JSON.stringify({ ...result, answeredAtMs: Date.now() })) as JsonValue;
  return { kind: "putApproval", approval: { ...stored, answer } };
}
