/** The command as people call it: through links, from anywhere, on whatever Node is there. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Place, executable, root } from "./fidelity/place.ts";
import type { Ended } from "./fidelity/place.ts";
import { missingTools } from "./support/needed-tools.ts";

const skip = missingTools(["bwrap", "make", "cc", "git"]);
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

function makePlace(): Place {
  const place = new Place();
  after(() => place.remove());
  return place;
}

function call(file: string, words: string[], options: { cwd: string; env?: NodeJS.ProcessEnv }): Ended {
  const { status, stdout, stderr } = spawnSync(file, words, { encoding: "utf8", ...options });
  return { status, stdout, stderr };
}

/** A checkout of nothing but the front, a `main.js` that tells on which Node it runs, and Nodes as told. */
function fakeCheckout(place: Place, nodeOnPath: string | null): { front: string; path: string } {
  const bin = place.folder("checkout/packages/cli/bin");
  place.folder("checkout/packages/cli/dist");
  copyFileSync(executable, join(bin, "sallyport"));
  chmodSync(join(bin, "sallyport"), 0o755);
  writeFileSync(join(place.base, "checkout/packages/cli/dist/main.js"), "");
  symlinkSync("/usr/bin/readlink", join(place.bin, "readlink"));
  symlinkSync("/bin/bash", join(place.bin, "bash"));
  if (nodeOnPath !== null) writeNode(join(place.bin, "node"), nodeOnPath);
  return { front: join(bin, "sallyport"), path: place.bin };
}

function writeNode(file: string, nodeVersion: string): void {
  const script = `#!/bin/sh\nif [ "$1" = --version ]; then echo v${nodeVersion}; else echo "ran on ${nodeVersion}"; fi\n`;
  writeFileSync(file, script, { mode: 0o755 });
}

test("through a chain of links, from another folder", () => {
  const place = makePlace();
  symlinkSync(executable, join(place.base, "one"));
  symlinkSync("one", join(place.base, "two"));
  assert.deepEqual(call("../two", ["--version"], { cwd: place.project }), {
    status: 0,
    stdout: `${version}\n`,
    stderr: "",
  });
});

test("each command has help with an example, on stdout", () => {
  for (const words of [["--help"], ["run", "--help"], ["doctor", "--help"], ["demo", "--help"]]) {
    const { status, stdout, stderr } = call(executable, words, { cwd: "/" });
    assert.deepEqual([status, stderr], [0, ""], words.join(" "));
    assert.match(stdout, /sallyport \w+.*/);
  }
});

test("an unknown command is one line and 125", () => {
  const { status, stdout, stderr } = call(executable, ["fly"], { cwd: "/" });
  assert.deepEqual([status, stdout], [125, ""]);
  assert.match(stderr, /^sallyport: [^\n]*"?fly"?[^\n]*\n$/);
});

test("a Node on the PATH that is new enough is taken", () => {
  const place = makePlace();
  const { front, path } = fakeCheckout(place, "24.21.0");
  assert.deepEqual(call(front, [], { cwd: "/", env: { PATH: path } }), {
    status: 0,
    stdout: "ran on 24.21.0\n",
    stderr: "",
  });
});

test("a Node that is too old is refused with its version", () => {
  for (const old of ["18.20.4", "24.20.9", "9.99.0"]) {
    const place = makePlace();
    const { front, path } = fakeCheckout(place, old);
    const stderr = `sallyport: needs Node 24.21 or newer, "${place.bin}/node" is v${old}; install it, or run npm ci in the checkout\n`;
    assert.deepEqual(call(front, [], { cwd: "/", env: { PATH: path } }), { status: 125, stdout: "", stderr });
  }
});

test("without a Node it says what to do", () => {
  const { front, path } = fakeCheckout(makePlace(), null);
  const stderr = "sallyport: needs Node 24.21 or newer, found none; install it, or run npm ci in the checkout\n";
  assert.deepEqual(call(front, [], { cwd: "/", env: { PATH: path } }), { status: 125, stdout: "", stderr });
});

test("the checkout's own Node comes first, one planted further up never", () => {
  const place = makePlace();
  const { front, path } = fakeCheckout(place, "24.21.0");
  place.folder("node_modules/node/bin");
  place.file("node_modules/node/package.json", '{\n  "version": "25.1.0"\n}\n');
  writeNode(join(place.base, "node_modules/node/bin/node"), "25.1.0");
  assert.equal(call(front, [], { cwd: "/", env: { PATH: path } }).stdout, "ran on 24.21.0\n");
  place.folder("checkout/node_modules/node/bin");
  place.file("checkout/node_modules/node/package.json", '{\n  "version": "26.0.1"\n}\n');
  writeNode(join(place.base, "checkout/node_modules/node/bin/node"), "26.0.1");
  assert.equal(call(front, [], { cwd: "/", env: { PATH: path } }).stdout, "ran on 26.0.1\n");
});

test("variables that steer shells and Node do not reach the front", () => {
  const place = makePlace();
  const planted = place.file("planted.sh", "echo planted\n");
  const env = { ...process.env, BASH_ENV: planted, ENV: planted };
  assert.deepEqual(call(executable, ["--version"], { cwd: place.project, env }), {
    status: 0,
    stdout: `${version}\n`,
    stderr: "",
  });
  // The variable is one that Bash otherwise obeys.
  assert.match(call("bash", ["-c", "echo own"], { cwd: place.project, env }).stdout, /^planted\n/);
});

test("the demo does what it says, and leaves nothing", { skip }, () => {
  const place = makePlace();
  const ended = call(executable, ["demo", "--json"], { cwd: place.project, env: { ...process.env, HOME: place.user } });
  assert.equal(ended.status, 0, ended.stdout + ended.stderr);
  const { checks } = JSON.parse(ended.stdout.trimEnd().split("\n").at(-1) ?? "") as { checks: unknown[] };
  assert.ok(checks.length > 0);
  assert.deepEqual(
    readdirSync(place.user).filter((name) => name.startsWith("sallyport-demo")),
    [],
  );
});
