import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { noPatchedBash, patchedBash, patchedVersion } from "../../shell-escalation/test/patched-bash.ts";
import { fakeSource } from "../../shell-escalation/test/shell-build/fake-source.ts";
import { Place, eventually, executable, waitForEnd } from "./sallyport.ts";

for (const words of [["shell"], ["shell", "build"], ["shell", "list"]]) {
  test(`${words.join(" ")} --help has an example`, () => {
    const { status, stdout, stderr } = new Place().call([...words, "--help"]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /Examples:\n {2}\$ sallyport shell /);
  });
}

for (const words of [
  ["shell", "fly"],
  ["shell", "build", "--fly"],
  ["shell", "build", "word"],
  ["shell", "list", "word"],
]) {
  test(`"${words.join(" ")}" is one line and exit status 125`, () => {
    const { status, stdout, stderr } = new Place().call(words);
    assert.deepEqual([status, stdout], [125, ""]);
    assert.match(stderr, /^sallyport: .*; see sallyport shell --help\n$/);
  });
}

test("shell build refuses a number of jobs that is none", () => {
  for (const jobs of ["0", "-1", "1.5", "many", "1025", ""]) {
    const { status, stderr } = new Place().call(["shell", "build", `--jobs=${jobs}`]);
    const message = `--jobs "${jobs}" is no whole number from 1 to 1024; see sallyport shell --help`;
    assert.deepEqual([status, stderr], [125, `sallyport: ${message}\n`]);
  }
});

test("shell build, a second time, and shell list", { skip: noPatchedBash }, () => {
  const place = new Place();
  const source = fakeSource({ shell: patchedBash });
  const path = join(place.home, "shells", "mine", "bin", "bash");
  const built = place.call(["shell", "build", "--source", source, "--name", "mine"]);
  assert.deepEqual([built.status, built.stdout], [0, `${path}\n`]);
  const steps = ["unpack", "patch", "configure", "build", "test", "install"];
  assert.match(built.stderr, new RegExp(`^${steps.map((name) => `  ${name} +\\d+\\.\\d s(  .*)?\n`).join("")}$`));

  const again = place.call(["shell", "build", "--source", source]);
  assert.deepEqual(again, {
    status: 0,
    stdout: `${path}\n`,
    stderr: "sallyport: nothing to do: this shell is built already; --rebuild builds it again\n",
  });

  const { shells, broken } = JSON.parse(place.call(["shell", "list", "--json"]).stdout) as {
    shells: { builtAtMs: number }[];
    broken: unknown[];
  };
  const shell = { name: "mine", path, bashVersion: patchedVersion, builtAtMs: shells[0]?.builtAtMs ?? 0 };
  assert.deepEqual({ shells, broken }, { shells: [shell], broken: [] });
  const json = place.call(["shell", "build", "--source", source, "--json"]).stdout;
  assert.deepEqual(JSON.parse(json), { ...shell, isNew: false, steps: [] });

  const day = new Date(shell.builtAtMs).toISOString().slice(0, 10);
  const list = place.call(["shell", "list"]);
  assert.deepEqual(list, { status: 0, stdout: `mine  ${patchedVersion}  ${day}  ${path}\n`, stderr: "" });
});

test("shell list says where there is none", () => {
  assert.deepEqual(new Place().call(["shell", "list"]), {
    status: 0,
    stdout: "",
    stderr: "sallyport: no shell is built; sallyport shell build makes one\n",
  });
});

test("a step that fails is named below the end of its log", () => {
  const place = new Place();
  const source = fakeSource({ shell: "/bin/bash", configure: "printf 'no \\033[31mcompiler\\n'; exit 7" });
  const { status, stdout, stderr } = place.call(["shell", "build", "--source", source]);
  assert.deepEqual([status, stdout, readdirSync(place.home)], [125, "", []]);
  assert.match(
    stderr,
    /\n {2}\| no \\x1b\[31mcompiler\nsallyport: Step "configure" failed: [^\n]*, expected status 0\n$/,
  );
});

for (const [signal, expected] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`${signal} ends a build and leaves nothing`, async () => {
    const place = new Place();
    const mark = join(place.base, "started");
    const source = fakeSource({ shell: "/bin/bash", configure: `: >'${mark}'; sleep 60` });
    const child = spawn(executable, ["shell", "build", "--source", source], { env: place.env });
    const ended = waitForEnd(child);
    assert.ok(await eventually(() => existsSync(mark)));
    child.kill(signal);
    const { status, stderr } = await ended;
    assert.equal(status, expected);
    assert.match(stderr, new RegExp(`sallyport: stopped by ${signal}; nothing of the build is left\n$`));
    assert.deepEqual(readdirSync(place.home), []);
  });
}
