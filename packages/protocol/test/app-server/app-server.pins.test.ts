/** Other people's clients speak these names: a change to a literal below comes with a line in CHANGELOG.md. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CommandExecutionItem,
  ExecRun,
  Thread,
  ThreadItem,
  Turn,
  TurnStatus,
  clientRequests,
  rpcErrorCodes,
  serverNotifications,
  serverRequests,
} from "../../src/index.ts";

test("the methods stay as they are", () => {
  assert.deepEqual(Object.keys(clientRequests), [
    "initialize",
    "thread/start",
    "thread/resume",
    "thread/read",
    "thread/list",
    "thread/loaded/list",
    "thread/name/set",
    "thread/readState/update",
    "thread/archive",
    "thread/unarchive",
    "thread/delete",
    "thread/unsubscribe",
    "thread/fork",
    "thread/revert",
    "thread/compact/start",
    "thread/inject_items",
    "thread/shellCommand",
    "thread/turns/list",
    "thread/items/list",
    "turn/start",
    "turn/steer",
    "turn/interrupt",
    "turn/execRuns/list",
    "hooks/list",
    "config/read",
    "config/value/write",
    "config/batchWrite",
    "configRequirements/read",
    "skills/list",
    "collaborationMode/list",
    "command/exec",
    "command/exec/write",
    "command/exec/resize",
    "command/exec/terminate",
    "model/list",
    "mcpServerStatus/list",
    "account/read",
  ]);
  assert.deepEqual(Object.keys(serverRequests), [
    "item/commandExecution/requestApproval",
    "item/fileChange/requestApproval",
    "item/permissions/requestApproval",
    "mcpServer/elicitation/request",
  ]);
  assert.deepEqual(Object.keys(serverNotifications), [
    "thread/started",
    "thread/status/changed",
    "thread/name/updated",
    "thread/readState/changed",
    "thread/archived",
    "thread/unarchived",
    "thread/deleted",
    "thread/closed",
    "thread/reverted",
    "thread/tokenUsage/updated",
    "turn/started",
    "turn/completed",
    "turn/diff/updated",
    "turn/plan/updated",
    "item/started",
    "item/completed",
    "item/agentMessage/delta",
    "item/commandExecution/outputDelta",
    "item/reasoning/summaryPartAdded",
    "item/reasoning/summaryTextDelta",
    "item/reasoning/textDelta",
    "command/exec/outputDelta",
    "hook/started",
    "hook/completed",
    "exec/decided",
    "exec/completed",
    "mcpServer/startupStatus/updated",
    "serverRequest/resolved",
    "error",
    "warning",
  ]);
});

test("the error codes stay as they are", () => {
  assert.deepEqual(rpcErrorCodes, {
    invalidRequest: -32600,
    methodNotFound: -32601,
    invalidParams: -32602,
    internalError: -32603,
    overloaded: -32001,
  });
});

test("the keys of a thread, a turn, a command and an exec run stay as they are", () => {
  assert.deepEqual(
    Object.keys(Thread.shape).join(" "),
    [
      "id sessionId forkedFromId parentThreadId preview ephemeral historyMode modelProvider model reasoningEffort",
      "createdAt updatedAt recencyAt status path cwd cliVersion originator source threadSource projectId",
      "canAcceptDirectInput gitInfo name turns",
    ].join(" "),
  );
  assert.deepEqual(
    Object.keys(Turn.shape).join(" "),
    "id rootTurnId items itemsView status error startedAt completedAt durationMs hookRuns blockedInput untakenInput execRuns",
  );
  assert.deepEqual(
    Object.keys(CommandExecutionItem.shape).join(" "),
    "type id startedAtMs completedAtMs command cwd processId source status declinedBy interrupted commandActions " +
      "aggregatedOutput exitCode durationMs",
  );
  assert.deepEqual(
    Object.keys(ExecRun.shape).join(" "),
    "id itemId parentId file argv cwd decision reason startedAtMs completedAtMs exitCode signal",
  );
});

test("there is no item for hooks", () => {
  assert.deepEqual(
    ThreadItem.options.map((option) => option.shape.type.value),
    ["userMessage", "agentMessage", "reasoning", "commandExecution", "fileChange", "mcpToolCall", "contextCompaction"],
  );
  assert.deepEqual(TurnStatus.options, ["inProgress", "completed", "interrupted", "failed"]);
});
