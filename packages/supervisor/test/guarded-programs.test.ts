/** Every way to execute a program is seen, and ends as its verdict says. */
import assert from "node:assert/strict";
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { textToDisplay } from "../src/index.ts";
import { compileFixture, workFolder } from "./support/compiled-fixtures.ts";
import { bytesOf, decideByName, endsByRequest, runGuarded, surroundings } from "./support/guarded-command.ts";
import type { GuardedResult } from "./support/guarded-command.ts";

const starter = compileFixture("start-program");
const staticStarter = compileFixture("start-program", { as: "static-program", flags: ["-static"] });
const folder = join(workFolder, "programs");
mkdirSync(folder);
symlinkSync(starter, join(folder, "absolute-link"));
symlinkSync("../start-program", join(folder, "relative-link"));
for (const word of ["run", "deny", "escalate"]) linkSync(starter, join(folder, word));
writeScript("script", `#!/bin/sh\n${starter} script "$1" >/dev/null\necho "ppid=$PPID script $@"\nexit 7\n`);
writeScript("nested", `#!${join(folder, "script")} extra\n`);
writeScript("busybox-script", `#!/bin/busybox sh\necho "ppid=$PPID busybox $1"\nexit 7\n`);

function writeScript(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), 0o755);
}

interface Outcome {
  line: string;
  status: string;
}

/** Runs `COMMAND` once for each verdict, `VERDICT` in it being replaced; what it printed and how it ended. Where the program's
 *  parent is the broker it runs outside. */
async function outcomes(command: string, around: "nothing" | "bubblewrap"): Promise<Record<string, Outcome>> {
  const words = ["run", "deny", "escalate"];
  const script = words.map((word) => `${command.replaceAll("VERDICT", word)}; echo "${word} $?"`).join("\n");
  const result = await runGuarded({ file: "/bin/sh", argv: ["sh", "-c", `exec 2>&1\n${script}\n`], around });
  assert.deepEqual(endsByRequest(result), { missing: [], twice: [] });
  const found: Record<string, Outcome> = {};
  let lines: string[] = [];
  for (const line of result.stdout.trimEnd().split("\n")) {
    const end = /^(run|deny|escalate) (\d+)$/.exec(line);
    if (end === null) {
      lines.push(line.replace(/ppid=(\d+)/, (_, pid) => (Number(pid) === result.brokerPid ? "outside" : "inside")));
    } else {
      found[end[1] ?? ""] = { line: lines.join("\n"), status: end[2] ?? "" };
      lines = [];
    }
  }
  return found;
}

function expected(rest: (word: string) => string): Record<string, Outcome> {
  return {
    run: { line: `inside ${rest("run")}`, status: "7" },
    deny: { line: "Execution denied: told so", status: "1" },
    escalate: { line: `outside ${rest("escalate")}`, status: "7" },
  };
}

const ways = [
  "plain",
  "vfork",
  "posix_spawn",
  "thread",
  "at-empty-path",
  "at-relative",
  "relative",
  "proc-self-fd",
  "thread-self-fd",
  "dev-fd",
  "deleted-cwd",
  "no-environment",
];

for (const { around, skip } of surroundings) {
  describe(`inside ${around}`, { skip }, () => {
    for (const way of ways) {
      test(`${way}: runs, is denied, is carried outside`, async () => {
        const seen = await outcomes(`${starter} ${way} VERDICT ${starter}`, around);
        assert.deepEqual(
          seen,
          expected((word) => `exe=start-program ${word}`),
        );
      });
    }

    test("a static program started by a static program", async () => {
      const seen = await outcomes(`${staticStarter} vfork VERDICT ${staticStarter}`, around);
      assert.deepEqual(
        seen,
        expected((word) => `exe=static-program ${word}`),
      );
    });

    test("a copy in memory, which has no name", async () => {
      const seen = await outcomes(`${staticStarter} memfd VERDICT ${staticStarter}`, around);
      assert.deepEqual(
        seen,
        expected((word) => `exe=memfd:copy (deleted) ${word}`),
      );
    });

    test("a program that executes itself through /proc/self/exe", async () => {
      const seen = await outcomes(`${starter} proc-self-exe VERDICT ignored`, around);
      assert.deepEqual(
        seen,
        expected((word) => `exe=start-program ${word}`),
      );
    });

    test("symbolic links, absolute and relative", async () => {
      for (const link of ["absolute-link", "relative-link"]) {
        const seen = await outcomes(`${join(folder, link)} VERDICT`, around);
        assert.deepEqual(
          seen,
          expected((word) => `exe=start-program ${word}`),
        );
      }
      const relative = await outcomes(`cd ${folder} && ./relative-link VERDICT`, around);
      assert.deepEqual(
        relative,
        expected((word) => `exe=start-program ${word}`),
      );
    });

    test("scripts, also with a script as interpreter", async () => {
      const script = await outcomes(`${folder}/script VERDICT`, around);
      assert.deepEqual(
        script,
        expected((word) => `script ${word}`),
      );
      const busybox = await outcomes(`${folder}/busybox-script VERDICT`, around);
      assert.deepEqual(
        busybox,
        expected((word) => `busybox ${word}`),
      );
      const nested = await outcomes(`${folder}/nested VERDICT`, around);
      assert.deepEqual(nested["run"], { line: `inside script extra ${folder}/nested run`, status: "7" });
      assert.deepEqual(nested["deny"], { line: "Execution denied: told so", status: "1" });
    });

    test("a static multi-call program", async () => {
      const seen = await outcomes(`/bin/busybox sh -c 'echo ppid=$PPID $0; exit 7' VERDICT`, around);
      assert.deepEqual(
        seen,
        expected((word) => word),
      );
    });

    test("python: subprocess without descriptors and environment, and os.posix_spawn", async () => {
      const call = `subprocess.run(["${starter}", "VERDICT"], close_fds=True, env={}).returncode`;
      const seen = await outcomes(`python3 -c 'import subprocess, sys; sys.exit(${call})'`, around);
      assert.deepEqual(
        seen,
        expected((word) => `exe=start-program ${word}`),
      );
      const spawn = `os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn("${starter}", ["x", "VERDICT"], {}), 0)[1])`;
      const spawned = await outcomes(`python3 -c 'import os, sys; sys.exit(${spawn})'`, around);
      assert.deepEqual(
        spawned,
        expected((word) => `exe=start-program ${word}`),
      );
    });

    test("no arguments at all", async () => {
      for (const way of ["no-arguments", "null-vectors"]) {
        const script = ["run", "deny", "escalate"]
          .map((word) => `${starter} ${way} x ${folder}/${word}; echo $?`)
          .join("; ");
        const result = await runGuarded({ file: "/bin/sh", argv: ["sh", "-c", script], around });
        const seen = result.execs.filter((exec) => exec.argv.length === 0).map((exec) => textToDisplay(exec.file));
        assert.deepEqual(
          seen,
          ["run", "deny", "escalate"].map((word) => join(folder, word)),
        );
        assert.match(result.stdout, /^ppid=\d+ exe=run\n7\n1\nppid=\d+ exe=escalate\n7\n$/);
        assert.equal(result.stderr, "Execution denied: told so\n");
      }
    });

    test("bytes that are not UTF-8 in path, arguments, environment and working directory", async () => {
      const odd = "\\377\\n\\303";
      const script = `cd "$(mktemp -d)" && d="$(printf '${odd}')" && mkdir "$d" && cd "$d" && cp ${starter} "./$d" &&
        for v in run deny escalate; do PWD=/ X="$d" "./$d" "$d" $v; echo $?; done; cd .. && rm -rf "$PWD"`;
      const result = await runGuarded({ file: "/bin/sh", argv: ["sh", "-c", script], around });
      const bytes = "\xff\n\xc3";
      assert.equal(result.stderr, "Execution denied: told so\n");
      assert.equal(
        result.stdout.replaceAll(/ppid=\d+/g, "ppid"),
        `ppid exe=${bytes} ${bytes} run\n7\n1\nppid exe=${bytes} ${bytes} escalate\n7\n`,
      );
      const last = result.execs.filter((exec) => bytesOf(exec.file).startsWith("./"));
      assert.equal(last.length, 3);
      for (const exec of last) {
        assert.equal(bytesOf(exec.file), `./${bytes}`);
        assert.equal(bytesOf(exec.argv[1] ?? ""), bytes);
        assert.ok(bytesOf(exec.cwd).endsWith(`/${bytes}`));
        assert.ok(exec.env.toString("latin1").split("\0").includes(`X=${bytes}`));
      }
    });

    test("1.5 MB of arguments, and one argument of the longest length", async () => {
      const many = "import sys; print(sum(map(len, sys.argv[1:-1])))";
      const long = `["x" * 131071] + ["y" * 100000] * 14`;
      const run = `subprocess.run([sys.executable, "-c", "${many}"] + ${long} + [v]).returncode`;
      const script = `import subprocess, sys\nfor v in ["run", "escalate", "deny"]: print(${run}, flush=True)`;
      const result = await runGuarded({ file: "/usr/bin/python3", argv: ["python3", "-c", script], around });
      assert.deepEqual(
        { stdout: result.stdout, stderr: result.stderr },
        {
          stdout: "1531071\n0\n1531071\n0\n1\n",
          stderr: "Execution denied: told so\n",
        },
      );
    });

    test("no program gets a descriptor that it would not have without us", async () => {
      const script = `exec 5</dev/null 9>/dev/null; ls /proc/self/fd | tr '\\n' ' '`;
      const plain = "0 1 2 3 5 9 "; // 3 is the folder that ls reads
      for (const ls of ["run", "escalate"] as const) {
        const result = await runGuarded({ argv: ["/bin/sh", "-c", script], around, decide: decideByName({ ls }) });
        assert.equal(result.stdout, plain);
      }
    });
  });
}

/** Paths of the programs that were asked about, in order. */
function asked(result: GuardedResult): string[] {
  return result.execs.map((exec) => textToDisplay(exec.file));
}

test("the events name file, arguments, parents and the chain of interpreters", async () => {
  const result = await runGuarded({ argv: ["/bin/sh", "-c", `${folder}/nested run; true`], cwd: workFolder });
  assert.deepEqual(asked(result), ["/bin/sh", join(folder, "nested"), starter]);
  const nested = result.execs[1];
  assert.deepEqual(
    {
      argv: nested?.argv,
      cwd: nested?.cwd,
      outside: nested?.outside,
      parents: nested?.parents,
      parentRequestId: nested?.parentRequestId,
      chain: nested?.chain.map(({ path, kind, interpreter }) => ({ path, kind, interpreter })),
    },
    {
      argv: [join(folder, "nested"), "run"],
      cwd: workFolder,
      outside: false,
      parents: [result.execs[0]?.pid],
      parentRequestId: 1,
      chain: [
        {
          path: join(folder, "nested"),
          kind: "script",
          interpreter: { file: join(folder, "script"), argument: "extra" },
        },
        { path: join(folder, "script"), kind: "script", interpreter: { file: "/bin/sh" } },
        { path: "/usr/bin/dash", kind: "elf", interpreter: undefined },
      ],
    },
  );
});
