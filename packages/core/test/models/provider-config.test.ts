import assert from "node:assert/strict";
import { test } from "node:test";
import { createModel } from "../../src/models/create-model.ts";
import { readModelSettings, secretVariables } from "../../src/models/provider-config.ts";

test("readModelSettings() reads the peers' keys", () => {
  const config = {
    model: "m",
    model_provider: "mine",
    model_reasoning_effort: "high",
    model_reasoning_summary: "concise",
    model_context_window: 1000n,
    model_providers: {
      mine: {
        base_url: "http://localhost:1/v1/",
        wire_api: "chat",
        env_key: "MINE",
        http_headers: { a: "b" },
        env_http_headers: { c: "D" },
        query_params: { e: "f" },
        request_max_retries: 1,
        stream_max_retries: 2,
        stream_idle_timeout_ms: 3,
        name: "unknown keys do no harm",
      },
    },
  };
  assert.deepEqual(readModelSettings(config), {
    model: "m",
    provider: {
      id: "mine",
      baseUrl: "http://localhost:1/v1",
      wireApi: "chat",
      envKey: "MINE",
      headers: { a: "b" },
      envHeaders: { c: "D" },
      queryParams: { e: "f" },
      requestMaxRetries: 1,
      streamMaxRetries: 2,
      streamIdleTimeoutMs: 3,
    },
    reasoningEffort: "high",
    reasoningSummary: "concise",
    contextWindow: 1000,
  });
  assert.deepEqual(
    secretVariables(config).filter((name) => !["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "CODEX_API_KEY"].includes(name)),
    ["MINE", "D"],
  );
});

test("the usual providers need no entry, and an entry changes only what it says", () => {
  assert.deepEqual(
    ["openai", "anthropic", "ollama"].map((id) => {
      const { wireApi, envKey } = readModelSettings({ model: "m", model_provider: id }).provider;
      return [wireApi, envKey];
    }),
    [
      ["responses", "OPENAI_API_KEY"],
      ["anthropic", "ANTHROPIC_API_KEY"],
      ["chat", null],
    ],
  );
  const moved = {
    model: "m",
    model_provider: "ollama",
    model_providers: { ollama: { base_url: "http://other:1/v1" } },
  };
  assert.deepEqual(
    [readModelSettings(moved).provider.baseUrl, readModelSettings(moved).provider.wireApi],
    ["http://other:1/v1", "chat"],
  );
});

const refused: [config: Record<string, unknown>, code: string, message: RegExp][] = [
  [{}, "MODEL_NOT_CONFIGURED", /write model = "NAME" into config\.toml/],
  [{ model: 3 }, "CONFIG_INVALID", /"model" is 3, expected a text/],
  [{ model: "m", model_provider: "nope" }, "PROVIDER_UNKNOWN", /"nope" is not configured, expected one of anthropic, /],
  [{ model: "m", model_provider: "constructor" }, "PROVIDER_UNKNOWN", /"constructor"/],
  [
    { model: "m", model_provider: "x", model_providers: { x: { base_url: "file:///etc/passwd" } } },
    "CONFIG_INVALID",
    /"model_providers\.x\.base_url" is "file:\/\/\/etc\/passwd", expected an http or https address/,
  ],
  [
    { model: "m", model_provider: "x", model_providers: { x: { base_url: "http://a", wire_api: "soap" } } },
    "CONFIG_INVALID",
    /"model_providers\.x\.wire_api" is "soap", expected "responses", "chat", "anthropic"/,
  ],
  [
    { model: "m", model_provider: "x", model_providers: { x: { base_url: "http://a", request_max_retries: -1 } } },
    "CONFIG_INVALID",
    /request_max_retries" is -1, expected a whole number/,
  ],
];

for (const [config, code, message] of refused) {
  test(`readModelSettings() refuses ${JSON.stringify(config)}`, () => {
    assert.throws(() => readModelSettings(config), { code, message });
  });
}

test("createModel() names the variable that is missing", () => {
  const settings = readModelSettings({ model: "m" });
  assert.throws(() => createModel(settings, { env: {}, cwd: "/", threadId: "t" }), {
    code: "MODEL_KEY_MISSING",
    message: /^Variable "OPENAI_API_KEY" is not set/,
  });
});

test("the attack: a key with a newline in it is refused without being quoted; blanks around one are not sent", () => {
  const settings = readModelSettings({ model: "m" });
  const make = (key: string) => createModel(settings, { env: { OPENAI_API_KEY: key }, cwd: "/", threadId: "t" });
  assert.throws(
    () => make("sk-secret\nmore"),
    (error: Error & { code?: string }) => error.code === "CONFIG_INVALID" && !error.message.includes("sk-secret"),
  );
  assert.doesNotThrow(() => make("sk-secret\r\n"));
});

test("a limit that no timer can keep is cut to the longest one", () => {
  const x = { base_url: "http://h", stream_idle_timeout_ms: 9_999_999_999 };
  const settings = readModelSettings({ model: "m", model_provider: "x", model_providers: { x } });
  assert.equal(settings.provider.streamIdleTimeoutMs, 2_147_483_647);
});
