// The journal says what ran: for real workloads, the programs in it are those that strace sees in the plain run, each as often
// and with the same arguments.
import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { AttackPlace, callers } from "./support/attack-place.ts";
import type { JournalRecord } from "./support/attack-place.ts";
import { missingTools } from "./support/needed-tools.ts";
import { readTruth, straceWords } from "./support/strace-truth.ts";
import type { Start } from "./support/strace-truth.ts";

interface Workload {
  title: string;
  tools: string[];
  files: Record<string, string>;
  script: string;
  /** Programs that must be among those that ran, so that an empty workload can't pass. */
  runs: string[];
}

const source = (name: string): string => `int ${name}(int value) { return value + 1; }\n`;
const parts = ["one", "two", "three", "four", "five", "six"];

const workloads: Workload[] = [
  {
    title: "make -j4 of a small C program",
    tools: ["make", "gcc", "cc"],
    files: {
      ...Object.fromEntries(parts.map((name) => [`${name}.c`, source(name)])),
      "main.c": `${parts.map((name) => `int ${name}(int);`).join("\n")}\nint main(void) { return ${parts.join("(")}(0${")".repeat(parts.length)}; }\n`,
      Makefile: [
        `parts = ${[...parts, "main"].map((name) => `${name}.o`).join(" ")}`,
        "all: program check",
        "program: $(parts)\n\tcc -o $@ $^",
        "%.o: %.c\n\tcc -O1 -c -o $@ $<",
        "check: program\n\t./program; test $$? = 6\n\t@$(MAKE) --no-print-directory again",
        "again:\n\t@echo $$(basename $$(pwd) | tr a-z A-Z) >name",
        "",
      ].join("\n"),
    },
    script: "make -j4",
    runs: ["make", "cc", "./program", "tr"],
  },
  {
    title: "npm run with a script",
    tools: ["npm", "node"],
    files: {
      "package.json": JSON.stringify({
        name: "workload",
        version: "1.0.0",
        scripts: { prebuild: "echo before | cat", build: "node build.mjs && ls -l built", postbuild: "test -f built" },
      }),
      "build.mjs": `import { execFileSync } from "node:child_process";\nexecFileSync("touch", ["built"]);\n`,
    },
    script: "npm run --no-update-notifier build",
    runs: ["npm", "cat", "node", "touch", "ls"],
  },
  {
    title: "git commit with hooks",
    tools: ["git"],
    files: {
      hook: '#!/bin/sh\necho "$0" | tee -a hooks-that-ran\ngit status --short >/dev/null\n',
      prepare: [
        "git init -q .",
        "git config user.email tester@example.org",
        "git config user.name Tester",
        "for name in pre-commit commit-msg post-commit; do cp hook .git/hooks/$name; chmod +x .git/hooks/$name; done",
      ].join("\n"),
    },
    script: "git add hook && git commit -q -m 'a message' && git log --oneline | cat && git gc -q",
    runs: ["git", ".git/hooks/pre-commit", ".git/hooks/commit-msg", ".git/hooks/post-commit", "tee"],
  },
  {
    title: "python and node that start programs",
    tools: ["python3", "node"],
    files: {
      "start.py": `
import os, subprocess, threading
subprocess.run(["echo", "a b", "", "caf\\u00e9", "new\\nline", '"'])
subprocess.run("echo shell | tr a-z A-Z", shell=True)
subprocess.run(["true"], preexec_fn=lambda: None)
os.waitpid(os.posix_spawnp("true", ["another-name", "x"], os.environ), 0)
threads = [threading.Thread(target=lambda n: subprocess.run(["true", str(n)]), args=[n]) for n in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
os.execvp("node", ["node", "start.mjs"])
`,
      "start.mjs": `
import { execFileSync, execSync, spawn, spawnSync } from "node:child_process";
execFileSync("echo", ["from node"]);
execSync("true && echo b | cat");
spawnSync("not-there-at-all");
for (let n = 0; n < 5; n += 1) spawn("true", ["parallel", String(n)]);
`,
    },
    script: "python3 start.py",
    runs: ["python3", "echo", "tr", "another-name", "node", "cat"],
  },
  {
    title: "a shell script with pipelines",
    tools: ["sed", "sort", "xargs", "find"],
    files: {
      "lib.sh": "count() { sort | uniq -c | sed 's/^ *//'; }\n",
      tool: '#!/usr/bin/env -S bash -e\necho tool "$@"\n',
      "no-line": "echo without a first line\n",
    },
    script: [
      ". ./lib.sh",
      "chmod +x tool no-line",
      "printf 'b\\na\\nb\\n' | count | while read -r n word; do echo $n $word | cat; done",
      "cat <(seq 3) <(seq 2) | tail -n 1",
      "seq 6 | xargs -n 1 -P 3 echo",
      "find . -name '*.sh' -exec basename {} ';'",
      "./tool 'x  y' & wait",
      "./no-line",
      "(exec -a other-name true)",
      "missing-program 2>/dev/null || nice -n 1 true",
      'x=$(id -u; env -i /usr/bin/printf \'%s\' "$x"); test -n "$x" && exec ls >/dev/null',
    ].join("\n"),
    runs: ["sort", "uniq", "sed", "seq", "xargs", "basename", "./tool", "other-name", "nice", "ls"],
  },
];

for (const workload of workloads) {
  for (const caller of callers) {
    const skip = missingTools(["strace", "bash", ...workload.tools]);
    test(`${workload.title}: the journal is what strace sees (${caller.name})`, { skip }, () => {
      const place = new AttackPlace(caller);
      const traces = place.folder("traces");
      const plain = prepare(place, workload, "project/plain");
      const guarded = prepare(place, workload, "project/guarded");
      const words = ["bash", "-c", workload.script];
      const expected = place.plain([...straceWords(traces), ...words], { cwd: plain });
      const { records, ...actual } = place.recorded(["--", ...words], { cwd: guarded });
      assert.equal(expected.status, 0, expected.stderr);
      assert.equal(actual.status, 0, actual.stderr);

      const truth = readTruth(traces);
      assert.deepEqual(
        workload.runs.filter((name) => !truth.some(({ argv }) => argv[0] === name)),
        [],
      );
      assert.deepEqual(sorted(records.map(startOf), guarded), sorted(truth, plain));
      // The journal's own part of the truth: which file that was.
      for (const record of records) assert.equal(record.file, fileOf(record), JSON.stringify(record));
    });
  }
}

function prepare(place: AttackPlace, { files }: Workload, name: string): string {
  const folder = place.folder(name);
  for (const [file, text] of Object.entries(files)) place.file(join(name, file), text);
  if (files["prepare"] !== undefined) assert.equal(place.plain(["bash", "-e", "prepare"], { cwd: folder }).status, 0);
  return folder;
}

function startOf({ calledAs, argv }: JournalRecord): Start {
  return { calledAs: String(calledAs), argv: argv.map(String) };
}

/** In an order of their own, without what differs from run to run: the folder, temporary names, process ids. */
function sorted(starts: readonly Start[], folder: string): string[] {
  return starts
    .map(({ calledAs, argv }) => JSON.stringify([calledAs, ...argv]))
    .map((line) =>
      line
        // Where the wall holds a place in .git (docs/wall.md, "Protected names"), git names that folder by its whole path.
        .replaceAll(`${folder}/.git/`, ".git/")
        .replaceAll(folder, "FOLDER")
        .replaceAll(/\/tmp\/cc[A-Za-z0-9]{6}/g, "/tmp/ccXXXXXX")
        .replaceAll(/\.tmp-\d+-pack/g, ".tmp-PID-pack"),
    )
    .sort();
}

function fileOf({ cwd, calledAs }: JournalRecord): string {
  return realpathSync(resolve(String(cwd), String(calledAs)));
}
