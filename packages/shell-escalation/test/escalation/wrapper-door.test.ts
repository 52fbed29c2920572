/** Programs that ask through codex-execve-wrapper: decided, recorded and faithful, as the kernel interceptor has it. */
import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { continuesLate, pendingStop } from "../../../supervisor/test/support/signal-programs.ts";
import { askWrapper, compileFixture, endsOf, isRoot, runWrapped, workFolder } from "./wrapped-command.ts";
import type { Word } from "./wrapped-command.ts";
import type { GuardedRunOptions } from "../../src/run-guarded.ts";

const showState = compileFixture("show-state");
const changeState = compileFixture("change-state");
const exitWith = compileFixture("exit-with");
const starter = compileFixture("start-program");
const storm = compileFixture("storm-of-signals");

describe("Run, Escalate and Deny", () => {
  test("a program runs, is carried outside, or is denied, and has a record of it", async () => {
    const script = `$W /bin/echo echo one; $W ${exitWith} ${exitWith} 7; echo $?; $W /usr/bin/id id; echo $?; $W /bin/false false`;
    const { summary, stdout, stderr, records } = await runWrapped({
      script,
      verdicts: { "exit-with": "escalate", id: "deny" },
    });
    assert.deepEqual([stdout, stderr], ["one\n7\n1\n", "Execution denied: told so\n"]);
    assert.deepEqual(
      ["sh", "echo", "exit-with", "id", "false"].map((name) => endsOf(records, name)),
      [[["run", 1, null]], [["run", 0, null]], [["escalate", 7, null]], [["deny", 1, null]], [["run", 1, null]]],
    );
    assert.deepEqual(
      [summary.exitStatus, summary.interceptor, summary.execs],
      [1, "bash", { run: 3, escalate: 1, deny: 1 }],
    );
    const shell = records[0]?.id;
    assert.deepEqual(
      records.map(({ parentId }) => parentId),
      [null, shell, shell, shell, shell],
    );
  });

  test("behind the wall too", async () => {
    const outside = join(workFolder, "outside");
    mkdirSync(outside, { recursive: true });
    const script = `$W /usr/bin/touch touch ${outside}/inside; echo $?; $W /bin/cp cp /etc/hostname ${outside}/out; echo $?`;
    const sandbox: GuardedRunOptions["sandbox"] = {
      mode: "workspace-write",
      writable: [],
      network: false,
      denyRead: [],
      allowGitInit: false,
      sockets: [],
      wall: "auto",
    };
    const { stdout, records } = await runWrapped({ script, sandbox, verdicts: { cp: "escalate" } });
    assert.equal(stdout, "1\n0\n");
    assert.deepEqual([endsOf(records, "touch"), endsOf(records, "cp")], [[["run", 1, null]], [["escalate", 0, null]]]);
  });

  test("a program that takes the place of another one ends its record", async () => {
    const { records } = await runWrapped({ script: "$W /usr/bin/env env $W /bin/true true" });
    const [env, inner] = [records[1], records[2]];
    assert.deepEqual([env?.replacedBy, inner?.exitCode], [inner?.id, 0]);
  });

  test("calls that fail anyway fail as in Bash, and have no record", async () => {
    const folder = join(workFolder, "failing");
    // An ordinary one that is taken for patched: what the kernel can't run is for the session's own shell.
    const bash = join(workFolder, "bash");
    copyFileSync("/bin/bash", bash);
    appendFileSync(bash, "EXEC_WRAPPER");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "text"), "echo text $1\n", { mode: 0o755 });
    writeFileSync(join(folder, "empty"), "", { mode: 0o755 });
    writeFileSync(join(folder, "no-x"), "", { mode: 0o644 });
    writeFileSync(join(folder, "no-interpreter"), "#!/no/such\n", { mode: 0o755 });
    writeFileSync(join(folder, "bad-interpreter"), "#!/tmp\n", { mode: 0o755 });
    writeFileSync(join(folder, "binary"), "\x7fELF\0\0\0\0", { mode: 0o755 });
    const names = ["text", "empty", "no-x", "no-interpreter", "bad-interpreter", "binary", "missing", "."];
    const script = (prefix: string): string =>
      `cd ${folder}; for f in ${names.join(" ")}; do (${prefix}); echo "$f $?"; done 2>&1`;
    const plain = await runWrapped({ script: script("bash -c './$1 a' bash $f"), interceptor: "none" });
    const wrapped = await runWrapped({ script: script("exec $W ./$f ./$f a"), shell: bash });
    // Bash says also where in its script it is.
    assert.equal(wrapped.stdout, plain.stdout.replaceAll(/line \d+: /g, ""));
    assert.match(wrapped.stdout, /^text a\ntext 0\nempty 0\n/);
    assert.equal(wrapped.records.length, 1);
  });

  test("without its socket a program does not run", async () => {
    const script = `exec 2>&1; (unset CODEX_ESCALATE_SOCKET; $W /bin/echo echo a); echo $?; (CODEX_ESCALATE_SOCKET=9; $W /bin/echo echo b); echo $?; (CODEX_ESCALATE_SOCKET=x $W /bin/echo echo c); echo $?`;
    const { stdout } = await runWrapped({ script });
    const lines = stdout.split("\n");
    assert.deepEqual(
      lines.map((line) => line.replace(/^codex-execve-wrapper: .*; the program was not run$/, "refused")),
      ["refused", "125", "refused", "125", "refused", "125", ""],
    );
  });
});

describe("faithful", () => {
  const modes: Word[] = ["run", "escalate"];

  test("descriptors, umask, limits, nice, signals, cpus and working directory are the caller's", async () => {
    const shown = async (word: Word): Promise<string> => {
      const script = `cd /usr/share; ${changeState} $W ${showState} show-state "an argument" ""; true`;
      const { stdout, stderr } = await runWrapped({ script, verdicts: { "show-state": word } });
      assert.equal(stderr, "");
      return stdout
        .replaceAll(/socket:\[\d+\]/g, "socket")
        .replaceAll(/run-\d+/g, "run")
        .replaceAll(/^environment (CODEX_|EXEC_|BASH_EXEC_).*\n/gm, "");
    };
    const [inside = "", outside = ""] = await Promise.all(modes.map(shown));
    // Only inside the shared socket is passed on.
    assert.equal(outside, inside.replaceAll(/^fd 1023 socket .*\n/gm, ""));
    assert.notEqual(outside, inside);
    assert.match(outside, /^fd 511 \/dev\/null/m);
    assert.match(outside, /^fd 7 \/etc\/passwd flags \d+ at 11$/m);
    assert.doesNotMatch(outside, /^fd (0|8) /m);
    assert.match(outside, /^nice 3 cpus 1 cwd \/usr\/share /m);
    assert.match(outside, /^Umask:\s0027$/m);
  });

  test("bytes that are not UTF-8 in file, arguments, environment and working directory", async () => {
    const odd = Buffer.from([0xff, 0xfe, 0x20, 0x01]).toString("latin1");
    const script = `import os, shutil
d = os.getcwdb() + b"/\\xff\\xfe \\x01"
os.mkdir(d); os.chdir(d)
shutil.copy("${showState}", b"./show\\xff")
w = os.environb[b"W"]
env = dict(os.environb); env[b"A\\xff"] = b"1"; env[b"B"] = b"\\xfe"
os.execve(w, [w, d + b"/show\\xff", b"\\xffzero", b"", b"a\\nb\\"\\\\", b"\\xf0\\x28"], env)`;
    const run = async (word: Word): Promise<string> => {
      const { stdout, stderr, records } = await runWrapped({
        script: "",
        argv: ["/usr/bin/python3", "-c", script],
        verdicts: { "show\ufffd": word },
      });
      assert.equal(stderr, "");
      assert.equal(records.at(-1)?.decision, word);
      return stdout
        .replaceAll(/run-\d+/g, "run")
        .replaceAll(/^environment (CODEX_|EXEC_|BASH_EXEC_).*\n/gm, "")
        .replaceAll(/^fd .*\n| leads-group.*/gm, "");
    };
    const [inside = "", outside = ""] = await Promise.all(modes.map(run));
    const sorted = (text: string): string[] => text.split("\n").toSorted();
    assert.deepEqual(sorted(outside), sorted(inside));
    assert.ok(outside.includes(`${odd}\n`), outside);
    for (const line of [
      "argument \xffzero\n",
      "argument \n",
      'argument a\nb"\\\n',
      "environment A\xff=1\n",
      "environment B=\xfe\n",
    ])
      assert.ok(outside.includes(line), line);
  });

  test("every exit code and every death by a signal comes back", async () => {
    const numbers = [1, 2, 3, 6, 8, 9, 11, 13, 14, 15, 10, 12, 24, 31, 34, 64];
    const script = `import os, resource, subprocess
w = os.environ["W"]
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for i in [0, 1, 2, 77, 124, 125, 126, 127, 128, 129, 254, 255]:
    c = subprocess.run([w, "${exitWith}", "x", str(i)], close_fds=False).returncode
    if c != i: print("wrong", i, c)
for n in [${numbers.join(", ")}]: print(n, subprocess.run([w, "${exitWith}", "x", "signal", str(n)], close_fds=False).returncode)`;
    const { stdout, stderr, records } = await runWrapped({
      script: "",
      argv: ["/usr/bin/python3", "-c", script],
      verdicts: { "exit-with": "escalate" },
    });
    assert.deepEqual([stdout, stderr], [numbers.map((number) => `${number} -${number}\n`).join(""), ""]);
    assert.deepEqual(
      endsOf(records, "exit-with")
        .slice(0, 12)
        .map(([, exitCode]) => exitCode),
      [0, 1, 2, 77, 124, 125, 126, 127, 128, 129, 254, 255],
    );
  });

  test("signals reach the real program, a stop comes back, and a killed wrapper takes it along", async () => {
    const real = `import os, signal
awaited = [signal.SIGUSR1, signal.SIGTERM, signal.SIGCONT]
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
print("ready", os.getpid(), flush=True)
while True: os.write(1, b"got %d\\n" % signal.sigwait(awaited))`;
    const inside = `import os, signal, subprocess, sys
p = subprocess.Popen([os.environ["W"], "/usr/bin/env", "env", "python3", "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True, close_fds=False)
word, pid = p.stdout.readline().split()
print(word)
for n in [signal.SIGUSR1, signal.SIGTERM]:
    os.kill(p.pid, n); print(p.stdout.readline(), end="")
os.kill(p.pid, signal.SIGTSTP)
print(os.WSTOPSIG(os.waitpid(p.pid, os.WUNTRACED)[1]))
os.kill(p.pid, signal.SIGCONT); print(p.stdout.readline(), end="")
os.kill(p.pid, signal.SIGKILL); print(p.wait())
print(repr(p.stdout.read()))`;
    const { stdout, stderr } = await runWrapped({
      script: "",
      argv: ["/usr/bin/python3", "-c", inside, real],
      verdicts: { env: "escalate" },
    });
    // The pipe ends when the real program is gone.
    assert.deepEqual([stdout, stderr], ["ready\ngot 10\ngot 15\n20\ngot 18\n-9\n''\n", ""]);
  });

  test("a SIGCONT that comes late undoes no stop but the one that the wrapper got", async () => {
    const words = [askWrapper, "/usr/bin/env", "env", "python3", "-c"];
    const argv = ["/usr/bin/python3", "-c", continuesLate, pendingStop, ...words];
    const { stdout } = await runWrapped({ script: "", argv, verdicts: { env: "escalate" } });
    assert.equal(stdout, "own stop: kept\npassed stop: undone\n");
  });

  for (const word of ["run", "deny", "escalate"] as const) {
    test(`a signal every 50 microseconds: ${word} 100 of 100`, async () => {
      const ends = { run: "7", deny: "1", escalate: "7" };
      const { stdout, records } = await runWrapped({
        script: `exec 2>/dev/null; ${storm} 100 ${compileFixture("ask-target")} ${starter}`,
        verdicts: { "start-program": word },
      });
      assert.equal(stdout.replaceAll(/^ppid=.*\n/gm, ""), `${ends[word]}: 100\nother: 0\n`);
      assert.equal(endsOf(records, "start-program").length, 100);
    });
  }

  test("a caller with few descriptors", async () => {
    const script = `import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))
os.execv(os.environ["W"], ["w", "${starter}", "x", "word"])`;
    const { stdout, stderr } = await runWrapped({
      script: "",
      argv: ["/usr/bin/python3", "-c", script],
      verdicts: { "start-program": "escalate" },
    });
    assert.match(stdout, /^ppid=\d+ exe=start-program word\n$/);
    assert.equal(stderr, "");
  });

  test("300 descriptors, and closed standard ones", async () => {
    const script = `import os
f = os.open("/usr", os.O_PATH)
for i in range(100, 400): os.dup2(f, i, inheritable=True)
os.close(0); os.close(2)
os.execv(os.environ["W"], ["w", "${showState}", "x"])`;
    const { stdout } = await runWrapped({
      script: "",
      argv: ["/usr/bin/python3", "-c", script],
      verdicts: { "show-state": "escalate" },
    });
    assert.equal(stdout.match(/^fd \d+ \/usr flags/gm)?.length, 300);
    assert.doesNotMatch(stdout, /^fd (0|2|1023) /m);
  });

  test("a group of the caller's, and arguments of 2 MB", async () => {
    const { stdout } = await runWrapped({
      script: `$W ${showState} x | grep leads-group; $W /usr/bin/env env printf '%s' "$(head -c 100000 /dev/zero | tr '\\0' x)" | wc -c`,
      verdicts: { "show-state": "escalate", env: "escalate" },
    });
    assert.match(stdout, /leads-group 0\n100000\n$/);
  });
});

describe("a broker of root", { skip: isRoot ? false : "needs root" }, () => {
  test("takes the caller's user, groups and capabilities", async () => {
    const asUser = "setpriv --reuid 1000 --regid 1001 --groups 1001,1002";
    const { stdout } = await runWrapped({
      script: `${asUser} $W /usr/bin/id id; $W /usr/bin/id id -u`,
      verdicts: { id: "escalate" },
    });
    assert.equal(stdout.replaceAll(/\([^)]*\)/g, ""), "uid=1000 gid=1001 groups=1001,1002\n0\n");
  });
});
