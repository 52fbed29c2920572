/** The patched Bash itself: the contract of EXEC_WRAPPER, and that nothing else about it is different. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findBrokenPromise } from "../../src/shell-build/contract.ts";
import { noPatchedBash, patchedBash, patchedVersion } from "../patched-bash.ts";
import { BashPlace, wrapperEnvironment } from "./bash-place.ts";
import { execCases } from "./exec-cases.ts";

const systemBash = "/bin/bash";
const systemVersion = spawnSync(systemBash, ["-c", 'echo "$BASH_VERSION"'], { encoding: "utf8" }).stdout?.trim();
const otherVersion = systemVersion !== patchedVersion && `${systemBash} is ${systemVersion}, not ${patchedVersion}`;
const place = new BashPlace();
const wrapped = wrapperEnvironment(place.runAlways);
const noted = wrapperEnvironment(place.note);

test(
  `${execCases.length} ways to start a program end the same with a wrapper that always runs`,
  { skip: noPatchedBash },
  () => {
    for (const { name, script } of execCases) {
      assert.deepEqual(place.run(patchedBash, script, wrapped), place.run(patchedBash, script), name);
    }
  },
);

test("without a wrapper they end as in the distribution's Bash", { skip: noPatchedBash || otherVersion }, () => {
  for (const { name, script } of execCases) {
    assert.deepEqual(place.run(patchedBash, script), place.run(systemBash, script), name);
  }
});

test("the cases above would notice a wrapper that is asked about everything", { skip: noPatchedBash }, () => {
  // What a shell without the checks before the wrapper does: it gives any name to the wrapper.
  const differing = execCases.filter(({ script }) => {
    const plain = place.run(patchedBash, script);
    const naive = place.run(patchedBash, script.replaceAll(/(?<![\w/'"])\.\//g, `${place.runAlways} ./ ./`), {});
    return JSON.stringify(plain) !== JSON.stringify(naive);
  });
  assert.ok(differing.length > execCases.length / 2);
});

test("findBrokenPromise() finds none in the patched Bash", { skip: noPatchedBash }, () => {
  assert.equal(findBrokenPromise(patchedBash, join(place.bin, "check")), null);
  assert.equal(existsSync(join(place.bin, "check")), false);
});

test("findBrokenPromise() tells an unpatched Bash from a patched one", () => {
  assert.match(
    findBrokenPromise(systemBash, join(place.bin, "check")) ?? "",
    /^"EXEC_WRAPPER gets the file and the whole argument vector" does not hold: saw .*"asked":""/,
  );
});

// Each of these tries to have "/bin/echo reached" started without the wrapper being asked.
const attacks: [name: string, script: string][] = [
  ["unset", "unset EXEC_WRAPPER BASH_EXEC_WRAPPER"],
  ["export another wrapper", "export EXEC_WRAPPER=/bin/false BASH_EXEC_WRAPPER=/bin/false"],
  ["export an empty one", "export EXEC_WRAPPER= BASH_EXEC_WRAPPER="],
  ["unexport", "export -n EXEC_WRAPPER BASH_EXEC_WRAPPER"],
  [
    "make them readonly and local",
    "f() { local -r EXEC_WRAPPER=x; local -a BASH_EXEC_WRAPPER=(y); /bin/echo reached; exit; }; f",
  ],
  ["make them integers", "declare -i EXEC_WRAPPER=1; declare -n BASH_EXEC_WRAPPER=nothing"],
  ["posix mode", "set -o posix; unset EXEC_WRAPPER BASH_EXEC_WRAPPER"],
  ["exec -c", "exec -c /bin/echo reached"],
  ["exec -a", "exec -a wrapper /bin/echo reached"],
  ["command -p", "command -p echo unused >/dev/null; command /bin/echo reached; exit"],
  ["assignment before the command", "EXEC_WRAPPER=/bin/false BASH_EXEC_WRAPPER= /bin/echo reached; exit"],
  ["a subshell", "(unset EXEC_WRAPPER BASH_EXEC_WRAPPER; /bin/echo reached); exit"],
  ["a background job", "unset EXEC_WRAPPER BASH_EXEC_WRAPPER; /bin/echo reached & wait; exit"],
  ["a script without #!", "unset EXEC_WRAPPER BASH_EXEC_WRAPPER; ./reach; exit"],
  ["exec of a script without #!", "unset EXEC_WRAPPER BASH_EXEC_WRAPPER; exec ./reach"],
  ["an exit trap", "trap '/bin/echo reached' EXIT; unset EXEC_WRAPPER BASH_EXEC_WRAPPER; exit"],
  ["a restricted shell", "set -r; unset EXEC_WRAPPER BASH_EXEC_WRAPPER; env echo reached; exit"],
  ["a hashed name", "hash -p /bin/echo reach; unset EXEC_WRAPPER; reach reached; exit"],
];

test("a script does not get past the wrapper", { skip: noPatchedBash }, () => {
  writeFileSync(join(place.folder, "reach"), "unset EXEC_WRAPPER\n/bin/echo reached\n", { mode: 0o755 });
  for (const [name, script] of attacks) {
    place.takeAsked();
    const { stdout } = place.run(patchedBash, `${script}; /bin/echo reached`, noted);
    assert.equal(stdout, "reached\n", name);
    assert.deepEqual(place.takeAsked().filter((line) => line.endsWith("<reached>")).length, 1, name);
    // The same script starts nothing where the wrapper refuses.
    assert.equal(
      place.run(patchedBash, `${script}; /bin/echo reached`, wrapperEnvironment(place.refuse)).stdout,
      "",
      name,
    );
  }
});

test("a file that becomes executable between two looks is not started unasked", { skip: noPatchedBash }, async () => {
  const mark = join(place.folder, "mark");
  writeFileSync(join(place.folder, "flips"), `#!/bin/sh\necho started >${mark}\n`, { mode: 0o644 });
  const flipping = spawn("/bin/sh", ["-c", "while :; do chmod 755 flips; chmod 644 flips; done"], {
    cwd: place.folder,
  });
  try {
    const script = "for ((i = 0; i < 400; i++)); do ./flips; done 2>/dev/null";
    place.run(patchedBash, script, wrapperEnvironment(place.refuse));
    assert.equal(existsSync(mark), false);
    // Without the wrapper the file does get started: the race is a real one.
    place.run(patchedBash, script);
    assert.equal(existsSync(mark), true);
  } finally {
    flipping.kill("SIGKILL");
    await new Promise((resolve) => flipping.once("close", resolve));
    rmSync(mark, { force: true });
  }
});

test(
  "the wrapper gets the three variables as the shell got them, and the others as the script has them",
  { skip: noPatchedBash },
  () => {
    const script =
      "unset EXEC_WRAPPER CODEX_ESCALATE_SOCKET; export BASH_EXEC_WRAPPER=/x OTHER=new; exec -a x /usr/bin/env";
    const names = (text: string): string[] =>
      text
        .split("\n")
        .filter((line) => /WRAPPER|SOCKET|OTHER/.test(line))
        .sort();
    const env = { EXEC_WRAPPER: place.runAlways, CODEX_ESCALATE_SOCKET: "77", OTHER: "old" };
    assert.deepEqual(names(place.run(patchedBash, script, env).stdout), [
      "CODEX_ESCALATE_SOCKET=77",
      `EXEC_WRAPPER=${place.runAlways}`,
      "OTHER=new",
    ]);
    // What was not there at the start does not reach the wrapper: a script could send it to somebody else for the answer.
    const forge = "export CODEX_ESCALATE_SOCKET=5; exec /usr/bin/env";
    assert.deepEqual(names(place.run(patchedBash, forge, { EXEC_WRAPPER: place.runAlways }).stdout), [
      `EXEC_WRAPPER=${place.runAlways}`,
    ]);
  },
);

test("EXEC_WRAPPER comes before BASH_EXEC_WRAPPER; an empty one is none", { skip: noPatchedBash }, () => {
  const asked = (env: Record<string, string>): string[] => {
    place.takeAsked();
    assert.equal(place.run(patchedBash, "/bin/echo reached", env).stdout, "reached\n");
    return place.takeAsked();
  };
  const once = ["</bin/echo></bin/echo><reached>"];
  assert.deepEqual(asked({ EXEC_WRAPPER: place.note, BASH_EXEC_WRAPPER: place.refuse }), once);
  assert.deepEqual(asked({ EXEC_WRAPPER: "", BASH_EXEC_WRAPPER: place.note }), once);
  assert.deepEqual(asked({ BASH_EXEC_WRAPPER: place.note }), once);
  assert.deepEqual(asked({ EXEC_WRAPPER: "", BASH_EXEC_WRAPPER: "" }), []);
});

test(
  "a wrapper that can't be started starts nothing, says so, and leaves the shell running",
  { skip: noPatchedBash },
  () => {
    const script = 'echo builtin; /bin/echo reached; echo "$?"; shopt -s execfail; exec /bin/echo reached; echo "$?"';
    const refusals: [path: string, reason: string][] = [
      ["/nosuch/wrapper", "No such file or directory"],
      [join(place.folder, "no-x"), "Permission denied"],
      [join(place.folder, "folder"), "Permission denied"],
      [join(place.folder, "garbage"), "Exec format error"],
      ["wrapper", "expected an absolute path"],
      ["./hash-bang", "expected an absolute path"],
    ];
    for (const [path, reason] of refusals) {
      const line = `bash: line 1: /bin/echo: not run: exec wrapper "${path}": ${reason}\n`;
      const { status, stdout, stderr } = place.run(patchedBash, script, { EXEC_WRAPPER: path });
      assert.deepEqual([status, stdout], [0, "builtin\n125\n125\n"]);
      // exec adds a line of its own, whose end differs between versions.
      assert.equal(stderr.replace(/bash: line 1: (exec: )?\/bin\/echo: [A-Z][\w ]*\n$/, "..."), `${line}${line}...`);
    }
  },
);

test("a wrapper that can't be started ends the shell at exec, with 125", { skip: noPatchedBash }, () => {
  const { status, stdout } = place.run(patchedBash, "exec /bin/echo reached; echo on", { EXEC_WRAPPER: "/nosuch" });
  assert.deepEqual([status, stdout], [125, ""]);
});
