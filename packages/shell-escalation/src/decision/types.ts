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
  /** The exec waits no longer: it was answered, or its process was killed. Called for each one, once. */
  abandon?(requestId: number): void;
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

/** What somebody is asked about one exec that waits. */
export interface ExecQuestion {
  requestId: number;
  file: Text;
  argv: readonly Text[];
  cwd: Text;
  /** Why it is asked, in one sentence: the rule's justification with its place, or what is unusual. */
  reason: string;
  /** Equal for two execs of the same unchanged files with the same arguments in the same folder: an answer that is remembered
   *  under it does not hold for a program that was replaced meanwhile. */
  identity: string;
}

/** `by` and `reason` go into the record: `the user`, `hook "audit"`. */
export type ExecAnswer = { kind: "allow"; by: string } | { kind: "deny"; reason: string };

/** One exec as it is shown to somebody who may tighten what the rules say. */
export interface ExecForOpinion {
  requestId: number;
  file: Text;
  argv: readonly Text[];
  cwd: Text;
  /** The programs of the processes above it, the nearest first. */
  parents: readonly Text[];
  /** The strictest rule that matches; null: none does. */
  rule: { decision: "allow" | "prompt"; justification: string | null } | null;
}

/** The most restrictive of rules and opinion counts, in the order deny, ask, run, escalate. `run` keeps inside what a rule would
 *  carry outside; `escalate` leaves it to the rules. `by` goes into the record. */
export interface ExecOpinion {
  decision: "deny" | "ask" | "run" | "escalate";
  reason: string;
  by: string;
}

export interface DeciderOptions {
  ruleSet: RuleSet;
  session: Session;
  wall: Wall;
  /** Whether set-user-ID programs keep their privilege below the broker. */
  brokerIsRoot: boolean;
  /** The broker's open files are read through /proc/PID/fd. */
  brokerPid: number;
  /** Asked where a rule says prompt, and for programs that have no name or load code from where the command can write. Absent:
   *  those are denied. A rejection denies. */
  ask?(question: ExecQuestion): Promise<ExecAnswer>;
  /** Asked about every exec that the rules do not deny by themselves. Absent: the rules alone decide. A rejection denies. */
  consult?(exec: ExecForOpinion): Promise<ExecOpinion | null>;
  /** The programs above a waiting exec, for `consult`. */
  parentsOf?(event: ExecEvent): readonly Text[];
  /** For reading and looking up, together; default 10000. Longer, and the exec is denied. */
  evidenceTimeoutMs?: number;
}
