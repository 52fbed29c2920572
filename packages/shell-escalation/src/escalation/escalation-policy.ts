/** A policy of one method: what a harness gives to `EscalateServer` and `runShell()`. */
import type { Text } from "@sallyport/protocol";
import type { WallPlan } from "@sallyport/sandbox";
import { textFromBytes } from "@sallyport/supervisor";
import type { ExecEvent, Verdict } from "@sallyport/supervisor";
import { interpreterArgv } from "../decision/programs.ts";
import type { Decider, Decision } from "../decision/index.ts";

/** One program that is about to start. */
export interface EscalationRequest {
  /** After resolving: absolute, without symlinks. */
  file: Text;
  /** As the caller named it. */
  calledAs: Text;
  /** With argv[0]. */
  argv: readonly Text[];
  cwd: Text;
  /** NAME=value entries of the caller. */
  env: readonly Text[];
  pid: number;
  /** Process ids of the ancestors, the nearest first, up to one that had an exec decided. */
  parents: readonly number[];
}

export type EscalationDecision =
  /** Inside the sandbox. */
  | { kind: "run"; reason?: string }
  /** Outside it. `env`: the program's whole environment; default: the caller's, which hostile code inside can have chosen.
   *  @see docs/library.md#what-escalating-means */
  | { kind: "escalate"; env?: readonly Text[]; reason?: string }
  /** Not at all. */
  | { kind: "deny"; reason: string };

export interface EscalationPolicy {
  /** Asked about every program. `signal` aborts when the answer is of no use any more: the program was killed while it waited, or the
   *  answer is too late. A policy that throws, rejects, answers something else or too late denies, with that as the reason. */
  decide(request: EscalationRequest, signal: AbortSignal): EscalationDecision | Promise<EscalationDecision>;
}

/** A decider that asks the policy, and makes its answer one that can be acted on. */
export function policyDecider(policy: EscalationPolicy, plan: Pick<WallPlan, "translate" | "denyRead">): Decider {
  const waiting = new Map<number, AbortController>();
  return {
    decide: (event) => {
      if (event.chain.length === 0)
        return denied(event, "the caller hides its memory, so what it executes can't be read");
      const controller = new AbortController();
      waiting.set(event.requestId, controller);
      const answer = policy.decide(requestOf(event), controller.signal);
      return isPromise(answer)
        ? answer.then((decision) => decisionOf(event, decision, plan))
        : decisionOf(event, answer, plan);
    },
    abandon: (requestId) => {
      const controller = waiting.get(requestId);
      waiting.delete(requestId);
      controller?.abort();
    },
  };
}

function requestOf(event: ExecEvent): EscalationRequest {
  const { argv, cwd, pid, parents } = event;
  return { file: fileOf(event), calledAs: event.file, argv, cwd, env: splitEnvironment(event.env), pid, parents };
}

function decisionOf(
  event: ExecEvent,
  decision: EscalationDecision,
  plan: Pick<WallPlan, "translate" | "denyRead">,
): Decision {
  const kind: unknown = decision?.kind;
  switch (kind) {
    case "run":
      // The policy may ask a person, which takes long enough to put something else in the program's place.
      return {
        verdict: { kind: "run", ifSame: true },
        reason: reasonOf(decision, "the policy runs it"),
        file: fileOf(event),
      };
    case "deny":
      return denied(event, reasonOf(decision, "the policy denies it").text);
    case "escalate":
      return event.outside
        ? { verdict: { kind: "run" }, reason: reasonOf(decision, "it goes on outside"), file: fileOf(event) }
        : escalated(event, decision as EscalationDecision & { kind: "escalate" }, plan); // by its kind
    default:
      return denied(event, "the policy's answer was not understood, expected run, escalate or deny");
  }
}

function escalated(
  event: ExecEvent,
  decision: EscalationDecision & { kind: "escalate" },
  plan: Pick<WallPlan, "translate" | "denyRead">,
): Decision {
  const verdict: Verdict = {
    kind: "escalate",
    chainIndex: event.chain.length - 1,
    argv: [...executedArgv(event)],
    env: decision.env ?? splitEnvironment(event.env),
    cwd: typeof event.cwd === "string" ? plan.translate(event.cwd) : event.cwd,
    denyRead: [...plan.denyRead],
  };
  return { verdict, reason: reasonOf(decision, "the policy carries it outside"), file: fileOf(event) };
}

/** The interpreter of a script is executed with the arguments that the kernel would give it. */
function executedArgv(event: ExecEvent): readonly Text[] {
  let argv: readonly Text[] = event.argv;
  let calledAs = event.file;
  for (const { interpreter } of event.chain) {
    if (interpreter === undefined) break;
    argv = interpreterArgv(interpreter, calledAs, argv);
    calledAs = interpreter.file;
  }
  return argv;
}

function denied(event: ExecEvent, text: string): Decision {
  return { verdict: { kind: "deny", reason: text }, reason: { kind: "approval", text }, file: fileOf(event) };
}

function reasonOf(decision: { reason?: unknown }, otherwise: string): Decision["reason"] {
  return { kind: "approval", text: typeof decision.reason === "string" ? decision.reason : otherwise };
}

function fileOf(event: ExecEvent): Text {
  return event.chain[0]?.path ?? event.file;
}

function splitEnvironment(block: Buffer): Text[] {
  const entries: Text[] = [];
  for (let start = 0; start < block.length;) {
    const found = block.indexOf(0, start);
    const end = found === -1 ? block.length : found;
    entries.push(textFromBytes(block.subarray(start, end)));
    start = end + 1;
  }
  return entries;
}

function isPromise<Value>(value: Value | Promise<Value>): value is Promise<Value> {
  return typeof (value as Partial<Promise<Value>> | undefined)?.then === "function";
}
