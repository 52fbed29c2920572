// Attacks on the sandbox and on the way out of it. Each has its negative control: the same attack works without Sallyport, or
// without the one guard that it is about, so that a test cannot pass because the attack itself is broken.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { AttackPlace, callers, executable, readJournal, root } from "./support/attack-place.ts";
import type { Caller, JournalRecord } from "./support/attack-place.ts";
import { compileAttack } from "./support/compiled-attacks.ts";
import { missingTools } from "./support/needed-tools.ts";

const rounds = 100;

/** One test for each user that can be had; what is about root, or about an ordinary user, says so. */
function attack(
  title: string,
  body: (place: AttackPlace, t: TestContext) => void | Promise<void>,
  needs: { tools?: string[]; only?: Caller["name"]; preparedByRoot?: true } = {},
): void {
  const isWanted = ({ name }: Caller): boolean => needs.only === undefined || name === needs.only;
  if (needs.preparedByRoot === true && process.geteuid?.() !== 0) return;
  for (const caller of callers.filter(isWanted)) {
    const skip = missingTools(["cc", ...(needs.tools ?? [])]);
    test(`${title} (${caller.name})`, { skip }, (t) => body(new AttackPlace(caller, { visible: true }), t));
  }
}

/** A program on the PATH that leaves a line where only programs outside can write. */
function arm(place: AttackPlace): { mark: string; outside: string; log: string; marks: () => string[] } {
  const mark = place.copy(compileAttack("mark"), "bin/mark");
  const outside = place.folder("outside");
  const log = join(outside, "log");
  return { mark, outside, log, marks: () => (existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n") : []) };
}

function allow(...words: string[]): string {
  return `prefix_rule(pattern = ${JSON.stringify(words)}, decision = "allow")\n`;
}

function allowLauncher(...words: string[]): string {
  return `prefix_rule(pattern = ${JSON.stringify(words)}, decision = "allow", escalate = True)\n`;
}

function forbid(...words: string[]): string {
  return `prefix_rule(pattern = ${JSON.stringify(words)}, decision = "forbidden", justification = "not this one")\n`;
}

/** Decision, kind of reason and reason of each start of the file. */
function startsOf(file: string, records: readonly JournalRecord[]): { decision: string; kind: string; text: string }[] {
  return records
    .filter((record) => record.file === file)
    .map(({ decision, reason }) => ({ decision, kind: reason.kind, text: reason.text }));
}

function decisionsOf(file: string, records: readonly JournalRecord[]): string[] {
  return startsOf(file, records).map(({ decision }) => decision);
}

/** `NAME VALUE` lines as an object; the value is the last word. */
function answers(text: string, separator = " "): Record<string, string> {
  const lines = text.trimEnd().split("\n").filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(separator)),
      line.slice(line.lastIndexOf(separator) + separator.length),
    ]),
  );
}

// --- what the wall keeps out of reach ---

attack("the sockets of docker, tmux, D-Bus and ssh-agent can't be connected to", async (place, t) => {
  const connectTo = place.copy(compileAttack("connect-to"), "bin/connect-to");
  const runtime = place.folder("runtime", 0o700);
  const paths = {
    bus: join(runtime, "bus"),
    agent: join(place.user, "agent.sock"),
    unnamed: join(place.folder("service"), "daemon.sock"),
    tmux: join("/tmp", `tmux-${place.base.split("-").at(-1)}.sock`),
    ...(process.geteuid?.() === 0 ? { docker: join("/run", `docker-${place.base.split("-").at(-1)}.sock`) } : {}),
    abstract: `@sallyport-attack-${place.base.split("-").at(-1)}`,
  };
  const own = join(place.project, "own.sock");
  for (const path of [...Object.values(paths), own]) await listen(t, path);
  const env = {
    XDG_RUNTIME_DIR: runtime,
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${paths.bus}`,
    SSH_AUTH_SOCK: paths.agent,
    TMUX: `${paths.tmux},1,0`,
  };
  const words = [connectTo, ...Object.values(paths), own];
  const all = (answer: string): Record<string, string> =>
    Object.fromEntries([...Object.values(paths).map((path) => [path, answer]), [own, "connected"]]);
  assert.deepEqual(answers(place.plain(words, { env }).stdout), all("connected"));
  assert.deepEqual(answers(place.run(["--", ...words], { env }).stdout), all("refused"));
  const granted = place.run(["--socket", paths.agent, "--", ...words], { env }).stdout;
  assert.deepEqual(answers(granted), { ...all("refused"), [paths.agent]: "connected" });
});

attack(
  "a running tmux server does not start a program outside",
  (place, t) => {
    const outside = place.folder("outside");
    const socket = join(place.user, "tmux.sock");
    const tmux = ["tmux", "-f", "/dev/null", "-S", socket];
    assert.equal(place.plain([...tmux, "new-session", "-d", "sleep 60"]).status, 0);
    t.after(() => place.plain([...tmux, "kill-server"]));
    const send = (name: string): string[] => [...tmux, "run-shell", `touch ${outside}/${name}`];
    place.run(["--", ...send("inside")]);
    place.plain(send("control"));
    assert.deepEqual(readdirSync(outside), ["control"]);
  },
  { tools: ["tmux"] },
);

attack("dangerous system calls are refused before the kernel looks at them", (place) => {
  const program = place.copy(compileAttack("refused-calls"), "bin/refused-calls");
  const outside = answers(place.plain([program]).stdout);
  const inside = answers(place.run(["--", program]).stdout);
  const special: Record<string, string> = {
    clone3: "ENOSYS",
    "x32 getpid": "ENOSYS",
    "x32 execve": "ENOSYS",
    "32-bit getpid": "SIGSYS",
  };
  assert.deepEqual(inside, Object.fromEntries(Object.keys(outside).map((name) => [name, special[name] ?? "EPERM"])));
  // The control: without the filter the kernel goes on to the arguments. An ordinary user it refuses much, and most kernels have no x32.
  const unhindered = Object.keys(outside).filter((name) => outside[name] !== inside[name]);
  const expected =
    place.caller.uid === 0
      ? Object.keys(outside).filter((name) => !name.startsWith("x32"))
      : [
          "bpf",
          "io_uring_register",
          "perf_event_open",
          "setns",
          "unshare user",
          "clone3",
          "type into the terminal",
          "type into the terminal, high bits set",
          "vsock",
          "32-bit getpid",
        ];
  assert.deepEqual(
    expected.filter((name) => !unhindered.includes(name)),
    [],
  );
});

attack(
  "root can't remount, and writes no kernel setting",
  (place) => {
    const folder = place.folder("read-only");
    const remount = `mount -o remount,bind,rw ${folder} && touch ${folder}/written`;
    const prepare = `mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder}`;
    const setting = "[ -w /proc/sys/kernel/core_pattern ] && : >> /proc/sys/kernel/core_pattern && echo setting";
    const inside = place.run(["-c", `${remount}; mount -o remount,rw /; touch ${folder}/written; ${setting}`]);
    assert.deepEqual([inside.stdout, readdirSync(folder)], ["", []]);
    const control = place.plain([
      "unshare",
      "-m",
      "bash",
      "-c",
      `${prepare} && ! touch ${folder}/early && ${remount}; ${setting}`,
    ]);
    assert.deepEqual([control.stdout.includes("setting"), readdirSync(folder)], [true, ["written"]]);
  },
  { only: "root" },
);

attack(
  "root keeps seven capabilities and can't get others",
  (place) => {
    const show = ["bash", "-c", "grep -E '^(Cap|NoNewPrivs)' /proc/self/status"];
    const kept = {
      CapInh: "0000000000000000",
      CapPrm: "00000000000000fb",
      CapEff: "00000000000000fb",
      CapBnd: "00000000000000fb",
      CapAmb: "0000000000000000",
      NoNewPrivs: "1",
    };
    assert.deepEqual(answers(place.run(["--", ...show]).stdout, ":\t"), kept);
    assert.notEqual(answers(place.plain(show).stdout, ":\t")["CapEff"], kept.CapEff);
  },
  { only: "root" },
);

attack(
  "an ordinary user has no capabilities",
  (place) => {
    const { stdout } = place.run([
      "--",
      "bash",
      "-c",
      "grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status",
    ]);
    const none = "0000000000000000";
    assert.deepEqual(answers(stdout, ":\t"), {
      CapInh: none,
      CapPrm: none,
      CapEff: none,
      CapAmb: none,
      NoNewPrivs: "1",
    });
  },
  { only: "ordinary user" },
);

attack(
  "a set-user-ID program gains nothing",
  (place) => {
    const program = place.copy(compileAttack("show-ids"), "bin/show-ids");
    chownSync(program, 0, 0);
    chmodSync(program, 0o4755);
    assert.equal(place.plain([program]).stdout, `${place.caller.uid} 0\n`);
    assert.equal(place.run(["--", program]).stdout, `${place.caller.uid} ${place.caller.uid}\n`);
    // Not by an allow rule either: below the interceptor it would run without its privilege.
    const { stdout, records } = place.recorded(["--rules", place.rules(allow("show-ids")), "--", program]);
    assert.deepEqual([stdout, decisionsOf(program, records)], [`${place.caller.uid} ${place.caller.uid}\n`, ["run"]]);
  },
  { only: "ordinary user", preparedByRoot: true },
);

attack("processes outside can't be seen or killed", (place, t) => {
  const [file, ...args] = [...place.caller.prefix, "sleep", "60"];
  const sleeper = spawn(file, args, { stdio: "ignore" });
  t.after(() => sleeper.kill("SIGKILL"));
  const { pid } = sleeper;
  assert.ok(pid !== undefined);
  const probe = `[ -e /proc/${pid} ] && echo seen; kill -0 ${pid} 2>/dev/null && echo reached; kill -0 ${process.pid} 2>/dev/null && echo tests reached`;
  assert.match(place.plain(["bash", "-c", probe]).stdout, /^seen\nreached\n/);
  assert.equal(place.run(["-c", `${probe}; kill -KILL ${pid} ${process.pid} 2>/dev/null; :`]).stdout, "");
  assert.deepEqual([sleeper.exitCode, sleeper.signalCode], [null, null]);
});

attack("the init of the sandbox can't be traced or written", (place) => {
  const program = place.copy(compileAttack("touch-init"), "bin/touch-init");
  assert.deepEqual(answers(place.run(["--", program]).stdout, ": "), {
    "ptrace of a child": "worked",
    "memory of a child": "worked",
    "ptrace of the init": "refused",
    "memory of the init": "refused",
  });
});

attack("keys in the home can't be read, also not by a program outside", (place) => {
  place.folder("user/.ssh", 0o700);
  const key = place.file("user/.ssh/id", "private\n", 0o600);
  const secret = place.file("secret", "secret\n", 0o600);
  const read = ["bash", "-c", `cat ${key} ${secret}`];
  assert.equal(place.plain(read).stdout, "private\nsecret\n");
  assert.equal(place.run(["--", ...read]).stdout, "secret\n");
  assert.equal(place.run(["--deny-read", secret, "--", ...read]).stdout, "");
  // Outside: the program that a rule lets out, and what it starts.
  const rules = place.rules(allow("cat") + allowLauncher("bash"));
  const hidden = place.recorded(["--rules", rules, "--deny-read", secret, "--", ...read]);
  assert.deepEqual([hidden.stdout, decisionsOf("/usr/bin/bash", hidden.records)], ["", ["escalate"]]);
  const direct = place.recorded(["--rules", rules, "--deny-read", secret, "--", "cat", secret, key]);
  assert.deepEqual([direct.stdout, decisionsOf("/usr/bin/cat", direct.records)], ["", ["escalate"]]);
  const open = place.recorded(["--rules", rules, "--", ...read]);
  assert.deepEqual([open.stdout, open.records.map(({ decision }) => decision)], ["secret\n", ["escalate", "run"]]);
});

// --- forged permission ---

attack("a rule that the project brings, or that is forged from inside, lets nothing out", (place) => {
  const { mark, log, marks } = arm(place);
  mkdirSync(join(place.home, "rules"), { mode: 0o700 });
  place.own(join(place.home, "rules"), 0o700);
  place.folder("project/.sallyport/rules");
  place.file("project/.sallyport/rules/own.rules", allow("mark"), 0o600);
  const forge = [
    `text='${allow("mark").trimEnd()}'`,
    `for home in ${place.home} $HOME/.sallyport .sallyport forged; do mkdir -p $home/rules && echo "$text" > $home/rules/forged.rules; done 2>/dev/null`,
    `export SALLYPORT_HOME=$PWD/forged`,
    `mark forged ${log}`,
    `bash -c 'mark forged ${log}'`,
  ].join("\n");
  const { records } = place.recorded(["-c", forge]);
  assert.deepEqual([decisionsOf(mark, records), marks()], [["run", "run"], []]);
  // Nothing of it is there for the next run.
  assert.deepEqual(readdirSync(join(place.home, "rules")), []);
  assert.deepEqual(readdirSync(join(place.project, ".sallyport/rules")), ["own.rules"]);
  assert.equal(existsSync(join(place.user, ".sallyport")), false);
  const home = join(place.home, "rules", "real.rules");
  writeFileSync(home, allow("mark"));
  place.own(home, 0o600);
  place.run(["-c", `mark real ${log}`]);
  assert.deepEqual(marks(), [`real ${mark}`]);
});

attack("the journal, the rules, the home and Sallyport itself can't be written from inside", (place) => {
  const rules = place.rules(forbid("nothing"));
  const kept = place.file("home/kept", "kept\n", 0o600);
  const journal = place.file("journal.jsonl", "", 0o600);
  const own = [
    executable,
    join(root, "packages/cli/dist/main.js"),
    join(root, "packages/supervisor/native/build/sallyport-stand-in"),
  ];
  const write = [rules, kept, journal, ...own].map((path) => `( : >> ${path} ) 2>/dev/null && echo ${path}`).join("\n");
  const options = ["--rules", rules, "--journal", journal];
  const inside = place.run([
    ...options,
    "-c",
    `${write}\ncat ${kept}; echo '{"forged":1}' > ${journal}; rm -f ${journal} ${rules}; :`,
  ]);
  assert.equal(inside.stdout, "");
  assert.equal(inside.status, 0, inside.stderr);
  assert.deepEqual(
    readJournal(journal).map(({ argv }) => argv[0]),
    ["bash", "cat", "rm"],
  );
  // The same without the wall writes what this user may write anyway.
  const lines = (ended: { stdout: string }): string[] => ended.stdout.trimEnd().split("\n");
  const plain = lines(place.plain(["bash", "-c", write]));
  assert.deepEqual(plain.slice(0, 3), [rules, kept, journal]);
  assert.deepEqual(lines(place.run([...options, "--sandbox", "danger-full-access", "-c", write])), plain);
});

// --- an allowed program is made to do something else ---

attack("LD_PRELOAD into an allowed program is left behind", (place) => {
  const { mark, log, outside, marks } = arm(place);
  const library = compileAttack("leave-trace", ["-shared", "-fPIC", `-DLEAVE_TRACE_IN="${outside}"`]);
  place.copy(library, "project/trace.so");
  const script = `LD_PRELOAD=$PWD/trace.so ${mark} preloaded ${log}`;
  const { records } = place.recorded(["--rules", place.rules(allow("mark")), "-c", script]);
  const [record] = records.filter(({ file }) => file === mark);
  assert.deepEqual([record?.decision, record?.droppedEnv?.includes("LD_PRELOAD")], ["escalate", true]);
  // Not even in the stand-in, which the kernel starts inside with the caller's environment.
  assert.deepEqual(readdirSync(place.project), ["trace.so"]);
  assert.deepEqual([marks(), readdirSync(outside)], [[`preloaded ${mark}`], ["log"]]);
  place.plain(["bash", "-c", script]);
  assert.deepEqual(
    [readdirSync(place.project).sort(), readdirSync(outside).sort()],
    [
      ["loaded", "trace.so"],
      ["loaded", "log"],
    ],
  );
});

attack("LD_PRELOAD without a rule is denied, and the library is not loaded on the way", (place) => {
  const library = compileAttack("leave-trace", ["-shared", "-fPIC", `-DLEAVE_TRACE_IN="${place.base}"`]);
  place.copy(library, "project/trace.so");
  const { records } = place.recorded(["-c", "LD_PRELOAD=./trace.so /bin/true"]);
  const denied = records.filter(({ decision }) => decision === "deny").map(({ reason }) => reason.kind);
  assert.deepEqual([denied, readdirSync(place.project)], [["identity"], ["trace.so"]]);
});

attack("variables from inside don't reach an escalated program", (place) => {
  const rules = place.rules(allow("printenv"));
  const variables = {
    GIT_DIR: "/tmp/evil",
    GIT_CONFIG: "/tmp/evil",
    GIT_CONFIG_COUNT: "1",
    NODE_OPTIONS: "--require=/tmp/evil.js",
    BASH_ENV: "/tmp/evil.sh",
    ENV: "/tmp/evil.sh",
    PYTHONPATH: "/tmp/evil",
    PERL5OPT: "-Mevil",
    HOME: "/tmp/evil",
    PATH: `./evil:${place.path}`,
    LC_ALL: "C/../evil",
  };
  const words = Object.entries(variables).map(([name, value]) => `${name}='${value}'`);
  const script = `${words.join(" ")} /usr/bin/printenv`;
  const evil = (text: string): string[] =>
    text
      .trimEnd()
      .split("\n")
      .filter((line) => /evil|GIT_CONFIG_COUNT/.test(line))
      .sort();
  const { stdout, records } = place.recorded(["--rules", rules, "-c", script]);
  const [record] = records.filter(({ file }) => file === "/usr/bin/printenv");
  const dropped = Object.keys(variables).filter((name) => record?.droppedEnv?.includes(name));
  assert.deepEqual([record?.decision, evil(stdout), dropped], ["escalate", [], Object.keys(variables)]);
  assert.match(stdout, new RegExp(`^HOME=${place.user}$`, "m"));
  // Inside they arrive, and so does outside what the rule names, and nothing else.
  const all = Object.entries(variables)
    .map(([name, value]) => `${name}=${value}`)
    .sort();
  assert.deepEqual(evil(place.run(["-c", script]).stdout), all);
  const named = place.rules('prefix_rule(pattern = ["printenv"], decision = "allow", env = ["GIT_DIR"])\n');
  assert.deepEqual(evil(place.run(["--rules", named, "-c", script]).stdout), ["GIT_DIR=/tmp/evil"]);
});

attack("PATH=./evil brings no other program under an allowed name", (place) => {
  const { mark, log, marks } = arm(place);
  place.folder("project/evil");
  const evil = place.copy(compileAttack("mark"), "project/evil/mark");
  writeFileSync(evil, "evil", { flag: "a" });
  const rules = place.rules(allow("mark"));
  const { records } = place.recorded(["--rules", rules, "-c", `PATH=./evil:$PATH mark evil ${log}; mark good ${log}`]);
  assert.deepEqual(
    [decisionsOf(evil, records), decisionsOf(mark, records), marks()],
    [["run"], ["escalate"], [`good ${mark}`]],
  );
  // Also where the session itself began with such a PATH: the rule then means that file, which stays inside.
  const env = { PATH: `${dirname(evil)}:${place.path}` };
  const started = place.recorded(["--rules", rules, "-c", `mark evil ${log}`], { env });
  assert.deepEqual(decisionsOf(evil, started.records), ["run"]);
  assert.deepEqual(marks(), [`good ${mark}`]);
});

attack("an allowed script that can be written from inside stays inside", (place) => {
  const { log, marks } = arm(place);
  const text = `#!/bin/sh\nexec ${place.bin}/mark script "$1"\n`;
  const inside = place.file("project/deploy", text, 0o755);
  const out = place.file("bin/deploy", text, 0o755);
  const rules = place.rules(allow(inside) + allow(out));
  const { records } = place.recorded(["--rules", rules, "-c", `${inside} ${log}; ./deploy ${log}; ${out} ${log}`]);
  assert.deepEqual(decisionsOf(inside, records), ["run", "run"]);
  for (const { kind, text } of startsOf(inside, records)) {
    assert.equal(kind, "identity");
    assert.match(text, /can be written from inside/);
  }
  // The script outside may leave, and what it starts goes on outside.
  assert.deepEqual([decisionsOf(out, records), marks()], [["escalate"], [`script ${place.bin}/mark`]]);
});

attack(
  "a symlink that is flipped while it is being decided on leads nowhere outside",
  (place) => {
    const { mark, log, marks } = arm(place);
    const evil = place.copy(compileAttack("mark"), "project/evil");
    writeFileSync(evil, "evil", { flag: "a" });
    const link = join(place.project, "link");
    symlinkSync(mark, link);
    const flipper = `
import os, subprocess, threading
done = threading.Event()
def flip():
    while not done.is_set():
        for target in (${JSON.stringify(mark)}, ${JSON.stringify(evil)}):
            os.symlink(target, "next")
            os.replace("next", "link")
thread = threading.Thread(target=flip)
thread.start()
for _ in range(${rounds / 2}):
    subprocess.run(["mark", "raced", ${JSON.stringify(log)}], executable=${JSON.stringify(link)})
done.set()
thread.join()
`;
    const rules = place.rules(allow("mark") + allow(mark));
    const { records } = place.recorded(["--rules", rules, "--", "python3", "-c", flipper]);
    const raced = records.filter(({ argv }) => argv[1] === "raced");
    assert.deepEqual(
      [raced.length, new Set(raced.map(({ decision }) => decision)), marks()],
      [rounds / 2, new Set(["run"]), []],
    );
    assert.deepEqual(new Set(raced.map(({ file }) => file)), new Set([mark, evil]), "both ends of the race were seen");
    place.run(["--rules", rules, "--", mark, "direct", log]);
    assert.deepEqual(marks(), [`direct ${mark}`]);
  },
  { tools: ["python3"] },
);

attack("an argument that another thread changes: what runs outside is what was judged", (place) => {
  const { mark, log, marks } = arm(place);
  const flip = place.copy(compileAttack("flip-while-starting"), "bin/flip-while-starting");
  const rules = place.rules(allow("mark", "good"));
  const words = ["--rules", rules, "--", flip, String(rounds), mark, "good", "evil", log];
  const { records } = place.recorded(words);
  const starts = records.filter(({ file }) => file === mark);
  const escalated = starts.filter(({ decision }) => decision === "escalate");
  assert.equal(starts.length, rounds);
  // The race is on: some starts were judged with the other word, or with a mixture of both, and stayed inside.
  assert.ok(escalated.length > 0 && escalated.length < rounds, `${escalated.length} of ${rounds} escalated`);
  assert.deepEqual(
    marks(),
    escalated.map(() => `good ${mark}`),
  );
});

attack("a path that another thread changes: the forbidden program never runs outside", (place) => {
  const { log, marks } = arm(place);
  const flip = place.copy(compileAttack("flip-while-starting"), "bin/flip-while-starting");
  place.folder("bin/a");
  place.folder("bin/b");
  const allowed = place.copy(compileAttack("mark"), "bin/a/mark");
  const forbidden = place.copy(compileAttack("mark"), "bin/b/mark");
  writeFileSync(forbidden, "forbidden", { flag: "a" });
  const rules = place.rules(allow(allowed) + forbid(forbidden));
  const { records } = place.recorded(["--rules", rules, "--", flip, String(rounds), "path", allowed, forbidden, log]);
  const escalated = records.filter(({ decision }) => decision === "escalate");
  assert.ok(escalated.length > 0, "some were judged as the allowed program");
  assert.ok(decisionsOf(forbidden, records).includes("deny"), "some were judged as the forbidden program");
  assert.deepEqual(
    marks(),
    escalated.map(() => `word ${allowed}`),
  );
  place.plain([flip, "1", forbidden, "word", "word", log]);
  assert.equal(marks().at(-1), `word ${forbidden}`);
});

attack("an allowed launcher leaves only where the rule says escalate = True", (place) => {
  const outside = place.folder("outside");
  const launchers: Record<string, (file: string) => string[]> = {
    bash: (file) => ["bash", "-c", `touch ${file}`],
    env: (file) => ["env", "touch", file],
    find: (file) => ["find", ".", "-maxdepth", "0", "-exec", "touch", file, ";"],
  };
  for (const [name, words] of Object.entries(launchers)) {
    const kept = place.recorded(["--rules", place.rules(allow(name)), "--", ...words(join(outside, `${name}-kept`))]);
    assert.deepEqual(kept.records.map(({ decision, reason }) => [decision, reason.kind])[0], ["run", "launcher"]);
    const left = place.recorded([
      "--rules",
      place.rules(allowLauncher(name)),
      "--",
      ...words(join(outside, `${name}-left`)),
    ]);
    assert.equal(left.records[0]?.decision, "escalate");
  }
  assert.deepEqual(
    readdirSync(outside).sort(),
    Object.keys(launchers)
      .map((name) => `${name}-left`)
      .sort(),
  );
});

attack("forbidden holds below an escalated program", (place) => {
  const { mark, log, marks } = arm(place);
  const words = ["--", "bash", "-c", `mark first ${log}; bash -c 'mark second ${log}'`];
  const { records } = place.recorded(["--rules", place.rules(allowLauncher("bash") + forbid("mark")), ...words]);
  const starts = records.filter(({ file }) => file === mark);
  assert.deepEqual(
    starts.map(({ decision, outside, exitCode }) => [decision, outside, exitCode]),
    [
      ["deny", true, 1],
      ["deny", true, 1],
    ],
  );
  assert.deepEqual(marks(), []);
  place.run(["--rules", place.rules(allowLauncher("bash")), ...words]);
  assert.deepEqual(marks(), [`first ${mark}`, `second ${mark}`]);
});

// --- around the interceptor ---

const ways = [
  "closed descriptors",
  "empty environment",
  "no arguments",
  "vfork",
  "thread",
  "by descriptor",
  "relative to a folder",
  "through the root link",
  "copy in memory",
];

for (const flags of [[], ["-static"]]) {
  attack(
    `no way of starting a program avoids the decision${flags.length > 0 ? ", from a static program" : ""}`,
    (place) => {
      const start = place.copy(compileAttack("start-oddly", flags), "bin/start-oddly");
      const forbidden = place.copy("/usr/bin/touch", "bin/forbidden");
      writeFileSync(forbidden, "forbidden", { flag: "a" });
      const rules = place.rules(forbid("forbidden"));
      const statuses = (command: (way: string, file: string) => string[]): Record<string, number | null> =>
        Object.fromEntries(ways.map((way) => [way, place.plain(command(way, `${way}-control`)).status]));
      // touch without arguments fails, and with closed descriptors 0 to 2 it succeeds.
      const expected = Object.fromEntries(ways.map((way) => [way, way === "no arguments" ? 1 : 0]));
      assert.deepEqual(
        statuses((way, file) => [start, way, forbidden, file]),
        expected,
      );
      const script = ways.map((way) => `start-oddly '${way}' ${forbidden} '${way}'; echo "${way} $?"`).join("\n");
      const { stdout, records } = place.recorded(["--rules", rules, "-c", script]);
      assert.deepEqual(answers(stdout), Object.fromEntries(ways.map((way) => [way, "1"])));
      const denied = records.filter(({ decision }) => decision === "deny");
      assert.deepEqual(
        denied.map(({ reason }) => reason.kind),
        ways.map(() => "rule"),
      );
      assert.deepEqual(
        readdirSync(place.project).filter((name) => !name.endsWith("-control")),
        [],
      );
    },
  );
}

/** The interceptor needs the process's memory, ptrace and execveat. A caller that keeps it from them must not start the program thereby. */
const hindrances = [
  "traced by its parent",
  "unreadable memory",
  "a filter that refuses execveat",
  "a filter that kills at execveat",
  "a filter that answers the stand-in",
];

for (const wall of ["bubblewrap", "landlock"]) {
  attack(`who hinders the interceptor starts nothing (${wall})`, (place) => {
    const start = place.copy(compileAttack("start-oddly"), "bin/start-oddly");
    const forbidden = place.copy("/usr/bin/touch", "bin/forbidden");
    writeFileSync(forbidden, "forbidden", { flag: "a" });
    const script = (file: string): string =>
      hindrances.map((way) => `${start} '${way}' ${forbidden} '${way}${file}'; echo "${way} $?"`).join("\n");
    place.plain(["bash", "-c", script("-control")]);
    assert.deepEqual(readdirSync(place.project).sort(), hindrances.map((way) => `${way}-control`).sort());
    const { status, stdout } = place.run([
      "--wall",
      wall,
      "--rules",
      place.rules(forbid("forbidden")),
      "-c",
      script(""),
    ]);
    assert.equal(status, 0, "the run itself goes on to its end");
    assert.deepEqual(
      Object.keys(answers(stdout)).filter((way) => answers(stdout)[way] === "0"),
      [],
    );
    assert.deepEqual(
      readdirSync(place.project).filter((name) => !name.endsWith("-control")),
      [],
    );
  });
}

attack("roundabout ways to an allowed program don't lead outside", (place) => {
  const { mark, log, marks } = arm(place);
  place.copy(compileAttack("start-oddly"), "bin/start-oddly");
  symlinkSync(mark, join(place.project, "link"));
  const script = [
    `./link link ${log}`,
    `cp ${mark} copy; ./copy copy ${log}`,
    `/proc/self/root${mark} root ${log}`,
    `(exec -a other-name ${mark} name ${log})`,
    `ln ${mark} hard 2>/dev/null || ./hard hard ${log}`,
    `start-oddly 'copy in memory' ${mark} memory ${log}`,
    `for loader in /lib64/ld-linux-x86-64.so.2; do [ -x $loader ] && $loader ${mark} loader ${log}; done`,
    `cd /tmp && mkdir -p ${place.base} 2>/dev/null; cp ${mark} /tmp/mark; /tmp/mark private ${log}`,
    `PATH=/tmp:$PATH; mark private ${log}`,
  ].join("\n");
  const rules = place.rules(allow("mark") + allow(mark));
  const { records } = place.recorded(["--rules", rules, "-c", script]);
  const words = ["link", "copy", "root", "name", "memory", "loader", "private"];
  const tried = records.filter(({ argv }) => argv.at(-1) === log && argv.some((word) => words.includes(String(word))));
  assert.ok(tried.length >= words.length, JSON.stringify(tried.map(({ argv }) => argv)));
  assert.deepEqual([tried.filter(({ decision }) => decision === "escalate"), marks()], [[], []]);
  place.run(["--rules", rules, "-c", `mark direct ${log}`]);
  assert.deepEqual(marks(), [`direct ${mark}`]);
});

attack("programs that run what an argument names don't do so outside, whatever they are called", (place) => {
  const { log, marks } = arm(place);
  const evil = place.file("project/evil", `#!/bin/sh\necho "$0" >> ${log}\n`, 0o755);
  place.copy("/usr/bin/env", "bin/innocent");
  place.copy("/bin/true", "project/from");
  const tries: Record<string, string> = {
    innocent: `innocent ${evil}`,
    install: `install -s --strip-program=${evil} from to`,
  };
  for (const [name, script] of Object.entries(tries)) {
    const marksOf = (rule: string): string[] => {
      rmSync(log, { force: true });
      place.run(["--rules", place.rules(rule), "-c", script]);
      return marks();
    };
    assert.deepEqual([marksOf(allow(name)), marksOf(allowLauncher(name))], [[], [evil]], name);
  }
});

attack("what is written by a second name of an allowed program's file stays inside", (place) => {
  const { mark, log, marks } = arm(place);
  const evil = place.file("evil", `#!/bin/sh\necho evil >> ${log}\n`, 0o755);
  const linked = join(place.project, "linked");
  const script = `cat ${evil} > linked; mark program ${log}`;
  const rules = place.rules(allow("mark"));
  const armed = (run: () => void): string[] => {
    for (const path of [mark, linked, log]) rmSync(path, { force: true });
    place.copy(compileAttack("mark"), "bin/mark");
    linkSync(mark, linked);
    run();
    return marks();
  };
  assert.deepEqual(
    armed(() => place.plain(["bash", "-c", script])),
    ["evil"],
  );
  assert.deepEqual(
    armed(() => place.run(["--rules", rules, "-c", script])),
    [],
  );
  // The control: with all of its names in the folder that can't be written from inside, it leaves.
  const beside = armed(() => {
    rmSync(linked);
    linkSync(mark, join(place.bin, "mark-2"));
    place.run(["--rules", rules, "-c", `mark program ${log}`]);
  });
  assert.deepEqual(beside, [`program ${mark}`]);
});

attack(
  "what is written by a second mount of an allowed program's folder stays inside",
  (place) => {
    const { log, marks } = arm(place);
    const tools = place.folder("tools");
    const shared = place.folder("project/shared");
    const tool = place.file("tools/tool", "");
    const rules = place.rules(allow(tool));
    const evil = `printf '#!/bin/sh\\necho evil >> ${log}\\n' > tool; chmod +x tool; ${tool}`;
    const mounted = (from: string, to: string, run: string): string[] => {
      rmSync(log, { force: true });
      const { status, stderr } = place.plain(["unshare", "-m", "bash", "-c", `mount --bind ${from} ${to} && ${run}`]);
      assert.notEqual(status, 125, stderr);
      return marks();
    };
    const door = (script: string): string => `${executable} run --rules ${rules} -c "${script}"`;
    assert.deepEqual(mounted(tools, shared, `cd ${shared} && ${evil}`), ["evil"]);
    assert.deepEqual(mounted(tools, shared, `cd ${shared} && ${door(evil)}`), []);
    assert.deepEqual(mounted(shared, tools, `cd ${shared} && ${door(evil)}`), []);
    // The control: where neither name can be written it leaves.
    assert.deepEqual(mounted(tools, shared, `cd ${place.fresh("other")} && ${door(tool)}`), ["evil"]);
    // Rules that are written by another name of the home would be rules all the same.
    const home = `cd ${shared} && ${door("true")}; [ $? = 125 ] && echo refused >> ${log}`;
    assert.deepEqual(mounted(place.home, shared, home), ["refused"]);
  },
  { only: "root", tools: ["unshare", "mount"] },
);

attack(
  "outside, a program has the rights of who called it, and no more",
  (place) => {
    const { mark, log, outside } = arm(place);
    chmodSync(outside, 0o777);
    const rules = place.rules(allow("mark") + allow("grep"));
    const drop = "setpriv --reuid=1000 --regid=1000 --clear-groups";
    const { records } = place.recorded([
      "--rules",
      rules,
      "-c",
      `${drop} ${mark} dropped ${log}; ${mark} own ${outside}/own`,
    ]);
    assert.deepEqual(decisionsOf(mark, records), ["escalate", "escalate"]);
    assert.deepEqual([statSync(log).uid, statSync(log).gid, statSync(join(outside, "own")).uid], [1000, 1000, 0]);
    const show = `${drop} grep -E '^(Uid|Groups|CapPrm|CapEff)' /proc/self/status`;
    const shown = place.recorded(["--rules", rules, "-c", show]);
    assert.deepEqual(decisionsOf("/usr/bin/grep", shown.records), ["escalate"]);
    const none = "0000000000000000";
    assert.deepEqual(shown.stdout.split(/\s+/).filter(Boolean), [
      "Uid:",
      "1000",
      "1000",
      "1000",
      "1000",
      "Groups:",
      "CapPrm:",
      none,
      "CapEff:",
      none,
    ]);
  },
  { only: "root", tools: ["setpriv"] },
);

attack("the weaker wall refuses the same calls, sockets and files", async (place, t) => {
  const program = place.copy(compileAttack("refused-calls"), "bin/refused-calls");
  const connectTo = place.copy(compileAttack("connect-to"), "bin/connect-to");
  const weak = ["--wall", "landlock"];
  const results = answers(place.run([...weak, "--", program]).stdout);
  const passed = Object.keys(results).filter((name) => !["EPERM", "ENOSYS", "SIGSYS"].includes(results[name] ?? ""));
  assert.deepEqual([Object.keys(results).length > 40, passed], [true, []]);
  const socket = join(place.user, "agent.sock");
  await listen(t, socket);
  assert.deepEqual(answers(place.plain([connectTo, socket]).stdout), { [socket]: "connected" });
  assert.deepEqual(answers(place.run([...weak, "--", connectTo, socket]).stdout), { [socket]: "refused" });
  place.folder("user/.ssh", 0o700);
  const key = place.file("user/.ssh/id", "private\n", 0o600);
  const kept = place.file("home/kept", "kept\n", 0o600);
  const outside = place.folder("outside");
  const script = `cat ${key} ${kept}; ( : > ${outside}/made ); ( : >> ${kept} ); kill -0 ${process.pid} && echo reached; :`;
  assert.equal(place.run([...weak, "-c", script]).stdout, "");
  assert.deepEqual(readdirSync(outside), []);
  assert.match(place.plain(["bash", "-c", script]).stdout, /^private\nkept\n/);
  assert.deepEqual(readdirSync(outside), ["made"]);
});

attack("a program that guesses the stand-in's system call gets nothing, and disturbs nothing", (place) => {
  const guess = place.copy(compileAttack("guess-magic-call"), "bin/guess-magic-call");
  assert.equal(place.plain([guess]).stdout, "-1 ENOSYS\n");
  const { stdout, records } = place.recorded([
    "--rules",
    place.rules(forbid("touch")),
    "-c",
    "guess-magic-call; touch ran; echo $?",
  ]);
  assert.equal(stdout, "-1 ENOSYS\n1\n");
  assert.deepEqual(
    records.map(({ decision }) => decision),
    ["run", "run", "deny"],
  );
});

async function listen(t: TestContext, path: string): Promise<void> {
  const server = createServer();
  t.after(() => server.close());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path.startsWith("@") ? `\0${path.slice(1)}` : path, resolve);
  });
  // Everybody may connect, as to a socket that belongs to the user.
  if (!path.startsWith("@")) chmodSync(path, 0o777);
}

// --- kept approvals ---

/** What a person has said yes to for good: this call, in the project's folder. */
function approve(place: AttackPlace, mark: string, words: readonly string[]): string {
  const sha256 = createHash("sha256").update(readFileSync(mark)).digest("hex");
  const file = join(place.home, "approvals.rules");
  const id = "01890000-0000-7000-8000-000000000001";
  const fields = {
    pattern: ["mark", ...words],
    exact: true,
    file: mark,
    sha256,
    cwd: place.project,
  };
  const lines = Object.entries(fields).map(
    ([name, value]) => `${name} = ${value === true ? "True" : JSON.stringify(value)}`,
  );
  const origin = '{"by": "the user", "for": "a test"}';
  writeFileSync(
    file,
    `approval(${lines.join(", ")}, id = "${id}", added = "2026-01-01T00:00:00.000Z", origin = ${origin})\n`,
  );
  return place.own(file, 0o600);
}

const asked = (...settings: string[]): string =>
  `prefix_rule(${['["mark"]', '"prompt"', 'justification = "marks are for people"', ...settings].join(", ")})\n`;

attack("a kept approval answers the very call, and nothing that looks like it", (place) => {
  const { mark, log, marks } = arm(place);
  place.copy(mark, "bin/other");
  appendFileSync(join(place.bin, "other"), "\0");
  const preload = place.copy("/usr/bin/true", "project/lib.so");
  approve(place, mark, ["approved", log]);
  const rules = place.rules(asked());
  const call = `mark approved ${log}`;
  const scripts: Record<string, string> = {
    approved: call,
    "by its path": `${mark} approved ${log}`,
    "below a launcher": `env -i ${mark} approved ${log}`,
    "another argument": `mark more ${log}`,
    "one argument more": `${call} more`,
    "one argument less": "mark approved",
    "another program under its name": `(exec -a mark ${place.bin}/other approved ${log})`,
    "under another name": `(exec -a other ${mark} approved ${log})`,
    "a link in the project": `ln -s ${mark} mark; ./mark approved ${log}`,
    "a copy in the project": `cp ${mark} copy; (exec -a mark ./copy approved ${log})`,
    "another folder": `mkdir sub; cd sub; ${call}`,
    "a link to another folder": `ln -s ${place.user} home; cd home; ${call}`,
    "another folder, in whose name it lies": `mkdir sub; cd sub; PWD=${place.project} ${call}`,
    "the dynamic loader": `/lib64/ld-linux-x86-64.so.2 ${mark} approved ${log}`,
    "a library from the project": `LD_PRELOAD=${preload} ${call}`,
  };
  const outcome = (script: string): string => {
    const before = marks().length;
    const { records } = place.recorded(["--rules", rules, "--", "/bin/bash", "-c", `${script}; :`], {
      cwd: place.project,
    });
    const escaped = marks().length - before;
    return `${decisionsOf(mark, records).at(-1) ?? records.at(-1)?.decision}, ${escaped} outside`;
  };
  const expected: Record<string, string> = {
    approved: "escalate, 1 outside",
    "by its path": "escalate, 1 outside",
    "below a launcher": "escalate, 1 outside",
    // No rule is about it.
    "another program under its name": "run, 0 outside",
    "a link in the project": "run, 0 outside",
  };
  // Every one by one user, and the first by both, which takes half the time.
  const tried = Object.entries(scripts).filter(
    (_, index) => index === 0 || callers.length === 1 || callers[index % 2] === place.caller,
  );
  const found = Object.fromEntries(tried.map(([name, script]) => [name, outcome(script)]));
  const wanted = tried.map(([name]) => [name, expected[name] ?? "deny, 0 outside"]);
  assert.deepEqual(found, Object.fromEntries(wanted));
  assert.deepEqual([...new Set(marks())], [`approved ${mark}`]);
  // The file is another one now, so nobody has approved it.
  appendFileSync(mark, "\0");
  assert.equal(outcome(call), "deny, 0 outside");
});

attack("a kept approval does not answer for a variable that the rule hands on", (place) => {
  const { mark, log, marks } = arm(place);
  approve(place, mark, ["approved", log]);
  const decisions = (setting: string, rules: string): string[] => {
    const words = ["--rules", place.rules(rules), "--", "/bin/bash", "-c", `${setting} mark approved ${log}; :`];
    return decisionsOf(mark, place.recorded(words).records);
  };
  assert.deepEqual(decisions("MARK_HOME=$PWD", asked('env = ["MARK_HOME"]')), ["deny"]);
  assert.deepEqual(decisions("MARK_HOME=$PWD", asked('escalate_with = {"env": ["MARK_HOME"]}')), ["deny"]);
  assert.deepEqual(marks(), []);
  // The controls: it stays behind, and it is not set.
  assert.deepEqual(decisions("MARK_HOME=$PWD", asked()), ["escalate"]);
  assert.deepEqual(decisions("", asked('env = ["MARK_HOME"]')), ["escalate"]);
  assert.equal(marks().length, 2);
});

attack("approvals can't be forged, and an allow rule or an approval opens no prompt or forbidden", (place) => {
  const { mark, log, marks } = arm(place);
  const kept = readFileSync(approve(place, mark, ["approved", log]), "utf8");
  unlinkSync(join(place.home, "approvals.rules"));
  mkdirSync(join(place.project, ".sallyport", "rules"), { recursive: true });
  const forge = `for d in ${place.home} ${place.home}/rules .sallyport .sallyport/rules .; do
    printf '%s' "$KEPT" >$d/approvals.rules; done 2>/dev/null; mark approved ${log}; :`;
  const rules = place.rules(asked() + allow("mark", "approved"));
  const run = (): string[] => {
    const words = ["--rules", rules, "--", "/bin/bash", "-c", forge];
    return decisionsOf(mark, place.recorded(words, { env: { KEPT: kept } }).records);
  };
  assert.deepEqual(run(), ["deny"]);
  assert.equal(existsSync(join(place.home, "approvals.rules")), false);
  assert.deepEqual(run(), ["deny"]);
  approve(place, mark, ["approved", log]);
  assert.deepEqual(run(), ["escalate"]);
  place.rules(asked() + forbid("mark", "approved"));
  assert.deepEqual(run(), ["deny"]);
  // In a file of rules it is no rule, and nothing starts.
  place.rules(asked() + kept);
  const broken = place.plain([executable, "run", "--rules", rules, "--", mark, "approved", log]);
  assert.equal(broken.status, 125, broken.stderr);
  assert.equal(marks().length, 1);
});
