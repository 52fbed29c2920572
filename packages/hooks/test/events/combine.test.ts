import { test } from "node:test";
import assert from "node:assert/strict";
import type { HookEventName } from "@sallyport/protocol";
import type { Spill } from "../../src/events/definition.ts";
import { eventDefinitions } from "../../src/events/index.ts";
import type { HandlerResult, HookOutcomes, OnError } from "../../src/types.ts";
import { handlerOf, resultOf, streamOf } from "../conformance/judge-case.ts";

interface One {
  /** Printed as JSON, or as it is. */
  prints?: object | string;
  result?: Partial<HandlerResult>;
  onError?: OnError;
  limit?: number;
}

const asIs: Spill = (text) => text;
const crashes = { exitCode: 70 };

/** Judges what each of several hooks did, in configured order, and combines it. */
function combine<Event extends HookEventName>(
  event: Event,
  ones: One[],
  spill: Spill = asIs,
): Omit<HookOutcomes[Event], "runs"> {
  const definition = eventDefinitions[event];
  const judged = ones.map(({ prints = "", result = {}, onError = "allow", limit = null }, index) => {
    const handler = handlerOf(event, { key: `key${index}`, onError, additionalContextLimit: limit });
    const stdout = streamOf(typeof prints === "string" ? prints : JSON.stringify(prints));
    const { effect } = definition.judge(handler, resultOf({ stdout, ...result }));
    return { handler, runId: `run${index}`, effect };
  });
  return definition.combine(judged, spill);
}

const context = (text: string) => ({ hookSpecificOutput: { hookEventName: "PreToolUse", additionalContext: text } });
const refuse = (reason: string) => ({ exitCode: 2, stderr: streamOf(reason) });
const rewrite = (command: string) => ({
  hookSpecificOutput: { hookEventName: "PreToolUse", permissionDecision: "allow", updatedInput: { command } },
});

test("PreToolUse: any deny wins, the first reason counts, all context is kept", () => {
  const ones = [
    { prints: rewrite("a") },
    { prints: context("c1") },
    { result: refuse("r2") },
    { result: refuse("r3") },
    { prints: context("c4") },
  ];
  assert.deepEqual(combine("PreToolUse", ones), {
    contexts: [
      { event: "PreToolUse", hookKey: "key1", runId: "run1", text: "c1" },
      { event: "PreToolUse", hookKey: "key4", runId: "run4", text: "c4" },
    ],
    deny: { reason: "r2", runId: "run2" },
    ask: null,
    updatedInput: undefined,
  });
});

test("PreToolUse: the last rewrite in configured order wins", () => {
  const { updatedInput, deny } = combine("PreToolUse", [{ prints: rewrite("a") }, { prints: rewrite("b") }, {}]);
  assert.deepEqual({ updatedInput, deny }, { updatedInput: { command: "b" }, deny: null });
});

test("PermissionRequest: a deny beats an allow, whatever the order; a failed sibling does not cancel an allow", () => {
  const say = (decision: object) => ({
    prints: { hookSpecificOutput: { hookEventName: "PermissionRequest", decision } },
  });
  const allow = say({ behavior: "allow" });
  const deny = say({ behavior: "deny", message: "no" });
  const denied = (runId: string) => ({ decision: { behavior: "deny", message: "no", runId } });
  assert.deepEqual(combine("PermissionRequest", [allow, deny]), denied("run1"));
  assert.deepEqual(combine("PermissionRequest", [deny, allow]), denied("run0"));
  assert.deepEqual(combine("PermissionRequest", [{ result: crashes }, allow]), {
    decision: { behavior: "allow", runId: "run1" },
  });
  assert.deepEqual(combine("PermissionRequest", []), { decision: null });
});

test("PostToolUse: feedback and stops are joined by an empty line, in configured order, and spilled as one", () => {
  const stop = { prints: { continue: false, stopReason: "s1" } };
  const { feedback } = combine(
    "PostToolUse",
    [{ result: refuse("r0") }, stop, { result: refuse("r2") }],
    (text, limit) => `${limit}:${text}`,
  );
  assert.equal(feedback, "null:r0\n\ns1\n\nr2");
});

test("UserPromptSubmit: a dropped prompt takes the context of all hooks with it", () => {
  const said = { prints: "c0" };
  assert.equal(combine("UserPromptSubmit", [said]).contexts.length, 1);
  assert.deepEqual(combine("UserPromptSubmit", [said, { result: refuse("r1") }]), {
    contexts: [],
    block: { reason: "r1", runId: "run1" },
    stop: null,
  });
  assert.deepEqual(combine("UserPromptSubmit", [said, { prints: { continue: false } }]), {
    contexts: [],
    block: null,
    stop: { reason: null, runId: "run1" },
  });
});

test("SessionStart: any stop stops, and the context of all hooks stays", () => {
  const { contexts, stop } = combine("SessionStart", [
    { prints: "c0" },
    { prints: { continue: false, stopReason: "s1" } },
    { prints: "c2" },
  ]);
  assert.deepEqual(
    contexts.map(({ text }) => text),
    ["c0", "c2"],
  );
  assert.deepEqual(stop, { reason: "s1", runId: "run1" });
});

for (const event of ["Stop", "SubagentStop"] as const) {
  test(`${event}: every block makes it go on, in configured order; one stop beats them all`, () => {
    const blocks = [{ result: refuse("r0") }, { prints: { decision: "block", reason: "r1" } }];
    assert.deepEqual(
      combine(event, blocks, (text, limit) => `${limit}:${text}`),
      {
        stop: null,
        continuation: [
          { reason: "null:r0", runId: "run0" },
          { reason: "null:r1", runId: "run1" },
        ],
      },
    );
    assert.deepEqual(combine(event, [...blocks, { prints: { continue: false, stopReason: "s2" } }]), {
      stop: { reason: "s2", runId: "run2" },
      continuation: [],
    });
  });
}

test("a run that makes the turn go on says so, other runs do not", () => {
  const verdict = (event: "Stop" | "PreToolUse") =>
    eventDefinitions[event].judge(handlerOf(event), resultOf(refuse("r")));
  assert.equal(verdict("Stop").continuation, true);
  assert.equal(verdict("PreToolUse").continuation, undefined);
});

test("PreExec: the most restrictive answer wins in the order deny, ask, run, escalate", () => {
  const say = (permissionDecision: string) => ({
    prints: {
      hookSpecificOutput: {
        hookEventName: "PreExec",
        permissionDecision,
        permissionDecisionReason: permissionDecision,
      },
    },
  });
  const decide = (...decisions: string[]) => combine("PreExec", decisions.map(say)).permission;
  assert.deepEqual(decide("escalate", "run", "ask", "deny"), { decision: "deny", reason: "deny", runId: "run3" });
  assert.deepEqual(decide("escalate", "ask", "run"), { decision: "ask", reason: "ask", runId: "run1" });
  assert.deepEqual(decide("escalate", "run"), { decision: "run", reason: "run", runId: "run1" });
  assert.deepEqual(decide("escalate", "escalate"), { decision: "escalate", reason: "escalate", runId: "run0" });
  assert.equal(decide(), null);
});

test("context goes to the model within the limit of its own handler", () => {
  const { contexts } = combine(
    "SubagentStart",
    [{ prints: "a", limit: 7 }, { prints: "b" }],
    (text, limit) => `${limit}:${text}`,
  );
  assert.deepEqual(
    contexts.map(({ text }) => text),
    ["7:a", "null:b"],
  );
});

/** What a failed guard does, per event; docs/hooks-differences.md has the table. */
const problem = `Hook "key0" exited 70, expected 0 or 2`;
const refusal = { reason: problem, runId: "run0" };
const guarded: { [Event in HookEventName]?: Record<OnError, unknown> } = {
  PreToolUse: {
    allow: { contexts: [], deny: null, ask: null, updatedInput: undefined },
    ask: { contexts: [], deny: null, ask: refusal, updatedInput: undefined },
    deny: { contexts: [], deny: refusal, ask: null, updatedInput: undefined },
  },
  PermissionRequest: {
    allow: { decision: null },
    ask: { decision: null },
    deny: { decision: { behavior: "deny", message: problem, runId: "run0" } },
  },
  PreExec: {
    allow: { permission: null },
    ask: { permission: { decision: "ask", ...refusal } },
    deny: { permission: { decision: "deny", ...refusal } },
  },
  PostToolUse: {
    allow: { contexts: [], feedback: null },
    ask: { contexts: [], feedback: `${problem}; the output is withheld` },
    deny: { contexts: [], feedback: `${problem}; the output is withheld` },
  },
  UserPromptSubmit: {
    allow: { contexts: [], block: null, stop: null },
    ask: { contexts: [], block: refusal, stop: null },
    deny: { contexts: [], block: refusal, stop: null },
  },
  SessionStart: {
    allow: { contexts: [], stop: null },
    ask: { contexts: [], stop: { ...refusal, reason: `Hook "key0" exited 70, expected 0` } },
    deny: { contexts: [], stop: { ...refusal, reason: `Hook "key0" exited 70, expected 0` } },
  },
  PreCompact: {
    allow: { stop: null },
    ask: { stop: { ...refusal, reason: `Hook "key0" exited 70, expected 0` } },
    deny: { stop: { ...refusal, reason: `Hook "key0" exited 70, expected 0` } },
  },
};

for (const event of Object.keys(eventDefinitions) as HookEventName[]) {
  test(`${event}: onError says what a failed run does`, () => {
    for (const onError of ["allow", "ask", "deny"] as const) {
      const expected = guarded[event]?.[onError] ?? combine(event, [{}]);
      assert.deepEqual(combine(event, [{ result: crashes, onError }]), expected, onError);
    }
    assert.equal(eventDefinitions[event].guards, guarded[event] !== undefined);
  });
}

test("a guard that fails in any way denies, and the model is told nothing that it printed", () => {
  const stderr = streamOf("password=hunter2");
  const stdout = streamOf('{"continue":hunter2}');
  const failures: Partial<HandlerResult>[] = [
    { exitCode: 1, stderr },
    { stdout },
    { stdout: streamOf('{"hunter2":1}') },
    { stdout: streamOf('{"decision":"hunter2"}') },
    { outcome: "timedOut", exitCode: null, stdout, stderr },
    { outcome: "signaled", exitCode: null, signal: "SIGKILL", stderr },
    { outcome: "notStarted", exitCode: null, startFailure: "notFound", problem: "not there" },
    { outcome: "notAvailable", exitCode: null, problem: "not there" },
    { outcome: "cancelled", exitCode: null },
    { outcome: "answered", exitCode: null, problem: "answered hunter2", stderr },
  ];
  for (const result of failures) {
    const { deny } = combine("PreToolUse", [{ result, onError: "deny" }]);
    assert.match(deny?.reason ?? "", /^Hook "key0" /);
    assert.ok(!deny?.reason.includes("hunter2"), deny?.reason);
  }
  // A guard that worked and said nothing does not.
  assert.equal(combine("PreToolUse", [{ onError: "deny" }]).deny, null);
});

test("PermissionRequest: a failed guard that asks takes another hook's allow away, a crash alone does not", () => {
  const allow = {
    prints: { hookSpecificOutput: { hookEventName: "PermissionRequest", decision: { behavior: "allow" } } },
  };
  assert.deepEqual(combine("PermissionRequest", [allow, { result: crashes, onError: "ask" }]), { decision: null });
  assert.deepEqual(combine("PermissionRequest", [allow, { result: crashes }]), {
    decision: { behavior: "allow", runId: "run0" },
  });
});

test("matchValues() has a tool's name and aliases, a source, a trigger, an agent's type, a program's path and name", () => {
  const values = (event: HookEventName, input: object) =>
    (eventDefinitions[event].matchValues as (given: object) => string[] | null)(input); // the part that it looks at
  assert.deepEqual(values("PreToolUse", { tool_name: "Bash" }), ["Bash"]);
  assert.deepEqual(values("PostToolUse", { tool_name: "apply_patch" }), ["apply_patch", "Write", "Edit"]);
  assert.deepEqual(values("PermissionRequest", { tool_name: "spawn_agent" }), ["spawn_agent", "Agent"]);
  assert.deepEqual(values("PreToolUse", { tool_name: "constructor" }), ["constructor"]);
  assert.deepEqual(values("SessionStart", { source: "resume" }), ["resume"]);
  assert.deepEqual(values("SessionEnd", { reason: "other" }), ["other"]);
  assert.deepEqual(values("PreCompact", { trigger: "auto" }), ["auto"]);
  assert.deepEqual(values("SubagentStop", { agent_type: "default" }), ["default"]);
  assert.deepEqual(values("PreExec", { file: "/usr/bin/rm" }), ["/usr/bin/rm", "rm"]);
  assert.deepEqual(values("PostExec", { file: { base64: Buffer.from([0x2f, 0xff]).toString("base64") } }), [
    "/\ufffd",
    "\ufffd",
  ]);
  for (const event of ["UserPromptSubmit", "Stop", "Interrupt", "PreModelRequest", "PostModelRequest"] as const) {
    assert.equal(values(event, {}), null);
    assert.equal(eventDefinitions[event].takesMatcher, false);
  }
});
