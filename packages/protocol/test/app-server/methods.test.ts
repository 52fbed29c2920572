import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { z } from "zod";
import {
  CommandApprovalResponse,
  JsonRpcRequest,
  RequestId,
  ThreadItem,
  Turn,
  clientRequests,
  serverNotifications,
} from "../../src/index.ts";

const threadId = "01a204c4-6e20-77ce-8e2f-0700e2b5020d";
const turnId = "01a204c4-6e20-77ce-8e2f-0700e2b5020e";

const turn: Turn = {
  id: turnId,
  rootTurnId: turnId,
  items: [],
  itemsView: "notLoaded",
  status: "completed",
  error: null,
  startedAt: 1795376311,
  completedAt: 1795376312,
  durationMs: 900,
  hookRuns: [
    {
      id: "01a204c4-6e20-77ce-8e2f-0700e2b5020f",
      hookKey: "/home/hooks.json:stop:0:0",
      eventName: "stop",
      handlerType: "command",
      executionMode: "sync",
      scope: "turn",
      sourcePath: "/home/hooks.json",
      source: "user",
      displayOrder: 0,
      status: "blocked",
      statusMessage: null,
      startedAt: 1795376311,
      completedAt: 1795376312,
      durationMs: 12,
      entries: [{ kind: "feedback", text: "one more round" }],
      continuation: true,
    },
  ],
};

describe("what comes in is lenient", () => {
  test("a client may send null for what it leaves out, and keys that are not known here", () => {
    const params = {
      model: null,
      modelProvider: null,
      cwd: "/project",
      approvalPolicy: null,
      sandbox: "workspace-write",
      config: {},
      ephemeral: false,
      historyMode: "paginated",
      threadSource: "user",
      dynamicTools: [{ namespace: "threads" }],
      permissions: null,
    };
    assert.deepEqual(clientRequests["thread/start"].params.parse(params), params);
    assert.deepEqual(clientRequests["thread/start"].params.parse({}), {});
  });

  test("each method takes the least that it needs", () => {
    const least: Record<string, object> = {
      initialize: { clientInfo: { name: "t", version: "1" } },
      "thread/start": {},
      "thread/resume": { threadId },
      "thread/read": { threadId },
      "thread/list": {},
      "thread/loaded/list": {},
      "thread/name/set": { threadId, name: "x" },
      "thread/readState/update": { threadId, operation: { type: "read" }, expectedRevision: "x" },
      "thread/archive": { threadId },
      "thread/unarchive": { threadId },
      "thread/delete": { threadId },
      "thread/unsubscribe": { threadId },
      "thread/fork": { threadId },
      "thread/revert": { threadId, beforeTurnId: turnId },
      "thread/compact/start": { threadId },
      "thread/inject_items": { threadId, items: [] },
      "thread/shellCommand": { threadId, command: "true" },
      "thread/turns/list": { threadId },
      "thread/items/list": { threadId },
      "turn/start": { threadId, input: [] },
      "turn/steer": { threadId, input: [], expectedTurnId: turnId },
      "turn/interrupt": { threadId, turnId },
      "turn/execRuns/list": { threadId, turnId },
      "hooks/list": {},
      "config/read": {},
      "config/value/write": { keyPath: "model", value: "x", mergeStrategy: "replace" },
      "config/batchWrite": { edits: [] },
      "configRequirements/read": {},
      "skills/list": {},
      "collaborationMode/list": {},
      "command/exec": { command: ["true"] },
      "command/exec/write": { processId: "1" },
      "command/exec/resize": { processId: "1", size: { rows: 1, cols: 1 } },
      "command/exec/terminate": { processId: "1" },
      "model/list": {},
      "mcpServerStatus/list": {},
      "account/read": {},
    };
    assert.deepEqual(Object.keys(least), Object.keys(clientRequests));
    for (const [method, params] of Object.entries(least)) {
      const { params: schema } = clientRequests[method as keyof typeof clientRequests]; // the keys are the same
      assert.deepEqual((schema as z.ZodType).parse(params), params, method);
      for (const key of Object.keys(params)) {
        const without = Object.fromEntries(Object.entries(params).filter(([name]) => name !== key));
        const { error } = (schema as z.ZodType).safeParse(without);
        assert.deepEqual(
          error?.issues.map(({ path }) => path),
          [[key]],
          `${method} without ${key}`,
        );
      }
    }
  });

  test("turn/start fills in text_elements, and drops keys of an input that it does not know", () => {
    const input = [
      { type: "text", text: "hi", later: 1 },
      { type: "localImage", path: "/a.png" },
    ];
    assert.deepEqual(clientRequests["turn/start"].params.parse({ threadId, input }).input, [
      { type: "text", text: "hi", text_elements: [] },
      { type: "localImage", path: "/a.png" },
    ]);
  });

  test("a wrong value is refused with the path to it", () => {
    const pathOf = (method: keyof typeof clientRequests, params: object): unknown =>
      (clientRequests[method].params as z.ZodType).safeParse(params).error?.issues[0]?.path;
    assert.deepEqual(pathOf("turn/start", { threadId, input: [{ type: "text", text: 1 }] }), ["input", 0, "text"]);
    assert.deepEqual(pathOf("thread/list", { limit: -1 }), ["limit"]);
    assert.deepEqual(pathOf("thread/list", { sortKey: "size" }), ["sortKey"]);
    assert.deepEqual(pathOf("turn/start", { threadId, input: [], sandboxPolicy: { type: "none" } }), [
      "sandboxPolicy",
      "type",
    ]);
  });

  test("ids are strings and integers, and nothing else", () => {
    for (const id of ["a", "", 0, -3]) assert.equal(RequestId.parse(id), id);
    for (const id of [1.5, null, true, {}]) assert.equal(RequestId.safeParse(id).success, false, JSON.stringify(id));
    const request = { jsonrpc: "2.0", id: 1, method: "configRequirements/read" };
    assert.deepEqual(JsonRpcRequest.parse(request), request);
  });

  test("an approval is answered with a word or with an amendment", () => {
    const amendment = { acceptWithExecpolicyAmendment: { execpolicy_amendment: ["git", "push"] } };
    for (const decision of ["accept", "acceptForSession", "decline", "cancel", amendment]) {
      assert.deepEqual(CommandApprovalResponse.parse({ decision }), { decision });
    }
    assert.equal(CommandApprovalResponse.safeParse({ decision: "yes" }).success, false);
    assert.equal(CommandApprovalResponse.safeParse({}).success, false);
  });
});

describe("what goes out is exact", () => {
  test("a turn carries its hook runs, and must", () => {
    assert.deepEqual(serverNotifications["turn/completed"].parse({ threadId, turn }), { threadId, turn });
    const { hookRuns: _, ...without } = turn;
    assert.equal(Turn.safeParse(without).success, false);
    assert.equal(Turn.safeParse({ ...turn, extra: 1 }).success, false);
  });

  test("a blocked prompt and a denied call say which hook run it was", () => {
    const hookRunId = turn.hookRuns[0]?.id ?? "";
    const blockedInput = { content: [{ type: "text", text: "no", text_elements: [] }], hookRunId };
    assert.deepEqual(Turn.parse({ ...turn, blockedInput }), { ...turn, blockedInput });
    const item = {
      type: "commandExecution",
      id: "call_1",
      command: "/bin/sh -c 'rm x'",
      cwd: "/project",
      processId: null,
      source: "agent",
      status: "declined",
      declinedBy: { hookRunId },
      commandActions: [{ type: "unknown", command: "rm x" }],
      aggregatedOutput: null,
      exitCode: null,
      durationMs: null,
      startedAtMs: 1,
      completedAtMs: 1,
    };
    assert.deepEqual(ThreadItem.parse(item), item);
  });

  test("an item of a hook is refused", () => {
    assert.equal(ThreadItem.safeParse({ type: "hookPrompt", id: "x", fragments: [] }).success, false);
  });
});
