import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { McpToolCallItem, Turn } from "@sallyport/protocol";
import { modelToolNames } from "../../src/mcp/tool-names.ts";
import type { ThreadSession } from "../../src/session/thread-session.ts";
import type { ThreadsOptions } from "../../src/session/threads.ts";
import { makeStage, moduleHook, runTurn, startThread } from "../support/stage.ts";
import type { Heard, Stage } from "../support/stage.ts";

const labServer = fileURLToPath(new URL("lab-server.ts", import.meta.url));
const call = (tool: string, args: object = {}): object => ({
  tool_calls: [{ name: `mcp__lab__${tool}`, arguments: args }],
});
const done = { text: "done" };

interface Lab extends Stage {
  starts(): string[];
  notes(): string[];
}

function makeLab(options: Partial<ThreadsOptions> & { extra?: string; env?: Record<string, string> } = {}): Lab {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-mcp-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const files = { LAB_STARTS: join(folder, "starts"), LAB_NOTES: join(folder, "notes") };
  const env = Object.entries({ ...files, ...options.env }).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const { env: _, extra = "", ...rest } = options;
  const config = `[mcp_servers.lab]
command = ${JSON.stringify(process.execPath)}
args = ["--no-warnings", ${JSON.stringify(labServer)}]
env = { ${env.join(", ")} }
startup_timeout_sec = 30
${extra}`;
  const lines = (file: string): string[] => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []);
  const stage = makeStage({ ...rest, config });
  return { ...stage, starts: () => lines(files.LAB_STARTS), notes: () => lines(files.LAB_NOTES) };
}

async function itemsOf(stage: Stage, session: ThreadSession, turn: Turn): Promise<McpToolCallItem[]> {
  const stored = await stage.store.readTurn(session.id, turn.id, "full");
  return (stored?.items ?? []).filter((item) => item.type === "mcpToolCall");
}

/** What a tool said in its first part. */
function textOf(item: McpToolCallItem | undefined): string {
  assert.ok(item?.result);
  const [part] = item.result.content;
  return String(part?.["text"]);
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `${what} within 20 s`);
    await delay(10);
  }
}

/** Runs one turn in which each call is made, and then one word of the model. */
async function callAll(lab: Stage, calls: object[]): Promise<{ turn: Turn; items: McpToolCallItem[]; heard: Heard }> {
  const thread = await startThread(lab, { model: lab.script([...calls, done]) });
  const turn = await runTurn(thread, "go");
  return { turn, items: await itemsOf(lab, thread.session, turn), heard: thread.heard };
}

test("a tool of a configured server runs, and its item is stored and told", async () => {
  const lab = makeLab();
  const expecting = { ...done, expect: "hello" };
  const thread = await startThread(lab, { model: lab.script([call("echo", { t: "hello" }), expecting]) });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  const [item, ...more] = await itemsOf(lab, thread.session, turn);
  assert.ok(item);
  assert.deepEqual(more, []);
  const { id: _, startedAtMs, completedAtMs, durationMs, ...fixed } = item;
  assert.deepEqual(fixed, {
    type: "mcpToolCall",
    server: "lab",
    tool: "echo",
    status: "completed",
    arguments: { t: "hello" },
    appContext: null,
    mcpAppUi: null,
    pluginId: null,
    readOnlyHint: true,
    result: { content: [{ type: "text", text: "hello" }], structuredContent: null, _meta: null },
    error: null,
  });
  assert.ok(durationMs !== null && durationMs >= 0 && (completedAtMs ?? 0) >= (startedAtMs ?? Infinity));
  const told = thread.heard.notifications.flatMap(({ method, params }) =>
    method === "mcpServer/startupStatus/updated" ? [[params.name, params.status, params.error]] : [],
  );
  assert.deepEqual(told, [
    ["lab", "starting", null],
    ["lab", "ready", null],
  ]);
});

test("threads of one configuration share a server, which ends with the last of them", async () => {
  const lab = makeLab();
  const model = lab.script([call("echo", { t: "x" }), done]);
  const first = await startThread(lab, { model });
  const second = await startThread(lab, { model, ephemeral: true });
  await Promise.all([runTurn(first, "go"), runTurn(second, "go")]);
  const [pid, ...more] = lab.starts();
  assert.deepEqual(more, []);
  await lab.threads.close(first.session.id);
  assert.ok(isAlive(Number(pid)));
  await lab.threads.close(second.session.id);
  assert.ok(!isAlive(Number(pid)));
});

test("what a server has started ends with it, also in a session of its own", async () => {
  const lab = makeLab();
  const thread = await startThread(lab, { model: lab.script([call("child"), done]) });
  const [item] = await itemsOf(lab, thread.session, await runTurn(thread, "go"));
  const pid = Number(textOf(item));
  assert.ok(isAlive(pid));
  await lab.threads.close(thread.session.id);
  assert.ok(!isAlive(pid));
});

test("a server finds neither keys nor the rest of the environment, but what it is configured with", async () => {
  const env = { ...process.env, OPENAI_API_KEY: "k", MY_TOKEN: "t", WANTED: "w" };
  const lab = makeLab({ env: { OWN: "o" }, extra: 'env_vars = ["WANTED"]' });
  const stage = await lab.reopen({ env });
  const { items } = await callAll(stage, [call("env")]);
  const names = textOf(items[0]).split(" ");
  assert.deepEqual(
    ["OPENAI_API_KEY", "MY_TOKEN", "WANTED", "OWN", "PATH"].map((name) => names.includes(name)),
    [false, false, true, true, true],
  );
});

test("names are made fit for models, told apart, and never one of ours", async () => {
  const lab = makeLab();
  const thread = await startThread(lab, {
    model: lab.script([call("shell"), { ...done, expect: "not the shell" }]),
  });
  assert.equal((await runTurn(thread, "go")).error, null);
  const names = modelToolNames([
    { server: "lab", tool: "a/b" },
    { server: "lab", tool: "a b" },
    { server: "lab", tool: "shell" },
    { server: "lab", tool: "l".repeat(100) },
  ]);
  const seen = [...names.keys()];
  assert.ok(seen.every((name) => /^mcp__lab__[A-Za-z0-9_-]+$/.test(name) && name.length <= 64));
  assert.equal(new Set(seen).size, 4);
  assert.deepEqual(
    seen.map((name) => name.replace(/_[0-9a-f]{12}$/, "_HASH")),
    ["mcp__lab__a_b_HASH", "mcp__lab__a_b_HASH", "mcp__lab__shell", `mcp__lab__${"l".repeat(41)}_HASH`],
  );
});

test("a tool that does not say that it only reads is asked about; the answer decides", async () => {
  const lab = makeLab();
  const calls = [
    call("write", { t: 1 }),
    call("write", { t: 2 }),
    call("write", { t: 3 }),
    call("purge"),
    call("soft"),
  ];
  const thread = await startThread(lab, { model: lab.script([...calls, done]) });
  const { session, heard } = thread;
  const { id } = await session.startTurn({ input: [{ type: "text", text: "go", text_elements: [] }] });
  for (const [index, decision] of (["decline", "acceptForSession", "accept"] as const).entries()) {
    const request = await heard.until(({ requests }) => requests[index]);
    session.answerApproval(request.requestId, decision);
  }
  const turn = await heard.completedTurn(id);
  await session.idle();
  const [first] = heard.requests;
  assert.ok(first?.method === "mcpServer/elicitation/request");
  assert.deepEqual(first.params, {
    threadId: session.id,
    turnId: id,
    serverName: "lab",
    mode: "form",
    _meta: {
      codex_approval_kind: "mcp_tool_call",
      persist: ["session"],
      tool_name: "write",
      tool_params: { t: 1 },
      tool_params_display: [],
    },
    message: 'Allow the lab MCP server to run tool "write"?',
    requestedSchema: { type: "object", properties: {} },
  });
  assert.equal(heard.requests.length, 3); // the third write was remembered, soft says that it does no harm
  const items = await itemsOf(lab, session, turn);
  assert.deepEqual(
    items.map(({ tool, status }) => [tool, status]),
    [
      ["write", "failed"],
      ["write", "completed"],
      ["write", "completed"],
      ["purge", "completed"],
      ["soft", "completed"],
    ],
  );
  assert.match(items[0]?.error?.message ?? "", /rejected by the user/);
  assert.deepEqual(lab.notes(), ["wrote 2", "wrote 3"]);
});

test("where nobody may be asked a tool that wants approval is refused, unless nothing is walled in", async () => {
  const lab = makeLab();
  const run = async (sandbox: "workspace-write" | "danger-full-access"): Promise<unknown> => {
    const thread = await startThread(lab, {
      model: lab.script([call("write", { t: sandbox }), done]),
      approvalPolicy: "never",
      sandbox,
    });
    const items = await itemsOf(lab, thread.session, await runTurn(thread, "go"));
    return items[0]?.status;
  };
  assert.deepEqual([await run("workspace-write"), await run("danger-full-access")], ["failed", "completed"]);
  assert.deepEqual(lab.notes(), ["wrote danger-full-access"]);
});

test("approval modes of server and tool stand above what a tool says of itself", async () => {
  const extra = 'default_tools_approval_mode = "prompt"\n[mcp_servers.lab.tools.write]\napproval_mode = "approve"';
  const lab = makeLab({ canAsk: false, extra });
  const { items } = await callAll(lab, [call("echo", { t: "x" }), call("write", { t: "y" })]);
  assert.deepEqual(
    items.map(({ tool, status }) => [tool, status]),
    [
      ["echo", "failed"],
      ["write", "completed"],
    ],
  );
});

test("enabled_tools and disabled_tools decide what the model is offered", async () => {
  const lab = makeLab({ extra: 'enabled_tools = ["echo", "soft"]\ndisabled_tools = ["soft"]' });
  const thread = await startThread(lab, {
    model: lab.script([
      call("soft"),
      { ...call("echo", { t: "x" }), expect: 'There is no tool "mcp__lab__soft"' },
      done,
    ]),
  });
  const turn = await runTurn(thread, "go");
  assert.equal(turn.error, null);
  const items = await itemsOf(lab, thread.session, turn);
  assert.deepEqual(
    items.map(({ tool }) => tool),
    ["echo"],
  );
  assert.deepEqual(Object.keys(thread.session.mcpServers[0]?.tools ?? {}), ["echo"]);
});

test("hooks see a tool by its name and its arguments, can rewrite these and can refuse the call", async () => {
  const seen: unknown[] = [];
  const modules = [
    moduleHook(
      "PreToolUse",
      ({ tool_name, tool_input }) => {
        seen.push(["pre", tool_name, tool_input]);
        const { t } = tool_input as { t?: string };
        const specific = { hookEventName: "PreToolUse" };
        if (t === "no")
          return {
            hookSpecificOutput: { ...specific, permissionDecision: "deny", permissionDecisionReason: "not that" },
          };
        return { hookSpecificOutput: { ...specific, permissionDecision: "allow", updatedInput: { t: `${t}!` } } };
      },
      { matcher: "mcp__lab__.*" },
    ),
    moduleHook("PostToolUse", ({ tool_name, tool_input, tool_response }) => {
      seen.push(["post", tool_name, tool_input, tool_response]);
      return null;
    }),
  ];
  const lab = makeLab({ modules });
  const thread = await startThread(lab, {
    model: lab.script([call("echo", { t: "hi" }), call("echo", { t: "no" }), call("fail"), done]),
  });
  const turn = await runTurn(thread, "go");
  const items = await itemsOf(lab, thread.session, turn);
  assert.deepEqual(seen, [
    ["pre", "mcp__lab__echo", { t: "hi" }],
    ["post", "mcp__lab__echo", { t: "hi!" }, { content: [{ type: "text", text: "hi!" }] }],
    ["pre", "mcp__lab__echo", { t: "no" }],
    ["pre", "mcp__lab__fail", {}], // and nothing after it: a result that is marked as an error
  ]);
  const denial = turn.hookRuns.find(({ status }) => status === "blocked");
  assert.deepEqual(
    items.map(({ status, error, result, declinedBy }) => ({ status, error, declinedBy, hasResult: result !== null })),
    [
      { status: "completed", error: null, declinedBy: undefined, hasResult: true },
      {
        status: "failed",
        error: { message: "blocked by a hook: not that" },
        declinedBy: { hookRunId: denial?.id },
        hasResult: false,
      },
      { status: "failed", error: null, declinedBy: undefined, hasResult: true },
    ],
  );
});

test("a PermissionRequest hook answers in place of the user", async () => {
  const allow = { hookSpecificOutput: { hookEventName: "PermissionRequest", decision: { behavior: "allow" } } };
  const modules = [moduleHook("PermissionRequest", () => allow, { matcher: "mcp__lab__write" })];
  const lab = makeLab({ modules, canAsk: false });
  const { items } = await callAll(lab, [call("write", { t: "x" }), call("purge")]);
  assert.deepEqual(
    items.map(({ status }) => status),
    ["completed", "failed"],
  );
});

test("a huge result is cut, for the store and for the model", async () => {
  const lab = makeLab();
  const { items, turn } = await callAll(lab, [call("huge"), call("structured")]);
  assert.equal(turn.error, null);
  const [huge, structured] = items;
  const text = textOf(huge);
  assert.ok(text.startsWith("startxxx") && text.endsWith("xend") && text.length < 600_000, `${text.length}`);
  assert.deepEqual(structured?.result, { content: [], structuredContent: { answer: 42 }, _meta: null });
});

test("lines that are no messages are passed over; a message without an end is the server's end", async () => {
  const lab = makeLab();
  const { items, turn } = await callAll(lab, [call("garbage"), call("endless"), call("echo", { t: "again" })]);
  assert.equal(turn.error, null);
  assert.deepEqual(
    items.map(({ tool, status }) => [tool, status]),
    [
      ["garbage", "completed"],
      ["endless", "failed"],
      ["echo", "completed"], // by a new server
    ],
  );
  assert.equal(lab.starts().length, 2);
});

test("a server that dies fails its call and is started again", async () => {
  const lab = makeLab();
  const { items } = await callAll(lab, [call("die"), call("echo", { t: "x" })]);
  assert.deepEqual(
    items.map(({ status }) => status),
    ["failed", "completed"],
  );
  assert.equal(lab.starts().length, 2);
});

test("a tool that does not answer is given up after its time, and told so", async () => {
  const lab = makeLab({ extra: "tool_timeout_sec = 0.3" });
  const { items } = await callAll(lab, [call("slow")]);
  assert.match(items[0]?.error?.message ?? "", /timed out/i);
  await until(() => lab.notes().includes("slow was cancelled"), "the server heard of it");
});

test("an interrupt cancels the call and completes its item", async () => {
  const lab = makeLab();
  const thread = await startThread(lab, { model: lab.script([call("slow"), done]) });
  const { id } = await thread.session.startTurn({ input: [{ type: "text", text: "go", text_elements: [] }] });
  await until(() => lab.notes().includes("slow began"), "the tool began");
  thread.session.interrupt(id);
  const turn = await thread.heard.completedTurn(id);
  assert.equal(turn.status, "interrupted");
  const [item] = await itemsOf(lab, thread.session, turn);
  assert.deepEqual([item?.status, item?.interrupted, item?.error], ["failed", true, { message: "aborted by user" }]);
  await until(() => lab.notes().includes("slow was cancelled"), "the server heard of it");
});

test("tools that a server adds are offered with the next request", async () => {
  const lab = makeLab();
  const { items } = await callAll(lab, [call("grow"), call("grown")]);
  assert.deepEqual(
    items.map(({ tool, status }) => [tool, status]),
    [
      ["grow", "completed"],
      ["grown", "completed"],
    ],
  );
});

test("a server that can't be started, or never answers, leaves the turn to the others", async () => {
  const extra = `[mcp_servers.gone]\ncommand = "/no/such/program"\n[mcp_servers.mute]\ncommand = "sleep"\nargs = ["1000"]\nstartup_timeout_sec = 0.3`;
  const lab = makeLab({ extra });
  const { items, turn, heard } = await callAll(lab, [call("echo", { t: "x" })]);
  assert.equal(turn.error, null);
  assert.deepEqual(
    items.map(({ status }) => status),
    ["completed"],
  );
  const failures = heard.notifications.flatMap(({ method, params }) =>
    method === "mcpServer/startupStatus/updated" && params.status === "failed" ? [[params.name, params.error]] : [],
  );
  assert.deepEqual(
    failures.toSorted(([left = ""], [right = ""]) => (left ?? "").localeCompare(right ?? "")),
    [
      ["gone", "/no/such/program: No such file or directory"],
      ["mute", "it did not start within 0.3 s"],
    ],
  );
});

test("turns fail while a required server is missing", async () => {
  const lab = makeLab({ extra: '[mcp_servers.gone]\ncommand = "/no/such/program"\nrequired = true' });
  const thread = await startThread(lab, { model: lab.script([done]) });
  const turn = await runTurn(thread, "go");
  assert.match(turn.error?.message ?? "", /^MCP server "gone" is not available: /);
});

test("start() refuses a server that is written wrong, with its key", async () => {
  for (const [config, key] of [
    ['[mcp_servers.x]\ncommand = "a"\nurl = "http://b"', "mcp_servers.x"],
    ["[mcp_servers.x]", "mcp_servers.x"],
    ['[mcp_servers.x]\nurl = "file:///etc"', "mcp_servers.x.url"],
    ['[mcp_servers."x y"]\ncommand = "a"', "mcp_servers.x y"],
    ['[mcp_servers.x]\ncommand = "a"\ntool_timeout_sec = -1', "mcp_servers.x.tool_timeout_sec"],
    ['[mcp_servers.x]\ncommand = "a"\nenv = { A = 1 }', "mcp_servers.x.env.A"],
  ]) {
    const stage = makeStage({ config: `${config}\n` });
    const starting = startThread(stage, { model: stage.script([done]) });
    await assert.rejects(starting, { code: "CONFIG_INVALID", data: { key } });
  }
});

test("a server over http gets its token, and one without it is refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-mcp-http-"));
  const portFile = join(folder, "port");
  const server = spawn(process.execPath, ["--no-warnings", labServer, portFile], { stdio: "ignore" });
  after(() => {
    server.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  await until(() => existsSync(portFile) && readFileSync(portFile, "utf8") !== "", "the server listens");
  const url = `http://127.0.0.1:${readFileSync(portFile, "utf8")}/mcp`;
  const config = `[mcp_servers.lab]\nurl = "${url}"\nbearer_token_env_var = "LAB_TOKEN"\n[mcp_servers.stranger]\nurl = "${url}"\n`;
  const stage = makeStage({ config, env: { ...process.env, LAB_TOKEN: "lab-token" } });
  const thread = await startThread(stage, { model: stage.script([call("echo", { t: "x" }), done]) });
  const turn = await runTurn(thread, "go");
  assert.deepEqual(
    (await itemsOf(stage, thread.session, turn)).map(({ status }) => status),
    ["completed"],
  );
  assert.deepEqual(
    thread.session.mcpServers.map(({ name, runtimeStatus, authStatus, httpOrigin }) => ({
      name,
      runtimeStatus,
      authStatus,
      httpOrigin,
    })),
    [
      { name: "lab", runtimeStatus: "connected", authStatus: "bearerToken", httpOrigin: new URL(url).origin },
      {
        name: "stranger",
        runtimeStatus: "authenticationRequired",
        authStatus: "unsupported",
        httpOrigin: new URL(url).origin,
      },
    ],
  );
});

const says = (server: string, answer: object): string => `
[[hooks.UserPromptSubmit]]
[[hooks.UserPromptSubmit.hooks]]
type = "mcp_tool"
server = "${server}"
tool = "echo"
input = { t = '${JSON.stringify(answer)}' }
`;

test("a hook of the type mcp_tool runs a server's tool, and what it says counts", async () => {
  const lab = makeLab({ extra: says("lab", { decision: "block", reason: "not today" }) });
  const thread = await startThread(lab, { model: lab.script([done]), bypassHookTrust: true });
  const turn = await runTurn(thread, "go");
  const run = turn.hookRuns.find(({ eventName }) => eventName === "userPromptSubmit");
  assert.deepEqual(
    [run?.handlerType, run?.status, run?.entries],
    ["mcpTool", "blocked", [{ kind: "feedback", text: "not today" }]],
  );
  assert.equal(turn.blockedInput?.hookRunId, run?.id);
  assert.equal(lab.starts().length, 1); // the thread's own
});

test("a hook of the type mcp_tool whose server is not configured fails, and the turn goes on", async () => {
  const lab = makeLab({ extra: says("nobody", { decision: "block", reason: "no" }) });
  const thread = await startThread(lab, { model: lab.script([done]), bypassHookTrust: true });
  const turn = await runTurn(thread, "go");
  const run = turn.hookRuns.find(({ eventName }) => eventName === "userPromptSubmit");
  assert.deepEqual([turn.status, run?.status, turn.blockedInput], ["completed", "failed", undefined]);
  assert.match(run?.entries[0]?.text ?? "", /MCP server "nobody" is not configured, expected one of: lab/);
});

test("an interrupt does not wait for a server that does not start, and neither does the thread's end", async () => {
  const config = '[mcp_servers.mute]\ncommand = "sleep"\nargs = ["1000"]\nstartup_timeout_sec = 600\n';
  const stage = makeStage({ config });
  const { session, heard } = await startThread(stage, { model: stage.script([done]) });
  const { id } = await session.startTurn({ input: [{ type: "text", text: "go", text_elements: [] }] });
  await heard.until(({ outline }) => (outline.includes("item/completed userMessage") ? true : undefined));
  session.interrupt(id);
  assert.equal((await heard.completedTurn(id)).status, "interrupted");
  await stage.threads.close(session.id);
});
