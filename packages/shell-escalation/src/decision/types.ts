/** What decides on an exec, and what it answers. */
import type { Reason, Text } from "@sallyport/protocol";
import type { RuleSet } from "@sallyport/rules-store";
import type { Broker, ExecEvent, Verdict } from "@sallyport/supervisor";

export interface Decision {
  verdict: Verdict;
  reason: Reason;
  /** With escalate: the variables of the caller that the program does not get, or gets with the session's value. */
  droppedEnv?: Text[];
  /** The program that was decided on: behind the dynamic loader, the one that it loads. */
  file: Text;
}

export interface Decider {
  /** Answers at once where nothing has to be read or looked up. Never throws and never rejects: what cannot be decided is denied. */
  decide(event: ExecEvent, resolve: Broker["resolve"]): Decision | Promise<Decision>;
}

export interface Wall {
  /** False where there is no sandbox to leave. */
  walled: boolean;
  /** Folders that can be written from inside, by their names outside. */
  writableRoots: readonly string[];
  /** A path as it is named inside to the same path as it is named outside. */
  translate(path: string): string;
  /** What an escalated program may not read either. */
  denyRead: readonly string[];
}

export interface Session {
  /** NAME=value entries, as they were when the session started. */
  env: readonly Text[];
  /** The PATH that bare names in rules are looked up on, once. */
  path: string;
  /** Relative folders on that PATH start here. */
  cwd: string;
}

export interface DeciderOptions {
  ruleSet: RuleSet;
  session: Session;
  wall: Wall;
  /** Whether set-user-ID programs keep their privilege below the broker. */
  brokerIsRoot: boolean;
  /** The broker's open files are read through /proc/PID/fd. */
  brokerPid: number;
  /** For reading and looking up, together; default 10000. Longer, and the exec is denied. */
  evidenceTimeoutMs?: number;
}
