/** What start, resume and fork have in common: the overrides that come in, and the thread as it goes out. */
import type { OpenThreadOptions, Page, ThreadSession, ThreadStore, TurnRecord } from "@sallyport/core";
import type { ClientRequestParams, Thread, ThreadStartResponse, Turn } from "@sallyport/protocol";
import type { MethodContext } from "./method-context.ts";
import { withExecRuns } from "./turn-view.ts";

export const newestFirst = { limit: 100, sortDirection: "desc", itemsView: "full" } as const;

export function openOptions(
  params: ClientRequestParams<"thread/start" | "thread/resume" | "thread/fork">,
): OpenThreadOptions {
  const { bypass_hook_trust: bypass, ...config } = params.config ?? {};
  return {
    model: params.model ?? null,
    modelProvider: params.modelProvider ?? null,
    cwd: params.cwd ?? null,
    approvalPolicy: params.approvalPolicy ?? null,
    sandbox: params.sandbox ?? null,
    baseInstructions: params.baseInstructions ?? null,
    developerInstructions: params.developerInstructions ?? null,
    config,
    bypassHookTrust: bypass === true,
  };
}

export function sessionFields(session: ThreadSession, thread: Thread): ThreadStartResponse {
  const { cwd, model, approvalPolicy, sandboxPolicy } = session.settings;
  return {
    thread,
    model: model.model,
    modelProvider: model.provider.id,
    serviceTier: null,
    disabledPluginIds: [],
    cwd,
    runtimeWorkspaceRoots: [cwd],
    instructionSources: [],
    approvalPolicy,
    approvalsReviewer: "user",
    sandbox: sandboxPolicy,
    activePermissionProfile: null,
    reasoningEffort: model.reasoningEffort,
    multiAgentMode: "explicitRequestOnly",
  };
}

/** Oldest first. `first`: the page of the newest, where it was read already. */
export async function allTurns(
  store: ThreadStore,
  threadId: string,
  context: MethodContext,
  first: Page<TurnRecord> | null = null,
): Promise<Turn[]> {
  const turns: TurnRecord[] = [];
  let page = first ?? (await store.listTurns(threadId, newestFirst));
  turns.push(...page.data);
  while (page.nextCursor !== null) {
    page = await store.listTurns(threadId, { ...newestFirst, cursor: page.nextCursor });
    turns.push(...page.data);
  }
  return await withExecRuns(turns.reverse(), threadId, context);
}
