import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { findVariable, namedVariables, replaceVariables } from "../src/session-bytes.ts";

const source = new URL("../src/session-bytes.ts", import.meta.url).href;

test("arguments and environment keep bytes that are not UTF-8, empty words and newlines", () => {
  const program = `
    const { readEnvironment, readLastArguments } = await import(${JSON.stringify(source)});
    const wanted = readEnvironment().filter((entry) => JSON.stringify(entry).includes(process.argv[1]));
    console.log(JSON.stringify([readLastArguments(4), wanted]));`;
  const script = `export ODD="$(printf 'V\\377')" NEW="V
line"; exec "$@" V "$(printf 'a\\377b')" "" "x
y"`;
  const node = [process.execPath, "--conditions=sallyport-source", "--input-type=module", "-e", program];
  const result = spawnSync("bash", ["-c", script, "bash", ...node], { encoding: "utf8", env: {} });
  const [words, variables] = JSON.parse(result.stdout || "[]") as [unknown[], unknown[]];
  assert.deepEqual(
    words,
    ["V", { base64: Buffer.from("a\xffb", "latin1").toString("base64") }, "", "x\ny"],
    result.stderr,
  );
  assert.ok(variables.includes("NEW=V\nline"));
});

test("findVariable() takes the first entry, as getenv does", () => {
  const env = [{ base64: "/w==" }, "PATHS=no", "PATH=/a:/b=c", "PATH=/late"];
  assert.deepEqual([findVariable(env, "PATH"), findVariable(env, "NONE")], ["/a:/b=c", undefined]);
});

test("namedVariables() leaves out what is not text or has no name", () => {
  const env = [{ base64: "/w==" }, "A=1", "A=2", "=x", "B", "C=a=b"];
  assert.deepEqual(namedVariables(env), { A: "1", C: "a=b" });
});

test("replaceVariables() replaces and adds, and keeps the rest byte for byte", () => {
  const odd = { base64: "/w==" };
  assert.deepEqual(replaceVariables(["A=1", odd, "TMPDIR=/x", "TMPDIRS=1"], { TMPDIR: "/tmp" }), [
    "A=1",
    odd,
    "TMPDIRS=1",
    "TMPDIR=/tmp",
  ]);
});
