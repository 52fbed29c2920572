/** A program with pipes, and the end of its whole tree: what a hook or a server of ours needs.
 *
 *  With a broker the tree is ended by a walk from its subreaper, and processes in sessions of their own end too. Where there is no
 *  broker (it is Linux on x86-64 only), a process group stands in, and `cleanup.how` says so. */
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { brokerPath } from "./native-paths.ts";
import { startInProcessGroup } from "./process-group.ts";
import { startBelowStarter } from "./program-starter.ts";
import type { RunResult } from "./types.ts";

export interface PlainProgramOptions {
  /** Absolute path. */
  file: string;
  argv: string[];
  /** NAME=value entries. */
  env: string[];
  cwd: string;
  /** How long what the program leaves behind may go on after its end, before it is ended too. */
  lingerMs: number;
  /** The program itself has ended and others linger. */
  onLingering(): void;
}

/** The three streams are pipes; all of them must be read or destroyed. */
export interface PlainProgram {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** TERM to the whole tree, KILL after `graceMs`. */
  terminate(graceMs: number): void;
  /** Resolves when the program and its tree have ended. Rejects with `LAUNCH_FAILED` (`data.stage`, `data.errno`) or `BROKER_DIED`. */
  readonly finished: Promise<RunResult>;
}

/** False where hooks run in a process group, which a process can leave. */
export function hasBroker(): boolean {
  return (process.platform === "linux" && process.arch === "x64") || existsSync(brokerPath);
}

/** Starts a program that leads a session of its own and has no controlling terminal. Rejects with `BROKER_MISSING` where a broker
 *  should be and is not. */
export async function startPlainProgram(options: PlainProgramOptions): Promise<PlainProgram> {
  if (!hasBroker()) return startInProcessGroup(options);
  return startBelowStarter(options);
}
