/** command/exec: real commands in the sandbox, over the connection that asked. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { discoverHooks, listHooks, loadConfigLayers } from "@sallyport/hooks";
import { serveStdio } from "../src/stdio.ts";
import { ServerPlace, TestClient } from "./support/server.ts";
import type { Message } from "./support/server.ts";

const place = new ServerPlace();
const server = place.server();
const client = await TestClient.initialized(server);
const open = { sandboxPolicy: { type: "dangerFullAccess" } };

function sh(script: string, params: object = {}): object {
  return { command: ["/bin/sh", "-c", script], ...params };
}

/** What was streamed of a process, as text, and whether its last delta says that there was more. */
function streamed(from: TestClient, id: string, stream = "stdout"): { text: string; capReached: boolean } {
  const deltas = from.messages
    .filter(({ method, params }) => method === "command/exec/outputDelta" && params.processId === id)
    .map(({ params }) => params)
    .filter((params) => params.stream === stream);
  const bytes = deltas.map(({ deltaBase64 }) => Buffer.from(deltaBase64 as string, "base64"));
  return { text: Buffer.concat(bytes).toString(), capReached: deltas.at(-1)?.capReached === true };
}

async function untilStreamed(from: TestClient, id: string, text: string): Promise<void> {
  await from.next(() => streamed(from, id).text.includes(text));
}

test("a buffered command gives its exit code and both streams", async () => {
  const result = await client.call("command/exec", sh("echo out; echo err >&2; exit 3"));
  assert.deepEqual(result, { exitCode: 3, stdout: "out\n", stderr: "err\n" });
});

test("stdin is empty where it is not streamed", async () => {
  const result = await client.call("command/exec", sh("read x; echo got:$x", { timeoutMs: 20_000 }));
  assert.deepEqual(result, { exitCode: 0, stdout: "got:\n", stderr: "" });
});

test("the sandbox of the configuration stands around it, and another one where the client chooses", async () => {
  const outside = join(place.base, "outside");
  // The host's /tmp is not the one inside.
  await client.call("command/exec", sh(`echo x > '${outside}'`));
  assert.equal(existsSync(outside), false);
  const inside = join(place.project, "inside");
  await client.call("command/exec", sh(`echo x > '${inside}'`));
  assert.equal(readFileSync(inside, "utf8"), "x\n");
  const readOnly = { sandboxPolicy: { type: "readOnly" } };
  assert.notEqual((await client.call("command/exec", sh(`echo y > '${inside}'`, readOnly))).exitCode, 0);
  assert.equal(readFileSync(inside, "utf8"), "x\n");
  await client.call("command/exec", sh(`echo x > '${outside}'`, open));
  assert.ok(existsSync(outside));
});

test("rules apply, and what they would ask about is refused, because nobody can be asked", async () => {
  const strict = new ServerPlace();
  mkdirSync(join(strict.home, "rules"));
  const rules = [
    'prefix_rule(pattern=["touch"], decision="forbidden", justification="no touching")',
    'prefix_rule(pattern=["mkdir"], decision="prompt")',
  ];
  writeFileSync(join(strict.home, "rules", "test.rules"), `${rules.join("\n")}\n`, { mode: 0o600 });
  const user = await TestClient.initialized(strict.server());
  for (const [script, file] of [
    ["touch a", "a"],
    ["mkdir b", "b"],
  ] as const) {
    const result = await user.call("command/exec", sh(script));
    assert.notEqual(result.exitCode, 0);
    assert.notEqual(result.stderr, "");
    assert.equal(existsSync(join(strict.project, file)), false);
  }
  assert.match((await user.call("command/exec", sh("touch a"))).stderr, /no touching/);
  assert.equal((await user.call("command/exec", sh("echo free"))).stdout, "free\n");
  writeFileSync(join(strict.home, "rules", "test.rules"), "prefix_rule(", { mode: 0o600 });
  const { error } = await user.ask("command/exec", sh("true"));
  assert.deepEqual([error?.code, error?.data.code], [-32603, "RULES_INVALID"]);
});

test("PreExec hooks are consulted", async () => {
  const guarded = new ServerPlace();
  const guard = join(guarded.base, "guard.sh");
  const deny =
    '{"hookSpecificOutput":{"hookEventName":"PreExec","permissionDecision":"deny","permissionDecisionReason":"guarded"}}';
  writeFileSync(guard, `#!/bin/sh\ncat > /dev/null\necho '${deny}'\n`, { mode: 0o755 });
  const hooks = { PreExec: [{ matcher: "mkdir", hooks: [{ type: "command", command: guard }] }] };
  writeFileSync(join(guarded.home, "hooks.json"), JSON.stringify({ hooks }), { mode: 0o600 });
  // PreExec is an event of ours: who does not ask for what is ours is not shown the hook.
  const user = await TestClient.initialized(guarded.server());
  const [shown] = (await user.call("hooks/list", { cwds: [guarded.project] })).data;
  assert.deepEqual(shown.hooks, []);
  assert.match(shown.warnings.at(-1), /^Not shown here: .*hooks\.json:pre_exec:0:0; see sallyport hooks list$/);
  // Nobody has trusted it yet: it does not run.
  assert.equal((await user.call("command/exec", sh("mkdir first"))).exitCode, 0);
  const layers = loadConfigLayers({ home: guarded.home, cwd: guarded.project, env: process.env });
  const [hook] = listHooks(discoverHooks(layers), guarded.project).hooks;
  assert.ok(hook !== undefined);
  const { key, currentHash } = hook;
  const value = { [key]: { trusted_hash: currentHash } };
  await user.call("config/batchWrite", { edits: [{ keyPath: "hooks.state", value, mergeStrategy: "upsert" }] });
  const result = await user.call("command/exec", sh("mkdir second; echo went on"));
  assert.equal(existsSync(join(guarded.project, "second")), false);
  assert.equal(result.stdout, "went on\n");
  assert.match(result.stderr, /guarded/);
});

test("variables are added and taken away, and keys of models are not there", async () => {
  const keyed = new ServerPlace();
  const before = process.env["OPENAI_API_KEY"];
  process.env["OPENAI_API_KEY"] = "secret";
  try {
    const user = await TestClient.initialized(keyed.server());
    const script = 'echo "$ADDED/${HOME-none}/${OPENAI_API_KEY-none}"';
    const { stdout } = await user.call("command/exec", sh(script, { env: { ADDED: "yes", HOME: null } }));
    assert.equal(stdout, "yes/none/none\n");
  } finally {
    if (before === undefined) delete process.env["OPENAI_API_KEY"];
    else process.env["OPENAI_API_KEY"] = before;
  }
});

test("a timeout ends the whole tree with 124", async () => {
  const file = join(place.project, "late");
  const script = `(trap '' TERM; sleep 30; echo late > '${file}') & sleep 30`;
  const result = await client.call("command/exec", sh(script, { timeoutMs: 200 }));
  assert.equal(result.exitCode, 124);
  assert.equal(existsSync(file), false);
});

test("a signal is 128 and its number", async () => {
  assert.equal((await client.call("command/exec", sh("kill -9 $$"))).exitCode, 137);
});

test("output past the cap is cut, for each stream", async () => {
  const script = "printf 12345678; printf abcdefgh >&2";
  const capped = await client.call("command/exec", sh(script, { outputBytesCap: 3 }));
  assert.deepEqual(capped, { exitCode: 0, stdout: "123", stderr: "abc" });
  const nothing = await client.call("command/exec", sh(script, { outputBytesCap: 0 }));
  assert.deepEqual([nothing.stdout, nothing.stderr], ["", ""]);
  const big = "head -c 3000000 /dev/zero | tr '\\0' x";
  assert.equal((await client.call("command/exec", sh(big))).stdout.length, 1_048_576);
  assert.equal((await client.call("command/exec", sh(big, { disableOutputCap: true }))).stdout.length, 3_000_000);
});

test("streamed output comes before the answer, which is empty then, and only to who asked", async () => {
  const other = await TestClient.initialized(server);
  const params = sh("echo one; echo two >&2; head -c 200000 /dev/zero | tr '\\0' x", {
    processId: "streams",
    streamStdoutStderr: true,
  });
  assert.deepEqual(await client.call("command/exec", params), { exitCode: 0, stdout: "", stderr: "" });
  assert.equal(streamed(client, "streams").text, `one\n${"x".repeat(200_000)}`);
  assert.equal(streamed(client, "streams", "stderr").text, "two\n");
  assert.deepEqual(
    other.messages.filter(({ method }) => method !== undefined),
    [],
  );
  const last = client.messages.at(-1);
  assert.ok(last !== undefined && last.method === undefined, "the answer is the last message");
});

test("the last delta of a capped stream says so", async () => {
  const params = { processId: "capped", streamStdoutStderr: true, outputBytesCap: 10 };
  await client.call("command/exec", sh("yes | head -c 300000", params));
  assert.deepEqual(streamed(client, "capped"), { text: "y\ny\ny\ny\ny\n", capReached: true });
});

test("what is written is read, also when it is sent right behind the command", async () => {
  const done = client.ask("command/exec", sh("cat; echo end", { processId: "typed", streamStdin: true }));
  const hello = Buffer.from("héllo\n").toString("base64");
  const first = { processId: "typed", deltaBase64: hello, notOfThisVersion: 1 };
  assert.deepEqual((await client.ask("command/exec/write", first)).result, {});
  const bye = { processId: "typed", deltaBase64: Buffer.from("bye\n").toString("base64"), closeStdin: true };
  assert.deepEqual((await client.ask("command/exec/write", bye)).result, {});
  assert.deepEqual((await done).result, { exitCode: 0, stdout: "héllo\nbye\nend\n", stderr: "" });
});

test("a pty has the size that was asked for, takes another, and is typed to", async () => {
  const script = "stty size; while read line; do stty size; echo got:$line; done";
  const done = client.ask("command/exec", sh(script, { processId: "pty", tty: true, size: { rows: 30, cols: 100 } }));
  await untilStreamed(client, "pty", "30 100");
  await client.call("command/exec/resize", { processId: "pty", size: { rows: 48, cols: 160 } });
  const line = Buffer.from("hi\n").toString("base64");
  await client.call("command/exec/write", { processId: "pty", deltaBase64: line });
  await untilStreamed(client, "pty", "got:hi");
  await client.call("command/exec/write", { processId: "pty", closeStdin: true });
  assert.deepEqual((await done).result, { exitCode: 0, stdout: "", stderr: "" });
  assert.match(streamed(client, "pty").text, /30 100\r\n[\s\S]*48 160\r\ngot:hi\r\n/);
  assert.equal(streamed(client, "pty", "stderr").text, "");
});

test("more than one frame can be typed into a pty, and every byte of it arrives", async () => {
  const script = "stty raw -echo; echo ready; head -c 300000 | sha256sum";
  const done = client.ask("command/exec", sh(script, { processId: "big", tty: true }));
  await untilStreamed(client, "big", "ready");
  const bytes = Buffer.alloc(300_000, "0123456789abcdef\n");
  const write = { processId: "big", deltaBase64: bytes.toString("base64") };
  assert.deepEqual(await client.call("command/exec/write", write), {});
  assert.equal((await done).result.exitCode, 0);
  assert.match(streamed(client, "big").text, new RegExp(createHash("sha256").update(bytes).digest("hex")));
});

test("a pty without a size has 24 rows and 80 columns", async () => {
  const result = await client.call("command/exec", sh("stty size", { processId: "usual", tty: true }));
  assert.deepEqual([result.exitCode, streamed(client, "usual").text], [0, "24 80\r\n"]);
});

test("terminate ends the whole tree", async () => {
  const file = join(place.project, "survived");
  const script = `(sleep 5; echo x > '${file}') & echo ready; wait`;
  const params = sh(script, { processId: "endless", streamStdoutStderr: true, disableTimeout: true });
  const done = client.ask("command/exec", params);
  await untilStreamed(client, "endless", "ready");
  assert.deepEqual(await client.call("command/exec/terminate", { processId: "endless" }), {});
  assert.equal((await done).result.exitCode, 143);
  const { error } = await client.ask("command/exec/terminate", { processId: "endless" });
  assert.equal(error?.message, 'no active command/exec for process id "endless"');
});

test("a command ends with its connection, and another connection cannot touch it", async () => {
  const alive = join(place.project, "alive");
  const script = `trap 'rm -f "$1"; exit' TERM; echo > "$1"; while :; do sleep 0.05; done`;
  const mine = await TestClient.initialized(server);
  const params = { command: ["/bin/sh", "-c", script, "sh", alive], processId: "mine", disableTimeout: true };
  mine.send({ id: "never answered", method: "command/exec", params });
  await waitFor(() => existsSync(alive));
  for (const [method, more] of [
    ["write", { closeStdin: true }],
    ["resize", { size: { rows: 1, cols: 1 } }],
    ["terminate", {}],
  ] as const) {
    const { error } = await client.ask(`command/exec/${method}`, { processId: "mine", ...more });
    assert.equal(error?.message, 'no active command/exec for process id "mine"', method);
  }
  assert.ok(existsSync(alive));
  mine.connection.close();
  await waitFor(() => !existsSync(alive));
});

test("a client that does not read makes its command wait, and its end ends it", async () => {
  let isOpen = false;
  const waiting: (() => void)[] = [];
  let deltas = 0;
  const connection = server.connect(
    (text) => {
      if ((JSON.parse(text) as Message).method === "command/exec/outputDelta") deltas += 1;
    },
    () => (isOpen ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  );
  const send = (id: number, method: string, params: object): void =>
    connection.receive({ kind: "request", id, method, params });
  send(1, "initialize", { clientInfo: { name: "slow", version: "1" } });
  const fast = { ...sh("yes"), processId: "yes", streamStdoutStderr: true, disableTimeout: true };
  send(2, "command/exec", fast);
  await waitFor(() => waiting.length > 0);
  const before = deltas;
  // As long as nobody reads, nothing more comes, however fast the command prints.
  await client.call("command/exec", sh("true"));
  assert.equal(deltas, before);
  isOpen = true;
  for (const resolve of waiting.splice(0)) resolve();
  await waitFor(() => deltas > before + 10);
  connection.close();
  await connection.answered();
});

test("the attack: a command prints without an end to a client on stdio that does not read", async () => {
  const slow = new ServerPlace();
  const [input, output] = [new PassThrough(), new PassThrough()];
  const logged: string[] = [];
  const served = serveStdio(slow.server(), { input, output, log: (line) => logged.push(line) });
  const send = (message: object): unknown => input.write(`${JSON.stringify(message)}\n`);
  send({ id: 1, method: "initialize", params: { clientInfo: { name: "slow", version: "1" } } });
  const params = { ...sh("yes"), processId: "yes", streamStdoutStderr: true, disableTimeout: true };
  send({ id: 2, method: "command/exec", params });
  await waitFor(() => output.writableLength > 1_000_000);
  // In this time it would print far more than what a client may leave unread.
  await client.call("command/exec", sh("true"));
  await client.call("command/exec", sh("true"));
  assert.ok(output.writableLength < 2_000_000, String(output.writableLength));
  // Its input ends, so its command does, and the command is answered.
  const answers: string[] = [];
  input.end();
  output.on("data", (chunk: Buffer) => answers.push(chunk.toString()));
  await served;
  const last = JSON.parse(answers.join("").trim().split("\n").at(-1) ?? "") as Message;
  assert.deepEqual([last.id, last.result], [2, { exitCode: 143, stdout: "", stderr: "" }]);
  assert.deepEqual(logged, []);
});

const errors: [name: string, method: string, params: object, code: number, message: RegExp][] = [
  ["no command", "command/exec", { command: [] }, -32600, /^command must not be empty$/],
  ["NUL", "command/exec", { command: ["a\0b"] }, -32602, /NUL/],
  ["a pty without id", "command/exec", sh("", { tty: true }), -32600, /requires a client-supplied processId$/],
  ["streams without id", "command/exec", sh("", { streamStdoutStderr: true }), -32600, /client-supplied processId$/],
  ["stdin without id", "command/exec", sh("", { streamStdin: true }), -32600, /client-supplied processId$/],
  ["a size without pty", "command/exec", sh("", { size: { rows: 1, cols: 1 } }), -32602, /size requires tty: true$/],
  ["no rows", "command/exec", sh("", { tty: true, processId: "z", size: { rows: 0, cols: 1 } }), -32602, /than 0$/],
  ["two caps", "command/exec", sh("", { outputBytesCap: 1, disableOutputCap: true }), -32602, /cannot set both/],
  ["two timeouts", "command/exec", sh("", { timeoutMs: 1, disableTimeout: true }), -32602, /cannot set both/],
  ["a past timeout", "command/exec", sh("", { timeoutMs: -5 }), -32602, /timeoutMs/],
  ["a variable with =", "command/exec", sh("", { env: { "A=B": "c" } }), -32602, /expected a name without =/],
  ["a profile", "command/exec", sh("", { permissionProfile: "x" }), -32602, /permissionProfile "x"/],
  ["a program that is not there", "command/exec", { command: ["/no/such"] }, -32603, /^\/no\/such: No such file/],
  ["a folder that is not there", "command/exec", sh("true", { cwd: "/no/such" }), -32603, /"\/no\/such"/],
  ["no process id", "command/exec/write", { closeStdin: true }, -32602, /params\.processId/],
  ["no process id", "command/exec/resize", { size: { rows: 1, cols: 1 } }, -32602, /params\.processId/],
  ["no process id", "command/exec/terminate", {}, -32602, /params\.processId/],
  ["a size that is none", "command/exec/resize", { processId: "x", size: { rows: "1" } }, -32602, /params\.size\.rows/],
  ["a flag that is none", "command/exec/write", { processId: "x", closeStdin: 1 }, -32602, /params\.closeStdin/],
  ["nothing to write", "command/exec/write", { processId: "x" }, -32602, /requires deltaBase64 or closeStdin$/],
  ["no base64", "command/exec/write", { processId: "x", deltaBase64: "!!" }, -32602, /^invalid deltaBase64: /],
  ["no such process", "command/exec/write", { processId: "x", closeStdin: true }, -32600, /no active .* "x"$/],
  ["nothing to resize", "command/exec/resize", { processId: "x", size: { rows: 1, cols: 1 } }, -32600, /no active/],
  ["nothing to end", "command/exec/terminate", { processId: "x" }, -32600, /no active/],
];
for (const [name, method, params, code, message] of errors) {
  test(`${name} is refused: ${method}`, async () => {
    const { error } = await client.ask(method, params);
    assert.equal(error?.code, code, JSON.stringify(error));
    assert.match(error?.message ?? "", message);
  });
}

test("an id that is in use, a pty that is none, stdin that is not open: refused while it runs", async () => {
  const done = client.ask("command/exec", sh("sleep 30", { processId: "busy" }));
  for (const [method, params, message] of [
    ["command/exec", sh("true"), 'duplicate active command/exec process id: "busy"'],
    ["command/exec/write", { closeStdin: true }, "stdin streaming is not enabled for this command/exec"],
    ["command/exec/resize", { size: { rows: 1, cols: 1 } }, "failed to resize PTY: process is not attached to a PTY"],
  ] as const) {
    const { error } = await client.ask(method, { ...params, processId: "busy" });
    assert.deepEqual([error?.code, error?.message], [-32600, message]);
  }
  await client.call("command/exec/terminate", { processId: "busy" });
  assert.equal((await done).result.exitCode, 143);
});

async function waitFor(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, "not within 30 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
