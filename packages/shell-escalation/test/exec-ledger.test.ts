import assert from "node:assert/strict";
import { test } from "node:test";
import { ExecRecord } from "@sallyport/protocol";
import { ExecLedger } from "../src/exec-ledger.ts";
import { endEvent, execEvent, runDecision } from "./exec-events.ts";

test("decided() makes the whole record, ended() completes it", () => {
  const ledger = new ExecLedger(() => 5000);
  const record = ledger.decided(execEvent(1), runDecision());
  const { id, ...rest } = record;
  assert.deepEqual(rest, {
    atMs: 5000,
    pid: 101,
    ppid: 100,
    parentId: null,
    file: "/usr/bin/true",
    calledAs: "true",
    argv: ["true"],
    cwd: "/work",
    decision: "run",
    reason: { kind: "default", text: "no rule matches" },
    exitCode: null,
    signal: null,
    durationMs: null,
    replacedBy: null,
    outside: false,
  });
  assert.deepEqual(ledger.ended(endEvent(1, { exitCode: 3, atMs: 5030 })), { ...record, exitCode: 3, durationMs: 30 });
  assert.deepEqual(ExecRecord.parse(record), record);
  assert.equal(id, record.id);
});

test("decided() takes the time at which the broker answered", () => {
  const ledger = new ExecLedger(() => 5000);
  assert.equal(ledger.decided(execEvent(1, { answeredAtMs: 4996 }), runDecision()).atMs, 4996);
});

test("ended() names the signal", () => {
  const ledger = new ExecLedger();
  ledger.decided(execEvent(1), runDecision());
  assert.equal(ledger.ended(endEvent(1, { exitCode: null, signal: 15 }))?.signal, "SIGTERM");
});

test("parentId is the record of the exec that the broker names", () => {
  const ledger = new ExecLedger();
  const shell = ledger.decided(execEvent(1), runDecision());
  const child = ledger.decided(execEvent(2, { parents: [15, 10], parentRequestId: 1 }), runDecision());
  const stranger = ledger.decided(execEvent(3, { parentRequestId: 77 }), runDecision());
  assert.deepEqual([shell.parentId, child.parentId, child.ppid, stranger.parentId], [null, shell.id, 15, null]);
});

test("a process that execs again ends its first record with replacedBy, and children belong to the last", () => {
  const ledger = new ExecLedger();
  const first = ledger.decided(execEvent(1, { pid: 10 }), runDecision());
  const second = ledger.decided(execEvent(2, { pid: 10 }), runDecision());
  const ended = ledger.ended(endEvent(1, { how: "replaced", exitCode: null, by: 2 }));
  const third = ledger.decided(execEvent(3, { pid: 10 }), runDecision());
  ledger.ended(endEvent(2, { how: "replaced", exitCode: null, by: 3 }));
  const children = [1, 2, 3].map((parentRequestId) =>
    ledger.decided(execEvent(10 + parentRequestId, { parentRequestId }), runDecision()),
  );
  assert.deepEqual([ended?.id, ended?.replacedBy], [first.id, second.id]);
  assert.deepEqual(
    children.map(({ parentId }) => parentId),
    [third.id, third.id, third.id],
  );
});

test("what has ended is forgotten, and its earlier execs with it", () => {
  const ledger = new ExecLedger();
  ledger.decided(execEvent(1), runDecision());
  ledger.decided(execEvent(2), runDecision());
  ledger.ended(endEvent(1, { how: "replaced", by: 2 }));
  ledger.ended(endEvent(2));
  const orphans = [1, 2].map((parentRequestId) =>
    ledger.decided(execEvent(10 + parentRequestId, { parentRequestId }), runDecision()),
  );
  assert.deepEqual(
    orphans.map(({ parentId }) => parentId),
    [null, null],
  );
});

for (const [how, text] of [
  ["failed", "no rule matches; the kernel then refused the exec"],
  ["vanished", "no rule matches; the process was killed before it could exec"],
] as const) {
  test(`the reason of an exec that ${how} says that it did not happen`, () => {
    const ledger = new ExecLedger();
    ledger.decided(execEvent(1), runDecision());
    assert.equal(ledger.ended(endEvent(1, { how, exitCode: null }))?.reason.text, text);
  });
}

test("ended() of an exec that was never decided is null", () => {
  assert.equal(new ExecLedger().ended(endEvent(9, { how: "vanished" })), null);
});

test("close() ends what is open, once", () => {
  const ledger = new ExecLedger(() => 1);
  const record = ledger.decided(execEvent(1), runDecision());
  assert.deepEqual(ledger.close(), [{ ...record, durationMs: 0 }]);
  assert.deepEqual(ledger.close(), []);
});

test("overrule() changes the record and the counts", () => {
  const ledger = new ExecLedger();
  const record = ledger.decided(execEvent(1), runDecision());
  const reason = { kind: "default" as const, text: "no" };
  const overruled = ledger.overrule(1, { verdict: { kind: "deny", reason: "no" }, reason, file: "/usr/bin/true" });
  assert.deepEqual(overruled, { ...record, decision: "deny", reason });
  assert.deepEqual(ledger.counts, { run: 0, escalate: 0, deny: 1 });
});

test("dropped variables are in the record only where there are some", () => {
  const ledger = new ExecLedger();
  const some = ledger.decided(execEvent(1), { ...runDecision(), droppedEnv: ["LD_PRELOAD"] });
  const none = ledger.decided(execEvent(2), { ...runDecision(), droppedEnv: [] });
  assert.deepEqual([some.droppedEnv, "droppedEnv" in none], [["LD_PRELOAD"], false]);
});
