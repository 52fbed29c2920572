/** A broker that is spoken to in bytes, for what the TypeScript side would never send. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { FrameReader, type Frame } from "../../src/frames.ts";
import { launchFrame } from "../../src/launch-frame.ts";
import { brokerPath } from "../../src/native-paths.ts";
import type { LaunchSpec } from "../../src/types.ts";

export interface RawBrokerEnd {
  code: number | null;
  signal: string | null;
  stderr: string;
  frames: Frame[];
}

export interface RawBroker {
  child: ChildProcess;
  control: Socket;
  /** What it has sent so far. */
  frames: Frame[];
  end: Promise<RawBrokerEnd>;
}

export function startRawBroker(path: string = brokerPath, args: string[] = []): RawBroker {
  const child = spawn(path, args, { stdio: ["ignore", "ignore", "pipe", "pipe"], env: {}, cwd: "/" });
  const control = child.stdio[3] as Socket; // "pipe" makes a socket on this platform
  const reader = new FrameReader();
  const frames: Frame[] = [];
  let stderr = "";
  control.on("data", (chunk: Buffer) => frames.push(...reader.read(chunk)));
  control.on("error", () => {}); // it has died: `end` tells
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString("utf8")));
  const end = new Promise<RawBrokerEnd>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal, stderr, frames }));
  });
  return { child, control, frames, end };
}

export function launchSpec(changes: Partial<LaunchSpec> & Pick<LaunchSpec, "file" | "argv">): LaunchSpec {
  return {
    mode: "guarded",
    intercept: true,
    outerArgv: [],
    env: [],
    cwd: "/",
    wall: null,
    pidNamespace: false,
    cgroup: null,
    pidsCgroup: null,
    terminal: false,
    pty: null,
    ...changes,
  };
}

export function launchBytes(changes: Partial<LaunchSpec> & Pick<LaunchSpec, "file" | "argv">): Buffer {
  return launchFrame(launchSpec(changes));
}
