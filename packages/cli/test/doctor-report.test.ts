import assert from "node:assert/strict";
import { test } from "node:test";
import { formatReport } from "../src/doctor-report.ts";
import type { Finding } from "../src/doctor-report.ts";

const look = { columns: 60, colors: false, unicode: true };

test("formatReport() has a line a finding, with what to do about a no", () => {
  const findings: Finding[] = [
    { name: "wall", state: "ok", needed: true, text: "bubblewrap works" },
    { name: "--max-procs", state: "no", needed: false, text: "refused here", todo: "run inside a user service" },
  ];
  const machine = {
    kernel: "6.1.0",
    landlockAbi: 2,
    userNamespaces: true,
    lacks: ["Landlock ABI 3 (truncate): Linux 6.2"],
  };
  assert.deepEqual(formatReport({ works: true, findings, machine }, [], look), [
    "ok      wall                   bubblewrap works",
    "no      --max-procs            refused here",
    "                               -> run inside a user service",
    "",
    "This machine: Linux 6.1.0, Landlock ABI 2, user namespaces.",
    "It lacks: Landlock ABI 3 (truncate): Linux 6.2.",
    "",
    "sallyport run works here",
  ]);
});

test("formatReport() escapes what came from file names", () => {
  const findings: Finding[] = [{ name: "home", state: "no", needed: true, text: '"/\u001b[2J" is refused' }];
  const lines = formatReport({ works: false, findings, machine: null }, [], look);
  assert.deepEqual(lines, [
    'no      home                   "/\\x1b[2J" is refused',
    "",
    "sallyport run does not work here; see each no above",
  ]);
});
