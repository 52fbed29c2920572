import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ApprovalDecision } from "../../src/session/approvals.ts";
import { makeStage, moduleHook, runTurn, startThread } from "../support/stage.ts";
import type { Stage } from "../support/stage.ts";

const config = "[features]\nrequest_permissions_tool = true\n";
// Not in /tmp, which is a folder of the command's own in its sandbox.
const parent = process.geteuid?.() === 0 ? "/var/lib" : homedir();
const outside = realpathSync(mkdtempSync(join(parent, ".sallyport-permissions-")));
after(() => rmSync(outside, { recursive: true, force: true }));
let folders = 0;

function folder(): string {
  folders += 1;
  const path = join(outside, String(folders));
  mkdirSync(path);
  return path;
}

const ask = (permissions: object): object => ({
  tool_calls: [{ name: "request_permissions", arguments: { reason: "to build", permissions } }],
});
const shell = (command: string): object => ({ tool_calls: [{ name: "shell", arguments: { command } }] });
const write = (...paths: string[]): object => ({ file_system: { write: paths } });
const grant = (fields: object): ApprovalDecision => ({
  grant: { network: false, read: [], write: [], scope: "turn", ...fields },
});

type Thread = Awaited<ReturnType<typeof startThread>>;

/** Answers the questions of one turn in order, and gives them back. */
async function answering(thread: Thread, decisions: ApprovalDecision[]): Promise<{ status: string; asked: unknown[] }> {
  const { session, heard } = thread;
  const before = heard.requests.length;
  const { id } = await session.startTurn({ input: [{ type: "text", text: "go", text_elements: [] }] });
  for (const [index, decision] of decisions.entries()) {
    const { requestId } = await heard.until(({ requests }) => requests[before + index]);
    session.answerApproval(requestId, decision);
  }
  const turn = await heard.completedTurn(id);
  await session.idle();
  const asked = heard.requests.slice(before).map((request) => {
    assert.ok(request.method === "item/permissions/requestApproval");
    return request.params.permissions;
  });
  return { status: turn.status, asked };
}

async function threadOf(stage: Stage, answers: object[], options: object = {}): Promise<Thread> {
  return await startThread(stage, { model: stage.script(answers), ...options });
}

test("what is granted for the turn widens its later commands and patches, and nothing after it", async () => {
  const [stage, place] = [makeStage({ config }), folder()];
  const patch = `*** Begin Patch\n*** Add File: ${place}/patched\n+x\n*** End Patch`;
  const thread = await threadOf(stage, [
    shell(`echo early > ${place}/early; true`),
    ask(write(place)),
    {
      expect: `{"permissions":{"network":null,"file_system":{"read":[],"write":["${place}"]}},"scope":"turn"}`,
      ...shell(`echo x > ${place}/granted`),
    },
    { expect: "exit code: 0", tool_calls: [{ name: "apply_patch", arguments: { input: patch } }] },
    { expect: "Applied", text: "done" },
    shell(`echo x > ${place}/later; true`),
    { text: "done" },
  ]);
  const { status, asked } = await answering(thread, [grant({ write: [place] })]);
  const entries = [{ path: { type: "path", path: place }, access: "write" }];
  assert.deepEqual(asked, [{ network: null, fileSystem: { read: [], write: [place], entries } }]);
  assert.equal(status, "completed");
  assert.equal((await answering(thread, [])).status, "completed");
  assert.deepEqual(
    ["early", "granted", "patched", "later"].map((name) => existsSync(join(place, name))),
    [false, true, true, false],
  );
});

test("what is granted for the session holds in later turns, and is asked for once", async () => {
  const [stage, place] = [makeStage({ config }), folder()];
  const again = [
    ask(write(place)),
    { expect: `"write":["${place}"]`, ...shell(`echo x >> ${place}/a`) },
    { text: "ok" },
  ];
  const thread = await threadOf(stage, [...again, ...again]);
  assert.equal((await answering(thread, ["acceptForSession"])).status, "completed");
  assert.deepEqual(await answering(thread, []), { status: "completed", asked: [] });
  assert.equal(readFileSync(join(place, "a"), "utf8"), "x\nx\n");
});

test("the network is there after it was granted, and not before", async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.end("hello\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const connect = `read -r line < /dev/tcp/127.0.0.1/${port} && echo "heard $line"`;
  const thread = await threadOf(makeStage({ config }), [
    shell(connect),
    ask({ network: { enabled: true } }),
    { expect: '{"permissions":{"network":{"enabled":true},"file_system":null},"scope":"turn"}', ...shell(connect) },
    { expect: "heard hello", text: "done" },
  ]);
  assert.equal((await answering(thread, [grant({ network: true })])).status, "completed");
  assert.equal(connections, 1);
});

test("a part is granted, never more than was shown, and a rule that forbids still does", async () => {
  const [first, second, third] = [folder(), folder(), folder()];
  const stage = makeStage({ config, rules: 'prefix_rule(["/usr/bin/touch"], decision = "forbidden")\n' });
  const thread = await threadOf(stage, [
    ask({ ...write(first, second), network: { enabled: true } }),
    {
      expect: `{"permissions":{"network":null,"file_system":{"read":[],"write":["${first}"]}},"scope":"turn"}`,
      ...shell(`for place in ${first} ${second} ${third}; do echo x > $place/a; done; touch ${first}/b; true`),
    },
    ask(write(second)),
    { expect: "Not granted: what the user's client granted is nothing of what was asked for", text: "done" },
  ]);
  const more = grant({ write: [first, third, "/etc"] });
  assert.equal((await answering(thread, [more, grant({ write: [third] })])).status, "completed");
  assert.deepEqual(
    [join(first, "a"), join(second, "a"), join(third, "a"), join(first, "b")].map((path) => existsSync(path)),
    [true, false, false, false],
  );
});

test("a no is told to the model; hooks answer before people do", async () => {
  const place = folder();
  const refused = await threadOf(makeStage({ config }), [
    ask(write(place)),
    { expect: "Not granted: rejected by the user", text: "done" },
  ]);
  assert.equal((await answering(refused, ["decline"])).status, "completed");
  for (const [behavior, expect] of [
    ["deny", "Not granted: not by me"],
    ["allow", `"write":["${place}"]`],
  ] as const) {
    const decision = { behavior, ...(behavior === "deny" ? { message: "not by me" } : {}) };
    const hook = moduleHook("PermissionRequest", ({ tool_name: name }) => {
      assert.equal(name, "request_permissions");
      return { hookSpecificOutput: { hookEventName: "PermissionRequest", decision } };
    });
    const thread = await threadOf(makeStage({ config, modules: [hook] }), [ask(write(place)), { expect, text: "ok" }]);
    assert.deepEqual(await answering(thread, []), { status: "completed", asked: [] });
  }
});

test("nobody is asked in a read-only sandbox, by the policy never, and for what is there anyway", async () => {
  const place = folder();
  for (const [options, expect] of [
    [{ sandbox: "read-only" }, "Not granted: the sandbox is read-only"],
    [{ approvalPolicy: "never" }, "Not granted: the approval policy is never to ask"],
    [{ approvalPolicy: { granular: { request_permissions: false } } }, "Not granted: the approval policy is never"],
    [{ sandbox: "danger-full-access" }, "nothing has to be granted"],
  ] as const) {
    const thread = await threadOf(makeStage({ config }), [ask(write(place)), { expect, text: "ok" }], options);
    assert.deepEqual(await answering(thread, []), { status: "completed", asked: [] }, JSON.stringify(options));
  }
  const stage = makeStage({ config });
  const granted = { expect: `"write":["${realpathSync(stage.project)}"]`, text: "ok" };
  const thread = await threadOf(stage, [ask({ file_system: { write: ["."], read: ["/etc"] } }), granted]);
  assert.deepEqual(await answering(thread, []), { status: "completed", asked: [] });
});

test("the attack: protected and hidden places, by their names and through symlinks, are refused unasked", async () => {
  const [stage, place] = [makeStage({ config }), folder()];
  for (const name of [".git/hooks", ".sallyport", ".vscode/x"]) mkdirSync(join(place, name), { recursive: true });
  for (const name of ["bare/objects", "bare/refs", "bare/HEAD"]) mkdirSync(join(place, name), { recursive: true });
  symlinkSync(stage.home, join(place, "to-home"));
  const inPlace = [".git", ".git/hooks", ".sallyport", ".vscode/x", "bare", "to-home", "missing"];
  const others = ["/", homedir(), stage.home, "/proc/sys", join(homedir(), ".ssh")];
  const wanted = [...inPlace.map((name) => join(place, name)), ...others];
  const reads = [stage.home, join(homedir(), ".ssh")].map((path) => ask({ file_system: { read: [path] } }));
  const calls = [...wanted.map((path) => ask(write(path))), ...reads];
  const script = [...calls, { text: "done" }].map((answer, index) =>
    index === 0 ? answer : { expect: "Not granted: ", ...answer },
  );
  const thread = await threadOf(stage, script);
  assert.deepEqual(await answering(thread, []), { status: "completed", asked: [] });
});

test("the attack: a granted folder that is replaced by a symlink is not followed", async () => {
  const [place, target] = [folder(), folder()];
  const swap = moduleHook("PreToolUse", ({ tool_name: name }) => {
    if (name === "Bash" && !existsSync(`${place}-moved`)) {
      renameSync(place, `${place}-moved`);
      symlinkSync(target, place);
    }
    return undefined;
  });
  const stage = makeStage({ config, modules: [swap] });
  const thread = await threadOf(stage, [ask(write(place)), shell(`echo x > ${place}/a; true`), { text: "done" }]);
  assert.equal((await answering(thread, [grant({ write: [place] })])).status, "completed");
  assert.equal(existsSync(join(target, "a")), false);
});

test("without the switch there is no such tool", async () => {
  const stage = makeStage();
  const thread = await threadOf(stage, [
    ask(write(folder())),
    { expect: 'There is no tool "request_permissions"', text: "ok" },
  ]);
  assert.equal((await runTurn(thread, "go")).status, "completed");
});

test("a request without sense is told to the model", async () => {
  const requests = [
    {},
    { permissions: [] },
    { permissions: { file_system: { write: "x" } } },
    { reason: 1, permissions: {} },
  ];
  const script = [
    ...requests.map((given) => ({ tool_calls: [{ name: "request_permissions", arguments: given }] })),
    { text: "ok" },
  ];
  const stage = makeStage({ config });
  const thread = await threadOf(
    stage,
    script.map((answer, index) => (index === 0 ? answer : { expect: "of request_permissions is", ...answer })),
  );
  assert.deepEqual(await answering(thread, []), { status: "completed", asked: [] });
});
