/** Values for tests of the store: whole and valid, with what the test is about given by it. */
import type { HookRun } from "@sallyport/hooks";
import type {
  AgentMessageItem,
  CommandExecutionItem,
  ExecRecord,
  ServerNotification,
  UserMessageItem,
} from "@sallyport/protocol";
import { v7 as uuidv7 } from "uuid";
import type { NewThread, StoredApproval, StoredTurn, ThreadStore } from "../../src/store/thread-store.ts";

export const startMs = 1_795_376_311_840;

export function newThread(fields: Partial<NewThread> = {}): NewThread {
  const id = fields.id ?? uuidv7();
  return {
    id,
    sessionId: id,
    forkedFromId: null,
    createdAtMs: startMs,
    updatedAtMs: startMs,
    recencyAtMs: startMs,
    archivedAtMs: null,
    preview: "",
    name: null,
    cwd: "/project",
    model: "model-a",
    modelProvider: "provider-a",
    reasoningEffort: null,
    source: "vscode",
    threadSource: null,
    originator: "test",
    cliVersion: "0.1.0",
    gitInfo: null,
    historyMode: "paginated",
    tokenUsage: null,
    readState: null,
    settings: { approvalPolicy: "never", nested: { list: [1, null, "x"] } },
    ...fields,
  };
}

export function newTurn(fields: Partial<StoredTurn> = {}): StoredTurn {
  const id = fields.id ?? uuidv7();
  return {
    id,
    rootTurnId: id,
    status: "inProgress",
    error: null,
    startedAtMs: startMs,
    completedAtMs: null,
    durationMs: null,
    blockedInput: null,
    ...fields,
  };
}

export function completed(turn: StoredTurn): StoredTurn {
  return { ...turn, status: "completed", completedAtMs: startMs + 50, durationMs: 50 };
}

export function userMessage(text: string, fields: Partial<UserMessageItem> = {}): UserMessageItem {
  return {
    type: "userMessage",
    id: uuidv7(),
    clientId: null,
    content: [{ type: "text", text, text_elements: [] }],
    startedAtMs: startMs,
    completedAtMs: startMs,
    ...fields,
  };
}

export function agentMessage(fields: Partial<AgentMessageItem> = {}): AgentMessageItem {
  return { type: "agentMessage", id: uuidv7(), text: "", phase: null, startedAtMs: startMs, ...fields };
}

export function command(fields: Partial<CommandExecutionItem> = {}): CommandExecutionItem {
  return {
    type: "commandExecution",
    id: "call_1",
    command: "/bin/sh -c 'echo hi'",
    cwd: "/project",
    processId: null,
    source: "agent",
    status: "inProgress",
    commandActions: [{ type: "unknown", command: "echo hi" }],
    aggregatedOutput: null,
    exitCode: null,
    durationMs: null,
    startedAtMs: startMs,
    ...fields,
  };
}

export function hookRun(fields: Partial<HookRun> = {}): HookRun {
  return {
    id: uuidv7(),
    hookKey: "/home/hooks.json:stop:0:0",
    event: "Stop",
    handlerType: "command",
    executionMode: "sync",
    scope: "turn",
    sourcePath: "/home/hooks.json",
    source: "user",
    displayOrder: 0,
    status: "running",
    statusMessage: null,
    startedAtMs: startMs,
    completedAtMs: null,
    durationMs: null,
    entries: [],
    ...fields,
  };
}

export function completedRun(run: HookRun): HookRun {
  const entries: HookRun["entries"] = [{ kind: "context", text: "ctx" }];
  return { ...run, status: "completed", completedAtMs: startMs + 3, durationMs: 3, entries };
}

export function execRecord(fields: Partial<ExecRecord> = {}): ExecRecord {
  return {
    id: uuidv7(),
    atMs: startMs,
    pid: 11,
    ppid: 10,
    parentId: null,
    file: "/usr/bin/id",
    calledAs: "id",
    argv: ["id", { base64: "//4=" }],
    cwd: "/project",
    decision: "run",
    reason: { kind: "default", text: "no rule matches" },
    exitCode: null,
    signal: null,
    durationMs: null,
    replacedBy: null,
    outside: false,
    ...fields,
  };
}

export function approval(turnId: string, fields: Partial<StoredApproval> = {}): StoredApproval {
  return { id: uuidv7(), turnId, waitingItemId: null, askedAtMs: startMs, answer: null, body: { any: [1] }, ...fields };
}

export function messageDelta(threadId: string, turnId: string, itemId: string, delta: string): ServerNotification {
  return { method: "item/agentMessage/delta", params: { threadId, turnId, itemId, delta } };
}

export function warning(threadId: string, message: string): ServerNotification {
  return { method: "warning", params: { threadId, message } };
}

/** Creates a thread with `count` completed turns of one user and one agent message each, in one commit. */
export async function threadWithTurns(store: ThreadStore, count: number): Promise<{ id: string; turnIds: string[] }> {
  const thread = await store.createThread(newThread());
  const turns = Array.from({ length: count }, () => newTurn());
  await store.commit(thread.id, {
    changes: turns.flatMap((turn, at) => [
      { kind: "putTurn", turn } as const,
      { kind: "putItem", turnId: turn.id, item: userMessage(`ask ${at}`) } as const,
      { kind: "putItem", turnId: turn.id, item: command({ status: "completed", exitCode: 0 }) } as const,
      {
        kind: "putItem",
        turnId: turn.id,
        item: agentMessage({ text: `answer ${at}`, completedAtMs: startMs + 40 }),
      } as const,
      { kind: "putTurn", turn: completed(turn) } as const,
    ]),
  });
  return { id: thread.id, turnIds: turns.map((turn) => turn.id) };
}
