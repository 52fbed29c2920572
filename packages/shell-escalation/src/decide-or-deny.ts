/** Gets an answer out of a decider, whatever it does. Fails closed because the exec waits for this answer alone: a decider that
 *  throws, answers nonsense or does not answer in time denies, with a reason, and never lets a program run. */
import type { Broker, ExecEvent } from "@sallyport/supervisor";
import type { Decider, Decision } from "./decision/index.ts";

export interface DecideOptions {
  decider: Decider;
  resolve: Broker["resolve"];
  timeoutMs: number;
}

/** Calls `answer` exactly once: at once where the decider is synchronous, so that the usual exec costs no turn of the event loop. */
export function decideOrDeny(event: ExecEvent, options: DecideOptions, answer: (decision: Decision) => void): void {
  let pending: Decision | Promise<Decision>;
  try {
    pending = options.decider.decide(event, options.resolve);
  } catch (error) {
    answer(denyBecause(event, `the decision failed: ${messageOf(error)}`));
    return;
  }
  if (!isPromise(pending)) {
    answer(checked(event, pending));
    return;
  }
  if (event.answeredAtMs !== null) {
    pending.catch(() => {}); // nobody waits for it
    answer(denyBecause(event, "the decision takes time, although an earlier one stands for it"));
    return;
  }
  let answered = false;
  const answerOnce = (decision: Decision): void => {
    if (answered) return;
    answered = true;
    clearTimeout(timer);
    answer(decision);
  };
  const timer = setTimeout(() => {
    answerOnce(denyBecause(event, `no decision within ${options.timeoutMs / 1000} s`));
  }, options.timeoutMs);
  // The program that waits may be killed meanwhile; then nobody needs the answer, and nobody should wait for this.
  timer.unref();
  pending.then(
    (decision) => answerOnce(forThisOnce(checked(event, decision))),
    (error: unknown) => answerOnce(denyBecause(event, `the decision failed: ${messageOf(error)}`)),
  );
}

export function denyBecause(event: ExecEvent, text: string): Decision {
  return {
    verdict: { kind: "deny", reason: text },
    reason: { kind: "default", text },
    file: event.chain[0]?.path ?? event.file,
  };
}

/** A decider of somebody else's may be plain JavaScript, so its answer is looked at before it opens the door. */
function checked(event: ExecEvent, decision: Decision): Decision {
  const kind: unknown = decision?.verdict?.kind;
  const isKnown = kind === "run" || kind === "escalate" || kind === "deny";
  if (!isKnown || typeof decision.reason?.text !== "string" || decision.file === undefined) {
    return denyBecause(
      event,
      "the decision was not understood, expected a verdict of run, escalate or deny with a reason",
    );
  }
  return decision;
}

/** An answer that took time does not stand: the next one has to be there at once. */
function forThisOnce(decision: Decision): Decision {
  const { verdict } = decision;
  return verdict.kind === "run" && verdict.stands === true ? { ...decision, verdict: { kind: "run" } } : decision;
}

function isPromise(value: Decision | Promise<Decision>): value is Promise<Decision> {
  return typeof (value as Partial<Promise<Decision>> | undefined)?.then === "function";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
