/** What `Broker.hold()` refuses. What it does with a terminal is in test/ask-terminal.test.ts of the whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startBroker } from "../src/index.ts";
import { launchSpec } from "./support/raw-broker.ts";

const quiet = { onExec: () => undefined, onExecEnd: () => undefined };

test("hold() is refused for a plain program, while another is open, and after the end", async () => {
  const broker = await startBroker({ handlers: quiet, stdio: ["ignore", "ignore", "inherit"] });
  await broker.launch(launchSpec({ mode: "plain", intercept: false, file: "/bin/sleep", argv: ["sleep", "62"] }));
  assert.deepEqual(await Promise.all([broker.hold("lines"), broker.hold("screen")]), [
    { kind: "refused", why: "only a guarded command can be held" },
    { kind: "refused", why: "another question is open" },
  ]);
  broker.terminate(0);
  await broker.finished;
  assert.deepEqual(await broker.hold("lines"), { kind: "refused", why: "the command has ended" });
});

test("hold() is refused without a terminal, and the command goes on", async () => {
  const broker = await startBroker({ handlers: quiet, stdio: ["ignore", "pipe", "inherit"] });
  // Its own pty is the command's; the person's would be on stdin.
  const pty = { rows: 24, columns: 80 };
  await broker.launch(launchSpec({ intercept: false, file: "/bin/sleep", argv: ["sleep", "0.3"], pty }));
  assert.deepEqual(await broker.hold("lines"), {
    kind: "refused",
    why: "no terminal to ask at: with -t it is the one on stdin",
  });
  assert.equal((await broker.finished).exitCode, 0);
});
