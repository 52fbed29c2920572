/** A program that asked through a wrapper, in a bounded sandbox of its own: it ends, stops and fails as without one. */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { describe, test } from "node:test";
import { textToDisplay } from "@sallyport/supervisor";
import type { ExecEvent, Verdict } from "@sallyport/supervisor";
import { escalateInBounds, surroundings } from "../../../supervisor/test/support/guarded-command.ts";
import { continuesLate, pendingStop, tellsSignals } from "../../../supervisor/test/support/signal-programs.ts";
import type { Decision } from "../../src/decision/index.ts";
import { askWrapper, compileFixture, decisionFor, endsOf, runWrapped } from "./wrapped-command.ts";
import type { Wrapped, WrappedOptions } from "./wrapped-command.ts";

const showState = compileFixture("show-state");
const changeState = compileFixture("change-state");
const exitWith = compileFixture("exit-with");
const storm = compileFixture("storm-of-signals");
const starter = compileFixture("start-program");
const skip = surroundings.find(({ around }) => around === "bubblewrap")?.skip ?? "no bubblewrap";

/** Programs of this name are bounded; `change` changes how bubblewrap is called. */
function runBounded(
  name: string,
  options: WrappedOptions,
  change: (outerArgv: string[]) => string[] = (same) => same,
): Promise<Wrapped> {
  const decide = (event: ExecEvent): Decision => {
    const run = decisionFor(event, "run");
    return basename(textToDisplay(event.file)) === name ? { ...run, verdict: boundedVerdict(event, change) } : run;
  };
  return runWrapped({ ...options, decide });
}

function boundedVerdict(event: ExecEvent, change: (outerArgv: string[]) => string[]): Verdict {
  const verdict = escalateInBounds(event);
  assert.ok(verdict.kind === "escalate" && verdict.bounds !== undefined);
  return { ...verdict, bounds: { ...verdict.bounds, outerArgv: change(verdict.bounds.outerArgv) } };
}

describe("a wrapper's program in a bounded sandbox", { skip }, () => {
  test("descriptors, umask, limits, nice, signals, cpus and working directory are the caller's", async () => {
    const script = `cd /usr/share; ${changeState} $W ${showState} show-state "an argument" ""; true`;
    const shown = ({ stdout, stderr }: Wrapped): string => {
      assert.equal(stderr, "");
      return stdout
        .replaceAll(/socket:\[\d+\]/g, "socket")
        .replaceAll(/run-\d+/g, "run")
        .replaceAll(/^environment (CODEX_|EXEC_|BASH_EXEC_).*\n/gm, "");
    };
    const inside = shown(await runWrapped({ script }));
    const bounded = shown(await runBounded("show-state", { script }));
    // Only inside the shared socket is passed on.
    assert.equal(bounded, inside.replaceAll(/^fd 1023 socket .*\n/gm, ""));
    assert.match(bounded, /^fd 7 \/etc\/passwd flags \d+ at 11$/m);
  });

  test("every exit code and every death by a signal comes back", async () => {
    const script = `import os, subprocess
w = os.environ["W"]
for i in [0, 1, 7, 125, 126, 127, 128, 255]: print(i, subprocess.run([w, "${exitWith}", "x", str(i)], close_fds=False).returncode)
for n in [1, 9, 11, 15]: print(n, subprocess.run([w, "${exitWith}", "x", "signal", str(n)], close_fds=False).returncode)`;
    const { stdout, stderr, records } = await runBounded("exit-with", {
      script: "",
      argv: ["/usr/bin/python3", "-c", script],
    });
    const codes = [0, 1, 7, 125, 126, 127, 128, 255].map((code) => `${code} ${code}\n`);
    const signals = [1, 9, 11, 15].map((signal) => `${signal} -${signal}\n`);
    assert.deepEqual([stdout, stderr], [[...codes, ...signals].join(""), ""]);
    const ended = endsOf(records, "exit-with").map(([, exitCode, signal]) => signal ?? exitCode);
    assert.deepEqual(ended, [0, 1, 7, 125, 126, 127, 128, 255, "SIGHUP", "SIGKILL", "SIGSEGV", "SIGTERM"]);
  });

  test("signals reach it, a stop comes back, and a killed wrapper takes it along", async () => {
    const inside = `import os, signal, subprocess, sys
p = subprocess.Popen([os.environ["W"], "/usr/bin/env", "env", "python3", "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True, close_fds=False)
print(p.stdout.readline(), end="")
for n in [signal.SIGUSR1, signal.SIGTERM]:
    os.kill(p.pid, n); print(p.stdout.readline(), end="")
for i in range(2):
    os.kill(p.pid, signal.SIGTSTP)
    print(os.WSTOPSIG(os.waitpid(p.pid, os.WUNTRACED)[1]))
    os.kill(p.pid, signal.SIGCONT); print(p.stdout.readline(), end="")
os.kill(p.pid, signal.SIGKILL); print(p.wait())
print(repr(p.stdout.read()))`;
    const { stdout, stderr } = await runBounded("env", {
      script: "",
      argv: ["/usr/bin/python3", "-c", inside, tellsSignals],
    });
    // The pipe ends when the real program is gone.
    assert.deepEqual([stdout, stderr], ["ready\ngot 10\ngot 15\n20\ngot 18\n20\ngot 18\n-9\n''\n", ""]);
  });

  test("a SIGCONT that comes late undoes no stop but the one that the wrapper got", async () => {
    const words = [askWrapper, "/usr/bin/env", "env", "python3", "-c"];
    const argv = ["/usr/bin/python3", "-c", continuesLate, pendingStop, ...words];
    const { stdout } = await runBounded("env", { script: "", argv });
    assert.equal(stdout, "own stop: kept\npassed stop: undone\n");
  });

  test("a signal every 50 microseconds: 20 of 20", async () => {
    const script = `exec 2>/dev/null; ${storm} 20 ${compileFixture("ask-target")} ${starter}`;
    const { stdout, records } = await runBounded("start-program", { script });
    assert.equal(stdout.replaceAll(/^ppid=.*\n/gm, ""), "7: 20\nother: 0\n");
    assert.equal(endsOf(records, "start-program").length, 20);
  });

  const failures: [name: string, change: (outerArgv: string[]) => string[], why: RegExp][] = [
    [
      "a mount that fails",
      ([bwrap = "", ...rest]) => [bwrap, "--bind", "/no-such", "/mnt", ...rest],
      /can't be built: .*no-such/,
    ],
    ["no bubblewrap", ([, ...rest]) => ["/no-such-bwrap", ...rest], /starting bubblewrap failed \(errno 2\)/],
  ];
  for (const [name, change, why] of failures)
    test(`fails closed, and says why: ${name}`, async () => {
      const script = "$W /bin/cat cat /etc/hostname; echo $?";
      const { stdout, stderr, records } = await runBounded("cat", { script }, change);
      assert.equal(stdout, "125\n");
      assert.match(stderr, /^codex-execve-wrapper: cannot run this outside: /);
      assert.match(stderr, why);
      assert.deepEqual(endsOf(records, "cat"), [["escalate", 125, null]]);
    });
});
