/** What a command prints is all there, or its exit status says so. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Place, executable } from "./sallyport.ts";
import type { Ended } from "./sallyport.ts";

const full =
  "sallyport: What was to be printed can't be written to stdout: ENOSPC: no space left on device, write; the command itself has done its work\n";

function printTo(file: string, place: Place, words: string[], input = ""): Pick<Ended, "status" | "stderr"> {
  const stdout = openSync(file, "w");
  try {
    const { status, stderr } = spawnSync(executable, words, {
      cwd: place.project,
      env: place.env,
      encoding: "utf8",
      input,
      stdio: ["pipe", stdout, "pipe"],
    });
    return { status, stderr };
  } finally {
    closeSync(stdout);
  }
}

function placeWithScript(): Place {
  const place = new Place();
  writeFileSync(join(place.project, "answers.jsonl"), `${JSON.stringify({ text: "Done." })}\n`);
  return place;
}

for (const words of [
  ["--help"],
  ["--version"],
  ["doctor", "--json"],
  ["hooks", "list"],
  ["rules", "explain", "--", "true"],
  ["shell", "list", "--json"],
  ["threads", "list"],
  ["app-server", "generate-ts", "--out", "protocol"],
  ["exec", "--json", "--model", "scripted:answers.jsonl", "go"],
]) {
  test(`${words.join(" ")} fails on a full disk, and not where it can print`, () => {
    const place = placeWithScript();
    const refused = printTo("/dev/full", place, words);
    assert.equal(refused.status, 125);
    assert.ok(refused.stderr.endsWith(full), refused.stderr);
    const printed = printTo("/dev/null", place, words);
    assert.ok(printed.status === 0 || words[0] === "doctor", printed.stderr);
    assert.ok(!printed.stderr.includes("can't be written"), printed.stderr);
  });
}

test("a turn whose events can't be written is still brought to its end", () => {
  const place = placeWithScript();
  const words = ["exec", "--json", "--model", "scripted:answers.jsonl", "-o", "last.txt", "go"];
  assert.equal(printTo("/dev/full", place, words).status, 125);
  assert.equal(readFileSync(join(place.project, "last.txt"), "utf8"), "Done.");
});

test("app-server on stdio fails on a full disk, and ends with 0 when its client does", () => {
  const place = new Place();
  const hello = `${JSON.stringify({ id: 0, method: "initialize", params: { clientInfo: { name: "t", version: "1" } } })}\n`;
  assert.deepEqual(printTo("/dev/full", place, ["app-server"], hello), { status: 125, stderr: full });
  assert.deepEqual(printTo("/dev/null", place, ["app-server"], hello), { status: 0, stderr: "" });
});

test("a closed stdout is no place to print to", () => {
  const place = new Place();
  const call = (redirection: string, words: string[]): Ended => {
    const script = `exec "$0" "$@" ${redirection}`;
    const { status, stdout, stderr } = spawnSync("sh", ["-c", script, executable, ...words], {
      cwd: place.project,
      env: place.env,
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  };
  const { status, stderr } = call(">&-", ["hooks", "list"]);
  assert.equal(status, 125);
  assert.match(stderr, /can't be written to stdout: EBADF: it is closed/);
  assert.equal(call("2>&-", ["hooks", "list"]).status, 0);
  // The command's stdout is its own affair.
  assert.equal(call(">&-", ["run", "--", "true"]).status, 0);
});

test("a reader that has gone away ends it as SIGPIPE would, without a word", () => {
  const place = new Place();
  // The write end of a pipe that nobody reads any more.
  const script = 'mkfifo fifo && exec 3<>fifo 4>fifo 3<&- && exec "$0" hooks list >&4';
  const options = { cwd: place.project, env: place.env, encoding: "utf8" } as const;
  const { status, stderr } = spawnSync("sh", ["-c", script, executable], options);
  assert.deepEqual([status, stderr], [141, ""]);
});
