import assert from "node:assert/strict";
import { test } from "node:test";
import type { CodexErrorInfo, ServerNotification } from "@sallyport/protocol";
import type { Reply } from "../support/model-server.ts";
import { anthropicEvents, chatEvents, responsesEvents, startModelServer } from "../support/model-server.ts";
import { Heard, makeStage, runTurn } from "../support/stage.ts";
import type { Stage } from "../support/stage.ts";
import type { ThreadSession } from "../../src/session/thread-session.ts";
import type { Turn } from "@sallyport/protocol";

interface Failed {
  turn: Turn;
  heard: Heard;
  session: ThreadSession;
  stage: Stage;
  asked: number;
}

interface PlayOptions {
  wireApi?: string;
  requestRetries?: number;
  streamRetries?: number;
  idleMs?: number;
}

async function play(replies: readonly Reply[], options: PlayOptions = {}): Promise<Failed> {
  const server = await startModelServer(replies);
  const { wireApi = "responses", requestRetries = 0, streamRetries = 0, idleMs = 10_000 } = options;
  const config = `model = "m"
model_provider = "local"
[model_providers.local]
base_url = "${server.url}"
wire_api = "${wireApi}"
request_max_retries = ${requestRetries}
stream_max_retries = ${streamRetries}
stream_idle_timeout_ms = ${idleMs}
`;
  const stage = makeStage({ config });
  const session = await stage.threads.start({ cwd: stage.project, source: "exec" });
  const heard = new Heard(session);
  const turn = await runTurn({ session, heard }, "hello");
  return { turn, heard, session, stage, asked: server.requests.length };
}

function errorsOf({ heard }: Failed): Extract<ServerNotification, { method: "error" }>["params"][] {
  return heard.notifications.flatMap(({ method, params }) => (method === "error" ? [params] : []));
}

const status = (code: number, body: object = { error: { message: "told" } }): Reply => ({
  kind: "status",
  status: code,
  body,
});

const mapped: [what: string, reply: Reply, info: CodexErrorInfo][] = [
  ["500", status(500), "internalServerError"],
  ["503", status(503), "serverOverloaded"],
  ["401", status(401), { httpConnectionFailed: { httpStatusCode: 401 } }],
  ["429", status(429), { responseTooManyFailedAttempts: { httpStatusCode: 429 } }],
  ["400", status(400), "other"],
  ["a spent quota", status(429, { error: { message: "spent", code: "insufficient_quota" } }), "usageLimitExceeded"],
  [
    "a prompt that is too long",
    status(400, { error: { message: "too long", code: "context_length_exceeded" } }),
    "contextWindowExceeded",
  ],
  ["an unknown model", status(404, { error: { message: "no such model", code: "model_not_found" } }), "modelNotFound"],
];

for (const [what, reply, info] of mapped) {
  test(`${what} fails the turn with its error, and the thread stays usable`, async () => {
    const failed = await play([reply, { kind: "events", events: responsesEvents({ text: "back" }) }]);
    const { turn, heard, session, stage } = failed;
    assert.deepEqual([turn.status, turn.items, turn.error?.codexErrorInfo], ["failed", [], info]);
    assert.deepEqual(
      errorsOf(failed).map(({ willRetry, error }) => [willRetry, error]),
      [[false, turn.error]],
    );
    assert.deepEqual(heard.outline.slice(-3), ["thread/status/changed systemError", "error", "turn/completed"]);
    const stored = await stage.store.readTurn(session.id, turn.id, "full");
    assert.deepEqual([stored?.status, stored?.error], ["failed", turn.error]);
    const next = await runTurn({ session, heard }, "again");
    assert.deepEqual([next.status, next.items.length], ["completed", 1]);
  });
}

test("a server that is not there fails the turn", async () => {
  const config =
    'model = "m"\nmodel_provider = "x"\n[model_providers.x]\nbase_url = "http://127.0.0.1:9"\nrequest_max_retries = 0\n';
  const stage = makeStage({ config });
  const session = await stage.threads.start({ cwd: stage.project, source: "exec" });
  const { error } = await runTurn({ session, heard: new Heard(session) }, "hello");
  assert.deepEqual(error?.codexErrorInfo, { httpConnectionFailed: { httpStatusCode: null } });
  assert.match(error?.message ?? "", /^Model "m" can't be reached: /);
});

test("refused requests are tried again, and each try is shown", async () => {
  const failed = await play(
    [status(500), status(429), { kind: "events", events: responsesEvents({ text: "there" }) }],
    {
      requestRetries: 3,
    },
  );
  assert.deepEqual([failed.turn.status, failed.asked], ["completed", 3]);
  assert.deepEqual(
    errorsOf(failed).map(({ willRetry, error }) => [willRetry, error.message, error.codexErrorInfo]),
    [
      [true, "Reconnecting... 1/3", { responseStreamDisconnected: { httpStatusCode: 500 } }],
      [true, "Reconnecting... 2/3", { responseStreamDisconnected: { httpStatusCode: 429 } }],
    ],
  );
});

test("tries end, and the turn fails with the last error", async () => {
  const failed = await play([status(500), status(500), status(500)], { requestRetries: 2 });
  assert.deepEqual([failed.turn.error?.codexErrorInfo, failed.asked], ["internalServerError", 3]);
  assert.deepEqual(
    errorsOf(failed).map(({ willRetry }) => willRetry),
    [true, true, false],
  );
});

const streams: [wireApi: string, whole: (object | string)[]][] = [
  ["responses", responsesEvents({ text: "half" })],
  ["chat", chatEvents({ text: "half" })],
  ["anthropic", anthropicEvents({ text: "half" })],
];

/** As far as the text, so that nothing says how it ended. */
function withoutEnd(wireApi: string, whole: readonly (object | string)[]): (object | string)[] {
  return whole.slice(0, wireApi === "responses" ? -2 : -3);
}

for (const [wireApi, whole] of streams) {
  for (const end of ["normal", "cut"] as const) {
    const how = end === "cut" ? "whose connection breaks" : "that ends too early";
    test(`${wireApi}: an answer ${how} is asked for again, and what was shown is marked as a part`, async () => {
      const events = withoutEnd(wireApi, whole);
      const failed = await play(
        [
          { kind: "events", events, end },
          { kind: "events", events: whole },
        ],
        {
          wireApi,
          streamRetries: 1,
        },
      );
      assert.deepEqual([failed.turn.status, failed.asked], ["completed", 2]);
      const stored = await failed.stage.store.readTurn(failed.session.id, failed.turn.id, "full");
      const messages = stored?.items.flatMap((item) => (item.type === "agentMessage" ? [[item.text, item.phase]] : []));
      assert.deepEqual(messages, [
        ["half", "partial_answer"],
        ["half", null],
      ]);
      assert.equal(errorsOf(failed)[0]?.error.message, "Reconnecting... 1/1");
    });

    test(`${wireApi}: an answer ${how} fails the turn when no try is left`, async () => {
      const events = withoutEnd(wireApi, whole);
      const { turn } = await play([{ kind: "events", events, end }], { wireApi });
      assert.deepEqual([turn.status, turn.error?.codexErrorInfo], ["failed", "other"]);
      assert.match(turn.error?.message ?? "", /^The answer of model "m" broke off$/);
    });
  }

  test(`${wireApi}: an answer that stalls fails the turn`, async () => {
    const events = whole.slice(0, 3);
    const { turn } = await play([{ kind: "events", events, end: "hang" }], { wireApi, idleMs: 300 });
    assert.equal(turn.status, "failed");
    assert.equal(turn.error?.message, 'The answer of model "m" stalled: nothing came for 0.3 s');
  });

  test(`${wireApi}: an answer that is nonsense fails the turn, once`, async () => {
    const { turn, asked } = await play([{ kind: "events", events: ["{not json"] }], { wireApi });
    assert.deepEqual([turn.status, asked], ["failed", 1]);
    assert.match(turn.error?.message ?? "", /^Model "m" (?:sent an answer that can't be read|failed): /);
  });
}

test("a server that never answers counts as stalled", async () => {
  const { turn } = await play([{ kind: "events", events: [], end: "hang" }], { idleMs: 300 });
  assert.match(turn.error?.message ?? "", /stalled/);
});

test("an answer that the provider itself calls failed fails the turn with its words", async () => {
  const created = responsesEvents({}).slice(0, 1);
  const events = [
    ...created,
    {
      type: "response.failed",
      sequence_number: 2,
      response: { id: "resp_1", error: { code: "context_length_exceeded", message: "too much" }, usage: null },
    },
  ];
  const { turn } = await play([{ kind: "events", events }]);
  assert.equal(turn.status, "failed");
  assert.equal(turn.error?.codexErrorInfo, "contextWindowExceeded");
});

test("an answer that reached its length fails the turn, and keeps what was said", async () => {
  const events = chatEvents({ text: "and so on" }).map((event) =>
    typeof event === "object" ? (JSON.parse(JSON.stringify(event).replace('"stop"', '"length"')) as object) : event,
  );
  const { turn, stage, session } = await play([{ kind: "events", events }], { wireApi: "chat" });
  assert.match(turn.error?.message ?? "", /is not complete: it reached the limit of its length/);
  const stored = await stage.store.readTurn(session.id, turn.id, "full");
  assert.ok(stored?.items.some((item) => item.type === "agentMessage" && item.text === "and so on"));
});
