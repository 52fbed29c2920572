/** Which interceptor it is, and what is said where none can be had. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { planInterceptor } from "../src/interceptor.ts";
import { askWrapper, compileFixture, runWrapped, workFolder } from "./escalation/wrapped-command.ts";

const sallyport = join(import.meta.dirname, "../../../bin/sallyport");
const belowListener = compileFixture("below-a-listener");

function makeHome(withShell: boolean): string {
  const home = mkdtempSync(join(workFolder, "home-"));
  chmodSync(home, 0o700);
  if (!withShell) return home;
  const folder = join(home, "shells", "test");
  const path = join(folder, "bin", "bash");
  mkdirSync(join(folder, "bin"), { recursive: true });
  copyFileSync(askWrapper, path);
  writeFileSync(join(folder, "shell.json"), JSON.stringify({ version: 1, path, bashVersion: "5.2", builtAtMs: 1 }));
  return home;
}

/** `bash` with a word before what it executes: `ask-wrapper /bin/echo echo hi`. */
function run(home: string, words: string[]): { status: number | null; stdout: string; stderr: string } {
  const cwd = mkdtempSync(join(workFolder, "project-"));
  const env = { PATH: "/usr/bin:/bin", HOME: join(home, "user"), SALLYPORT_HOME: home };
  const [file = "", ...args] = words;
  const { status, stdout, stderr } = spawnSync(file, args, { cwd, env, encoding: "utf8", timeout: 30_000 });
  return { status, stdout, stderr };
}

function interceptorOf(stderr: string): unknown {
  const summary = JSON.parse(stderr.trim().split("\n").at(-1) ?? "") as { interceptor: string; execs: object };
  return [summary.interceptor, summary.execs];
}

const echo = ["--", "bash", "/bin/echo", "echo", "hi"];

describe("auto", () => {
  test("takes the kernel's where that can be had", () => {
    const ended = run(makeHome(true), [sallyport, "run", "--json", "--", "/bin/echo", "hi"]);
    assert.deepEqual([ended.status, ended.stdout], [0, "hi\n"]);
    assert.deepEqual(interceptorOf(ended.stderr), ["kernel", { run: 1, escalate: 0, deny: 0 }]);
  });

  test("takes the installed shell where the kernel's can't be had, and says so", () => {
    const ended = run(makeHome(true), [belowListener, sallyport, "run", "--json", ...echo]);
    assert.deepEqual([ended.status, ended.stdout], [0, "hi\n"], ended.stderr);
    assert.match(ended.stderr, /^sallyport: weaker interception: the kernel does not report programs here, /m);
    assert.deepEqual(interceptorOf(ended.stderr), ["bash", { run: 2, escalate: 0, deny: 0 }]);
  });

  test("doctor says which of them it is", () => {
    const lineOf = (home: string, before: string[]): unknown => {
      const { stdout } = run(home, [...before, sallyport, "doctor", "--json"]);
      const { findings } = JSON.parse(stdout) as { findings: { name: string; state: string; needed: boolean }[] };
      const stateOf = (name: string): unknown => {
        const found = findings.find((finding) => finding.name === name);
        return [found?.state, found?.needed];
      };
      return { interception: stateOf("interception"), "patched shell": stateOf("patched shell") };
    };
    assert.deepEqual(lineOf(makeHome(true), []), { interception: ["ok", true], "patched shell": ["ok", false] });
    assert.deepEqual(lineOf(makeHome(true), [belowListener]), {
      interception: ["no", false],
      "patched shell": ["weaker", true],
    });
    assert.deepEqual(lineOf(makeHome(false), [belowListener]), {
      interception: ["no", true],
      "patched shell": ["no", false],
    });
  });

  test("refuses to start where neither can be had, and runs nothing", () => {
    const home = makeHome(false);
    const ended = run(home, [belowListener, sallyport, "run", "--", "/bin/echo", "ran"]);
    assert.deepEqual([ended.status, ended.stdout], [125, ""]);
    assert.match(
      ended.stderr,
      /The kernel can't report programs here, and no patched shell is installed in .*sallyport shell build/,
    );
    const asked = run(home, [belowListener, sallyport, "run", "--interceptor", "kernel", "--", "/bin/echo", "ran"]);
    assert.deepEqual([asked.status, asked.stdout], [125, ""]);
    assert.match(asked.stderr, /installing the exec filter/);
  });
});

describe("planInterceptor()", () => {
  const home = makeHome(false);
  const unavailable = (options: Parameters<typeof planInterceptor>[0], message: RegExp): void => {
    assert.throws(() => planInterceptor(options), { code: "INTERCEPTOR_UNAVAILABLE", message });
  };

  test("refuses a shell that would start everything undecided", () => {
    unavailable({ interceptor: "bash", home, shell: "/bin/sh" }, /"\/bin\/sh" does not know EXEC_WRAPPER/);
    unavailable(
      { interceptor: "bash", home },
      /^No patched shell is installed in ".*\/shells": run sallyport shell build/,
    );
    unavailable({ interceptor: "bash", home, shell: "/no/such" }, /can't be executed/);
    unavailable({ interceptor: "bash", home, shell: "bash" }, /can't be executed, expected the absolute path/);
  });

  test("refuses a wrapper that is not there", () => {
    const wrapper = { interceptor: "bash", home, shell: askWrapper, execveWrapper: "/no/such" } as const;
    unavailable(wrapper, /The wrapper "\/no\/such" is missing/);
  });

  test("puts the socket below the caller's limit of open files", () => {
    const numbers = [0, 20_000, 256, 2].map((nofileSoft) => {
      const [found] = planInterceptor({ interceptor: "bash", home, shell: askWrapper, caller: { nofileSoft } });
      return found?.kind === "bash" ? found.socketNumber : null;
    });
    assert.deepEqual(numbers, [1023, 1023, 255, 3]);
  });

  test("auto passes over a shell that is not patched", () => {
    assert.deepEqual(planInterceptor({ interceptor: "auto", home, shell: "/bin/sh" }), [{ kind: "kernel" }]);
  });
});

test("when the broker is killed every wrapper ends with 125, and no program runs", async () => {
  const done = join(workFolder, "done");
  mkdirSync(done);
  // Each wrapper waits for its answer when the broker goes; what they say lasts longer than the run.
  const script = `for i in 1 2 3; do (setsid sh -c '$W /bin/echo echo ran >${done}/out-'$i' 2>${done}/err-'$i'; echo $? >${done}/status-'$i) & done; wait`;
  let asked = 0;
  const { summary } = await runWrapped({
    script,
    decide: (event) => {
      if (event.file !== "/bin/echo")
        return { verdict: { kind: "run" }, reason: { kind: "default", text: "" }, file: event.file };
      asked += 1;
      if (asked === 3) process.kill(brokerPid(), "SIGKILL");
      return new Promise(() => undefined);
    },
  });
  assert.deepEqual(
    summary.failures.map(({ code }) => code),
    ["BROKER_DIED"],
  );
  // The tree may have been killed with its cgroup before a wrapper could speak; none may have run its program.
  for (const name of readdirSync(done)) {
    const text = readFileSync(join(done, name), "utf8");
    if (name.startsWith("out")) assert.equal(text, "");
    if (name.startsWith("status")) assert.equal(text, "125\n");
  }
});

function brokerPid(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
  return Number(children.find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "sallyport-brokr"));
}
