import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { ExecRecord } from "@sallyport/protocol";
import { surveyCgroups } from "@sallyport/shell-escalation";
import { Place, childrenOf, eventually, executable, processesWith, waitForEnd, waitForOutput } from "./sallyport.ts";
import { missing } from "./missing.ts";

const cgroups = surveyCgroups();

function readJournal(path: string): Map<string, ExecRecord> {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return new Map(lines.map((line) => ExecRecord.parse(JSON.parse(line))).map((record) => [record.id, record]));
}

function programs(records: Map<string, ExecRecord>): unknown[] {
  const nameOf = (id: string | null): unknown => (id === null ? null : records.get(id)?.argv[0]);
  return [...records.values()].map(({ argv, decision, exitCode, parentId, replacedBy }) => [
    argv[0],
    decision,
    exitCode,
    nameOf(parentId),
    nameOf(replacedBy),
  ]);
}

test("stdout, stderr and the exit status are the command's own", () => {
  const ended = new Place().run("-c", "echo out; echo err >&2; exit 3");
  assert.deepEqual(ended, { status: 3, stdout: "out\n", stderr: "err\n" });
});

test("death by signal 15 is exit status 143", () => {
  assert.equal(new Place().run("-c", "kill -TERM $$").status, 143);
});

test("the program, without a shell, gets its arguments byte for byte", () => {
  const place = new Place();
  const script = `exec "$1" run -- printf '%s|' "$(printf 'a\\377')" '' 'x
y' --json`;
  const result = spawnSync("bash", ["-c", script, "bash", executable], { cwd: place.project, env: place.env });
  assert.equal(result.stdout.toString("latin1"), "a\xff||x\ny|--json|", result.stderr.toString());
});

test("writes inside succeed, writes outside fail", () => {
  const place = new Place();
  const outside = join(place.base, "outside");
  place.run("-c", `echo a > inside; echo b > ${outside}`);
  assert.deepEqual([existsSync(join(place.project, "inside")), existsSync(outside)], [true, false]);
  // The same without the wall works, so it was the wall that stopped it.
  place.run("--sandbox", "danger-full-access", "-c", `echo b > ${outside}`);
  assert.equal(existsSync(outside), true);
});

test("a rule refuses a program, in the journal by that rule", () => {
  const place = new Place();
  const journal = join(place.base, "journal");
  const rules = place.rules('prefix_rule(pattern = ["touch"], decision = "forbidden", justification = "hands off")\n');
  const ended = place.run("--rules", rules, "--journal", journal, "-c", "touch a; echo $?");
  assert.equal(ended.stdout, "1\n");
  assert.match(ended.stderr, /^Execution denied: hands off/);
  assert.equal(existsSync(join(place.project, "a")), false);
  const [denied] = [...readJournal(journal).values()].filter(({ decision }) => decision === "deny");
  assert.deepEqual([denied?.file, denied?.reason.kind, denied?.exitCode], ["/usr/bin/touch", "rule", 1]);
  assert.equal(place.run("-c", "touch a").status, 0);
  assert.equal(existsSync(join(place.project, "a")), true);
});

test("rules in the home are found, and --no-rules leaves them out", () => {
  const place = new Place();
  mkdirSync(join(place.home, "rules"), { mode: 0o700 });
  writeFileSync(join(place.home, "rules", "own.rules"), 'prefix_rule(pattern = ["touch"], decision = "forbidden")\n', {
    mode: 0o600,
  });
  assert.equal(place.run("--", "touch", "a").status, 1);
  assert.equal(place.run("--no-rules", "--", "touch", "a").status, 0);
});

test("a rule that allows carries the program outside", () => {
  const place = new Place();
  const outside = join(place.base, "outside");
  const rules = place.rules(`prefix_rule(pattern = ["touch", "${outside}"], decision = "allow")\n`);
  const ended = place.run("--rules", rules, "--json", "-c", `touch ${outside}`);
  assert.deepEqual([ended.status, existsSync(outside)], [0, true]);
  assert.deepEqual(JSON.parse(ended.stderr).execs, { run: 1, escalate: 1, deny: 0 });
});

test("a program behind the dynamic loader is looked up as its caller would, and decided on", () => {
  const place = new Place();
  const journal = join(place.base, "journal");
  const rules = place.rules('prefix_rule(pattern = ["touch"], decision = "forbidden")\n');
  const loader = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].find((path) => existsSync(path));
  const script = `${loader} /bin/echo yes; ${loader} /usr/bin/touch a`;
  const ended = place.run("--rules", rules, "--journal", journal, "-c", script);
  assert.deepEqual([ended.status, ended.stdout, existsSync(join(place.project, "a"))], [1, "yes\n", false]);
  const [denied] = [...readJournal(journal).values()].filter(({ decision }) => decision === "deny");
  assert.deepEqual([denied?.file, denied?.reason.kind], ["/usr/bin/touch", "rule"]);
});

test("the journal says who started whom, and what replaced what", () => {
  const place = new Place();
  const journal = join(place.base, "journal");
  place.run("--journal", journal, "-c", "/bin/true; (exec env false); exec sh -c 'exit 4'");
  assert.deepEqual(programs(readJournal(journal)), [
    ["bash", "run", null, null, "sh"],
    ["/bin/true", "run", 0, "bash", null],
    ["env", "run", null, "bash", "false"],
    ["false", "run", 1, "bash", null],
    ["sh", "run", 4, null, null],
  ]);
});

test("with a journal that can't be written nothing runs, and the exit status is 125", () => {
  const place = new Place();
  const ended = place.run("--journal", "/dev/full", "-c", "echo ran");
  assert.deepEqual([ended.status, ended.stdout], [125, ""]);
  assert.match(ended.stderr, /sallyport: Journal "\/dev\/full" can't be written \(ENOSPC\)/);
});

test("a journal that fills up in the middle denies what follows, and the exit status is 125", () => {
  const place = new Place();
  const journal = join(place.base, "journal");
  // Programs that a verdict stands for run ahead of their records, but never more than 64.
  const script = "i=0; while [ $i -lt 150 ]; do /bin/echo ran; i=$((i+1)); done; echo end";
  const limited = ["-c", 'ulimit -f 8; exec "$@"', "bash", executable, "run", "--journal", journal, "-c", script];
  const { status, stdout, stderr } = spawnSync("bash", limited, {
    cwd: place.project,
    env: place.env,
    encoding: "utf8",
  });
  const ran = stdout.split("\n").filter((line) => line === "ran").length;
  assert.ok(ran > 0 && ran < 100, `${ran} ran`);
  assert.ok(stdout.endsWith("end\n"));
  assert.equal(status, 125);
  assert.match(stderr, /Execution denied: /);
  assert.match(stderr, /sallyport: Journal ".*" can't be written \(EFBIG\)/);
});

test("--json prints the summary as the last line of stderr, --json=FILE into the file", () => {
  const place = new Place();
  const [other, last] = place.run("--json", "-c", "echo err >&2").stderr.trimEnd().split("\n");
  assert.equal(other, "err");
  const { durationMs, cleanup, ...summary } = JSON.parse(last ?? "");
  assert.deepEqual(summary, {
    exitStatus: 0,
    exitCode: 0,
    signal: null,
    timedOut: false,
    interceptor: "kernel",
    shell: null,
    wall: { level: "bubblewrap", gaps: [], notes: [] },
    execs: { run: 1, escalate: 0, deny: 0 },
    journal: null,
    failures: [],
  });
  assert.ok(durationMs > 0);
  assert.equal(cleanup.sure, true);
  const file = join(place.base, "summary");
  assert.equal(place.run(`--json=${file}`, "--", "false").stderr, "");
  assert.equal(JSON.parse(readFileSync(file, "utf8")).exitCode, 1);
});

test("--json=FILE does not follow a link", () => {
  const place = new Place();
  const target = join(place.base, "target");
  writeFileSync(target, "precious");
  symlinkSync(target, join(place.project, "link"));
  const ended = place.run("--json=link", "--", "true");
  assert.deepEqual([ended.status, readFileSync(target, "utf8")], [125, "precious"]);
});

test("--tree prints the tree to stderr", () => {
  const { stdout, stderr } = new Place().run("--tree", "-c", "/bin/true; false");
  assert.equal(stdout, "");
  assert.match(stderr, /^run +bash -c '\/bin\/true; false' .*\n(.*\n)*2? ?.*programs?: /);
});

test("a reader of stderr that goes away does not change the exit status", async () => {
  const child = new Place().start("--tree", "--json", "-c", "echo ready; exit 6");
  child.stderr.destroy();
  assert.equal((await waitForEnd(child)).status, 6);
});

test("--interceptor none keeps the wall, sees no program, and says so", () => {
  const place = new Place();
  const outside = join(place.base, "outside");
  const ended = place.run("--interceptor", "none", "--json", "-c", `/bin/true; touch ${outside}`);
  const [said, ...rest] = ended.stderr.trimEnd().split("\n");
  assert.equal(said, "sallyport: no interceptor: programs are not decided on and rules have no effect");
  const summary = JSON.parse(rest.at(-1) ?? "");
  assert.deepEqual(
    [summary.interceptor, summary.execs, existsSync(outside)],
    ["none", { run: 0, escalate: 0, deny: 0 }, false],
  );
});

test("--timeout ends the tree and exits with 124", async () => {
  const started = Date.now();
  const ended = new Place().run("--timeout", "0.3", "-c", "setsid sleep 111222 & sleep 111222");
  assert.equal(ended.status, 124);
  assert.match(ended.stderr, /sallyport: timed out after 0\.3 s/);
  assert.ok(Date.now() - started < 60_000);
  assert.deepEqual(processesWith("111222"), []);
});

test("what ignores TERM is killed after the timeout", () => {
  const ended = new Place().run("--timeout", "0.3", "-c", "trap '' TERM; sleep 111333");
  assert.deepEqual([ended.status, processesWith("111333")], [124, []]);
});

test("nothing outlives the command", () => {
  const ended = new Place().run(
    "-c",
    "setsid -f sleep 111444; (setsid sh -c 'trap \"\" TERM HUP; sleep 111444' &) ; exit 5",
  );
  assert.deepEqual([ended.status, processesWith("111444")], [5, []]);
});

test("SIGTERM is passed on to the command", async () => {
  const child = new Place().start("-c", "trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.02; done");
  const end = waitForEnd(child);
  await waitForOutput(child, "ready");
  child.kill("SIGTERM");
  const { status, stdout } = await end;
  assert.deepEqual([status, stdout], [7, "ready\ngot\n"]);
});

test("a second SIGINT ends a command that ignores it", async () => {
  const child = new Place().start("-c", "trap '' INT TERM; echo ready; while :; do sleep 0.02; done");
  const end = waitForEnd(child);
  await waitForOutput(child, "ready");
  child.kill("SIGINT");
  // Two signals of one kind that wait at the same time are one to the kernel, so the second is another one.
  child.kill("SIGTERM");
  assert.equal((await end).status, 137);
});

test("kill -9 of the broker: nothing is left, and the exit status is 125", async () => {
  const child = new Place().start("--json", "-c", "setsid -f sleep 111555; echo ready; sleep 111555");
  const end = waitForEnd(child);
  await waitForOutput(child, "ready");
  for (const pid of childrenOf(child.pid ?? 0)) process.kill(pid, "SIGKILL");
  const { status, stderr } = await end;
  assert.equal(status, 125);
  assert.match(stderr, /sallyport: The broker ended with SIGKILL/);
  assert.equal(JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "").failures[0].code, "BROKER_DIED");
  assert.ok(await eventually(() => processesWith("111555").length === 0));
});

test("kill -9 of Sallyport: nothing is left", async () => {
  const child = new Place().start("-c", "setsid -f sleep 111666; echo ready; sleep 111666");
  await waitForOutput(child, "ready");
  child.kill("SIGKILL");
  assert.ok(await eventually(() => processesWith("111666").length === 0));
});

test("--max-procs holds", { skip: missing("missing" in cgroups.pids && cgroups.pids.missing) }, () => {
  const script = "i=0; while [ $i -lt 40 ]; do sleep 111777 & i=$((i+1)); done; echo all";
  const few = new Place().run("--max-procs", "10", "--", "sh", "-c", script);
  assert.match(few.stderr, /[Cc]annot fork/);
  assert.equal(few.stdout, "");
  assert.equal(new Place().run("--max-procs", "60", "--", "sh", "-c", script).stdout, "all\n");
  assert.deepEqual(processesWith("111777"), []);
});

test("no folder and no cgroup is left behind", async () => {
  const place = new Place();
  const child = place.start("--", "cat", "/proc/self/cgroup");
  const { stdout } = await waitForEnd(child);
  assert.deepEqual(readdirSync(place.project), []);
  assert.deepEqual(readdirSync(join(place.home, "placeholders")), []);
  if ("missing" in cgroups.kill) return;
  const ours = new RegExp(`sallyport-\\d+-${child.pid}-`);
  assert.match(stdout, ours);
  assert.deepEqual(
    readdirSync(cgroups.kill.folder).filter((name) => ours.test(name)),
    [],
  );
});

test("126 and 127 are a shell's", () => {
  const place = new Place();
  writeFileSync(join(place.project, "plain"), "x");
  assert.deepEqual(place.run("--", "nosuchprogram"), {
    status: 127,
    stdout: "",
    stderr: "sallyport: nosuchprogram: command not found\n",
  });
  assert.deepEqual(place.run("--", "./plain"), {
    status: 126,
    stdout: "",
    stderr: "sallyport: ./plain: Permission denied\n",
  });
});

const badInput: [title: string, words: (place: Place) => string[], message: RegExp][] = [
  ["an unknown option", () => ["--bogus", "--", "touch", "ran"], /Unknown option "--bogus"/],
  ["a missing program", () => [], /Nothing to run/],
  ["a missing rule file", () => ["--rules", "/nowhere.rules", "--", "touch", "ran"], /\/nowhere\.rules/],
  [
    "a rule file with a mistake, with line and column",
    (place) => ["--rules", place.rules('\nprefix_rule(pattern = ["a"], decision = "maybe")\n'), "--", "touch", "ran"],
    /test\.rules:2:\d+: /,
  ],
  ["a rule file in the project", () => ["--rules", "own.rules", "--", "touch", "ran"], /own\.rules/],
  ["a journal in the project", () => ["--journal", "journal", "--", "touch", "ran"], /journal/],
  ["a writable folder that is the root", () => ["--writable", "/", "--", "touch", "ran"], /Writable folder "\/"/],
  ["a writable folder that holds the home", (place) => ["--writable", place.base, "--", "touch", "ran"], /holds/],
  ["a writable folder that does not exist", () => ["--writable", "nowhere", "--", "touch", "ran"], /nowhere/],
];
for (const [title, words, message] of badInput) {
  test(`${title} is one line, exit status 125, and nothing runs`, () => {
    const place = new Place();
    writeFileSync(join(place.project, "own.rules"), "", { mode: 0o600 });
    const ended = place.run(...words(place));
    assert.deepEqual([ended.status, ended.stdout, existsSync(join(place.project, "ran"))], [125, "", false]);
    assert.match(ended.stderr, message);
    assert.match(ended.stderr, /^sallyport: .*\n$/);
  });
}

test("a home that others may write is refused", () => {
  const place = new Place();
  chmodSync(place.home, 0o777);
  const ended = place.run("--", "touch", "ran");
  assert.deepEqual([ended.status, existsSync(join(place.project, "ran"))], [125, false]);
  assert.match(
    ended.stderr,
    /^sallyport: Home ".*" is refused: others may write it \(mode 777\), expected 700; run chmod 700 on it\n$/,
  );
});

test("a home that can't be made is one line", () => {
  const place = new Place();
  const ended = place.call(["run", "--", "true"], { env: { ...place.env, SALLYPORT_HOME: "/proc/nohome" } });
  assert.equal(ended.status, 125);
  assert.match(ended.stderr, /^sallyport: Home "\/proc\/nohome" is refused: it can't be created \(.*\); .*\n$/);
});

test("without a wall no home is needed", () => {
  const place = new Place();
  const env = { ...place.env, SALLYPORT_HOME: "/proc/nohome" };
  assert.equal(place.call(["run", "--sandbox", "danger-full-access", "--", "true"], { env }).status, 0);
});
