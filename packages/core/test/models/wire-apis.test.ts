import assert from "node:assert/strict";
import { test } from "node:test";
import type { Turn } from "@sallyport/protocol";
import type { ModelServer, Reply, SeenRequest } from "../support/model-server.ts";
import { anthropicEvents, chatEvents, responsesEvents, startModelServer } from "../support/model-server.ts";
import { Heard, makeStage, moduleHook, runTurn } from "../support/stage.ts";
import type { Stage } from "../support/stage.ts";

const context = (event: string, text: string): object => ({
  hookSpecificOutput: { hookEventName: event, additionalContext: text },
});
const hooks = [
  moduleHook("UserPromptSubmit", () => context("UserPromptSubmit", "from the prompt hook")),
  moduleHook("PostToolUse", () => context("PostToolUse", "from the tool hook")),
];
const promptContext =
  '<hook_context event="UserPromptSubmit" hook="module:test-UserPromptSubmit:user_prompt_submit:0:0">\nfrom the prompt hook\n</hook_context>';
const toolContext =
  '<hook_context event="PostToolUse" hook="module:test-PostToolUse:post_tool_use:0:0">\nfrom the tool hook\n</hook_context>';
// Commands get no key of a model: hostile code inside could print it, or hand it on.
const call = { id: "call_0123456789abcdef", name: "shell", arguments: { command: 'echo hi"$LOCAL_KEY"' } };
const callText = JSON.stringify(call.arguments);

interface Played {
  server: ModelServer;
  turns: Turn[];
  stage: Stage;
}

/** Two turns: a command and an answer; then, in a new process as it were, another answer. */
async function play(wireApi: string, replies: readonly Reply[], extra = ""): Promise<Played> {
  const server = await startModelServer(replies);
  const config = `model = "m"
model_provider = "local"
[model_providers.local]
base_url = "${server.url}/v1"
wire_api = "${wireApi}"
env_key = "LOCAL_KEY"
query_params = { v = "1" }
http_headers = { x-extra = "yes" }
${extra}`;
  const stage = makeStage({ config, modules: hooks, env: { ...process.env, LOCAL_KEY: "sesame" } });
  const session = await stage.threads.start({ cwd: stage.project, source: "exec" });
  const first = await runTurn({ session, heard: new Heard(session) }, "say hi");
  const later = await stage.reopen();
  const resumed = await later.threads.resume(session.id);
  const second = await runTurn({ session: resumed, heard: new Heard(resumed) }, "once more");
  return { server, turns: [first, second], stage: later };
}

/** The list under `key` of what the n-th request sent. */
function sent<Entry = Record<string, unknown>>(request: SeenRequest | undefined, key: string): Entry[] {
  assert.ok(request !== undefined);
  return request.body[key] as Entry[];
}

function outputOf(text: string): string {
  // How long it took is no matter here.
  return text.replace(/wall time: \d+\.\d s/, "wall time: T");
}
const toolOutput = `exit code: 0\nwall time: T\noutput:\nhi\n\n\n${toolContext}`;

function assertPlayed({ server, turns }: Played): void {
  assert.deepEqual(
    turns.map(({ status, error }) => [status, error]),
    [
      ["completed", null],
      ["completed", null],
    ],
  );
  assert.equal(server.requests.length, 3);
}

test("Responses: exact input, nothing kept at the provider, encrypted reasoning sent back, the same after a resume", async () => {
  const reasoning = { id: "rs_0123456789abcdef", encrypted: "sealed", summary: "I think" };
  const played = await play("responses", [
    { kind: "events", events: responsesEvents({ reasoning, text: "I say hi.", calls: [call] }) },
    { kind: "events", events: responsesEvents({ text: "Said." }) },
    { kind: "events", events: responsesEvents({ text: "Again." }) },
  ]);
  assertPlayed(played);
  const [first, second, third] = played.server.requests;
  assert.deepEqual(
    [first?.path, first?.headers.authorization, first?.headers["x-extra"], first?.body["store"], first?.body["stream"]],
    ["/v1/responses?v=1", "Bearer sesame", "yes", false, true],
  );
  const tools = sent<{ name: string }>(first, "tools");
  assert.deepEqual(
    tools.map(({ name }) => name),
    ["shell", "apply_patch", "update_plan"],
  );
  const input = sent(second, "input").slice(1);
  const [outputItem] = input.splice(-1);
  assert.deepEqual(sent(first, "input"), sent(second, "input").slice(0, 2));
  assert.deepEqual(input, [
    {
      role: "user",
      content: [
        { type: "input_text", text: "say hi" },
        { type: "input_text", text: promptContext },
      ],
    },
    {
      type: "reasoning",
      id: reasoning.id,
      encrypted_content: "sealed",
      summary: [{ type: "summary_text", text: "I think" }],
    },
    // Without its id: nothing is kept at the provider that it could mean.
    { role: "assistant", content: "I say hi." },
    { type: "function_call", call_id: call.id, name: "shell", arguments: callText },
  ]);
  assert.deepEqual(
    { ...outputItem, output: outputOf(String(outputItem?.["output"])) },
    { type: "function_call_output", call_id: call.id, output: toolOutput },
  );
  // A resumed thread sends byte for byte what was sent before.
  const before = sent(second, "input");
  assert.equal(JSON.stringify(sent(third, "input").slice(0, before.length)), JSON.stringify(before));
});

test("Responses: usage and reasoning are shown", async () => {
  const reasoning = { id: "rs_0123456789abcdef", encrypted: "sealed", summary: "I think" };
  const { turns, stage } = await play("responses", [
    { kind: "events", events: responsesEvents({ reasoning, text: "one" }) },
    { kind: "events", events: responsesEvents({ text: "two" }) },
  ]);
  const [thread] = (await stage.store.listThreads({})).data;
  assert.deepEqual(thread?.tokenUsage?.total, {
    totalTokens: 34,
    inputTokens: 22,
    cachedInputTokens: 8,
    cacheWriteInputTokens: 0,
    outputTokens: 12,
    reasoningOutputTokens: 4,
  });
  const stored = await stage.store.readTurn(thread?.id ?? "", turns[0]?.id ?? "", "full");
  const items = stored?.items.map((item) => (item.type === "reasoning" ? item.summary : item.type));
  assert.deepEqual(items, ["userMessage", ["I think"], "agentMessage"]);
});

test("chat: exact input, first and after a resume", async () => {
  const played = await play("chat", [
    { kind: "events", events: chatEvents({ text: "I say hi.", calls: [call] }) },
    { kind: "events", events: chatEvents({ text: "Said." }) },
    { kind: "events", events: chatEvents({ text: "Again." }) },
  ]);
  assertPlayed(played);
  const [first, second, third] = played.server.requests;
  assert.deepEqual(
    [first?.path, first?.headers.authorization, first?.headers["x-extra"]],
    ["/v1/chat/completions?v=1", "Bearer sesame", "yes"],
  );
  const messages = sent(second, "messages");
  assert.deepEqual(
    messages
      .slice(1)
      .map((message) =>
        message["role"] === "tool" ? { ...message, content: outputOf(String(message["content"])) } : message,
      ),
    [
      {
        role: "user",
        content: [
          { type: "text", text: "say hi" },
          { type: "text", text: promptContext },
        ],
      },
      {
        role: "assistant",
        content: "I say hi.",
        tool_calls: [{ id: call.id, type: "function", function: { name: "shell", arguments: callText } }],
      },
      { role: "tool", tool_call_id: call.id, content: toolOutput },
    ],
  );
  assert.equal(JSON.stringify(sent(third, "messages").slice(0, messages.length)), JSON.stringify(messages));
});

test("Anthropic: exact input, first and after a resume", async () => {
  const toolCall = { ...call, id: "toolu_0123456789abcdef" };
  const played = await play("anthropic", [
    { kind: "events", events: anthropicEvents({ text: "I say hi.", calls: [toolCall] }) },
    { kind: "events", events: anthropicEvents({ text: "Said." }) },
    { kind: "events", events: anthropicEvents({ text: "Again." }) },
  ]);
  assertPlayed(played);
  const [first, second, third] = played.server.requests;
  assert.deepEqual(
    [first?.path, first?.headers["x-api-key"], first?.headers["x-extra"]],
    ["/v1/messages?v=1", "sesame", "yes"],
  );
  const messages = sent<{ role: string; content: Record<string, unknown>[] }>(second, "messages");
  const result = messages[2]?.content[0];
  assert.deepEqual(messages.slice(0, 2), [
    {
      role: "user",
      content: [
        { type: "text", text: "say hi" },
        { type: "text", text: promptContext },
      ],
    },
    {
      role: "assistant",
      content: [
        { type: "text", text: "I say hi." },
        { type: "tool_use", id: toolCall.id, name: "shell", input: call.arguments },
      ],
    },
  ]);
  assert.deepEqual(
    { ...result, content: outputOf(String(result?.["content"])) },
    { type: "tool_result", tool_use_id: toolCall.id, content: toolOutput },
  );
  assert.equal(JSON.stringify(sent(third, "messages").slice(0, messages.length)), JSON.stringify(messages));
});

test("without env_key no key is sent, not even one that the environment has for another provider", async () => {
  for (const [wireApi, events] of [
    ["responses", responsesEvents({ text: "one" })],
    ["chat", chatEvents({ text: "one" })],
    ["anthropic", anthropicEvents({ text: "one" })],
  ] as const) {
    const server = await startModelServer([{ kind: "events", events }]);
    const config = `model = "m"\nmodel_provider = "local"\n[model_providers.local]\nbase_url = "${server.url}"\nwire_api = "${wireApi}"\n`;
    const env = { ...process.env, OPENAI_API_KEY: "stolen", ANTHROPIC_API_KEY: "stolen" };
    const stage = makeStage({ config, env });
    const session = await stage.threads.start({ cwd: stage.project, source: "exec" });
    const turn = await runTurn({ session, heard: new Heard(session) }, "hello");
    assert.equal(turn.error, null);
    const [request] = server.requests;
    assert.doesNotMatch(JSON.stringify(request?.headers), /stolen/);
    assert.deepEqual([request?.headers.authorization, request?.headers["x-api-key"]], [undefined, undefined]);
  }
});

test("the attack: a provider that redirects does not get the keys sent to another address", async () => {
  const elsewhere = await startModelServer([{ kind: "events", events: anthropicEvents({ text: "mine now" }) }]);
  const headers = { location: `${elsewhere.url}/messages` };
  const server = await startModelServer([{ kind: "status", status: 307, body: "", headers }]);
  const config = `model = "m"\nmodel_provider = "x"\n[model_providers.x]\nbase_url = "${server.url}"\nwire_api = "anthropic"\nenv_key = "X_KEY"\n`;
  const stage = makeStage({ config, env: { ...process.env, X_KEY: "sesame" } });
  const session = await stage.threads.start({ cwd: stage.project, source: "exec" });
  const turn = await runTurn({ session, heard: new Heard(session) }, "hello");
  assert.equal(server.requests[0]?.headers["x-api-key"], "sesame");
  assert.deepEqual(elsewhere.requests, []);
  assert.match(turn.error?.message ?? "", /HTTP status 307/);
});
