/** What decides on an exec, and what it answers. */
import type { EscalationBounds } from "@sallyport/exec-policy";
import type { Reason, Text } from "@sallyport/protocol";
import type {
  ApprovalBook,
  ApprovalKeep,
  ApprovalProposal,
  RuleSet,
  RuleWatch,
  StoredRule,
} from "@sallyport/rules-store";
import type { Bounds, Broker, ExecEvent, Verdict } from "@sallyport/supervisor";

export interface Decision {
  verdict: Verdict;
  reason: Reason;
  /** With escalate: the variables of the caller that the program does not get, or gets with the session's value. */
  droppedEnv?: Text[];
  /** The program that was decided on: behind the dynamic loader, the one that it loads. */
  file: Text;
  /** The strictest rule that matched; absent: none did, or one forbade it. */
  rule?: ExecRule;
  /** The rule that it was decided by; absent: something else decided. */
  decidedBy?: StoredRule;
}

export interface ExecRule {
  decision: "allow" | "prompt";
  justification: string | null;
}

export interface Decider {
  /** Answers at once where nothing has to be read or looked up. Never throws and never rejects: what cannot be decided is denied. */
  decide(event: ExecEvent, resolve: Broker["resolve"]): Decision | Promise<Decision>;
  /** The exec waits no longer: it was answered, or its process was killed. Called for each one, once. */
  abandon?(requestId: number): void;
  /** The session is over. */
  close?(): void;
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
  /** What a yes may be kept for, the narrowest first; empty where it only can hold once or for the session. */
  proposals: readonly ApprovalProposal[];
  /** `person`: a managed rule wants a person's word each time, so no program may answer in their place, and the yes holds once. */
  answeredBy: "anybody" | "person";
  /** The programs of the processes above it, the nearest first. */
  parents: readonly Text[];
  /** NAME=value entries of its environment that are not as the session started with. */
  changedEnv: readonly Text[];
  /** NAME=value entries that the session started with and that it lacks. */
  droppedEnv: readonly Text[];
  /** The rule that asks, with its place; null where no rule does. */
  rule: string | null;
  /** The id of an approval that answers by now, or null. Whoever asks one question after the other looks again before the next. */
  keptMeanwhile(): string | null;
}

/** `by` and `reason` go into the record: `the user`, `hook "audit"`. `keep`: the yes goes on to hold, for the session or for one of
 *  the question's proposals. */
export type ExecAnswer = { kind: "allow"; by: string; keep?: ApprovalKeep } | { kind: "deny"; reason: string };

/** One exec as it is shown to somebody who may tighten what the rules say. */
export interface ExecForOpinion {
  requestId: number;
  file: Text;
  argv: readonly Text[];
  cwd: Text;
  /** The programs of the processes above it, the nearest first. */
  parents: readonly Text[];
  /** The strictest rule that matches; null: none does. */
  rule: ExecRule | null;
}

/** The most restrictive of rules and opinion counts, in the order deny, ask, run, escalate. `run` keeps inside what a rule would
 *  carry outside; `escalate` leaves it to the rules, and with `mayEscalate` carries outside what no rule is about, by the conditions
 *  of an allow rule. `by` goes into the record. */
export interface ExecOpinion {
  decision: "deny" | "ask" | "run" | "escalate";
  reason: string;
  by: string;
  /** The configuration lets its author escalate. */
  mayEscalate?: boolean;
}

/** What a bounded escalation asks for. */
export interface WantedSandbox {
  requestId: number;
  bounds: EscalationBounds;
  /** Folders and files that have to be seen under their names outside. */
  readable: readonly string[];
}

export interface BoundedSandbox {
  bounds: Bounds;
  /** Variables that the program must get in place of its own. */
  env: Readonly<Record<string, string>>;
}

export interface DeciderOptions {
  ruleSet: RuleSet;
  /** Where the rules follow their files: what it has counts in place of `ruleSet`. */
  watch?: RuleWatch;
  /** Other rules count from now on: no verdict may stand that earlier ones gave. */
  onRulesChanged?(): void;
  /** A change of the rules that does not count, or a yes that could not be kept, and why. */
  onPolicyWarning?(message: string): void;
  session: Session;
  wall: Wall;
  /** Whether set-user-ID programs keep their privilege below the broker. */
  brokerIsRoot: boolean;
  /** The broker's open files are read through /proc/PID/fd. */
  brokerPid: number;
  /** Asked where a rule says prompt, and for programs that have no name or load code from where the command can write. Absent:
   *  those are denied. A rejection denies. */
  ask?(question: ExecQuestion): Promise<ExecAnswer>;
  /** Kept approvals: where one matches, nobody is asked. Absent: every yes holds once. */
  approvals?: ApprovalBook;
  /** What happens to programs that no rule is about; default `run`. */
  defaultDecision?: "run" | "prompt" | "forbidden";
  /** The thread that is worked on, for the origin of approvals. */
  threadId?: string;
  /** Asked about every exec that the rules do not deny by themselves. Absent: the rules alone decide. A rejection denies. */
  consult?(exec: ExecForOpinion): Promise<ExecOpinion | null>;
  /** Makes the sandbox for a program whose rule bounds the escalation, or says why there can't be one, in words that complete "kept
   *  inside: ...". Absent: there can't. */
  sandboxFor?(wanted: WantedSandbox): BoundedSandbox | string;
  /** The programs above a waiting exec, for questions and `consult`. */
  parentsOf?(event: ExecEvent): readonly Text[];
  /** For reading and looking up, together; default 10000. Longer, and the exec is denied. */
  evidenceTimeoutMs?: number;
}
