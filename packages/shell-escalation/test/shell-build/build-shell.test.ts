import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isSallyportError } from "@sallyport/supervisor";
import { findInstalledShell } from "../../src/installed-shells.ts";
import { buildShell } from "../../src/shell-build/build-shell.ts";
import type { BuildShellOptions, BuiltShell, StepReport } from "../../src/shell-build/build-shell.ts";
import { noPatchedBash, patchedBash, patchedVersion } from "../patched-bash.ts";
import { fakeSource, makeFolder, textBefore } from "./fake-source.ts";

const deadlineMs = 60_000;
const versionName = `bash-${patchedVersion.replace(/\(.*/, "")}`;

function makeHome(): string {
  const home = join(makeFolder(), "home");
  mkdirSync(home, { mode: 0o700 });
  return home;
}

async function build(
  home: string,
  source: string | null,
  changes: Partial<BuildShellOptions> = {},
): Promise<BuiltShell> {
  return await buildShell({
    home,
    source,
    name: null,
    jobs: 2,
    rebuild: false,
    signal: AbortSignal.timeout(deadlineMs),
    onStep: () => undefined,
    ...changes,
  });
}

/** What a build that must fail threw. */
async function failure(promise: Promise<unknown>): Promise<{ code: string; message: string; logEnd: unknown }> {
  const error: unknown = await promise.then(
    () => assert.fail("the build did not fail"),
    (thrown: unknown) => thrown,
  );
  if (!isSallyportError(error)) throw error;
  return { code: error.code, message: error.message, logEnd: error.data["logEnd"] };
}

test("buildShell() leaves a shell that the reader finds, and nothing else", { skip: noPatchedBash }, async () => {
  const home = makeHome();
  const reports: StepReport[] = [];
  const source = fakeSource({ shell: patchedBash });
  const shell = await build(home, source, { onStep: (report) => reports.push(report) });
  const path = join(home, "shells", versionName, "bin", "bash");
  assert.deepEqual(
    { ...shell, builtAtMs: 0, steps: shell.steps.map(({ name }) => name) },
    {
      name: versionName,
      path,
      bashVersion: patchedVersion,
      builtAtMs: 0,
      isNew: true,
      steps: ["unpack", "patch", "configure", "build", "test", "install"],
    },
  );
  assert.deepEqual(findInstalledShell(home), {
    name: versionName,
    path,
    bashVersion: patchedVersion,
    builtAtMs: shell.builtAtMs,
  });
  assert.deepEqual(readdirSync(join(home, "shells")), [versionName]);
  assert.deepEqual(readdirSync(join(home, "shells", versionName)).sort(), ["bin", "shell.json"]);
  // A start and an end for each step.
  assert.deepEqual(
    reports.map(({ name, durationMs }) => (durationMs === null ? `${name} ...` : name)),
    shell.steps.flatMap(({ name }) => [`${name} ...`, name]),
  );
  assert.match(
    reports.find(({ name, durationMs }) => name === "patch" && durationMs !== null)?.detail ?? "",
    /\.patch$/,
  );
  // The source folder is as it was.
  assert.deepEqual(readdirSync(source).sort(), [
    "Makefile.in",
    "configure",
    "execute_cmd.c",
    "patchlevel.h",
    "y.tab.c",
  ]);
  assert.equal(readFileSync(join(source, "execute_cmd.c"), "utf8"), textBefore("bash-exec-wrapper.patch"));
});

test(
  "buildShell() does nothing a second time, unless told or the sources changed",
  { skip: noPatchedBash },
  async () => {
    const home = makeHome();
    const source = fakeSource({ shell: patchedBash });
    const first = await build(home, source);
    assert.deepEqual(await build(home, source), { ...first, isNew: false, steps: [] });
    const again = await build(home, source, { rebuild: true });
    assert.deepEqual([again.isNew, again.builtAtMs > first.builtAtMs], [true, true]);
    writeFileSync(join(source, "patchlevel.h"), "#define PATCHLEVEL 10\n");
    assert.equal((await build(home, source)).isNew, true);
    assert.equal((await build(home, source)).isNew, false);
    // A shell that has been damaged is no reason to do nothing.
    chmodSync(first.path, 0o644);
    assert.equal((await build(home, source)).isNew, true);
    assert.equal((await build(home, source, { name: "other" })).isNew, true);
    assert.deepEqual(readdirSync(join(home, "shells")).sort(), [versionName, "other"].sort());
  },
);

test("buildShell() takes a tarball, and sources that are patched already", { skip: noPatchedBash }, async () => {
  const home = makeHome();
  const source = fakeSource({ shell: patchedBash, patch: "bash-exec-wrapper-5.2.patch" });
  const tarball = join(makeFolder(), "bash.tar.gz");
  assert.equal(spawnSync("tar", ["-czf", tarball, "-C", join(source, ".."), "bash-9.9"]).status, 0);
  assert.equal((await build(home, tarball)).isNew, true);
  assert.equal((await build(home, tarball)).isNew, false);

  const patch = join(import.meta.dirname, "../../patches/bash-exec-wrapper-5.2.patch");
  assert.equal(spawnSync("git", ["apply", patch], { cwd: source }).status, 0);
  const details: string[] = [];
  await build(home, source, { onStep: ({ name, detail }) => details.push(`${name} ${detail}`) });
  assert.ok(details.includes("patch bash-exec-wrapper-5.2.patch, applied already"));
});

test("buildShell() patches the copy also where the home lies in a repository", { skip: noPatchedBash }, async () => {
  const home = makeHome();
  assert.equal(spawnSync("git", ["init", "-q", join(home, "..")]).status, 0);
  // The shell is whatever the patched file makes of it: without the patch there is none.
  const configure = `grep -q EXEC_WRAPPER execute_cmd.c`;
  assert.equal((await build(home, fakeSource({ shell: patchedBash, configure }))).isNew, true);
});

test("a step that fails is named, with the end of its log, and nothing is left", async () => {
  const home = makeHome();
  const configure = "for n in $(seq 30); do echo line $n; done; echo no compiler >&2; exit 7";
  assert.deepEqual(await failure(build(home, fakeSource({ shell: "/bin/bash", configure }))), {
    code: "SHELL_BUILD_FAILED",
    message: 'Step "configure" failed: ./configure ended with status 7, expected status 0',
    logEnd: [...Array.from({ length: 19 }, (_, index) => `line ${index + 12}`), "no compiler"],
  });
  assert.deepEqual(readdirSync(home), []);
});

test("a shell that breaks the contract is not installed", async () => {
  const home = makeHome();
  const { code, message } = await failure(build(home, fakeSource({ shell: "/bin/bash" })));
  assert.equal(code, "SHELL_BUILD_FAILED");
  assert.match(
    message,
    /^Step "test" failed: "EXEC_WRAPPER gets the file and the whole argument vector" does not hold: /,
  );
  assert.deepEqual(readdirSync(home), []);
});

test("a shell that does not start is not installed", async () => {
  const { message } = await failure(build(makeHome(), fakeSource({ shell: "/bin/false" })));
  assert.equal(message, 'Step "test" failed: the shell does not start (status 1)');
});

test("what is no source of Bash is refused", async () => {
  const home = makeHome();
  const empty = makeFolder();
  assert.deepEqual(await failure(build(home, empty)), {
    code: "SHELL_SOURCE_REFUSED",
    message: `Source "${empty}" is refused: it has no execute_cmd.c, no configure, no patchlevel.h, no y.tab.c, expected the sources of Bash`,
    logEnd: undefined,
  });
  const other = fakeSource({ shell: "/bin/bash", executeCmd: "int shell_execve (void);\n" });
  assert.match(
    (await failure(build(home, other))).message,
    /applies to its execute_cmd\.c; expected Bash 5\.2 or 5\.3/,
  );
  // A line more or less in what the patch looks at: git would not find the place, and patch(1) would with fuzz.
  const shifted = textBefore("bash-exec-wrapper.patch").replace("SETOSTYPE (1);\n", "SETOSTYPE (1);\n  more ();\n");
  assert.match(
    (await failure(build(home, fakeSource({ shell: "/bin/bash", executeCmd: shifted })))).code,
    /SOURCE_REFUSED/,
  );
  assert.match(
    (await failure(build(home, join(empty, "nosuch")))).message,
    /it does not exist, expected a folder or a tarball/,
  );
  assert.deepEqual(readdirSync(home), []);
});

test("a name that leads elsewhere is refused", async () => {
  for (const name of ["../x", ".hidden", "", "a/b", "-x", "x".repeat(101)]) {
    const { code } = await failure(build(makeHome(), fakeSource({ shell: "/bin/bash" }), { name }));
    assert.equal(code, "SHELL_NAME_REFUSED", name);
  }
});

test("aborting ends every process of the build and removes what it wrote", async () => {
  const home = makeHome();
  const started = join(makeFolder(), "started");
  const configure = `(sleep 60 & echo $! >${started}; wait) & wait`;
  const stop = new AbortController();
  const reason = new Error("enough");
  const done = build(home, fakeSource({ shell: "/bin/bash", configure }), { signal: stop.signal });
  const pid = await waitForNumber(started);
  assert.equal(existsSync(`/proc/${pid}`), true);
  stop.abort(reason);
  await assert.rejects(done, reason);
  assert.deepEqual(readdirSync(home), []);
  assert.equal(await isGone(pid), true);
});

test(
  "what a killed build left is removed by the next; what a running one has is not",
  { skip: noPatchedBash },
  async () => {
    const home = makeHome();
    const { pid: ended } = spawnSync("true");
    for (const pid of [ended, process.pid])
      mkdirSync(join(home, "shells", `.building-${pid}-00000000`), { recursive: true });
    await build(home, fakeSource({ shell: patchedBash }));
    assert.deepEqual(readdirSync(join(home, "shells")).sort(), [`.building-${process.pid}-00000000`, versionName]);
  },
);

test("missing tools are named with their packages", async () => {
  const bin = makeFolder();
  copyFileSync("/bin/true", join(bin, "make"));
  const { PATH } = process.env;
  process.env["PATH"] = bin;
  try {
    assert.deepEqual(await failure(build(makeHome(), fakeSource({ shell: "/bin/bash" }))), {
      code: "SHELL_TOOLS_MISSING",
      message:
        "Building a shell needs cc, git, tar, not found on the PATH; on Debian: apt install gcc libc6-dev git tar",
      logEnd: undefined,
    });
  } finally {
    process.env["PATH"] = PATH;
  }
});

async function waitForNumber(file: string): Promise<number> {
  const endMs = Date.now() + deadlineMs;
  for (;;) {
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    if (text.endsWith("\n")) return Number(text);
    if (Date.now() > endMs) throw new Error(`"${file}" was not written within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function isGone(pid: number): Promise<boolean> {
  const endMs = Date.now() + deadlineMs;
  while (isRunning(pid)) {
    if (Date.now() > endMs) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

/** Not a zombie either: in a container nobody may reap an orphan. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
