/** `sallyport exec` and `threads` as programs: the contract of @openai/codex-sdk, what people see, exit statuses. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Place, eventually, executable, processesWith, waitForEnd, waitForOutput } from "./sallyport.ts";
import type { Ended } from "./sallyport.ts";

/** As `JSON.parse()` gives it: each test knows the shape that it asked for. */
type Parsed = ReturnType<typeof JSON.parse>;

const place = new Place();
const answers = [
  {
    text: "I look.",
    tool_calls: [{ name: "shell", arguments: { command: "echo hi" } }],
    usage: { input_tokens: 10, output_tokens: 5 },
  },
  { expect: "hi", text: "done", usage: { input_tokens: 20, output_tokens: 2 } },
];
const model = script("two-answers", answers);
const oneAnswer = script("one-answer", [{ text: "again" }]);

function script(name: string, lines: readonly object[]): string {
  const file = join(place.base, `${name}.jsonl`);
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  return `scripted:${file}`;
}

/** A home of its own with these hooks. */
function placeWithHooks(hooks: object): Place {
  const own = new Place();
  writeFileSync(join(own.home, "hooks.json"), JSON.stringify({ hooks }), { mode: 0o600 });
  return own;
}

async function exec(words: string[], { stdin = "", at = place }: { stdin?: string; at?: Place } = {}): Promise<Ended> {
  const child = spawn(executable, ["exec", ...words], {
    cwd: at.project,
    env: at.env,
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  const ended = waitForEnd(child);
  child.stdin.end(stdin);
  return await ended;
}

function events(stdout: string): Parsed[] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

const hook = (command: string): object[] => [{ hooks: [{ type: "command", command }] }];

test("exec --json prints the events of codex exec --json and nothing else", async () => {
  const { status, stdout } = await exec(["--json", "--model", model, "go"]);
  const [started, ...rest] = events(stdout);
  assert.deepEqual(Object.keys(started), ["type", "thread_id"]);
  const shell = rest.find(({ item }) => item?.type === "command_execution").item.command;
  const command = { id: "item_1", type: "command_execution", command: shell };
  assert.deepEqual(rest, [
    { type: "turn.started" },
    { type: "item.completed", item: { id: "item_0", type: "agent_message", text: "I look." } },
    { type: "item.started", item: { ...command, aggregated_output: "", exit_code: null, status: "in_progress" } },
    { type: "item.completed", item: { ...command, aggregated_output: "hi\n", exit_code: 0, status: "completed" } },
    { type: "item.completed", item: { id: "item_2", type: "agent_message", text: "done" } },
    {
      type: "turn.completed",
      usage: {
        input_tokens: 30,
        cached_input_tokens: 0,
        cache_write_input_tokens: 0,
        output_tokens: 7,
        reasoning_output_tokens: 0,
      },
    },
  ]);
  assert.equal(status, 0);
});

test("exec takes the arguments of @openai/codex-sdk in its order, the prompt on stdin, and resumes", async () => {
  const schema = join(place.base, "schema.json");
  writeFileSync(schema, '{"type":"object"}');
  const image = join(place.base, "dot.png");
  writeFileSync(image, Buffer.from("iVBORw0KGgo=", "base64"));
  const extra = join(place.base, "extra");
  mkdirSync(extra);
  const flags = [
    "--experimental-json",
    ["--config", 'features.x="on"'],
    ["--model", oneAnswer],
    ["--sandbox", "workspace-write"],
    ["--cd", place.project],
    ["--add-dir", extra],
    "--skip-git-repo-check",
    ["--output-schema", schema],
    ["--cyber-access-program", "none"],
    ["--config", 'model_reasoning_effort="low"'],
    ["--config", "sandbox_workspace_write.network_access=false"],
    ["--config", 'web_search="disabled"'],
    ["--config", 'approval_policy="never"'],
  ].flat();
  const first = await exec([...flags, "--thread-source", "sdk"], { stdin: "one\n\ntwo" });
  assert.deepEqual({ status: first.status, stderr: first.stderr }, { status: 0, stderr: "" });
  const { thread_id: threadId } = events(first.stdout)[0];
  const second = await exec([...flags, "resume", threadId, "--image", image], { stdin: "three" });
  const [started, ...rest] = events(second.stdout);
  assert.deepEqual(started, { type: "thread.started", thread_id: threadId });
  assert.deepEqual(rest.at(-1).type, "turn.completed");
  assert.equal(
    rest.find(({ item }) => item?.type === "agent_message").item.id,
    "item_0",
    "numbered anew in each process",
  );
  assert.equal(second.status, 0);
  const { turns } = JSON.parse(place.call(["threads", "show", "--json", threadId]).stdout);
  const inputs = turns.map(({ items }: { items: Parsed[] }) =>
    items[0].content.map((part: Parsed) => part.text ?? part.path),
  );
  assert.deepEqual(inputs, [["one\n\ntwo"], ["three", image]]);
});

test("exec --json --hooks has hook runs too, without --hooks it has none", async () => {
  const own = placeWithHooks({ Stop: hook("true") });
  const words = ["--json", "--dangerously-bypass-hook-trust", "--model", oneAnswer, "go"];
  const types = ({ stdout }: Ended): string[] => events(stdout).map(({ type }) => type);
  const common = ["thread.started", "turn.started", "item.completed"];
  assert.deepEqual(types(await exec(words, { at: own })), [...common, "turn.completed"]);
  assert.deepEqual(types(await exec(["--hooks", ...words], { at: own })), [
    ...common,
    "hook.started",
    "hook.completed",
    "turn.completed",
  ]);
});

test("exec for people: the last message on stdout, everything on the way on stderr", async () => {
  const own = placeWithHooks({ SessionStart: hook("echo be kind"), Stop: hook("true") });
  const { status, stdout, stderr } = await exec(["--dangerously-bypass-hook-trust", "-m", model, "go"], { at: own });
  assert.deepEqual({ status, stdout }, { status: 0, stdout: "done\n" });
  const lines = stderr.split("\n");
  const at = (pattern: RegExp): number => {
    const index = lines.findIndex((line) => pattern.test(line));
    assert.notEqual(index, -1, `${pattern} in ${stderr}`);
    return index;
  };
  const order = [
    /^thread /,
    /^hook sessionStart: completed/,
    /^I look\.$/,
    /^\$ .*echo hi/,
    /^ {2}hi$/,
    /^ {2}exit 0$/,
    /^hook stop: completed/,
  ];
  const places = order.map(at);
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  );
  assert.equal(
    lines.filter((line) => /trust/.test(line)).length,
    0,
    "hooks that run are not said to be waiting for trust",
  );
});

test("a prompt that a hook blocks exits 1 with the reason, in both outputs", async () => {
  const own = placeWithHooks({ UserPromptSubmit: hook("echo not today >&2; exit 2") });
  const words = ["--dangerously-bypass-hook-trust", "-m", oneAnswer, "go"];
  const message = "The prompt was refused by a hook: not today";
  const human = await exec(words, { at: own });
  assert.deepEqual({ status: human.status, stdout: human.stdout }, { status: 1, stdout: "" });
  assert.ok(human.stderr.includes(message), human.stderr);
  const json = await exec(["--json", ...words], { at: own });
  assert.equal(json.status, 1);
  assert.deepEqual(events(json.stdout).slice(1), [
    { type: "turn.started" },
    { type: "error", message },
    { type: "turn.failed", error: { message } },
  ]);
  const shown = own.call(["threads", "show", "last"]);
  assert.match(shown.stdout, /the prompt was refused by a hook/);
});

test("a model that fails exits 1 and says so once", async () => {
  const failing = script("fails", [{ error: { status: 400, message: "no such model" } }]);
  const { status, stdout } = await exec(["--json", "-m", failing, "go"]);
  const errors = events(stdout).filter(({ type }) => type === "error");
  assert.deepEqual([status, errors.length, events(stdout).at(-1).type], [1, 1, "turn.failed"]);
  assert.equal(errors[0].message, events(stdout).at(-1).error.message);
});

test("-o writes the last message, and a schema that can't be read is refused before anything runs", async () => {
  const file = join(place.base, "last.txt");
  assert.equal((await exec(["-o", file, "-m", oneAnswer, "go"])).status, 0);
  assert.equal(readFileSync(file, "utf8"), "again");
  const before = place.call(["threads", "list", "--json"]).stdout;
  for (const [name, text] of [
    ["missing", null],
    ["broken", "{"],
  ] as const) {
    const schema = join(place.base, `${name}.json`);
    if (text !== null) writeFileSync(schema, text);
    const { status, stderr } = await exec(["--output-schema", schema, "-m", oneAnswer, "go"]);
    assert.equal(status, 125);
    assert.match(stderr, /output schema/);
  }
  assert.equal(place.call(["threads", "list", "--json"]).stdout, before);
});

test("what can't be understood is said, and exits 125", async () => {
  for (const [words, said] of [
    [["resume", "01a20400-0000-7000-8000-000000000000", "go"], /No thread "01a20400/],
    [["resume"], /Missing the thread/],
    [["one", "two"], /Unexpected argument "two"/],
    [["-m", "scripted:/no/such/file", "go"], /no\/such\/file/],
    [["-m", oneAnswer], /No prompt was given on stdin/],
  ] as const) {
    const { status, stdout, stderr } = await exec([...words]);
    assert.deepEqual({ status, stdout }, { status: 125, stdout: "" }, stderr);
    assert.match(stderr, said);
  }
});

test("SIGTERM ends the command's whole tree, tells no failure and exits 143", async () => {
  const mark = `314159.${process.pid}`;
  const sleeping = script("sleeps", [
    { tool_calls: [{ name: "shell", arguments: { command: `sleep ${mark} & sleep ${mark}` } }] },
  ]);
  const child = spawn(executable, ["exec", "--json", "-m", sleeping, "go"], {
    cwd: place.project,
    env: place.env,
    timeout: 60_000,
  });
  const ended = waitForEnd(child);
  child.stdin.end();
  await waitForOutput(child, "item.started");
  assert.ok(await eventually(() => processesWith(mark).length > 0), "the command runs");
  child.kill("SIGTERM");
  const { status, stdout } = await ended;
  assert.equal(status, 143);
  const types = stdout
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { type: string }).type);
  assert.deepEqual(types, ["thread.started", "turn.started", "item.started", "item.completed"]);
  assert.ok(await eventually(() => processesWith(mark).length === 0), "nothing is left");
});

test("threads list and show tell what is stored, with hook runs and programs", async () => {
  const own = placeWithHooks({ Stop: hook("true") });
  assert.deepEqual(own.call(["threads", "list"]), { status: 0, stdout: "No threads are stored.\n", stderr: "" });
  await exec(["--dangerously-bypass-hook-trust", "-m", model, "what is here?"], { at: own });
  const { data } = JSON.parse(own.call(["threads", "list", "--json"]).stdout);
  assert.deepEqual(
    data.map(({ preview }: { preview: string }) => preview),
    ["what is here?"],
  );
  const { turns } = JSON.parse(own.call(["threads", "show", "--json", "last"]).stdout);
  assert.deepEqual(
    turns[0].hookRuns.map(({ eventName }: { eventName: string }) => eventName),
    ["stop"],
  );
  assert.ok(turns[0].execRuns.length > 0);
  const { stdout } = own.call(["threads", "show", data[0].id]);
  for (const line of [
    /hook stop: completed/,
    /user: what is here\?/,
    /agent: done/,
    /\$ .*echo hi.*: completed, exit 0/,
  ]) {
    assert.match(stdout, line);
  }
});
