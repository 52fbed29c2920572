/** A thread as it looks now: the snapshot that `thread/resume` answers with, and every notification since put into it. The server
 *  sends, after the answer, everything that the snapshot does not hold yet and nothing twice, so no client has to reconcile. */
import type {
  ExecRun,
  HookRunSummary,
  ServerNotification,
  Thread,
  ThreadItem,
  ThreadTokenUsage,
  Turn,
  TurnPlanStep,
} from "@sallyport/protocol";
import type { AppServerClient, NotificationParams } from "./app-server-client.ts";

export class ThreadPicture {
  /** With all turns, their items and their hook runs. */
  readonly thread: Thread;
  /** Null until a turn of this connection has used some. */
  tokenUsage: ThreadTokenUsage | null = null;
  /** By turn: the diff of everything that it changed in files so far, in git's form. */
  readonly diffs: Map<string, string> = new Map<string, string>();
  /** By turn: the agent's plan. */
  readonly plans: Map<string, readonly TurnPlanStep[]> = new Map<string, readonly TurnPlanStep[]>();
  readonly #draft: Draft;

  constructor(thread: Thread) {
    this.thread = structuredClone(thread);
    this.#draft = new Draft(this);
  }

  /** Loads or joins the thread and keeps the picture up to date until the connection or `end()` ends it. `onChange` is called after each
   *  notification that is about the thread. Throws what `request()` throws. */
  static async follow(
    client: AppServerClient,
    threadId: string,
    onChange?: (picture: ThreadPicture, notification: ServerNotification) => void,
  ): Promise<{ picture: ThreadPicture; end: () => void }> {
    const followed = Promise.withResolvers<{ picture: ThreadPicture; end: () => void }>();
    await client.request("thread/resume", { threadId }, ({ thread }) => {
      const picture = new ThreadPicture(thread);
      const end = client.onAny((notification) => {
        if (picture.apply(notification)) onChange?.(picture, notification);
      });
      followed.resolve({ picture, end });
    });
    return await followed.promise;
  }

  /** Puts one notification into the picture. False: it is about something else. */
  apply(notification: ServerNotification): boolean {
    const { method, params } = notification;
    if (method === "thread/started") return false;
    if (!("threadId" in params) || params.threadId !== this.thread.id) return false;
    const change = changes[method] as ((draft: Draft, params: ServerNotification["params"]) => void) | undefined;
    change?.(this.#draft, params);
    return true;
  }
}

/** What notifications change. */
class Draft {
  readonly thread: Thread;
  readonly picture: ThreadPicture;
  /** Hook runs between turns; they belong to the turn that follows. */
  readonly #early: HookRunSummary[] = [];

  constructor(picture: ThreadPicture) {
    this.picture = picture;
    this.thread = picture.thread;
  }

  #turn(turnId: string): Turn | undefined {
    return this.thread.turns.findLast(({ id }) => id === turnId);
  }

  /** The turn of a notification has its items only when it says so, and all that is known of it otherwise. */
  putTurn(turn: Turn): void {
    const known = this.#turn(turn.id);
    if (known === undefined) {
      const runs = new Map([...this.#early.splice(0), ...turn.hookRuns].map((run) => [run.id, run]));
      // Whoever hears a turn begin hears all of its items: from here on they are all there.
      this.thread.turns.push(structuredClone({ ...turn, itemsView: "full", hookRuns: [...runs.values()] }));
      return;
    }
    const { items, itemsView, execRuns, ...rest } = structuredClone(turn);
    Object.assign(known, rest);
    if (itemsView === "full") Object.assign(known, { items, itemsView });
    if (execRuns !== undefined) known.execRuns = execRuns;
  }

  putItem(turnId: string, item: ThreadItem): void {
    put(this.#turn(turnId)?.items, item);
  }

  changeItem<Type extends ThreadItem["type"]>(
    { turnId, itemId }: { turnId: string; itemId: string },
    type: Type,
    change: (item: Extract<ThreadItem, { type: Type }>) => void,
  ): void {
    const item = this.#turn(turnId)?.items.findLast(({ id }) => id === itemId);
    if (item?.type === type) change(item as Extract<ThreadItem, { type: Type }>);
  }

  putHookRun(turnId: string | null, run: HookRunSummary): void {
    put(turnId === null ? this.#early : this.#turn(turnId)?.hookRuns, run);
  }

  putExecRun(turnId: string, run: ExecRun): void {
    const turn = this.#turn(turnId);
    if (turn !== undefined) put((turn.execRuns ??= []), run);
  }
}

type Changes = {
  [Method in ServerNotification["method"]]?: (draft: Draft, params: NotificationParams<Method>) => void;
};

const changes: Changes = {
  "thread/status/changed": ({ thread }, { status }) => (thread.status = status),
  "thread/tokenUsage/updated": ({ picture }, { tokenUsage }) => (picture.tokenUsage = tokenUsage),
  "turn/started": (draft, { turn }) => draft.putTurn(turn),
  "turn/completed": (draft, { turn }) => draft.putTurn(turn),
  "turn/diff/updated": ({ picture }, { turnId, diff }) => picture.diffs.set(turnId, diff),
  "turn/plan/updated": ({ picture }, { turnId, plan }) => picture.plans.set(turnId, plan),
  "item/started": (draft, { turnId, item }) => draft.putItem(turnId, item),
  "item/completed": (draft, { turnId, item }) => draft.putItem(turnId, item),
  "item/agentMessage/delta": (draft, params) =>
    draft.changeItem(params, "agentMessage", (item) => (item.text += params.delta)),
  "item/commandExecution/outputDelta": (draft, params) =>
    draft.changeItem(params, "commandExecution", (item) => {
      item.aggregatedOutput = (item.aggregatedOutput ?? "") + params.delta;
    }),
  "item/reasoning/summaryPartAdded": (draft, params) =>
    draft.changeItem(params, "reasoning", ({ summary }) => append(summary, params.summaryIndex, "")),
  "item/reasoning/summaryTextDelta": (draft, params) =>
    draft.changeItem(params, "reasoning", ({ summary }) => append(summary, params.summaryIndex, params.delta)),
  "item/reasoning/textDelta": (draft, params) =>
    draft.changeItem(params, "reasoning", ({ content }) => append(content, params.contentIndex, params.delta)),
  "hook/started": (draft, { turnId, run }) => draft.putHookRun(turnId, run),
  "hook/completed": (draft, { turnId, run }) => draft.putHookRun(turnId, run),
  "exec/decided": (draft, { turnId, run }) => draft.putExecRun(turnId, run),
  "exec/completed": (draft, { turnId, run }) => draft.putExecRun(turnId, run),
};

function put<Entry extends { id: string }>(entries: Entry[] | undefined, entry: Entry): void {
  if (entries === undefined) return;
  const index = entries.findLastIndex(({ id }) => id === entry.id);
  if (index === -1) entries.push(structuredClone(entry));
  else entries[index] = structuredClone(entry);
}

function append(parts: string[], index: number, delta: string): void {
  parts[index] = (parts[index] ?? "") + delta;
}
