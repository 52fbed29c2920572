/** Decides on every exec: collects the evidence, asks the rules, strictest wins. Fails closed because this answer is all that the
 *  waiting exec gets: an error, or no answer in time, denies.
 *
 *      event -> evidence (programs, copies, loader) -> forbidden? unclear? -> opinion -> prompt? -> allow? -> conditions -> verdict
 *               read and looked up, in time            deny                   deny       ask        run       escalate or run  */
import type { ReasonKind, Text } from "@sallyport/protocol";
import { strictest } from "@sallyport/exec-policy";
import type { Broker, ExecEvent, ExecFile, Verdict } from "@sallyport/supervisor";
import { displayPath, planEscalation } from "./escalation.ts";
import type { EscalationContext } from "./escalation.ts";
import type { Evidence } from "./evidence.ts";
import { EvidenceCollector } from "./evidence.ts";
import { Launchers } from "./launchers.ts";
import { loaderSettings, writableSetting } from "./loader-variables.ts";
import { findBoxes } from "./multi-call.ts";
import { isAnonymous } from "./programs.ts";
import { describeRule, deciding } from "./reasons.ts";
import { RuleBook } from "./rule-book.ts";
import type { Copies, Digests, Match, Opinion } from "./rule-book.ts";
import { SearchPath } from "./search-path.ts";
import { SessionEnvironment } from "./session-environment.ts";
import type { Decider, DeciderOptions, Decision, ExecAnswer, ExecForOpinion, ExecOpinion } from "./types.ts";
import { Places } from "./way.ts";

const defaultTimeoutMs = 10_000;
const standing: Verdict = { kind: "run", stands: true };

export function createDecider(options: DeciderOptions): Decider {
  return new RuleDecider(options);
}

/** The decision, and what each rule about the program had to say. Rejects where `decide()` would deny for an error. */
export async function explainDecision(
  options: DeciderOptions,
  event: ExecEvent,
  resolve: Broker["resolve"],
): Promise<{ decision: Decision; opinions: Opinion[] }> {
  return await new RuleDecider(options).explain(event, resolve);
}

class RuleDecider implements Decider {
  readonly #options: DeciderOptions;
  readonly #places: Places;
  readonly #outsidePlaces: Places;
  readonly #rules: RuleBook;
  readonly #evidence: EvidenceCollector;
  readonly #escalation: EscalationContext;

  constructor(options: DeciderOptions) {
    const { session, wall, brokerPid } = options;
    this.#options = options;
    this.#places = new Places(wall);
    // Below an escalated program every path is named as it is outside.
    this.#outsidePlaces = new Places({ ...wall, translate: (path) => path });
    const searchPath = new SearchPath(session);
    this.#rules = new RuleBook(options.ruleSet, searchPath);
    this.#evidence = new EvidenceCollector({
      watched: this.#rules.watched,
      boxes: findBoxes(searchPath),
      asksForContent: (program, cwd, copies) => this.#rules.asksForContent(program, cwd, copies),
      wall,
      places: this.#places,
      brokerPid,
    });
    this.#escalation = {
      options,
      places: this.#places,
      launchers: new Launchers(searchPath),
      environment: new SessionEnvironment(session, this.#places),
    };
  }

  decide(event: ExecEvent, resolve: Broker["resolve"]): Decision | Promise<Decision> {
    try {
      if (event.chain.length === 0)
        return deny(event.file, "identity", "the caller hides its memory, so what it executes can't be read");
      const evidence = this.#evidence.collect(event, resolve);
      return evidence instanceof Promise ? this.#decideLater(event, evidence) : this.#judge(event, evidence);
    } catch (error) {
      return failed(event, error);
    }
  }

  async #decideLater(event: ExecEvent, pending: Promise<Evidence>): Promise<Decision> {
    const timeoutMs = this.#options.evidenceTimeoutMs ?? defaultTimeoutMs;
    const { promise: late, resolve: giveUp } = Promise.withResolvers<null>();
    const timer = setTimeout(() => giveUp(null), timeoutMs);
    try {
      const evidence = await Promise.race([pending, late]);
      if (evidence !== null) return await this.#judge(event, evidence);
      return deny(fileOf(event), "identity", `it could not be told within ${timeoutMs / 1000} s what would run`);
    } catch (error) {
      return failed(event, error);
    } finally {
      clearTimeout(timer);
    }
  }

  async explain(event: ExecEvent, resolve: Broker["resolve"]): Promise<{ decision: Decision; opinions: Opinion[] }> {
    const evidence = await this.#evidence.collect(event, resolve);
    const { copies, digests } = lookUpsOf(evidence);
    const matches = [...this.#restrictions(event, evidence), ...this.#permissions(event, evidence)];
    const opinions = this.#rules.opinions(evidence.programs, event.cwd, copies, digests, matches);
    return { decision: await this.#judge(event, evidence), opinions };
  }

  #restrictions(event: ExecEvent, evidence: Evidence): Match[] {
    const { copies, digests } = lookUpsOf(evidence);
    return this.#rules.restrictions(evidence.programs, event.cwd, copies, digests);
  }

  #permissions(event: ExecEvent, evidence: Evidence, granted: "allows" | "prompts" = "allows"): Match[] {
    const { sureCopies, digests } = lookUpsOf(evidence);
    return this.#rules.permissions(judgedPrograms(evidence), event.cwd, sureCopies, digests, granted);
  }

  #judge(event: ExecEvent, evidence: Evidence): Decision | Promise<Decision> {
    const file = evidence.loaded?.file.path ?? fileOf(event);
    const restrictions = this.#restrictions(event, evidence);
    const strict = strictest(restrictions.map(({ rule }) => rule.decision));
    const decisive = strict === undefined ? undefined : deciding(restrictions, strict);
    if (decisive !== undefined && strict === "forbidden") return deny(file, "rule", describeRule(decisive));
    const foreign = event.chain.find((part) => part.foreign);
    if (foreign !== undefined)
      return deny(file, "identity", `${displayPath(foreign.path)} is a program for another machine`);
    if (evidence.unclear !== null) return deny(file, "identity", evidence.unclear);
    const judged: Judged = { evidence, file, prompt: decisive ?? null };
    return this.#options.consult === undefined
      ? this.#byRules(event, judged, null)
      : this.#withOpinion(event, judged, this.#options.consult.bind(this.#options));
  }

  /** A hook or a harness may tighten what the rules say; never loosen it. */
  async #withOpinion(
    event: ExecEvent,
    judged: Judged,
    consult: (exec: ExecForOpinion) => Promise<ExecOpinion | null>,
  ): Promise<Decision> {
    const { file, prompt, evidence } = judged;
    const allowing = this.#permissions(event, evidence)[0];
    const match = prompt ?? allowing;
    const { requestId, argv, cwd } = event;
    const opinion = await consult({
      requestId,
      file,
      argv,
      cwd,
      parents: this.#options.parentsOf?.(event) ?? [],
      rule:
        match === undefined
          ? null
          : { decision: prompt === null ? "allow" : "prompt", justification: match.rule.justification ?? null },
    });
    if (opinion?.decision === "deny") return deny(file, "hook", opinion.reason);
    return await this.#byRules(event, judged, opinion);
  }

  #byRules(event: ExecEvent, judged: Judged, opinion: ExecOpinion | null): Decision | Promise<Decision> {
    const { evidence, file, prompt } = judged;
    const rule = prompt === null ? null : describeRule(prompt);
    const wish = rule ?? (opinion?.decision === "ask" ? opinion.reason : null);
    if (wish !== null) {
      const kind = rule === null ? "hook" : "rule";
      if (this.#options.ask === undefined)
        return deny(file, kind, `${wish} wants a person to be asked, and nobody was asked`);
      return this.#askFirst(event, { file, reason: wish, kind }, (by) => {
        // Judged only now: what stood on the disk when the question was asked may have been changed since.
        const granted = this.#permissions(event, evidence, "prompts");
        if (granted.length === 0 || keepsInside(event, opinion)) return run(file, "approval", `${wish}${by}`);
        return this.#allow(event, evidence, granted, file);
      });
    }
    const permissions = this.#permissions(event, evidence);
    if (permissions.length === 0) return this.#withoutRule(event, evidence, file);
    const allowed = this.#allow(event, evidence, permissions, file);
    if (opinion === null || allowed.verdict.kind !== "escalate" || !keepsInside(event, opinion)) return allowed;
    return run(file, "hook", `${opinion.reason}: kept inside by ${opinion.by}`);
  }

  #withoutRule(event: ExecEvent, evidence: Evidence, file: Text): Decision | Promise<Decision> {
    const doubt = this.#doubtAbout(event, evidence, file);
    if (doubt === null) {
      const decision = run(file, "default", event.outside ? "no rule matches; it goes on outside" : "no rule matches");
      return this.#stands(event, evidence) ? { ...decision, verdict: standing } : decision;
    }
    if (this.#options.ask === undefined)
      return deny(file, "identity", `${doubt}: no rule allows it, and nobody was asked`);
    return this.#askFirst(event, { file, reason: `${doubt}, and no rule allows it`, kind: "identity" }, (by) =>
      run(file, "approval", `${doubt}${by}`),
    );
  }

  #doubtAbout(event: ExecEvent, evidence: Evidence, file: Text): string | null {
    const anonymous = evidence.programs.find((program) => isAnonymous(program.file));
    if (anonymous !== undefined) return `${displayPath(anonymous.file.path)} has no name in the file system`;
    return this.#loaderProblem(event, evidence, file);
  }

  async #askFirst(event: ExecEvent, about: Doubt, allowed: (by: string) => Decision): Promise<Decision> {
    const answer: ExecAnswer | undefined = await this.#options.ask?.({
      requestId: event.requestId,
      file: about.file,
      argv: event.argv,
      cwd: event.cwd,
      reason: about.reason,
      identity: identityOf(event),
    });
    if (answer?.kind === "allow") return approved(allowed(`; approved by ${answer.by}`), answer.by);
    const why = answer?.kind === "deny" ? answer.reason : "the answer was not understood";
    return deny(about.file, answer?.kind === "deny" ? "approval" : about.kind, `${about.reason}: ${why}`);
  }

  /** Whether the same program by the same name has to run whatever its other arguments and its environment are. The attack:
   *  a file that can be changed from inside becomes another program under the eyes of a verdict that stands, so only what is
   *  out of reach can have one. */
  #stands(event: ExecEvent, evidence: Evidence): boolean {
    return (
      event.answeredAtMs === null &&
      // Whoever is consulted may look at the arguments.
      this.#options.consult === undefined &&
      this.#options.wall.walled &&
      !event.outside &&
      evidence.plain &&
      evidence.programs.every((program) => program.multiCall === null) &&
      event.chain.every((file) => this.#isOutOfReach(file)) &&
      !this.#rules.concerns(evidence.programs, event.cwd)
    );
  }

  /** A second name could lie within reach, except for a file of root's. */
  #isOutOfReach({ path, nlink, uid }: ExecFile): boolean {
    const isKnown = typeof path === "string" && path.startsWith("/") && (nlink === 1 || uid === 0);
    return isKnown && !this.#places.isWritable(path);
  }

  #loaderProblem(event: ExecEvent, evidence: Evidence, program: Text): string | null {
    const settings = [...loaderSettings(event.env), ...evidence.settings];
    const places = event.outside ? this.#outsidePlaces : this.#places;
    return writableSetting(settings, { cwd: event.cwd, program, places });
  }

  #allow(event: ExecEvent, evidence: Evidence, permissions: Match[], file: Text): Decision {
    const first = deciding(permissions, "allow");
    const named = first === undefined ? "" : describeRule(first);
    if (event.outside) {
      // Here the environment is the caller's own, and no wall stands around what it loads.
      const problem = this.#loaderProblem(event, evidence, file);
      if (problem !== null) return deny(file, "identity", `${problem}, and this is outside the wall`);
      return run(file, "rule", `${named} allows it; it goes on outside`);
    }
    if (!this.#options.wall.walled) return run(file, "rule", `${named} allows it; there is no wall to leave`);
    let kept: Decision | undefined;
    // Each rule is judged with its own settings: two rules together never grant what neither grants.
    for (const match of byLength(permissions)) {
      const escalation = planEscalation(match, event, evidence, this.#escalation);
      if (escalation.kind === "possible") {
        const { verdict, droppedEnv } = escalation;
        return { verdict, reason: { kind: "rule", text: `${describeRule(match)} allows it` }, droppedEnv, file };
      }
      kept ??= run(
        file,
        escalation.because,
        `${describeRule(match)} allows it, but it is kept inside: ${escalation.text}`,
      );
    }
    return kept ?? run(file, "rule", named);
  }
}

/** What was found out about an exec that no rule forbids. */
interface Judged {
  evidence: Evidence;
  file: Text;
  /** The rule that wants a person to be asked. */
  prompt: Match | null;
}

/** Outside there is no inside to keep it in: there `run` means that it goes on. */
function keepsInside(event: ExecEvent, opinion: ExecOpinion | null): boolean {
  return opinion?.decision === "run" && !event.outside;
}

interface Doubt {
  file: Text;
  reason: string;
  kind: ReasonKind;
}

/** The record names who allowed it, wherever it then runs. */
function approved(decision: Decision, by: string): Decision {
  const { text } = decision.reason;
  const named = text.endsWith(`approved by ${by}`) ? text : `${text}; approved by ${by}`;
  return {
    ...decision,
    reason: { kind: decision.reason.kind === "rule" ? "approval" : decision.reason.kind, text: named },
  };
}

/** All that an approval is given for: the very files, unchanged, and how they are called. */
function identityOf({ chain, argv, cwd }: ExecEvent): string {
  return JSON.stringify([chain.map(({ path, key, ctimeNs }) => [path, key, String(ctimeNs)]), argv, cwd]);
}

function lookUpsOf(evidence: Evidence): { copies: Copies; sureCopies: Copies; digests: Digests } {
  const copies: Copies = (of) => evidence.copies.get(of)?.files ?? [];
  return {
    copies,
    sureCopies: (of) => (evidence.copies.get(of)?.sure === true ? copies(of) : []),
    digests: (of) => evidence.digests.get(of) ?? null,
  };
}

function byLength(matches: readonly Match[]): Match[] {
  return matches.toReversed().toSorted((left, right) => right.rule.rest.length - left.rule.rest.length);
}

/** What was asked for, or what the dynamic loader was told to run. */
function judgedPrograms({ programs, loaded }: Evidence): Evidence["programs"] {
  return loaded === null ? programs : programs.slice(programs.indexOf(loaded));
}

function fileOf(event: ExecEvent): Text {
  return event.chain[0]?.path ?? event.file;
}

function run(file: Text, kind: ReasonKind, text: string): Decision {
  return { verdict: { kind: "run" }, reason: { kind, text }, file };
}

function deny(file: Text, kind: ReasonKind, text: string): Decision {
  return { verdict: { kind: "deny", reason: text }, reason: { kind, text }, file };
}

function failed(event: ExecEvent, error: unknown): Decision {
  const message = error instanceof Error ? error.message : String(error);
  return deny(fileOf(event), "default", `the decision failed: ${message}`);
}
