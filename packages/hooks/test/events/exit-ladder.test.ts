import { unended } from "../../src/handlers/handler-context.ts";
import { after, test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunPlace } from "../../src/events/definition.ts";
import { eventDefinitions } from "../../src/events/index.ts";
import type { HandlerAction, HandlerResult } from "../../src/types.ts";
import { handlerOf, resultOf, streamOf } from "../conformance/judge-case.ts";

const folder = mkdtempSync(join(tmpdir(), "exit-ladder-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const place: RunPlace = { cwd: folder, env: { HOME: join(folder, "home") }, projectDir: join(folder, "project") };

function shell(command: string): HandlerAction {
  return { type: "command", command, args: null, async: false, passEnv: [] };
}

function judge(what: Partial<HandlerResult>, action: HandlerAction = shell("guard.sh --strict"), where?: RunPlace) {
  return eventDefinitions.PreToolUse.judge(handlerOf("PreToolUse", { action }), resultOf(what), where);
}

function errorOf(what: Partial<HandlerResult>, action?: HandlerAction): string {
  const { entries } = judge(what, action);
  return entries.map(({ kind, text }) => `${kind}: ${text}`).join("\n");
}

test("judge() says which hook failed, how, and what was expected", () => {
  const stderr = streamOf("Traceback\nKeyError: 'x'\n");
  const says: [what: Partial<HandlerResult>, error: string][] = [
    [{ exitCode: 3, stderr }, `exited 3, expected 0 or 2\nstderr: Traceback\nKeyError: 'x'`],
    [{ exitCode: 2 }, "exited 2 without a reason on stderr"],
    [{ exitCode: 126 }, "exited 126: the shell could not execute a program"],
    [{ exitCode: 127 }, "exited 127: the shell could not find a program"],
    [
      { outcome: "signaled", exitCode: null, signal: "SIGSEGV", stderr },
      `was ended by SIGSEGV\nstderr: Traceback\nKeyError: 'x'`,
    ],
    [
      { outcome: "timedOut", exitCode: null, stdout: streamOf("half"), stderr: streamOf("slow") },
      "did not end within 60 s and was ended\nOutput until then: half\nstderr: slow",
    ],
    [
      { outcome: "notStarted", exitCode: null, problem: "no such file", startFailure: "notFound" },
      "could not be started: no such file",
    ],
    [{ outcome: "notAvailable", exitCode: null, problem: "no MCP server" }, "is not available: no MCP server"],
    [{ outcome: "answered", exitCode: null, problem: "answered 503" }, "failed: answered 503"],
    [
      { stdout: streamOf("{") },
      "printed output that PreToolUse does not read: JSON that does not parse: Expected property name or '}' in JSON at position 1 (line 1 column 2)",
    ],
  ];
  for (const [what, error] of says) assert.equal(errorOf(what), `error: Hook "guard.sh --strict" ${error}`);
});

test("judge() keeps the last 4 KiB of stderr and says that there was more", () => {
  const error = errorOf({ exitCode: 1, stderr: streamOf(`first${"x".repeat(10_000)}last`) });
  assert.match(error, /\nstderr \(the end of 10009 bytes\): x+last$/);
  assert.ok(!error.includes("first"));
  const { bytes, ...rest } = streamOf("y".repeat(2 << 20));
  assert.match(
    errorOf({ exitCode: 1, stderr: { bytes, ...rest } }),
    /y\n\[1048576 of 2097152 bytes left out; all of it is in \/spill\]$/,
  );
});

test("judge() names a hook on one line and not at full length", () => {
  const action = shell(`python3 -c '\nimport sys\n${"# long\n".repeat(50)}'`);
  const [line = ""] = errorOf({ exitCode: 1 }, action).split("\n");
  assert.match(line, /^error: Hook "python3 -c ' import sys # long .*\.\.\." exited 1, expected 0 or 2$/);
  assert.ok(line.length < 140);
});

test("judge() names other handlers by what people know them by", () => {
  const actions: [HandlerAction, string][] = [
    [{ type: "http", url: "https://example.org/h", headers: {}, async: false, passEnv: [] }, "https://example.org/h"],
    [{ type: "module", name: "audit", run: () => undefined, async: false }, "audit"],
    [{ type: "mcpTool", server: "lab", tool: "check", input: {} }, "lab/check"],
    [{ type: "prompt" }, "prompt"],
    [{ type: "command", command: "guard", args: ["-x", "a b"], async: false, passEnv: [] }, "guard -x a b"],
  ];
  for (const [action, name] of actions) {
    assert.equal(
      errorOf({ outcome: "notAvailable", problem: "gone" }, action),
      `error: Hook "${name}" is not available: gone`,
    );
  }
});

test("judge() takes 126 and 127 of a program without a shell as its own", () => {
  const exec: HandlerAction = { type: "command", command: "guard", args: [], async: false, passEnv: [] };
  for (const exitCode of [126, 127]) {
    assert.equal(judge({ exitCode }, exec).failure, "exit");
    assert.notEqual(judge({ exitCode }).failure, "exit");
  }
});

test("judge() completes an interrupted run as stopped", () => {
  assert.deepEqual(judge({ outcome: "cancelled", exitCode: null }), {
    status: "stopped",
    entries: [{ kind: "error", text: "interrupted" }],
    effect: {},
  });
});

test("judge() warns of programs that the hook left running, whatever else it says", () => {
  const leftBehind = ["sleep", "daemon"];
  const warning = { kind: "warning", text: "Ended 2 programs that the hook left running: sleep, daemon" };
  assert.deepEqual(judge({ leftBehind }), { status: "completed", entries: [warning], effect: {} });
  assert.deepEqual(judge({ leftBehind, exitCode: 2, stderr: streamOf("no") }).entries, [
    warning,
    { kind: "feedback", text: "no" },
  ]);
});

test("judge() does not say that it has ended what it could not end, nor that it knows them all", () => {
  const textsOf = (leftBehind: string[]): string[] => judge({ leftBehind }).entries.map(({ text }) => text);
  const left = "The hook left programs running that could not be ended";
  assert.deepEqual(textsOf([unended]), [left]);
  assert.deepEqual(textsOf(["sudo", unended]), ["Ended 1 program that the hook left running: sudo", left]);
  const many = Array.from({ length: 16 }, () => "sh");
  assert.match(textsOf(many)[0] ?? "", /^Ended 16 programs or more that the hook left running: sh, /);
});

/** What the real interpreters of this machine say of a script that is not there. */
const broken = [
  { program: "sh", command: "sh gone.sh" },
  { program: "perl", command: "perl ./gone.pl" },
  { program: "python3", command: "python3 gone.py" },
  { program: "python3", command: 'python3 "$CLAUDE_PROJECT_DIR/hooks/gone.py" --strict' },
  { program: "perl", command: "perl ${SALLYPORT_PROJECT_DIR}/gone.pl" },
  { program: "perl", command: "perl ~/gone.pl" },
];

for (const { program, command } of broken) {
  const env = {
    ...process.env,
    ...place.env,
    CLAUDE_PROJECT_DIR: place.projectDir,
    SALLYPORT_PROJECT_DIR: place.projectDir,
  };
  const { status, stderr } = spawnSync("/bin/sh", ["-c", command], { cwd: folder, env, encoding: "utf8" });
  const skip = status === 2 ? false : `needs a ${program} that exits 2 for a missing script, here ${status}`;

  test(`judge() takes ${command} for broken, not for a refusal`, { skip }, () => {
    const { status: judged, failure, effect } = judge({ exitCode: 2, stderr: streamOf(stderr) }, shell(command), place);
    assert.deepEqual({ judged, failure, effect }, { judged: "failed", failure: "notFound", effect: {} });
  });
}

test("judge() can't be talked out of a refusal by a message about a missing script", () => {
  writeFileSync(join(folder, "here.pl"), "");
  const gone = (script: string) => `Can't open perl script "${script}": No such file or directory`;
  const lies: [why: string, command: string, stderr: string, where?: RunPlace][] = [
    ["the script is there", "perl here.pl", gone("here.pl"), place],
    ["the command names no such file", "perl here.pl", gone("/nowhere/other.pl"), place],
    ["the name is the same, the folder is not", "perl here.pl", gone("/nowhere/here.pl"), place],
    ["something else is said too", "perl gone.pl", `${gone("gone.pl")}\nno`, place],
    ["something is said before", "perl gone.pl", `refused: ${gone("gone.pl")}`, place],
    ["nobody knows where it ran", "perl gone.pl", gone("gone.pl")],
  ];
  for (const [why, command, stderr, where] of lies) {
    const { status, effect } = judge({ exitCode: 2, stderr: streamOf(stderr) }, shell(command), where);
    assert.deepEqual({ status, effect }, { status: "blocked", effect: { refusal: stderr } }, why);
  }
  // The same message where it is true.
  assert.equal(
    judge({ exitCode: 2, stderr: streamOf(gone("gone.pl")) }, shell("perl gone.pl"), place).status,
    "failed",
  );
});

test("judge() takes what a module or a server answered as output with exit 0", () => {
  const action: HandlerAction = { type: "module", name: "audit", run: () => undefined, async: false };
  const stdout = streamOf(`{"decision":"block","reason":"no"}`);
  assert.deepEqual(judge({ outcome: "answered", exitCode: null, stdout }, action), {
    status: "blocked",
    entries: [{ kind: "feedback", text: "no" }],
    effect: { refusal: "no" },
  });
});
