/** Decides on every exec: collects the evidence, asks the rules, strictest wins. Fails closed because this answer is all that the
 *  waiting exec gets: an error, or no answer in time, denies.
 *
 *      event -> evidence (programs, copies, loader) -> forbidden? prompt? unclear? -> allow? -> conditions -> verdict
 *               read and looked up, in time            deny                           run       escalate or run  */
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
import type { Copies, Match } from "./rule-book.ts";
import { SearchPath } from "./search-path.ts";
import { SessionEnvironment } from "./session-environment.ts";
import type { Decider, DeciderOptions, Decision } from "./types.ts";
import { Places } from "./way.ts";

const defaultTimeoutMs = 10_000;
const standing: Verdict = { kind: "run", stands: true };

export function createDecider(options: DeciderOptions): Decider {
  return new RuleDecider(options);
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
      if (evidence !== null) return this.#judge(event, evidence);
      return deny(fileOf(event), "identity", `it could not be told within ${timeoutMs / 1000} s what would run`);
    } catch (error) {
      return failed(event, error);
    } finally {
      clearTimeout(timer);
    }
  }

  #judge(event: ExecEvent, evidence: Evidence): Decision {
    const file = evidence.loaded?.file.path ?? fileOf(event);
    const copies: Copies = (of) => evidence.copies.get(of)?.files ?? [];
    const sureCopies: Copies = (of) => (evidence.copies.get(of)?.sure === true ? copies(of) : []);
    const restrictions = this.#rules.restrictions(evidence.programs, event.cwd, copies);
    const strict = strictest(restrictions.map(({ rule }) => rule.decision));
    const decisive = strict === undefined ? undefined : deciding(restrictions, strict);
    if (decisive !== undefined && strict === "forbidden") return deny(file, "rule", describeRule(decisive));
    const foreign = event.chain.find((part) => part.foreign);
    if (foreign !== undefined)
      return deny(file, "identity", `${displayPath(foreign.path)} is a program for another machine`);
    if (evidence.unclear !== null) return deny(file, "identity", evidence.unclear);
    if (decisive !== undefined)
      return deny(file, "rule", `${describeRule(decisive)} wants a person to be asked, and nobody was asked`);
    const permissions = this.#rules.permissions(judgedPrograms(evidence), event.cwd, sureCopies);
    if (permissions.length > 0) return this.#allow(event, evidence, permissions, file);
    return this.#withoutRule(event, evidence, file);
  }

  #withoutRule(event: ExecEvent, evidence: Evidence, file: Text): Decision {
    const unasked = "no rule allows it, and nobody was asked";
    const anonymous = evidence.programs.find((program) => isAnonymous(program.file));
    if (anonymous !== undefined) {
      return deny(file, "identity", `${displayPath(anonymous.file.path)} has no name in the file system: ${unasked}`);
    }
    const problem = this.#loaderProblem(event, evidence, file);
    if (problem !== null) return deny(file, "identity", `${problem}: ${unasked}`);
    const decision = run(file, "default", event.outside ? "no rule matches; it goes on outside" : "no rule matches");
    return this.#stands(event, evidence) ? { ...decision, verdict: standing } : decision;
  }

  /** Whether the same program by the same name has to run whatever its other arguments and its environment are. The attack:
   *  a file that can be changed from inside becomes another program under the eyes of a verdict that stands, so only what is
   *  out of reach can have one. */
  #stands(event: ExecEvent, evidence: Evidence): boolean {
    return (
      event.answeredAtMs === null &&
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
