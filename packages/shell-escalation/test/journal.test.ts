import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, linkSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ExecLedger } from "../src/exec-ledger.ts";
import { Journal } from "../src/journal.ts";
import { execEvent, runDecision } from "./exec-events.ts";
import { missing } from "./missing.ts";

const folder = mkdtempSync(join(tmpdir(), "journal-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function someRecord(argv: string[] = ["true"]) {
  return new ExecLedger().decided(execEvent(1, { argv }), runDecision());
}

function readRecords(path: string): unknown[] {
  return readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

test("append() writes one line a record into a file of mode 0600, and a second run appends", () => {
  const path = join(folder, "plain");
  const records = [someRecord(["a\nb", "\u001b[31m"]), someRecord()];
  for (const record of records) {
    const journal = Journal.open(path);
    assert.equal(journal.append(record), true);
    journal.close();
  }
  assert.deepEqual(readRecords(path), records);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("a line that a crash cut short is not glued to", () => {
  const path = join(folder, "cut");
  writeFileSync(path, '{"id":"cut sho', { mode: 0o600 });
  const record = someRecord();
  Journal.open(path).append(record);
  const [cut, whole] = readFileSync(path, "utf8").split("\n");
  assert.deepEqual([cut, JSON.parse(whole ?? "")], ['{"id":"cut sho', record]);
});

test("appendRunning() writes all that is appended at once with one write, before anything that comes later", async () => {
  const path = join(folder, "running");
  const journal = Journal.open(path);
  const lines = (): string[] => readFileSync(path, "utf8").split("\n").filter(Boolean);
  for (let count = 0; count < 3; count += 1) journal.appendRunning(someRecord());
  assert.equal(lines().length, 0);
  await Promise.resolve();
  assert.equal(lines().length, 3);
  journal.appendRunning(someRecord());
  journal.append(someRecord());
  assert.equal(lines().length, 5);
  journal.appendRunning(someRecord());
  journal.close();
  assert.equal(lines().length, 6);
});

test("onFailure is called once, by whichever write failed first", async () => {
  const journal = Journal.open("/dev/full");
  let failures = 0;
  journal.onFailure = () => (failures += 1);
  journal.appendRunning(someRecord());
  assert.equal(failures, 0);
  await Promise.resolve();
  assert.deepEqual([failures, journal.failure?.code], [1, "JOURNAL_WRITE_FAILED"]);
  assert.equal(journal.append(someRecord()), false);
  journal.appendRunning(someRecord());
  await Promise.resolve();
  assert.equal(failures, 1);
});

test("a whole last line is not followed by an empty one", () => {
  const path = join(folder, "whole");
  writeFileSync(path, "{}\n", { mode: 0o600 });
  Journal.open(path).append(someRecord());
  assert.equal(readFileSync(path, "utf8").split("\n").length, 3);
});

const refusals: [title: string, make: (path: string) => void, message: RegExp][] = [
  ["a symbolic link", (path) => symlinkSync(join(folder, "plain"), path), /it is a symbolic link/],
  ["a folder", (path) => spawnSync("mkdir", [path]), /it is a folder/],
  ["a pipe, without waiting for a reader", (path) => spawnSync("mkfifo", [path]), /it is not a regular file/],
  ["a missing folder", () => undefined, /its folder does not exist/],
  [
    "a second hard link",
    (path) => {
      writeFileSync(path, "", { mode: 0o600 });
      linkSync(path, `${path}-2`);
    },
    /it has 2 hard links/,
  ],
  [
    "a file that others may write",
    (path) => {
      writeFileSync(path, "");
      chmodSync(path, 0o622);
    },
    /others may write it \(mode 622\)/,
  ],
];

for (const [title, make, message] of refusals) {
  test(`open() refuses ${title}`, () => {
    const path = title === "a missing folder" ? join(folder, "no", "such") : join(folder, title.replaceAll(" ", "-"));
    make(path);
    assert.throws(() => Journal.open(path), { code: "JOURNAL_REFUSED", message });
  });
}

test(
  "open() refuses a file of another user",
  { skip: missing(process.geteuid?.() !== 0 && "needs root to give a file away") },
  () => {
    const path = join(folder, "theirs");
    writeFileSync(path, "", { mode: 0o600 });
    spawnSync("chown", ["1234", path]);
    assert.throws(() => Journal.open(path), { code: "JOURNAL_REFUSED", message: /it belongs to user 1234/ });
  },
);

test("a full disk fails the append, and every one after it", () => {
  const journal = Journal.open("/dev/full");
  const answers = [journal.append(someRecord()), journal.append(someRecord())];
  assert.deepEqual(
    [answers, journal.failure?.code, journal.failure?.data],
    [[false, false], "JOURNAL_WRITE_FAILED", { path: "/dev/full", errno: "ENOSPC" }],
  );
});

test("/dev/null takes everything", () => {
  const journal = Journal.open("/dev/null");
  assert.deepEqual([journal.append(someRecord()), journal.failure], [true, null]);
});

test("a file size limit fails the append instead of ending the process", () => {
  const path = join(folder, "limited");
  const program = `
    const { Journal } = await import(${JSON.stringify(new URL("../src/journal.ts", import.meta.url).href)});
    const journal = Journal.open(${JSON.stringify(path)});
    const answers = [journal.append({ a: 1 }), journal.append({ a: "x".repeat(4096) })];
    console.log(JSON.stringify([answers, journal.failure.code]));`;
  const node = [process.execPath, "--conditions=sallyport-source", "--input-type=module", "-e", program];
  const result = spawnSync("bash", ["-c", 'ulimit -f 1; exec "$@"', "bash", ...node], { encoding: "utf8" });
  assert.deepEqual([result.stdout, result.status], ['[[true,false],"JOURNAL_WRITE_FAILED"]\n', 0], result.stderr);
});

test("two journals on one file do not write into each other's lines", () => {
  const path = join(folder, "shared");
  const journals = [Journal.open(path), Journal.open(path)];
  for (let round = 0; round < 50; round += 1) journals.forEach((journal) => journal.append(someRecord()));
  assert.equal(readRecords(path).length, 100);
});
