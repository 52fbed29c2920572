/** Who hears what: events of a thread go to the connections that started or resumed it, questions too, and the first answer counts.
 *
 *      client           attach()        snapshot, read in one step        the answer          release(seq)
 *        | thread/resume -> | events wait ... | holds all up to seq ... | <- is written ... | <- those after seq, then live ones
 *
 *  So a client that comes in the middle of a turn misses nothing and gets nothing twice. */
import type { ApprovalQuestion, ApprovalRequest, ThreadEvent, ThreadSession } from "@sallyport/core";
import type { RequestId, ServerNotification } from "@sallyport/protocol";
import type { Connection } from "./connection.ts";

/** These tell of threads as such, so that every client's list stays true. */
const broadcast: ReadonlySet<string> = new Set(["thread/started", "thread/status/changed"]);

/** State of a turn that no Turn has room for: who comes later is told the newest of each behind the answer. */
const ofTheTurn: ReadonlySet<string> = new Set(["turn/plan/updated", "turn/diff/updated"]);

interface Watched {
  session: ThreadSession;
  /** With the events that wait for the answer to thread/resume; null: told at once. */
  subscribers: Map<Connection, ThreadEvent[] | null>;
  /** The newest of `ofTheTurn` of the newest turn. */
  latest: Map<string, ThreadEvent>;
  end(): void;
}

export class Subscriptions {
  readonly #connections = new Set<Connection>();
  readonly #watched = new Map<string, Watched>();
  readonly #asked = new Map<RequestId, ThreadSession>();
  readonly #onFailure: (threadId: string, error: unknown) => void;

  constructor(onFailure: (threadId: string, error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  add(connection: Connection): void {
    this.#connections.add(connection);
  }

  remove(connection: Connection): void {
    this.#connections.delete(connection);
    for (const { subscribers } of this.#watched.values()) subscribers.delete(connection);
  }

  toAll(notification: ServerNotification): void {
    for (const connection of this.#connections) connection.notify(notification);
  }

  /** From now on the connection hears what happens on the thread. */
  subscribe(connection: Connection, session: ThreadSession): void {
    this.#watch(session).subscribers.set(connection, null);
  }

  /** What happens on the thread from now on waits for `release()`. Returns what takes that back where there is no answer. */
  attach(connection: Connection, session: ThreadSession): () => void {
    const { subscribers } = this.#watch(session);
    const heardBefore = subscribers.get(connection) === null;
    const waiting = subscribers.get(connection) ?? [];
    subscribers.set(connection, waiting);
    return () => {
      if (heardBefore) this.release(connection, session, 0);
      else if (subscribers.get(connection) === waiting) subscribers.delete(connection);
    };
  }

  /** Tells the plan and the diff as of event `seq`, what happened after it, and asks again, under the same ids, what waits for an answer. */
  release(connection: Connection, session: ThreadSession, seq: number): void {
    const { subscribers, latest } = this.#watched.get(session.id) ?? {};
    const waiting = subscribers?.get(connection);
    // Another resume of the same client was answered first, or the client is gone.
    if (subscribers === undefined || waiting == null) return;
    subscribers.set(connection, null);
    for (const event of latest?.values() ?? []) if (event.seq <= seq) connection.notify(event.notification);
    for (const event of waiting) if (event.seq > seq) connection.notify(event.notification);
    for (const request of session.waitingApprovals) this.#ask(connection, session, request);
  }

  /** False: the connection did not hear of the thread. */
  unsubscribe(connection: Connection, threadId: string): boolean {
    return this.#watched.get(threadId)?.subscribers.delete(connection) === true;
  }

  isWatched(threadId: string): boolean {
    return (this.#watched.get(threadId)?.subscribers.size ?? 0) > 0;
  }

  /** Whether the connection hears of the thread and may answer this. */
  isAsked(connection: Connection, threadId: string, question: ApprovalQuestion): boolean {
    return this.#watched.get(threadId)?.subscribers.has(connection) === true && mayBeAsked(connection, question);
  }

  /** The thread a question belongs to, or null where nobody asked. */
  askedBy(requestId: RequestId): ThreadSession | null {
    return this.#asked.get(requestId) ?? null;
  }

  forget(threadId: string): void {
    this.#watched.get(threadId)?.end();
    this.#watched.delete(threadId);
  }

  #watch(session: ThreadSession): Watched {
    const known = this.#watched.get(session.id);
    if (known?.session === session) return known;
    known?.end();
    const subscribers: Watched["subscribers"] = new Map();
    const latest: Watched["latest"] = new Map();
    const end = session.subscribe({
      event: (event) => {
        const { method } = event.notification;
        if (method === "turn/started") latest.clear();
        else if (ofTheTurn.has(method)) latest.set(method, event);
        this.#tell(subscribers, event);
      },
      request: (request) => {
        // Who waits for the answer to thread/resume is asked right behind it.
        for (const [connection, waiting] of subscribers) if (waiting === null) this.#ask(connection, session, request);
        this.#asked.set(request.requestId, session);
      },
      reachesPerson: () => [...subscribers.keys()].some((connection) => connection.handshake?.asksPerson === true),
      failed: (error) => this.#onFailure(session.id, error),
    });
    const watched = { session, subscribers, latest, end };
    this.#watched.set(session.id, watched);
    return watched;
  }

  #tell(subscribers: Watched["subscribers"], event: ThreadEvent): void {
    const { notification } = event;
    if (notification.method === "serverRequest/resolved") this.#asked.delete(notification.params.requestId);
    const audience = broadcast.has(notification.method) ? this.#connections : subscribers.keys();
    for (const connection of audience) {
      const waiting = subscribers.get(connection) ?? null;
      if (waiting === null) connection.notify(notification);
      else waiting.push(event);
    }
  }

  #ask(connection: Connection, session: ThreadSession, request: ApprovalRequest): void {
    const { requestId, method, params } = request;
    this.#asked.set(requestId, session);
    if (mayBeAsked(connection, request)) connection.request(requestId, method, params);
  }
}

/** What wants a person's word is asked of nobody that may answer by itself. */
function mayBeAsked(connection: Connection, { method, params }: ApprovalQuestion): boolean {
  const wantsPerson = method === "item/commandExecution/requestApproval" && params.kind === "humanCommand";
  return !wantsPerson || connection.handshake?.asksPerson === true;
}
