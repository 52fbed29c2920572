import assert from "node:assert/strict";
import { test } from "node:test";
import { passSignals } from "../src/pass-signals.ts";

function passWhile(send: () => void): string[] {
  const done: string[] = [];
  const broker = {
    signal: (number: number) => void done.push(`signal ${number}`),
    terminate: (graceMs: number) => void done.push(`terminate ${graceMs}`),
  };
  using passing = passSignals(broker);
  assert.ok(passing);
  send();
  return done;
}

// emit() runs the listeners at once; a real signal would arrive in a later turn of the event loop.
function emit(name: NodeJS.Signals): void {
  process.emit(name, name);
}

test("each signal is passed on with its number", () => {
  const done = passWhile(() => (["SIGHUP", "SIGQUIT", "SIGINT"] as const).forEach(emit));
  assert.deepEqual(done, ["signal 1", "signal 3", "signal 2"]);
});

test("a second SIGINT or SIGTERM within two seconds ends the tree", () => {
  assert.deepEqual(
    passWhile(() => (["SIGINT", "SIGTERM"] as const).forEach(emit)),
    ["signal 2", "terminate 2000"],
  );
});

test("a second SIGHUP or SIGQUIT ends nothing", () => {
  assert.deepEqual(
    passWhile(() => (["SIGHUP", "SIGHUP", "SIGQUIT", "SIGQUIT"] as const).forEach(emit)),
    ["signal 1", "signal 1", "signal 3", "signal 3"],
  );
});

test("a second SIGINT after two seconds is a first one again", (context) => {
  let nowMs = 0;
  context.mock.method(performance, "now", () => nowMs);
  const done = passWhile(() => {
    emit("SIGINT");
    nowMs = 2001;
    emit("SIGINT");
  });
  assert.deepEqual(done, ["signal 2", "signal 2"]);
});

test("nothing is listened for afterwards", () => {
  const before = process.listenerCount("SIGTERM");
  passWhile(() => assert.equal(process.listenerCount("SIGTERM"), before + 1));
  assert.equal(process.listenerCount("SIGTERM"), before);
});
