/** Events as the broker reports them, made up for tests. */
import type { ExecEndEvent, ExecEvent, ExecFile } from "@sallyport/supervisor";
import type { Decision } from "../src/decision/index.ts";

export function execEvent(requestId: number, changes: Partial<ExecEvent> = {}): ExecEvent {
  return {
    requestId,
    pid: 100 + requestId,
    tid: 100 + requestId,
    parents: [100],
    parentRequestId: null,
    answeredAtMs: null,
    outside: false,
    file: "true",
    argv: ["true"],
    cwd: "/work",
    env: Buffer.from("A=1\0"),
    chain: [execFile("/usr/bin/true")],
    ...changes,
  };
}

function execFile(path: string): ExecFile {
  return {
    path,
    key: "1:2",
    size: 3,
    mtimeNs: 4n,
    ctimeNs: 5n,
    mode: 0o100755,
    uid: 0,
    nlink: 1,
    kind: "elf",
    foreign: false,
    fd: -1,
  };
}

export function endEvent(requestId: number, changes: Partial<ExecEndEvent> = {}): ExecEndEvent {
  return { requestId, how: "ended", exitCode: 0, signal: null, by: null, atMs: 0, ...changes };
}

export function runDecision(): Decision {
  return { verdict: { kind: "run" }, reason: { kind: "default", text: "no rule matches" }, file: "/usr/bin/true" };
}
