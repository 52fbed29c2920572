/** `sallyport hooks run` and `hooks doctor`: hooks that really run. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Place, childrenOf, eventually, executable, processesWith } from "./sallyport.ts";
import type { Ended } from "./sallyport.ts";

const bypass = "--dangerously-bypass-hook-trust";

type Hooks = Record<string, { matcher?: string; hooks: object[] }[]>;

function command(text: string, more: object = {}): object {
  return { type: "command", command: text, ...more };
}

class HooksPlace extends Place {
  constructor(hooks: Hooks) {
    super();
    writeFileSync(join(this.home, "hooks.json"), JSON.stringify({ hooks }), { mode: 0o600 });
  }

  hooks(...words: string[]): Ended {
    return this.call(["hooks", ...words]);
  }
}

interface RunJson {
  input: Record<string, unknown>;
  runs: {
    hook: string;
    exitCode: number | null;
    stdout: string;
    stderr: string;
    summary: { status: string; failure?: string };
  }[];
  verdict: Record<string, unknown>;
  skipped: { key: string; why: string }[];
}

function runJson({ stdout }: Ended): RunJson {
  return JSON.parse(stdout) as RunJson;
}

test("hooks run shows input, output, summary and verdict, and exits with 2 when a hook objects", () => {
  const place = new HooksPlace({
    Stop: [{ hooks: [command("cat >&2; exit 2"), command('echo \'{"systemMessage":"hi"}\'')] }],
  });
  const plain = place.hooks("run", "Stop", bypass);
  assert.equal(plain.status, 2);
  assert.match(
    plain.stdout,
    /^input\n {2}\{"session_id":"sallyport-try-[^]*\nblocked {2}cat >&2; exit 2\n {2}exit 2, \d+ ms\n/,
  );
  assert.match(
    plain.stdout,
    /\ncompleted {2}echo [^]*\n {2}stdout: \{"systemMessage":"hi"\}\n {2}warning: hi\nverdict\n {2}continuation: /,
  );
  const json = runJson(place.hooks("run", "Stop", "--json", bypass));
  const [first, second] = json.runs;
  assert.deepEqual(JSON.parse(first?.stderr ?? ""), json.input);
  assert.deepEqual(
    [first?.summary.status, first?.exitCode, second?.summary.status, second?.stdout],
    ["blocked", 2, "completed", '{"systemMessage":"hi"}\n'],
  );
  assert.deepEqual(Object.keys(json.verdict).toSorted(), ["continuation", "stop"]);
});

test("hooks run exits with 1 when a run failed, and with 0 when nothing objected", () => {
  const place = new HooksPlace({
    Stop: [{ hooks: [command("no-such-program-here")] }],
    SessionStart: [{ hooks: [command("echo context")] }],
  });
  const failed = place.hooks("run", "Stop", "--json", bypass);
  assert.deepEqual([failed.status, runJson(failed).runs[0]?.summary.failure], [1, "notFound"]);
  const fine = place.hooks("run", "SessionStart", bypass);
  assert.deepEqual([fine.status, fine.stderr], [0, ""]);
  assert.match(fine.stdout, /\n {2}context: context\n/);
});

test("hooks run does not run what nobody trusted, and says so", () => {
  const place = new HooksPlace({ Stop: [{ hooks: [command("touch ran")] }] });
  const { status, stdout } = place.hooks("run", "Stop", "--json");
  assert.deepEqual(
    [status, runJson({ status, stdout, stderr: "" }).skipped, existsSync(join(place.project, "ran"))],
    [0, [{ key: `${place.home}/hooks.json:stop:0:0`, why: "it is not trusted yet" }], false],
  );
  assert.equal(place.hooks("trust", "stop:0:0").status, 0);
  assert.equal(place.hooks("run", "Stop").status, 0);
  assert.ok(existsSync(join(place.project, "ran")));
});

test("hooks run takes fields of the input from a file, and refuses what the event does not have", () => {
  const place = new HooksPlace({
    PreToolUse: [{ matcher: "Edit", hooks: [command("grep -q secret && echo no secrets >&2 && exit 2; exit 0")] }],
  });
  const input = join(place.base, "input.json");
  writeFileSync(input, JSON.stringify({ tool_name: "Edit", tool_input: { command: "secret" } }));
  const { status, stdout } = place.hooks("run", "PreToolUse", "--input", input, bypass);
  assert.deepEqual([status, /\n {2}feedback: no secrets\n/.test(stdout)], [2, true]);
  assert.match(
    place.hooks("run", "PreToolUse", bypass).stdout,
    /no hook ran\nnot run {2}.*\n {2}its matcher "Edit" does not take "Bash"/,
  );
  writeFileSync(input, JSON.stringify({ tool_name: 7 }));
  const wrong = place.hooks("run", "PreToolUse", "--input", input);
  assert.equal(wrong.status, 125);
  assert.match(wrong.stderr, /^sallyport: Input of PreToolUse can't be used: "tool_name": /);
});

test("hooks run shows async runs, and text that could deceive as escapes", () => {
  const place = new HooksPlace({ Stop: [{ hooks: [command("printf 'a\\033[2Kb\\n' >&2; exit 3", { async: true })] }] });
  const { status, stdout } = place.hooks("run", "Stop", bypass);
  assert.equal(status, 1);
  assert.match(stdout, /exit 3, \d+ ms, exit, async\n {2}stderr: a\\x1b\[2Kb\n/);
});

test("Ctrl-C ends the hooks that run", async () => {
  const place = new HooksPlace({ Stop: [{ hooks: [command("setsid sleep 8642 & sleep 8642")] }] });
  const child = spawn(executable, ["hooks", "run", "Stop", bypass], { cwd: place.project, env: place.env });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  assert.ok(
    await eventually(() => processesWith("sleep\u00008642").length >= 2 && childrenOf(child.pid ?? 0).length > 0),
  );
  child.kill("SIGINT");
  const status = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(status, 130);
  assert.match(stdout, /\nstopped {2}setsid sleep[^]*\n {2}error: interrupted\n/);
  assert.deepEqual(processesWith("sleep\u00008642"), []);
});

test("Ctrl-C ends hooks doctor --prove: what runs ends and nothing more is run", async () => {
  const place = new HooksPlace({
    PreToolUse: [{ hooks: [command("sleep 8643")] }],
    Stop: [{ hooks: [command("touch ran")] }],
  });
  const child = spawn(executable, ["hooks", "doctor", "--prove", bypass], { cwd: place.project, env: place.env });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  assert.ok(await eventually(() => processesWith("sleep\u00008643").length > 0));
  child.kill("SIGINT");
  const status = await new Promise((resolve) => child.once("close", resolve));
  assert.deepEqual([status, existsSync(join(place.project, "ran"))], [130, false]);
  assert.match(stdout, /\nunproven {2}Stop {2}.*\n {2}touch ran\n {2}interrupted before it was its turn\n/);
});

test("hooks doctor --prove says where outputs are that it could not show", () => {
  const place = new HooksPlace({ Stop: [{ hooks: [command("head -c 1100000 /dev/zero | tr '\\0' x >&2")] }] });
  const { status, stdout } = place.hooks("doctor", "--prove", bypass);
  const folder = /\nlong outputs are in (.*)\n/.exec(stdout)?.[1] ?? assert.fail(stdout.slice(-300));
  assert.equal(status, 0);
  assert.match(stdout, /\n {4}stderr: x{2000} \(1046576 characters more\)\n/); // of the first MiB
  assert.deepEqual(
    readdirSync(folder).map((name) => statSync(join(folder, name)).size),
    [1_100_000],
  );
  rmSync(folder, { recursive: true });
});

test("hooks doctor runs nothing; with --prove each active hook once, with an input that its matcher takes", () => {
  const note = (name: string): object => command(`echo ${name} >> ran`);
  const place = new HooksPlace({
    PreToolUse: [
      { matcher: "Edit|Write", hooks: [note("edit")] },
      { hooks: [note("all")] },
      { matcher: "^x{3}$", hooks: [note("unreachable")] },
    ],
    SessionStart: [{ matcher: "resume", hooks: [note("resume")] }],
    PreExec: [{ matcher: "git", hooks: [note("git")] }],
    Stop: [{ hooks: [command("echo stop >> ran; echo no >&2; exit 2"), command("exit 4")] }],
  });
  const quiet = place.hooks("doctor", bypass);
  assert.deepEqual([quiet.status, existsSync(join(place.project, "ran"))], [0, false]);
  assert.match(
    quiet.stdout,
    /\n7 active, 0 skipped\nnothing was run; sallyport hooks doctor --prove runs each active hook once\n$/,
  );
  const { status, stdout } = place.hooks("doctor", "--prove", "--json", bypass);
  const { hooks } = JSON.parse(stdout) as { hooks: { key: string; standing: string }[] };
  assert.deepEqual(
    [status, hooks.map(({ key, standing }) => `${standing} ${key.slice(key.indexOf(":") + 1)}`)],
    [
      1,
      [
        "ran pre_tool_use:0:0",
        "ran pre_tool_use:1:0",
        "unproven pre_tool_use:2:0",
        "ran session_start:0:0",
        "ran stop:0:0",
        "failed stop:0:1",
        "ran pre_exec:0:0",
      ],
    ],
  );
  const ran = readFileSync(join(place.project, "ran"), "utf8").trim().split("\n").toSorted();
  assert.deepEqual(ran, ["all", "edit", "git", "resume", "stop"]);
});
