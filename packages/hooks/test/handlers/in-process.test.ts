/** Handlers that start no program: module, mcp_tool, and the kinds that are not available. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RunLimit } from "../../src/handlers/run-limit.ts";
import { fillTemplates } from "../../src/handlers/templates.ts";
import type { HandlerAction, McpToolCall, McpToolCaller, ModuleHandler } from "../../src/types.ts";
import { readable, runOnce } from "../support/handlers.ts";

function moduleAction(run: ModuleHandler): HandlerAction {
  return { type: "module", name: "audit", run, async: false };
}

const answered: ReturnType<typeof readable> = {
  outcome: "answered",
  exitCode: null,
  signal: null,
  problem: null,
  startFailure: null,
  leftBehind: [],
  stdout: "",
  stderr: "",
};

function problem(text: string): ReturnType<typeof readable> {
  return { ...answered, problem: text };
}

describe("a module handler", () => {
  test("gives an object, text or nothing, at once or later", async () => {
    const modules: ModuleHandler[] = [
      ({ hook_event_name }) => ({ systemMessage: hook_event_name }),
      () => "plain text",
      () => undefined,
      async () => ({ continue: true }),
    ];
    const results = await Promise.all(modules.map((run) => runOnce(moduleAction(run))));
    assert.deepEqual(
      results.map(readable),
      ['{"systemMessage":"Stop"}', "plain text", "", '{"continue":true}'].map((stdout) => ({ ...answered, stdout })),
    );
  });

  test("whatever it throws or gives is a result", async () => {
    const circle: Record<string, unknown> = {};
    circle["itself"] = circle;
    const modules: ModuleHandler[] = [
      () => {
        throw new Error("no");
      },
      async () => {
        throw "a string"; // anything can be thrown
      },
      () => circle,
      () => 10n,
      () => () => {},
    ];
    const results = await Promise.all(modules.map((run) => runOnce(moduleAction(run))));
    assert.deepEqual(readable(results[0] ?? assert.fail()), problem('module "audit" threw: no'));
    assert.deepEqual(readable(results[1] ?? assert.fail()), problem('module "audit" threw: a string'));
    for (const result of results) assert.match(result.problem ?? "", /^module "audit" threw: /);
  });

  test("its time ends, it is told so, and what it throws then is nobody's", async () => {
    const told = Promise.withResolvers<void>();
    const action = moduleAction(async (_, signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      told.resolve();
      throw new Error("too late");
    });
    assert.deepEqual(readable(await runOnce(action, { timeoutMs: 20 })), { ...answered, outcome: "timedOut" });
    await told.promise;
    const limit = new RunLimit(30_000);
    const running = runOnce(action, { limit });
    limit.cancel();
    assert.deepEqual(readable(await running), { ...answered, outcome: "cancelled" });
  });

  test("changes only its own copy of the input", async () => {
    const input = { tool_input: { command: "ls" } };
    await runOnce(
      moduleAction((own) => {
        (own["tool_input"] as { command: string }).command = "rm";
      }),
      { input },
    );
    assert.deepEqual(input, { tool_input: { command: "ls" } });
  });
});

describe("an mcp_tool handler", () => {
  const action: HandlerAction = {
    type: "mcpTool",
    server: "lab",
    tool: "check",
    input: { say: "${tool_input.command}!" },
  };
  const input = { tool_input: { command: "ls", list: [1, 2] }, session_id: "s" };

  test("is not available without a caller", async () => {
    assert.deepEqual(readable(await runOnce(action, { input })), {
      ...answered,
      outcome: "notAvailable",
      problem: "handlers of type mcp_tool are not available here",
    });
  });

  test("calls the tool with filled arguments and takes its text", async () => {
    const calls: Omit<McpToolCall, "signal">[] = [];
    const callMcpTool: McpToolCaller = async ({ signal, ...call }) => {
      calls.push(call);
      return {
        content: [{ type: "text", text: '{"system' }, { type: "image" }, { type: "text", text: 'Message":"hi"}' }],
        isError: signal.aborted,
      };
    };
    const result = await runOnce(action, { input, session: { callMcpTool } });
    assert.deepEqual(readable(result), { ...answered, stdout: '{"systemMessage":"hi"}' });
    assert.deepEqual(calls, [{ server: "lab", tool: "check", arguments: { say: "ls!" } }]);
  });

  test("an error result, a failed call, a missing path and a timeout are results", async () => {
    const failing: McpToolCaller = async () => ({ content: [{ type: "text", text: "broken" }], isError: true });
    const unknown: McpToolCaller = async ({ server }) => Promise.reject(new Error(`no server "${server}"`));
    const silent: McpToolCaller = () => new Promise(() => {});
    const run = (callMcpTool: McpToolCaller, more: object = {}, timeoutMs = 30_000) =>
      runOnce({ ...action, ...more }, { input, timeoutMs, session: { callMcpTool } });
    assert.deepEqual(
      [
        await run(failing),
        await run(unknown),
        await run(failing, { input: { a: ["x ${tool_input.nothing}"] } }),
        await run(silent, {}, 20),
      ].map(readable),
      [
        problem('tool "check" of "lab" failed: broken'),
        problem('tool "check" of "lab" could not be called: no server "lab"'),
        problem('the placeholder "${tool_input.nothing}" names nothing in the input of Stop'),
        { ...answered, outcome: "timedOut" },
      ],
    );
  });
});

describe("fillTemplates()", () => {
  const input = { a: { b: [1, { c: null }], text: "t" }, n: 7 };

  test("keeps the type of a whole placeholder and makes text within a string", () => {
    const template = {
      whole: "${a.b}",
      part: "<${a.b}> ${n} ${a.text}",
      deep: [{ x: "${n}" }],
      other: 1,
      none: "$a ${}}",
    };
    assert.deepEqual(fillTemplates({ ...template, none: "$a" }, input), {
      value: { whole: [1, { c: null }], part: '<[1,{"c":null}]> 7 t', deep: [{ x: 7 }], other: 1, none: "$a" },
    });
  });

  test("names a path that is missing, inherited ones too", () => {
    const missing = ["${b}", "x ${a.b.c}", "${a.constructor}", "${__proto__}", "${}"].map((text) =>
      fillTemplates({ text }, input),
    );
    assert.deepEqual(missing, [
      { missing: "b" },
      { missing: "a.b.c" },
      { missing: "a.constructor" },
      { missing: "__proto__" },
      { missing: "" },
    ]);
  });
});

test("prompt and agent handlers are not available, and say so", async () => {
  for (const type of ["prompt", "agent"] as const) {
    const result = readable(await runOnce({ type }));
    const expected = { ...answered, outcome: "notAvailable", problem: `handlers of type ${type} are not available` };
    assert.deepEqual(result, expected);
  }
});
